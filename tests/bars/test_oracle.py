"""The compiled stage against the oracle and against itself, on random small streams."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.bars.config import BarsConfig
from tests.bars.oracle import SECOND, clock, correction, ns, run_oracle, run_stage, tick

# Shortly before the close in New York, the Friday close of FX, midnight, lunch in Tokyo, the Sunday open of FX; and who
# trades then.
STARTS = (
    ("2014-05-01T19:53:20", ("IBM:T", "EUR:T", "BTC:T")),
    ("2014-05-02T20:54:00", ("EUR:T", "ESZ:T", "BTC:T")),
    ("2014-05-05T23:56:00", ("BTC:T", "EUR:T", "TYO:T")),
    ("2014-05-07T02:24:10", ("TYO:T", "ESZ:T")),
    ("2014-05-04T20:57:30", ("EUR:T", "BTC:T")),
)


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a stream: time goes on by 0 to 90 s, ticks come up to 3 min late, prices and sizes are exact in binary.

    Two sources trade; one of them numbers its trades from some time on, and corrects them. Ticks of either are missing
    now and then.
    """
    begin, symbols = draw(st.sampled_from(STARTS))
    now, newest, rows = ns(begin), 0, []
    for i in range(draw(st.integers(15, 60))):
        now += draw(st.sampled_from((0, 1, 300, 1_000, 2_500, 9_000, 24_000, 40_000))) * 1_000_000
        late = draw(st.sampled_from((0, 0, 0, 0, 1, 700, 3_000, 30_000, 61_000, 61_000, 120_000))) * 1_000_000
        newest = max(newest, now)
        if draw(st.integers(0, 9)) == 0:
            rows.append(clock(newest - 2 * SECOND, i))
            continue
        mid, half = draw(st.integers(400, 420)) / 4, draw(st.sampled_from((0.25, 0.5, None)))
        kind = draw(
            st.sampled_from(
                ("trade", "trade", "trade", "trade", "quote", "quote", "status", "correction", "correction")
            )
        )
        ts = now - late
        if kind == "status":
            fields = {"price": None, "size": None, "watermark": newest - 2 * SECOND, "raw_offset": i}
            fields["missing_since"] = ts if draw(st.booleans()) else None
            rows.append(tick(draw(st.sampled_from(symbols)), ts, kind=kind, phase=draw(st.integers(0, 2)), **fields))
            continue
        if kind == "correction":
            price, size = draw(st.sampled_from((None, mid))), draw(st.sampled_from((None, 0.0, 3.0)))
            fields = {"watermark": newest - 2 * SECOND, "raw_offset": i}
            numbered = [(r["symbol_id"], r["seq"]) for r in rows if r["kind"] == "trade" and r["seq"] is not None]
            symbol, named = draw(st.sampled_from([*numbered[-8:], (symbols[0], i)]))
            rows.append(correction(symbol, ts, named, price, size, **fields))
            continue
        is_quote = kind == "quote"
        source = "v" if i % 3 else "w"
        rows.append(tick(
            draw(st.sampled_from(symbols)), ts, kind=kind, watermark=newest - 2 * SECOND, raw_offset=i,
            ts_recv=ts + draw(st.integers(-3, 90)) * 1_000_000,
            price=None if is_quote and half is None else mid,
            size=None if is_quote else draw(st.sampled_from((None, 0.0, 1.0, 2.0, 7.0))),
            bid=mid - half if is_quote and half else None, ask=mid + half if is_quote and half else None,
            source=source, seq=i if source == "v" and i > 6 and not is_quote else None,
            n_src=draw(st.integers(1, 2)), outlier=draw(st.integers(0, 7)) == 0,
            missing_since=draw(st.sampled_from((None,) * 12 + (ts, ts - SECOND // 2, ts - 70 * SECOND))),
        ))  # fmt: skip
    rows.append(clock(newest + draw(st.sampled_from((0, 70, 900, 2_000))) * SECOND, 999))
    return rows


@st.composite
def resumptions(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int]:
    """Draw a stream that falls silent and comes back without a pause, and the time of the tick that ends the silence.

    Steps are 0.1 to 0.9 s, below every delay; a second symbol moves the clock meanwhile, or nobody does.
    """
    lag_ns = draw(st.sampled_from((0, 500, 2_000, 3_700))) * 1_000_000
    begin = ns("2014-05-07T14:00:10") + draw(st.integers(0, 999)) * 1_000_000
    back = begin + draw(st.integers(6, 40)) * SECOND + draw(st.integers(0, 999)) * 1_000_000
    times = [("BTC:T", begin)]
    if draw(st.booleans()):
        times += [("ESZ:T", ts) for ts in range(begin, back, 1_700_000_000)]
    ts, steps = back, draw(st.lists(st.integers(100, 900), min_size=1, max_size=16))
    for i in range(80):
        times.append(("BTC:T", ts))
        # Until the watermark has passed the second after the first of them, however far it lags.
        if ts > back + 7 * SECOND:
            break
        ts += steps[i % len(steps)] * 1_000_000
    rows, newest = [], 0
    for i, (symbol, ts) in enumerate(times):
        newest = max(newest, ts)
        rows.append(tick(symbol, ts, watermark=newest - lag_ns, raw_offset=i))
    return rows, back


@settings(max_examples=50, deadline=None)
@given(drawn=resumptions())
def test_a_stream_that_comes_back_is_fresh_within_a_second_of_its_first_tick(
    drawn: tuple[list[dict[str, Any]], int],
) -> None:
    """However far the watermark lags and however dense the ticks: not before the first tick, and 1 s after at most."""
    rows, back = drawn
    got, expected = run_stage(rows), run_oracle(rows)
    assert got.fresh == expected.fresh
    for tf in ("1m", "5m"):
        own = [f for f in got.fresh if (f["symbol_id"], f["tf"]) == ("BTC:T", tf)]
        # Where the watermark does not lag, a tick on a full second comes after the look at that second.
        before = [f for f in own if f["ts"] < back or (f["ts"] == back and f["state"] in (1, 2))]
        later = [f for f in own if f["ts"] >= back and f not in before]
        if before[-1]["state"] in (1, 2):
            assert later[0]["ts"] - back <= SECOND
        assert all(f["state"] in (0, 4) for f in later)


STREAMS = st.one_of(streams(), resumptions().map(lambda drawn: drawn[0]))


@settings(max_examples=80, deadline=None)
@given(
    rows=st.one_of(streams(), resumptions().map(lambda drawn: drawn[0])),
    kept=st.integers(1, 3),
    lateness_ms=st.sampled_from((0, 500, 61_000)),
)
def test_the_stage_gives_what_the_oracle_gives(rows: list[dict[str, Any]], kept: int, lateness_ms: int) -> None:
    """The stage gives what the oracle gives: every bar, revision, change of freshness and fate, in the same order."""
    config = BarsConfig(kept_bars=kept, allowed_lateness_ms=lateness_ms, open_minutes_max=8)
    got, expected = run_stage(rows, config), run_oracle(rows, config)
    assert got.bars == expected.bars
    assert got.fresh == expected.fresh
    assert got.counts == expected.counts
    assert sum(got.counts.values()) == len(rows)


@settings(max_examples=40, deadline=None)
@given(rows=streams(), data=st.data())
def test_batches_equal_single_steps_and_a_restored_state_goes_on_the_same(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Batches equal single steps, and a state restored from its changelog goes on the same."""
    whole = run_stage(rows)
    steps = run_stage(rows, cuts=tuple(range(1, len(rows))))
    cuts = tuple(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    assert (whole.bars, whole.fresh, whole.counts) == (steps.bars, steps.fresh, steps.counts)
    restored = run_stage(rows, cuts=cuts, restore=True)
    assert (whole.bars, whole.fresh, whole.counts) == (restored.bars, restored.fresh, restored.counts)


@settings(max_examples=40, deadline=None)
@given(rows=streams(), data=st.data())
def test_a_prefix_of_the_input_gives_a_prefix_of_the_output(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """A prefix of the input gives a prefix of the output: no bar looks ahead."""
    whole = run_stage(rows)
    part = run_stage(rows[: data.draw(st.integers(0, len(rows)))])
    assert whole.bars[: len(part.bars)] == part.bars
    assert whole.fresh[: len(part.fresh)] == part.fresh


@settings(max_examples=40, deadline=None)
@given(rows=streams())
def test_longer_bars_equal_the_merge_of_their_minutes(rows: list[dict[str, Any]]) -> None:
    """Longer bars equal the merge of their minutes in their last revisions, cut ticks without a minute aside."""
    got = run_stage([r for r in rows if r["kind"] != "correction"])
    last = {(b["symbol_id"], b["tf"], b["ts"]): b for b in got.bars}
    for bar in (b for b in last.values() if b["tf"] != "1m"):
        symbol, begin, end = bar["symbol_id"], bar["ts_start"], bar["ts"]
        parts = sorted(
            (b for b in last.values() if b["tf"] == "1m" and b["symbol_id"] == symbol and begin < b["ts"] <= end),
            key=lambda b: b["ts"],
        )
        n = sum(b["n_trades"] for b in parts)
        assert bar["o"] == parts[0]["o"]
        assert bar["c"] == parts[-1]["c"]
        assert bar["h"] == max(b["h"] for b in parts)
        assert bar["l"] == min(b["l"] for b in parts)
        assert bar["v"] == sum(b["v"] for b in parts)
        assert bar["n_trades"] == n
        if all(b["v"] for b in parts):
            assert bar["vwap"] == pytest.approx(sum(b["vwap"] * b["v"] for b in parts) / bar["v"], rel=1e-12)
        assert bar["quality.n_src"] == pytest.approx(sum(b["quality.n_src"] * b["n_trades"] for b in parts) / n)
