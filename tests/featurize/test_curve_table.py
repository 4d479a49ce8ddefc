"""The first three contracts of a root before a bar's end."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.featurize.curve_table import (
    CONTRACTS_MAX,
    DAY_NS,
    LEGS,
    NO_CONTRACT,
    ROOTS,
    YEAR_NS,
    Contracts,
    _follow,
)
from processors.featurize.indicators import layout as c
from processors.runtime.state import Table
from schemas.instruments import Instrument, Instruments

Bar = tuple[int, int, float]
"""Last trade of the contract and end of the bar in days, close."""


def followed(bars: Sequence[Bar], table: Table | None = None, age: int = 5, revision: Sequence[int] = ()) -> np.ndarray:
    """Return price and years of three legs before each bar of one root."""
    table = Table(ROOTS) if table is None else table
    n, out = len(bars), np.full((len(bars), 2 * LEGS), np.nan)
    slots = table.slots(np.zeros(n, np.int64))
    contract, ts = (np.array([b[i] for b in bars], np.int64) * DAY_NS for i in (0, 1))
    first_time = np.array([not r for r in revision or [0] * n])
    rows = table.rows
    _follow(
        slots, contract, ts, first_time, np.array([b[2] for b in bars]), age * DAY_NS,
        rows["last_trade_ns"], rows["ts"], rows["close"], table.dirty, out,
    )  # fmt: skip
    return out


def naive(bars: Sequence[Bar], i: int, age: int) -> list[float]:
    """Return the same for bar i by a search over all bars before its end."""
    now = bars[i][1]
    newest: dict[int, tuple[int, float]] = {}
    for contract, end, close in bars[:i]:
        # The first bar that ends at an instant says the close; one that comes late says nothing.
        if end < now <= end + age and contract > now and (contract not in newest or end > newest[contract][0]):
            newest[contract] = (end, close)
    legs = sorted(newest)[:LEGS]
    none = [np.nan] * (LEGS - len(legs))
    return [*(newest[k][1] for k in legs), *none, *((k - now) * DAY_NS / YEAR_NS for k in legs), *none]


ordered = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 40), st.floats(1, 99)), min_size=1, max_size=40
).map(lambda bars: sorted(bars, key=lambda b: b[1]))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(bars=ordered, cut=st.integers(0, 40))
def test_legs_are_the_last_closes_before_the_bar(bars: list[Bar], cut: int) -> None:
    """Each leg is the newest close that ended before, of contracts that still trade, whatever the cut into batches."""
    bars = [b for b in bars if b[0] > b[1]][:CONTRACTS_MAX]
    expected = np.array([naive(bars, i, 5) for i in range(len(bars))]).reshape(-1, 2 * LEGS)
    table = Table(ROOTS)
    got = np.concatenate([followed(part, table) for part in (bars[:cut], bars[cut:])])
    np.testing.assert_allclose(got, expected, 1e-15)


@settings(max_examples=100, deadline=None)
@given(bars=ordered, order=st.randoms(use_true_random=False))
def test_bars_that_end_together_may_come_in_any_order(bars: list[Bar], order: object) -> None:
    """Shuffled within each instant, bars of different contracts see the same curve: no leg is of the same instant."""
    bars = [*{b[:2]: b for b in bars}.values()]
    shuffled = list(bars)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    shuffled.sort(key=lambda b: b[1])
    one = dict(zip((b[:2] for b in bars), followed(bars).tolist(), strict=True))
    other = dict(zip((b[:2] for b in shuffled), followed(shuffled).tolist(), strict=True))
    for key, row in one.items():
        np.testing.assert_array_equal(other[key], row)


def test_a_contract_leaves_the_curve_at_its_last_trade_and_an_old_price_after_its_limit() -> None:
    """The front contract is gone from its last trade on; an older price than the limit is none, others move up."""
    bars: list[Bar] = [
        (10, 1, 1.0),
        (20, 1, 2.0),
        (30, 1, 3.0),
        (10, 9, 1.5),
        (20, 9, 2.5),
        (99, 9, 4.0),
        (99, 10, 4.5),
    ]
    prices = followed(bars)[:, :LEGS]
    np.testing.assert_array_equal(prices[3], [np.nan] * 3)
    np.testing.assert_array_equal(prices[6], [2.5, 4.0, np.nan])
    np.testing.assert_array_equal(followed(bars, age=30)[6, :LEGS], [2.5, 3.0, 4.0])


def test_a_revision_changes_no_leg() -> None:
    """A corrected close is not the one that was known."""
    bars: list[Bar] = [(10, 1, 1.0), (10, 2, 1.1), (10, 2, 9.9), (20, 3, 5.0)]
    assert followed(bars, revision=[0, 0, 1, 0])[3, 0] == 1.1


def test_a_root_keeps_two_years_of_months_and_makes_room_for_new_ones() -> None:
    """Contracts that are over give way; the table is never full."""
    bars: list[Bar] = [(30 * m + 30, 30 * m + d, float(m)) for m in range(80) for d in (1, 2)]
    out = followed(bars)
    np.testing.assert_array_equal(out[1::2, 0], np.arange(80.0))


def instruments() -> Instruments:
    """Return three contracts of gold, the root itself and a share."""
    rows = [("GCZ13:CMX", "future", "GC:CMX"), ("GCG14:CMX", "future", "GC:CMX"), ("GCJ14:CMX", "future", "GC:CMX"),
            ("GC:CMX", "metal", ""), ("AIG:US", "equity", ""), ("ODD:CMX", "future", "ODD:CMX")]  # fmt: skip
    return Instruments([Instrument(s, a, "trade", 0.1, 1, 100, "USD", "METAL", root or s) for s, a, root in rows])


def test_contracts_are_known_by_their_symbols_and_dates() -> None:
    """Last trades come from the exchange's rules; a symbol that no rule knows is no contract; the root has a curve."""
    known = Contracts(instruments())
    days = (known.last_trade_ns // DAY_NS).tolist()
    # Third last business day of the month; midnight after it.
    assert days[:3] == [np.datetime64(d).astype(int) + 1 for d in ("2013-12-27", "2014-02-26", "2014-04-28")]
    assert days[3:] == [NO_CONTRACT] * 3
    assert known.has_curve.tolist() == [True, True, True, True, False, True]


def test_the_root_and_each_contract_see_the_curve_and_a_share_none() -> None:
    """After bars of three contracts, the columns of a bar of the root hold their closes and years in order."""
    known, table = Contracts(instruments()), Table(ROOTS)
    row_of = np.array([2, 0, 1, 3, 4, 0])
    ts = np.array([np.datetime64("2013-12-02", "ns").astype(int) + m * 60_000_000_000 for m in (1, 1, 1, 2, 2, 2)])
    bars = np.full((6, c.N_BAR), np.nan)
    known.follow(table, row_of, ts, np.ones(6, bool), np.array([3.0, 1.0, 2.0, 7.0, 8.0, 1.1]), 5 * DAY_NS, bars)
    assert np.isnan(bars[:3, c.F1 : c.F3_YEARS + 1]).all()
    for i in (3, 5):
        assert bars[i, [c.F1, c.F2, c.F3]].tolist() == [1.0, 2.0, 3.0]
        assert bars[i, c.F1_YEARS] == pytest.approx(25.9986 / 365.25, abs=1e-5)
        assert bars[i, c.F1_YEARS] < bars[i, c.F2_YEARS] < bars[i, c.F3_YEARS]
    assert np.isnan(bars[4]).all()
