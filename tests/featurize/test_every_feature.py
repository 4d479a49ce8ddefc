"""What the schema says of each feature, and that a batch, a stream and a restored stream give the same rows.

All features of the schema are found by reading it.
"""

from itertools import pairwise

import numpy as np
import pytest

from processors.featurize.facts_table import FACTS, HEADS, FactTable
from processors.featurize.stage import Featurize
from processors.reference.records import Fundamental
from processors.runtime.batch import Columns
from schemas.features import WARMUP, Feature, bar_features
from schemas.timeframes import TIMEFRAME_NS
from tests.featurize.conftest import make_bars
from tests.featurize.everything import MAIN, START_NS, EveryFeature, by_time, facts, market, opened, rows_of, values_of
from tests.support import assert_same, joined

DAY_NS = TIMEFRAME_NS["1d"]
N_BARS = 900


@pytest.fixture(scope="module")
def every() -> Featurize:
    """Return the stage with all features."""
    return Featurize(EveryFeature())


@pytest.fixture(scope="module")
def series(every: Featurize) -> dict[str, np.ndarray]:
    """Return every feature over one long series of minutes, with quotes, volume and facts."""
    bars = make_bars(N_BARS, 3, symbol=MAIN, start_ns=START_NS + 90 * DAY_NS)
    return values_of(rows_of(every, bars, facts()))


def needs(features: tuple[Feature, ...], policy: str) -> list[Feature]:
    """Return the features with a missing policy."""
    return [f for f in features if f.missing_policy == policy]


def test_a_feature_with_a_window_comes_when_the_schema_says_and_stays(series: dict[str, np.ndarray]) -> None:
    """Of each feature that is null only until its window is full, the first value is at its warmup_bars, none after."""
    wrong = {}
    for f in needs(bar_features(), WARMUP):
        there = np.flatnonzero(~np.isnan(series[f.name]))
        first = int(there[0]) + 1 if len(there) else 0
        if first != f.warmup_bars or len(there) != N_BARS - first + 1:
            wrong[f.name] = (first, f.warmup_bars, len(there))
    assert wrong == {}


def test_no_feature_comes_before_the_schema_says(series: dict[str, np.ndarray]) -> None:
    """No optional feature has a value before its warmup_bars."""
    early = {
        f.name: int(np.flatnonzero(~np.isnan(series[f.name]))[0]) + 1
        for f in bar_features()
        if not np.isnan(series[f.name][: f.warmup_bars - 1]).all()
    }
    assert early == {}


def test_every_value_is_in_the_range_of_the_schema(every: Featurize, series: dict[str, np.ndarray]) -> None:
    """No value, of this series or of the small market, leaves its range, and none is infinite."""
    outside = {}
    small = values_of(rows_of(every, market(), facts()))
    for f in bar_features():
        low, high = (float(x) for x in f.range.strip("()[]").split(","))
        values = np.concatenate([series[f.name], small[f.name]])
        values = values[~np.isnan(values)]
        if not ((values >= low) & (values <= high) & np.isfinite(values)).all():
            outside[f.name] = (f.range, values.min(), values.max())
    assert outside == {}


def test_a_stream_gives_the_rows_of_the_batch(every: Featurize) -> None:
    """Bars one batch, and in pieces with the state restored in between: equal rows, bit for bit, over all features."""
    bars, known = market(), facts()
    whole = rows_of(every, bars, known)
    state, changelog, parts = opened(every, known), dict[bytes, bytes](), []
    edges = [0, 1, 2, 77, 78, 301, 640, len(bars)]
    for begin, end in pairwise(edges):
        parts.append(every.step(state, bars.take(slice(begin, end))).records["features.v1"])
        changelog |= dict(state.changed())
        state = every.open()
        state.restore(changelog)
    assert_same(joined(parts), whole)


def test_facts_that_come_in_time_give_the_rows_of_a_batch(every: Featurize) -> None:
    """Each fact added just before the first bar that should know it, or all at the start: equal rows."""
    bars, known = market(), facts()
    whole = rows_of(every, bars, known)
    state, parts = every.open(), []
    waiting = sorted(known, key=lambda f: f.ts_known)
    ends: np.ndarray = bars["ts"]  # type: ignore[assignment]
    edges = [0, *range(60, len(bars), 97), len(bars)]
    for begin, end in pairwise(edges):
        table = FactTable(state[FACTS.name], state[HEADS.name])
        due = [f for f in waiting if f.ts_known <= ends[end - 1]]
        waiting = waiting[len(due) :]
        table.add(due)
        parts.append(every.step(state, bars.take(slice(begin, end))).records["features.v1"])
    assert_same(joined(parts), whole)
    late = every.step(every.open(), bars).records["features.v1"]
    assert any((a.tobytes() != b.tobytes()) for a, b in zip(late.floats, whole.floats, strict=True))


def test_bars_that_end_together_may_come_in_any_order(every: Featurize) -> None:
    """Timeframes and contracts shuffled within each instant give the same rows: none reads another of its instant."""
    bars, known = market(), facts()
    shuffled = by_time(bars.take(np.random.default_rng(4).permutation(len(bars))))
    sorted_ = [
        rows.take(np.lexsort((rows["tf"], rows["symbol_id"], rows["ts"])))
        for rows in (rows_of(every, bars, known), rows_of(every, shuffled, known))
    ]
    for a, b in zip(*(values_of(rows).values() for rows in sorted_), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_flat_market_is_neither_missing_nor_infinite(every: Featurize) -> None:
    """Where nothing moves, every feature with a window is there, and finite."""
    bars = flat(400)
    values = values_of(rows_of(every, bars, facts()))
    wrong = [f.name for f in needs(bar_features(), WARMUP) if not np.isfinite(values[f.name][-1])]
    assert wrong == []
    infinite = [name for name, x in values.items() if np.isinf(x).any()]
    assert infinite == []


def flat(n: int) -> Columns:
    """Return bars of one price."""
    bars = make_bars(n, 5, symbol=MAIN, start_ns=START_NS + 90 * DAY_NS)
    for name in ("o", "h", "l", "c", "vwap", "bid", "ask"):
        bars[name] = 12.5
    return bars


def test_the_facts_of_the_test_are_of_every_kind() -> None:
    """Figures of the issuer and of the portfolio are among them."""
    metrics = {f.metric for f in facts() if isinstance(f, Fundamental)}
    assert {"net_income", "risk_budget_util", "equity"} <= metrics
