"""The featurize stage: values, warm-up, revisions, splits and bad bars."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from processors.featurize.stage import Featurize, build
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from processors.topology import build_stage
from schemas.features import FOUNDING_PACK, WARMUP, load_pack
from tests.support import assert_same, interleaved, joined

MakeBars = Callable[..., Columns]
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS


def rows_of(stage: Featurize, bars: Columns) -> Columns:
    """Return the rows of one run over all bars."""
    return stage.step(stage.open(), bars).records["features.v1"]


def feature(rows: Columns, name: str) -> NDArray[np.float64]:
    """Return a feature's column."""
    return rows.floats[rows.layout.column[f"features.{name}"][1]]


@pytest.fixture(name="mixed", scope="module")
def _mixed(make_bars: MakeBars) -> Columns:
    """Return bars of three series shuffled into each other, each in its own order, some of them revisions."""
    parts = [
        make_bars(90, 1),
        make_bars(70, 2, symbol="ETH-USD:CRYPTO", tf="1h", tf_ns=HOUR_NS),
        make_bars(60, 3, tf="5m", tf_ns=5 * 60_000_000_000),
    ]
    bars = interleaved(parts, seed=4)
    bars["revision"] = np.random.default_rng(5).random(len(bars)) < 0.1
    return bars


@pytest.mark.parametrize(("tf", "tf_ns"), [("1m", 60_000_000_000), ("1h", HOUR_NS), ("1d", DAY_NS)])
def test_every_feature_equals_its_definition_over_the_whole_history(
    stage: Featurize, make_bars: MakeBars, oracle: Callable[..., dict[str, NDArray[np.float64]]], tf: str, tf_ns: int
) -> None:
    """Every feature of the founding pack equals a plain computation from all bars, missing values included."""
    for seed in range(3):
        bars = make_bars(600, seed, tf=tf, tf_ns=tf_ns)
        start: NDArray[np.int64] = bars["ts_start"]  # type: ignore[assignment]
        expected = oracle(bars, start // DAY_NS, first_is_whole=start[0] % DAY_NS == 0)
        rows = rows_of(stage, bars)
        assert set(expected) == {f.name for f in load_pack(FOUNDING_PACK).features}
        for name, values in expected.items():
            np.testing.assert_allclose(feature(rows, name), values, 1e-9, 1e-11, err_msg=name)


def test_a_feature_is_missing_until_its_window_is_full_and_there_from_then_on(
    stage: Featurize, make_bars: MakeBars
) -> None:
    """Each feature's first value is at the bar that the schema's warmup_bars says; none is missing after it."""
    rows = rows_of(stage, make_bars(120))
    features = load_pack(FOUNDING_PACK).features
    for f in features:
        if f.name != "adv_share_value":
            first = np.flatnonzero(~np.isnan(feature(rows, f.name)))[0]
            assert first + 1 == f.warmup_bars, f.name
            assert not np.isnan(feature(rows, f.name)[first:]).any(), f.name
    longest = max(f.warmup_bars for f in features if f.missing_policy == WARMUP)
    assert rows["warm"].tolist() == [0] * (longest - 1) + [1] * (120 - longest + 1)


def test_every_feature_stays_in_its_range(stage: Featurize, make_bars: MakeBars) -> None:
    """No value leaves the range that the schema gives."""
    rows = rows_of(stage, joined([make_bars(800, 1), make_bars(800, 2, symbol="ETH-USD:CRYPTO")]))
    for f in load_pack(FOUNDING_PACK).features:
        low, high = (float(x) for x in f.range.strip("()[]").split(","))
        values = feature(rows, f.name)
        values = values[~np.isnan(values)]
        assert (values >= low).all(), f.name
        assert (values <= high).all(), f.name


@settings(max_examples=25, deadline=None)
@given(cuts=st.sets(st.integers(0, 220), max_size=8), restored=st.booleans())
def test_a_split_anywhere_gives_the_same_rows(stage: Featurize, mixed: Columns, cuts: set[int], restored: bool) -> None:
    """Any cut of the bars into batches, with the state restored from its changelog or not, gives equal rows."""
    bars = mixed
    whole = stage.step(stage.open(), bars)
    state, changelog, parts, counts = stage.open(), {}, [], dict.fromkeys(whole.counts, 0)
    edges = [0, *sorted(cuts), len(bars)]
    for begin, end in pairwise(edges):
        output = stage.step(state, bars.take(slice(begin, end)))
        parts.append(output.records["features.v1"])
        counts = {fate: n + output.counts[fate] for fate, n in counts.items()}
        if restored:
            changelog |= dict(state.changed())
            state = stage.open()
            state.restore(changelog)
    assert_same(joined(parts), whole.records["features.v1"])
    assert counts == whole.counts
    assert sum(counts.values()) == len(bars)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(0, 219))
def test_a_prefix_of_the_bars_gives_a_prefix_of_the_rows(stage: Featurize, mixed: Columns, n: int) -> None:
    """Nothing after a bar changes its row: the rows of the first n bars are the first rows of all bars."""
    bars = mixed
    rows, prefix = rows_of(stage, bars), rows_of(stage, bars.take(slice(0, n)))
    assert_same(rows.take(slice(0, len(prefix))), prefix)


def test_a_revision_or_a_late_bar_changes_no_row(stage: Featurize, make_bars: MakeBars) -> None:
    """With revisions and late bars in between, the rows equal those of the first publications alone."""
    bars = make_bars(80)
    revised = bars.take(np.arange(80).repeat(2))
    second = np.arange(160) % 2 == 1
    revised["revision"] = second
    revised["c"] = np.where(second, 1e6, revised["c"])  # type: ignore[call-overload]
    revised["h"] = np.where(second, 1e6, revised["h"])  # type: ignore[call-overload]
    late = joined([revised, bars.take(slice(30, 40))])
    output = stage.step(stage.open(), late)
    assert output.counts == {"dead": 0, "row": 80, "revision_ignored": 80, "out_of_order": 10, "other_timeframe": 0}
    assert_same(output.records["features.v1"], rows_of(stage, bars))


def test_a_row_carries_the_bars_identity_quality_and_meta(stage: Featurize, make_bars: MakeBars) -> None:
    """Time, symbol, timeframe, quality and lineage are the bar's; meta is made of close, volume and three features."""
    bars = make_bars(2000)
    rows = rows_of(stage, bars)
    same = ("ts", "symbol_id", "tf", "raw_offset", *(n for n in rows.layout.names if n.startswith("quality.")))
    for name in same:
        np.testing.assert_array_equal(rows[name], bars[name])
    np.testing.assert_array_equal(rows["meta.close"], bars["c"])
    np.testing.assert_array_equal(rows["meta.volume"], bars["v"])
    np.testing.assert_array_equal(rows["meta.spread_bp"], feature(rows, "spread_bp_value"))
    np.testing.assert_array_equal(rows["meta.realized_vol"], feature(rows, "ewma_vol_value"))
    np.testing.assert_array_equal(rows["meta.adv_pct"], 100 * feature(rows, "adv_share_value"))
    assert np.isfinite(rows["meta.adv_pct"][-1])  # type: ignore[arg-type]
    pack = load_pack("core_value_v1")
    assert {STRINGS.text(int(c)) for c in rows["pack_id"]} == {pack.pack_id}
    assert {STRINGS.text(int(c)) for c in rows["pack_hash"]} == {pack.hash}


def test_without_quotes_and_volume_a_row_is_warm_all_the_same(stage: Featurize, make_bars: MakeBars) -> None:
    """Spread, ADV share and volume ratio are missing where nothing is published, and the row is warm without them."""
    bars = make_bars(3000)
    bars["bid"], bars["ask"], bars["v"] = np.nan, np.nan, 0
    rows = rows_of(stage, bars)
    assert rows["warm"][-1] == 1
    for name in ("spread_bp_value", "adv_share_value", "volume_ratio_20"):
        assert np.isnan(feature(rows, name)).all()


def test_a_crossed_quote_has_no_spread(stage: Featurize, make_bars: MakeBars) -> None:
    """A bid above the ask gives no spread rather than a negative one."""
    bars = make_bars(3)
    bars["bid"], bars["ask"] = bars["ask"].copy(), bars["bid"].copy()
    assert np.isnan(feature(rows_of(stage, bars), "spread_bp_value")).all()


def test_a_flat_market_gives_neutral_values(stage: Featurize, make_bars: MakeBars) -> None:
    """Where nothing moves, oscillators stand in their middle and deviations at 0: nothing is missing."""
    bars = make_bars(60)
    for name in "ohlc":
        bars[name] = 1.25
    rows = rows_of(stage, bars)
    expected = {
        "rsi_14_value": 50, "donchian_20_position": 0.5, "bollinger_20_2_pct_b": 0.5, "bar_close_position": 0.5,
        "atr_14_value": 0, "roll_std_20": 0, "ewma_vol_value": 0, "ema_50_ratio": 0, "macd_12_26_9_hist": 0,
    }  # fmt: skip
    for name, value in expected.items():
        assert feature(rows, name)[-1] == value, name
    assert rows["warm"][-1] == 1


def test_prices_not_above_zero_have_no_returns(stage: Featurize, make_bars: MakeBars) -> None:
    """A negative price (crude oil, April 2020) leaves returns and ratios missing, and prices as they are."""
    bars = make_bars(60)
    for name in ("o", "h", "l", "c"):
        bars[name] = np.where(np.arange(60) == 40, -37.63, bars[name])  # type: ignore[call-overload]
    rows = rows_of(stage, bars)
    assert np.isnan(feature(rows, "log_return_1")[[40, 41]]).all()
    assert np.isnan(feature(rows, "atr_14_ratio")[40])
    assert feature(rows, "donchian_20_low")[59] == -37.63
    assert not np.isfinite(feature(rows, "roll_std_20")[59])
    assert rows["warm"][59] == 0
    assert np.isfinite(feature(rows, "ewma_vol_value")[59])


def test_the_first_day_counts_for_adv_only_if_it_is_seen_from_its_open(stage: Featurize, make_bars: MakeBars) -> None:
    """Half a day is no day: with a start at noon the average daily volume begins one day later."""
    for start_hour, first in ((0, 24), (12, 12 + 24)):
        bars = make_bars(80, tf="1h", tf_ns=HOUR_NS)
        bars["ts_start"] = bars["ts_start"][0] + (start_hour + np.arange(80)) * HOUR_NS  # type: ignore[operator]
        bars["ts"] = bars["ts_start"] + HOUR_NS  # type: ignore[operator]
        share = feature(rows_of(stage, bars), "adv_share_value")
        assert np.flatnonzero(~np.isnan(share))[0] == first


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("symbol_id", "NOSUCH:US", "unknown_symbol"),
        ("tf", "7m", "unknown_timeframe"),
        ("ts", 0, "bad_interval"),
        ("c", np.nan, "bad_price"),
        ("h", np.inf, "bad_price"),
        ("l", 1e9, "bad_range"),
        ("h", 0.0, "bad_range"),
        ("v", -1.0, "bad_volume"),
        ("v", np.inf, "bad_volume"),
    ],
)
def test_a_bar_that_cannot_be_true_is_rejected_alone(
    stage: Featurize, make_bars: MakeBars, field: str, value: object, error: str
) -> None:
    """One bad bar goes to the dead letter with its rule; the rest gives the rows it gives without it."""
    bars = make_bars(70)
    bad = joined([bars.take(slice(0, 30)), bars.take(slice(29, 30)), bars.take(slice(30, 70))])
    bad[field][30] = STRINGS.code(value) if isinstance(value, str) else value
    output = stage.step(stage.open(), bad)
    assert [(r.row, r.error) for r in output.rejected] == [(30, error)]
    assert output.counts == {"dead": 1, "row": 70, "revision_ignored": 0, "out_of_order": 0, "other_timeframe": 0}
    assert_same(output.records["features.v1"], rows_of(stage, bars))


def test_bars_by_activity_are_passed_over(stage: Featurize, make_bars: MakeBars) -> None:
    """A bar by activity between the others is counted, is no dead letter, and changes no row."""
    bars = make_bars(70)
    mixed = joined([bars.take(slice(0, 30)), bars.take(slice(29, 31)), bars.take(slice(30, 70))])
    mixed["tf"][30:32] = [STRINGS.code("tick:500"), STRINGS.code("volume_imbalance:20")]  # type: ignore[index]
    state = stage.open()
    output = stage.step(state, mixed)
    assert output.rejected == []
    assert output.counts == {"dead": 0, "row": 70, "revision_ignored": 0, "out_of_order": 0, "other_timeframe": 2}
    assert_same(output.records["features.v1"], rows_of(stage, bars))
    assert len(state["series"]) == 1


def test_an_empty_batch_gives_nothing(stage: Featurize, make_bars: MakeBars) -> None:
    """No bars, no rows."""
    output = stage.step(stage.open(), make_bars(5).take(slice(0, 0)))
    assert len(output.records["features.v1"]) == 0
    assert sum(output.counts.values()) == 0


def test_the_topology_builds_the_stage() -> None:
    """The factory of the topology gives this stage."""
    assert isinstance(build_stage("featurize"), Featurize)
    assert build().config.pack_ids == ("core_value_v1",)
