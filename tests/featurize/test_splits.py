"""Splits in features: no jump where one was known, a new start where it was not, units that say what they scale by."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.featurize import splits_kernel as k
from processors.featurize.config import FeaturizeConfig
from processors.featurize.splits import POWERS, SPLITS, Splits
from processors.featurize.stage import Featurize
from processors.reference.records import MarketEvent
from processors.runtime.batch import Columns
from processors.runtime.state import State, Table
from processors.runtime.strings import STRINGS
from schemas.features import bar_features
from schemas.instruments import load_instruments
from tests.featurize.conftest import make_bars
from tests.featurize.everything import EveryFeature, values_of
from tests.featurize.test_outside import columns
from tests.support import assert_same, joined

SYMBOL = "AIG:US"
DAY_NS = 86_400_000_000_000
MIDNIGHT_NS = int(np.datetime64("2014-06-09T04:00", "ns").astype(np.int64))
"""The ex-date's midnight in New York."""
OPEN_NS = MIDNIGHT_NS + 34_200_000_000_000
PRICES = ("o", "h", "l", "c", "vwap", "bid", "ask")
N, AT = 400, 300


def event(
    value: float | None,
    known_ns: int,
    kind: str = "split",
    ts_ns: int = OPEN_NS,
    event_id: str = "s",
    name: str = "ratio",
) -> MarketEvent:
    """Return an announcement."""
    return MarketEvent(SYMBOL, event_id, kind, name, ts_ns, known_ns, value, "new shares per old", "", "test")


def days(n: int = N, at: int = AT, seed: int = 7) -> Columns:
    """Return daily bars of round trading hours; bar ``at`` is that of the ex-date."""
    bars = make_bars(n, seed, symbol=SYMBOL, tf="1d", tf_ns=DAY_NS, start_ns=0)
    bars["ts_start"] = OPEN_NS + (np.arange(n) - at) * DAY_NS
    bars["ts"] = bars["ts_start"] + 23_400_000_000_000  # type: ignore[operator]
    bars["v"] = np.random.default_rng(seed).integers(1, 99, n) * 4096.0
    return bars


def split(bars: Columns, ratio: float, at: int = AT) -> Columns:
    """Return bars with more shares, each worth less, from one on."""
    out = bars.take(np.arange(len(bars)))
    for name in PRICES:
        out[name][at:] /= ratio
    out["v"][at:] *= ratio
    return out


def run(stage: Featurize, bars: Columns, events: Sequence[MarketEvent] = ()) -> Columns:
    """Return the rows of a run that has the events from its start."""
    state = stage.open()
    if events:
        stage.step(state, columns("events.v1", events))
    return stage.step(state, bars).records["features.v1"]


@pytest.fixture(scope="module")
def every() -> Featurize:
    """Return the stage with all features."""
    return Featurize(EveryFeature())


@pytest.fixture(scope="module")
def founding() -> Featurize:
    """Return the stage with the founding pack."""
    return Featurize(FeaturizeConfig())


def known_answers(founding: Featurize, events: Sequence[MarketEvent], ratio: float = 7.0) -> tuple[float, float]:
    """Return log return and RSI of the ex-date of a split."""
    rows = values_of(run(founding, split(days(), ratio), events))
    return float(rows["log_return_1"][AT]), float(rows["rsi_14_value"][AT])


def test_a_split_that_was_known_is_no_move_of_the_price(founding: Featurize) -> None:
    """Raw, seven shares for one are a log return of -1.9 and an RSI near 0; known, both are of the unsplit share."""
    plain = values_of(run(founding, days()))
    log_return, rsi = known_answers(founding, [])
    assert log_return == pytest.approx(plain["log_return_1"][AT] - np.log(7.0), abs=1e-12)
    assert rsi < 5.0
    log_return, rsi = known_answers(founding, [event(7.0, OPEN_NS - 40 * DAY_NS)])
    assert log_return == pytest.approx(plain["log_return_1"][AT], abs=1e-12)
    assert rsi == pytest.approx(plain["rsi_14_value"][AT], rel=1e-9)


def test_every_feature_is_that_of_the_unsplit_share_in_shares_of_its_own_bar(every: Featurize) -> None:
    """Four shares for one (no rounding): features are equal to the bit, prices and volumes after their scaling."""
    # A split of one for one is the same event for the features that count days to one.
    plain = values_of(run(every, days(), [event(1.0, OPEN_NS - DAY_NS)]))
    found = values_of(run(every, split(days(), 4.0), [event(4.0, OPEN_NS - DAY_NS)]))
    for f in bar_features():
        price, volume = POWERS.get(f.unit, (0, 0))
        expected = plain[f.name].copy()
        expected[AT:] *= 4.0 ** (volume - price)
        np.testing.assert_array_equal(found[f.name], expected, err_msg=f.name)


ANGLE = "regression_14_angle"
"""The angle of a slope in price units is no power of a price: it stays in shares of the symbol's first bar."""
LOG_VOLUME_ERROR = 1e-4
"""Features of log(1 + volume): the 1 is another part of another volume."""


def test_a_feature_scales_as_its_unit_says(every: Featurize) -> None:
    """A share of a quarter of the price and four times the volume gives each feature times the powers of its unit."""
    plain = values_of(run(every, days()))
    small = values_of(run(every, split(days(), 4.0, at=0)))
    wrong = {}
    for f in bar_features():
        price, volume = POWERS.get(f.unit, (0, 0))
        expected = plain[f.name] * 4.0 ** (volume - price)
        volumes = "vol" in f.meaning.lower() or f.indicator == "liq_stress_v1"
        if not np.allclose(small[f.name], expected, 1e-7, LOG_VOLUME_ERROR if volumes else 1e-9, equal_nan=True):
            wrong[f.name] = f.unit
    assert wrong == {ANGLE: "degrees"}


def test_a_split_is_never_in_a_row_before_it_was_known(founding: Featurize) -> None:
    """Rows up to the announcement are those of a run that never hears of it, bit for bit."""
    bars = split(days(), 7.0)
    known_ns = int(bars["ts"][AT + 9])
    without, late = run(founding, bars), run(founding, bars, [event(7.0, known_ns)])
    assert_same(late.take(slice(0, AT + 9)), without.take(slice(0, AT + 9)))


def test_a_split_that_was_announced_late_starts_the_symbol_anew(founding: Featurize) -> None:
    """From the first bar that knows it on, rows are those of a series that begins there: not warm, nothing invented."""
    bars = split(days(), 7.0)
    at = AT + 9
    late = run(founding, bars, [event(7.0, int(bars["ts"][at]))])
    fresh = run(founding, bars.take(slice(at, N)))
    assert_same(late.take(slice(at, N)), fresh)
    assert late["warm"][at - 1]
    assert not late["warm"][at]


def test_a_split_that_comes_late_starts_anew_a_symbol_that_had_none(founding: Featurize) -> None:
    """Published when bars of its ex-date are out it gives the rows of one that was in the topic from the beginning."""
    bars, at = split(days(), 7.0), AT + 9
    late = event(7.0, int(bars["ts"][at]))
    state = founding.open()
    before = founding.step(state, bars.take(slice(0, at))).records["features.v1"]
    founding.step(state, columns("events.v1", [late]))
    after = founding.step(state, bars.take(slice(at, N))).records["features.v1"]
    assert_same(joined([before, after]), run(founding, bars, [late]))


def test_the_cross_section_hears_that_a_symbol_starts_anew(founding: Featurize) -> None:
    """Its rows name the bar from which closes are in other shares, in every timeframe; without a late split it is 0."""
    bars, at = split(days(), 7.0), AT + 9
    began = int(bars["ts"][at])
    state = founding.open()
    founding.step(state, columns("events.v1", [event(7.0, began)]))
    universe = founding.step(state, bars).records["universe.v1"]
    assert np.asarray(universe["basis_ns"]).tolist() == [0] * at + [began] * (N - at)
    hour = bars.take(slice(at, N))
    hour["tf"] = STRINGS.code("1h")
    universe = founding.step(state, hour).records["universe.v1"]
    assert set(np.asarray(universe["basis_ns"]).tolist()) == {began}


def test_a_split_that_is_called_off_after_it_was_applied_starts_the_symbol_anew(founding: Featurize) -> None:
    """Withdrawn too late an action has scaled bars, so the symbol starts anew; withdrawn in time it scales none."""
    bars = days()
    told = event(7.0, OPEN_NS - 9 * DAY_NS)
    in_time = run(founding, bars, [told, event(None, OPEN_NS - DAY_NS)])
    assert_same(in_time, run(founding, bars))
    at = AT + 3
    too_late = run(founding, bars, [told, event(None, int(bars["ts"][at]))])
    assert_same(too_late.take(slice(at, N)), run(founding, bars.take(slice(at, N))))


def test_trade_before_the_open_of_the_ex_date_is_in_new_shares(founding: Featurize) -> None:
    """A minute after midnight in New York is scaled though the event is at the open; a minute before it is not."""
    state = founding.open()
    founding.step(state, columns("events.v1", [event(7.0, OPEN_NS - DAY_NS)]))
    bars = days(3, 1)
    ends = np.array([MIDNIGHT_NS, MIDNIGHT_NS + 60_000_000_000, OPEN_NS])
    bars["ts"], bars["ts_start"] = ends, ends - 60_000_000_000
    bars["tf"] = STRINGS.code("1m")
    rows = founding.step(state, split(bars, 7.0, at=1)).records["features.v1"]
    plain = run(founding, bars)
    np.testing.assert_allclose(values_of(rows)["log_return_1"], values_of(plain)["log_return_1"], atol=1e-12)


def test_a_cash_dividend_stays_in_the_features(founding: Featurize) -> None:
    """A dividend and a spin-off change no feature: their drop is a move of the price; a stock dividend is 1 + ratio."""
    bars, known = days(), OPEN_NS - DAY_NS
    paid = [event(1.0, known, "dividend", name="amount"), event(20.0, known, "spin_off", event_id="o", name="amount")]
    for name, values in values_of(run(founding, bars)).items():
        np.testing.assert_array_equal(values_of(run(founding, bars, paid))[name], values, err_msg=name)
    stock = values_of(run(founding, split(bars, 1.25), [event(0.25, known, "stock_dividend")]))
    np.testing.assert_allclose(stock["log_return_1"], values_of(run(founding, bars))["log_return_1"], atol=1e-12)


def test_the_order_of_announcements_and_the_cut_of_batches_do_not_matter(founding: Featurize) -> None:
    """Events in any order, bars one at a time, and state restored in between give the rows of one batch."""
    bars = split(split(days(120, 60), 4.0, 60), 2.0, 90)
    second = OPEN_NS + 30 * DAY_NS
    events = [
        event(4.0, OPEN_NS - DAY_NS), event(3.0, second - 9 * DAY_NS, ts_ns=second, event_id="t"),
        event(2.0, second - DAY_NS, ts_ns=second, event_id="t"),
        event(5.0, int(bars["ts"][100]), ts_ns=OPEN_NS + DAY_NS, event_id="u"),
    ]  # fmt: skip
    whole = run(founding, bars, events)
    assert (np.diff(whole["warm"].astype(int)) < 0).sum() == 1
    state, changelog, parts = founding.open(), dict[bytes, bytes](), []
    for e in reversed(events):
        founding.step(state, columns("events.v1", [e]))
    for i in range(len(bars)):
        parts.append(founding.step(state, bars.take(slice(i, i + 1))).records["features.v1"])
        changelog |= dict(state.changed())
        state = founding.open()
        state.restore(changelog)
    assert_same(joined(parts), whole)


def test_the_cross_section_counts_closes_in_the_shares_of_the_first_bar(founding: Featurize) -> None:
    """Closes of universe.v1 are times, and volumes over, the shares that one has become: no momentum jumps."""
    state, bars = founding.open(), days()
    founding.step(state, columns("events.v1", [event(4.0, OPEN_NS - DAY_NS)]))
    universe = founding.step(state, split(bars, 4.0)).records["universe.v1"]
    np.testing.assert_array_equal(universe["close"], bars["c"])
    np.testing.assert_array_equal(universe["volume"], bars["v"])


def plain_scale(actions: Sequence[tuple[int, int, int, float]], first: int, end: int, known: int) -> float:
    """Return the product of the newest known revision of each action, by definition."""
    product = 1.0
    for identity in {a[0] for a in actions}:
        seen = [a for a in actions if a[0] == identity and a[2] <= known]
        if seen:
            _, ex, _, shares = max(seen, key=lambda a: a[2])
            product *= shares if first <= ex < end and shares == shares else 1.0  # noqa: PLR0124 - NaN
    return product


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(1, 4), st.integers(0, 20)),
        st.tuples(st.integers(0, 20), st.sampled_from([2.0, 4.0, 0.5, float("nan")])), max_size=12,
    ),
    st.integers(0, 20), st.integers(0, 25), st.integers(0, 25),
)  # fmt: skip
def test_the_scale_is_the_product_of_what_was_known(
    given_actions: dict[tuple[int, int], tuple[int, float]], first: int, end: int, known: int
) -> None:
    """Of any set of revisions, each action counts as last announced, if its ex-date lies in the span."""
    actions = [(i, ex, at, x) for (i, at), (ex, x) in given_actions.items()]
    columns_of = [np.zeros(k.ACTIONS_MAX, np.int64) for _ in range(3)]
    shares = np.full(k.ACTIONS_MAX, np.nan)
    for j, (i, ex, at, x) in enumerate(actions):
        for column, value in zip(columns_of, (i, ex, at), strict=True):
            column[j] = value
        shares[j] = x
    assert k.scale_of(first, end, known, len(actions), *columns_of, shares) == plain_scale(actions, first, end, known)


def test_a_file_of_splits_counts_as_the_topic_does() -> None:
    """Actions of MPS_FACTS are in a symbol's row from its first bar on, once, and not in that of another symbol."""
    splits, table = Splits(load_instruments(), [event(7.0, 1)]), Table(SPLITS)
    for _ in range(2):
        ts = np.array([OPEN_NS - DAY_NS, OPEN_NS + DAY_NS])
        scale, _, restarts = splits.scales(table, np.full(2, STRINGS.code(SYMBOL)), ts, np.ones(2, np.bool_))
    assert scale.tolist() == [1.0, 7.0]
    assert not len(restarts)
    assert int(table.rows["n"][0]) == 1
    other = splits.scales(table, np.full(2, STRINGS.code("BTC-USD:CRYPTO")), ts, np.ones(2, np.bool_))[0]
    assert other.tolist() == [1.0, 1.0]


def test_of_too_many_revisions_the_newest_ex_dates_are_kept() -> None:
    """A row has room for a number of revisions; the oldest ex-date gives way, whatever the order they come in."""
    splits = Splits(load_instruments())
    events = [event(2.0, 1, ts_ns=OPEN_NS + i * DAY_NS, event_id=str(i)) for i in range(k.ACTIONS_MAX + 3)]
    forward, backward = Table(SPLITS), Table(SPLITS)
    splits.add(forward, events)
    splits.add(backward, reversed(events))
    assert forward.rows[0].tobytes() == backward.rows[0].tobytes()
    assert int(forward.rows["ex_ns"][0].min()) == MIDNIGHT_NS + 3 * DAY_NS


def test_what_is_no_split_of_a_known_symbol_is_left() -> None:
    """Another name, a type that leaves the shares alone, a ratio that cannot be, and an unknown symbol keep nothing."""
    splits, table, state = Splits(load_instruments()), Table(SPLITS), State((SPLITS,))
    stranger = MarketEvent("NOBODY:US", "s", "split", "ratio", 1, 1, 2.0, "x", "", "t")
    splits.add(table, [event(2.0, 1, name="note"), event(2.0, 1, "dividend"), event(-2.0, 1), stranger])
    assert len(table) == len(state[SPLITS.name]) == 0
