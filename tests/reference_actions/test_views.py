"""Adjusted views against their definition, and against what was not yet known."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.errors import ConfigError
from processors.reference.actions.events import Action, Kind, known_at
from processors.reference.actions.factors import CONVENTIONS, Closes, Convention, day_number, factor_table
from processors.reference.actions.views import Rows, adjusted_as_of, raw_as_of, returns_as_known

FIRST = date(2020, 1, 1)
NS_A_DAY = 86_400 * 10**9


def rows_of(close: list[float]) -> Rows:
    """Return daily rows from FIRST on, each known at the end of its day."""
    day = np.arange(len(close)) + day_number(FIRST)
    price = np.array(close)[:, None] * np.array([0.99, 1.0])
    return Rows(day, (day + 1) * NS_A_DAY, price, np.arange(len(close)) + 100.0)


def table_of(actions: list[Action], rows: Rows, convention: Convention):
    return factor_table(actions, Closes(rows.day, rows.known_ns, rows.price[:, 1]), convention)


def naive(rows: Rows, actions: list[Action], as_of_ns: int, convention: str) -> tuple[list[float], list[float]]:
    """Return closes and volumes as known at a time, written out from the definition."""
    seen = [i for i in range(len(rows.day)) if rows.known_ns[i] <= as_of_ns]
    close, volume = [float(rows.price[i, 1]) for i in seen], [float(rows.volume[i]) for i in seen]
    raw = list(close)
    for action in known_at(actions, as_of_ns):
        ex = day_number(action.ex_date)
        after = [i for i in seen if rows.day[i] >= ex]
        before = [i for i in seen if rows.day[i] < ex]
        if not after or not before or action.kind in (Kind.MERGER, Kind.SYMBOL_CHANGE):
            continue
        shares, d = action.shares_after, action.value_out
        previous, at_ex = raw[before[-1]], raw[after[0]]
        factor = (1 - d / previous) if convention == "previous_close" else at_ex / (at_ex + d)
        for i in before:
            close[i] *= factor / shares
            volume[i] *= shares
    return close, volume


@st.composite
def histories(draw: st.DrawFn) -> tuple[Rows, list[Action]]:
    """Return rows and actions with revisions, announced before or after their ex-dates."""
    close = draw(st.lists(st.floats(20.0, 50.0), min_size=2, max_size=12))
    actions = []
    for n in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from([Kind.SPLIT, Kind.CASH_DIVIDEND, Kind.STOCK_DIVIDEND, Kind.SPIN_OFF, Kind.MERGER]))
        ex = FIRST + timedelta(days=draw(st.integers(-1, len(close))))
        for _ in range(draw(st.integers(1, 3))):
            known = (day_number(FIRST) + draw(st.integers(-3, len(close) + 2))) * NS_A_DAY + 7
            values = {"amount": draw(st.floats(0.1, 9.0)), "ratio": draw(st.floats(0.1, 4.0)), "other": "B:XNYS"}
            gone = draw(st.booleans())
            actions.append(Action(f"a{n}", "X:XNYS", kind, ex, known, cancelled=gone, **values))
    return rows_of(close), actions


@settings(max_examples=150, deadline=None)
@given(histories(), st.sampled_from(sorted(CONVENTIONS)), st.integers(-1, 16))
def test_an_adjusted_view_is_its_definition(history: tuple[Rows, list[Action]], convention: Convention, days: int):
    """At any time, every row before an ex-date is multiplied by the factors known then, and only those."""
    rows, actions = history
    as_of = (day_number(FIRST) + days) * NS_A_DAY + 11
    view = adjusted_as_of(rows, table_of(actions, rows, convention), as_of)
    close, volume = naive(rows, actions, as_of, convention)
    np.testing.assert_allclose(view.price[:, 1], close, rtol=1e-12)
    np.testing.assert_allclose(view.price[:, 0], np.array(close) * 0.99, rtol=1e-12)
    np.testing.assert_allclose(view.volume, volume, rtol=1e-12)


@settings(max_examples=150, deadline=None)
@given(histories(), histories(), st.sampled_from(sorted(CONVENTIONS)), st.integers(0, 14))
def test_what_is_announced_or_traded_later_changes_no_earlier_view(
    history: tuple[Rows, list[Action]], later: tuple[Rows, list[Action]], convention: Convention, days: int
):
    """Other actions after a time, and other prices after it, leave views and returns up to it bitwise alike."""
    rows, actions = history
    as_of = (day_number(FIRST) + days) * NS_A_DAY + 11
    late = [replace(a, known_ns=max(a.known_ns, as_of + 1)) for a in later[1]]
    price = rows.price.copy()
    price[rows.known_ns > as_of] *= 1.5
    changed = replace(rows, price=price)
    before, after = table_of(actions, rows, convention), table_of(actions + late, changed, convention)
    view, other = adjusted_as_of(rows, before, as_of), adjusted_as_of(changed, after, as_of)
    assert view.price.tobytes() == other.price.tobytes()
    assert view.volume.tobytes() == other.volume.tobytes()
    n = len(view.day)
    ours = returns_as_known(rows.day, rows.known_ns, rows.price[:, 1], before)[:n]
    theirs = returns_as_known(rows.day, rows.known_ns, price[:, 1], after)[:n]
    assert ours.tobytes() == theirs.tobytes()


@settings(max_examples=80, deadline=None)
@given(histories(), st.sampled_from(sorted(CONVENTIONS)))
def test_a_return_as_known_is_the_last_return_of_the_view_at_that_row(
    history: tuple[Rows, list[Action]], convention: Convention
):
    """The return into a row is the one that the adjusted view shows at the moment the row becomes known."""
    rows, actions = history
    table = table_of(actions, rows, convention)
    got = returns_as_known(rows.day, rows.known_ns, rows.price[:, 1], table)
    assert np.isnan(got[0])
    for i in range(1, len(rows.day)):
        close = adjusted_as_of(rows, table, int(rows.known_ns[i])).price[:, 1]
        assert got[i] == pytest.approx(np.log(close[-1] / close[-2]), abs=1e-12)


def test_a_split_is_adjusted_only_from_its_first_session():
    """On the evening before the ex-date a split announced long ago changes nothing; on the next evening it does."""
    rows = rows_of([70.0, 70.0, 10.0])
    split = Action("s", "X:XNYS", Kind.SPLIT, FIRST + timedelta(days=2), 0, ratio=7.0)
    table = table_of([split], rows, "previous_close")
    assert adjusted_as_of(rows, table, int(rows.known_ns[1])).price[:, 1].tolist() == [70.0, 70.0]
    last = adjusted_as_of(rows, table, int(rows.known_ns[2]))
    np.testing.assert_allclose(last.price[:, 1], 10.0)
    np.testing.assert_allclose(last.volume, [700.0, 707.0, 102.0])
    assert raw_as_of(rows, int(rows.known_ns[2])).price[0, 1] == 70.0


def test_the_conventions_differ_by_the_reference_close():
    """One dividend, two factors: at the close before, and at the close of the ex-date."""
    rows = rows_of([100.0, 90.0])
    cash = Action("d", "X:XNYS", Kind.CASH_DIVIDEND, FIRST + timedelta(days=1), 0, amount=10.0)
    assert table_of([cash], rows, "previous_close").price.tolist() == [0.9]
    assert table_of([cash], rows, "ex_close").price.tolist() == [0.9]
    moved = rows_of([100.0, 190.0])
    assert table_of([cash], moved, "ex_close").price.tolist() == [0.95]


def test_a_dividend_above_the_close_before_is_refused():
    """More than the share was worth cannot leave it: the error names action, amount and convention."""
    rows = rows_of([5.0, 4.0])
    cash = Action("d", "X:XNYS", Kind.CASH_DIVIDEND, FIRST + timedelta(days=1), 0, amount=6.0)
    with pytest.raises(ConfigError, match=r"below the close 5 .*previous_close"):
        table_of([cash], rows, "previous_close")
    assert table_of([cash], rows, "ex_close").price.tolist() == [0.4]


def test_rows_and_closes_out_of_order_are_refused():
    """Neither days nor times may go back."""
    rows = rows_of([5.0, 4.0])
    with pytest.raises(ConfigError, match="out of order"):
        raw_as_of(replace(rows, known_ns=rows.known_ns[::-1].copy()), 0)
    with pytest.raises(ConfigError, match="one close a day"):
        factor_table([], Closes(rows.day * 0, rows.known_ns, rows.price[:, 1]), "ex_close")
    with pytest.raises(ConfigError, match="convention"):
        factor_table([], Closes(rows.day, rows.known_ns, rows.price[:, 1]), "mixed")  # type: ignore[arg-type]
