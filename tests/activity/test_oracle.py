"""The compiled stage against the oracle and against itself, on random small streams."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.activity.config import ActivityConfig
from tests.activity.oracle import config, run_oracle, run_stage
from tests.bars.oracle import SECOND, clock, ns, tick

# Midnight of a market that never sleeps, lunch and close in Tokyo, the close in New York, the change of an FX session.
STARTS = (
    ("2014-05-05T23:59:20", ("BTC:T", "TYO:T")),
    ("2014-05-07T02:29:40", ("TYO:T", "ESZ:T")),
    ("2014-05-01T19:59:20", ("IBM:T", "EUR:T", "BTC:T")),
    ("2014-05-06T20:59:20", ("EUR:T", "ESZ:T")),
)
SIZED = ("tick:3", "volume:5", "dollar:900", "tick_imbalance:4", "volume_imbalance:3", "dollar_imbalance:2")


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a stream: time goes on by 0 to 40 s, some ticks come out of order; sizes and prices are exact in binary."""
    begin, symbols = draw(st.sampled_from(STARTS))
    now, newest, rows = ns(begin), 0, []
    for i in range(draw(st.integers(10, 70))):
        now += draw(st.sampled_from((0, 0, 1, 300, 1_000, 2_500, 9_000, 40_000))) * 1_000_000
        behind = draw(st.sampled_from((0, 0, 0, 0, 1, 700, 1_900, 2_500, 61_000))) * 1_000_000
        newest = max(newest, now)
        if draw(st.integers(0, 12)) == 0:
            rows.append(clock(newest - 2 * SECOND, i))
            continue
        kind = draw(st.sampled_from(("trade", "trade", "trade", "quote", "quote", "status")))
        mid, half = draw(st.integers(400, 408)) / 4, draw(st.sampled_from((0.25, 0.5, None)))
        ts, is_quote = now - behind, kind == "quote"
        rows.append(tick(
            draw(st.sampled_from((*symbols, symbols[0], "XYZ:T"))), ts, kind=kind, watermark=newest - 2 * SECOND,
            raw_offset=i, ts_recv=ts + draw(st.integers(-3, 90)) * 1_000_000,
            price=None if kind == "status" or (is_quote and half is None) else mid,
            size=draw(st.sampled_from((None, 0.0, 1.0, 2.0, 7.0))) if kind == "trade" else None,
            bid=mid - half if is_quote and half else None, ask=mid + half if is_quote and half else None,
            n_src=draw(st.integers(1, 4)), outlier=draw(st.integers(0, 7)) == 0,
            late=behind > 2 * SECOND and draw(st.integers(0, 3)) > 0,
        ))  # fmt: skip
    rows.append(clock(newest + draw(st.sampled_from((0, 70, 90_000))) * SECOND, 999))
    return rows


CHOICES = st.one_of(
    st.lists(st.sampled_from(("tick:1", "tick:3", "tick_imbalance:4")), min_size=1, max_size=3, unique=True).map(
        lambda bars: config(*bars)
    ),
    st.lists(st.sampled_from(SIZED), min_size=1, max_size=4, unique=True).map(
        lambda bars: config(*bars, asset_class="equity", flow_span_bars=2.0, bar_ticks_ratio_max=4.0)
    ),
    st.lists(st.sampled_from(SIZED), min_size=1, max_size=4, unique=True).map(
        lambda bars: config(*bars, symbol="BTC:T", ticks_ratio_max=2.0, ticks_span_bars=1.0)
    ),
)


@settings(max_examples=80, deadline=None)
@given(rows=streams(), chosen=CHOICES)
def test_the_stage_gives_what_the_oracle_gives(rows: list[dict[str, Any]], chosen: ActivityConfig) -> None:
    """The stage gives what the oracle gives: every bar in the same order, and every fate."""
    got, expected = run_stage(rows, chosen), run_oracle(rows, chosen)
    assert got.bars == expected.bars
    assert got.counts == expected.counts
    assert sum(got.counts.values()) == len(rows)


@settings(max_examples=30, deadline=None)
@given(rows=streams(), chosen=CHOICES, data=st.data())
def test_batches_equal_single_steps_and_a_restored_state_goes_on_the_same(
    rows: list[dict[str, Any]], chosen: ActivityConfig, data: st.DataObject
) -> None:
    """Batches equal single steps, and a state restored from its changelog goes on the same."""
    whole = run_stage(rows, chosen)
    steps = run_stage(rows, chosen, cuts=tuple(range(1, len(rows))))
    assert (whole.bars, whole.counts) == (steps.bars, steps.counts)
    cuts = tuple(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    restored = run_stage(rows, chosen, cuts=cuts, restore=True)
    assert (whole.bars, whole.counts) == (restored.bars, restored.counts)


@settings(max_examples=30, deadline=None)
@given(rows=streams(), chosen=CHOICES, data=st.data())
def test_a_prefix_of_the_input_gives_a_prefix_of_the_output(
    rows: list[dict[str, Any]], chosen: ActivityConfig, data: st.DataObject
) -> None:
    """A prefix of the input gives a prefix of the output: no bar looks ahead, and none is published again."""
    whole = run_stage(rows, chosen)
    part = run_stage(rows[: data.draw(st.integers(0, len(rows)))], chosen)
    assert whole.bars[: len(part.bars)] == part.bars
    keys = [(b["symbol_id"], b["tf"], b["ts"]) for b in whole.bars]
    assert len(set(keys)) == len(keys)


@settings(max_examples=30, deadline=None)
@given(rows=streams(), name=st.sampled_from(SIZED))
def test_every_price_forming_tick_is_in_one_bar(rows: list[dict[str, Any]], name: str) -> None:
    """Once all sessions are closed, ticks and volumes of the bars are those of all ticks that formed one."""
    rows = [*rows, clock(max(r["watermark"] for r in rows) + 3 * 86_400 * SECOND, 1000)]
    got = run_stage(rows, config(name, symbol="BTC:T"))
    assert sum(b["n_trades"] for b in got.bars) == got.counts["in_bar"]
    trades = [
        r for r in rows
        if r["symbol_id"] == "BTC:T" and r["kind"] == "trade" and r["size"] != 0 and not (r["outlier"] or r["late"])
    ]  # fmt: skip
    if got.counts["late"] == sum(r["late"] for r in rows if r["symbol_id"] == "BTC:T" and r["kind"] != "status"):
        assert sum(b["v"] for b in got.bars) == sum(r["size"] or 0.0 for r in trades)


@settings(max_examples=30, deadline=None)
@given(rows=streams())
def test_intervals_tile_the_session(rows: list[dict[str, Any]]) -> None:
    """Each bar begins where the one before ended, the first of a session at its open, and ends after its start."""
    bars = run_stage(rows, config("volume:5", symbol="BTC:T")).bars
    day = 86_400 * SECOND
    last = None
    for bar in bars:
        assert bar["ts_start"] < bar["ts"]
        midnight = bar["ts_start"] // day * day
        assert bar["ts_start"] == (midnight if last is None else max(last, midnight))
        last = bar["ts"]
    for bar in bars:
        assert bar["v"] >= 5 or (bar["quality.gap"] and bar["ts"] % day == 0)


def test_decimal_sizes_fill_a_bar_as_on_paper() -> None:
    """Ten trades of 0.1 are a volume of 1, though their binary sum is below it."""
    at = ns("2014-05-06T12:00:00")
    rows = [tick("BTC:T", at + i * SECOND, size=0.1) for i in range(10)]
    bars = run_stage(rows, config("volume:1", symbol="BTC:T")).bars
    assert [b["n_trades"] for b in bars] == [10]
    assert bars[0]["v"] == pytest.approx(1)
