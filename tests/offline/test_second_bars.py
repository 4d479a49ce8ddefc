"""Bars made of seconds against bars made of ticks: on random streams and on the recorded sample."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.bars.aggregate import SecondBars, join
from processors.bars.config import BarsConfig
from processors.bars.stage import BarsStage
from processors.runtime.batch import Columns
from processors.runtime.pipeline import Pipeline
from schemas.instruments import load_instruments
from tests.bars.oracle import INSTRUMENTS, SECOND, as_rows, clock, columns, ns, quote, run_stage, tick
from tests.bars.test_oracle import streams
from tests.contract.sample import inputs_of

CONFIG = BarsConfig(open_minutes_max=8, kept_bars=64)
SUMS = ("v", "vwap", "quality.lat_ms")
LINEAGE = {"raw_offset": 0, "revision": 0}


def last_revisions(bars: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the last revision of each bar by its key, lineage and revision aside."""
    return {(b["symbol_id"], b["tf"], b["ts"]): b | LINEAGE for b in bars}


def without_too_late(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with a clock record in the place of each that came too late for the stage."""
    stage = BarsStage(CONFIG, INSTRUMENTS)
    state = stage.open()
    fates = [stage.step(state, columns([row])).counts for row in rows]
    return [clock(r["watermark"]) if f["too_late"] else r for r, f in zip(rows, fates, strict=True)]


def from_seconds(ticks: Columns, until_ns: int) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the bars by way of seconds."""
    made = SecondBars(CONFIG, INSTRUMENTS)
    return last_revisions(as_rows(made.bars(made.seconds(ticks), until_ns)))


@settings(max_examples=60, deadline=None)
@given(rows=streams())
def test_bars_of_seconds_equal_bars_of_ticks(rows: list[dict[str, Any]]) -> None:
    """Every bar in its last revision is equal in every field, late ticks that the stage takes included."""
    # Numbers of the streams are exact in binary, but for the latency, which is added last where a tick is late.
    rows = without_too_late([r for r in rows if r["kind"] != "correction"])
    got = run_stage(rows, CONFIG)
    assert got.counts["too_late"] == 0
    expected, found = last_revisions(got.bars), from_seconds(columns(rows), max(r["watermark"] for r in rows))
    assert found.keys() == expected.keys()
    for key, bar in expected.items():
        latency = {"quality.lat_ms": pytest.approx(bar["quality.lat_ms"], abs=1e-9)}
        assert found[key] == bar | (latency if got.counts["revised"] else {})


def test_a_quote_without_a_side_leaves_bid_and_ask() -> None:
    """As in the stage, also where it is alone in the newest second."""
    at = ns("2014-05-06T12:00:00")
    silent = quote("BTC:T", at + 2 * SECOND, 1.0, 1.0) | {"bid": None, "ask": None, "price": None}
    rows = [tick("BTC:T", at), quote("BTC:T", at + SECOND, 50.0, 60.0), silent | {"ts_event": at + SECOND}, silent]
    rows.append(clock(at + 60 * SECOND))
    (bar,) = from_seconds(columns(rows), rows[-1]["watermark"]).values()
    assert (bar["bid"], bar["ask"]) == (50.0, 60.0)


@settings(max_examples=30, deadline=None)
@given(
    prices=st.lists(st.tuples(st.floats(1, 1e5), st.floats(1e-8, 1e6), st.integers(0, 1500)), min_size=5, max_size=60)
)
def test_sums_of_any_numbers_are_equal_bit_for_bit(prices: list[tuple[float, float, int]]) -> None:
    """Volume, VWAP and latency are those of the stage in every bit, whatever the numbers, when no tick is late."""
    at, rows = ns("2014-05-06T12:00:00"), []
    for i, (price, size, step_ms) in enumerate(prices):
        at += step_ms * 1_000_000
        # Every third tick is stamped earlier than the one before it in the log, as far as the watermark allows.
        ts = at - (i % 3 == 2) * 900_000_000
        rows.append(tick("BTC:T", ts, price=price, size=size, ts_recv=ts + 123_457 * i, watermark=at - 62 * SECOND))
    rows.append(clock(at + 90_000 * SECOND))
    got = run_stage(rows, CONFIG)
    assert got.counts["too_late"] == got.counts["revised"] == 0
    assert from_seconds(columns(rows), rows[-1]["watermark"]) == last_revisions(got.bars)


@pytest.mark.parametrize("partition", range(4))
def test_the_recorded_sample_is_equal(partition: int) -> None:
    """Every bar of ninety recorded minutes of FX and gold and a minute of crypto is equal in every bit."""
    batches = [b for b in inputs_of("bars") if b.partition == partition]
    if not batches:
        pytest.skip("no symbol of the sample is in this partition")
    stage = BarsStage(BarsConfig(), load_instruments())
    ticks = decoded(stage, batches[0])
    output = stage.step(stage.open(), ticks)
    assert output.counts["too_late"] == 0
    made = SecondBars(BarsConfig(), load_instruments())
    seconds = made.seconds(ticks)
    until = int(np.max(ticks["watermark"]))
    found = last_revisions(as_rows(made.bars(seconds, until)))
    expected = last_revisions(as_rows(output.records["bars.v1"]))
    assert len(expected) > 5
    assert found.keys() == expected.keys()
    for key, bar in expected.items():
        assert found[key] == bar
    ohlcv = as_rows(made.columns(seconds))
    assert {b["tf"] for b in ohlcv} == {"1s"}
    assert sum(b["n_trades"] for b in ohlcv) == output.counts["in_bar"] + output.counts["revised"]


def decoded(stage: BarsStage, batch: Any) -> Columns:
    """Return a batch of records as the stage gets it."""
    taken: list[Columns] = []

    class Taker(BarsStage):
        def step(self, state: Any, batch: Columns) -> Any:
            taken.append(batch)
            return super().step(state, batch)

    pipeline = Pipeline([Taker(stage.config, stage.instruments)])
    pipeline.run(pipeline.open(), batch)
    return taken[0]


def test_runs_over_parts_are_joined() -> None:
    """Seconds of two runs, joined, make the bars of one run; sums of the minute cut in two are equal to rounding."""
    at = ns("2014-05-06T12:00:30")
    rows = [
        tick("BTC:T", at + i * SECOND, price=100 + i % 7 / 10, size=0.1 + i % 5 / 10, watermark=at - 5 * SECOND)
        for i in range(100)
    ]
    made = SecondBars(CONFIG, INSTRUMENTS)
    whole = as_rows(made.bars(made.seconds(columns(rows))))
    parts = join([made.seconds(columns(rows[:50])), made.seconds(columns(rows[50:]))])
    for one, other in zip(as_rows(made.bars(parts)), whole, strict=True):
        assert one == other | {name: pytest.approx(other[name], rel=1e-12) for name in SUMS}
