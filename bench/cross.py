"""The cross-section at the size of a market: 5,000 symbols of 1m bars through ``cross``; ``python -m bench.cross``.

In memory and in one process: decode, barrier, fourteen features, encode. A second part takes the state's size, and the
time to make its changelog and to restore a state from it.
"""

import argparse
import os
import time

import numpy as np

from processors.cross.config import CrossConfig
from processors.cross.stage import Cross
from processors.feeds.partitioner import Partitioner
from processors.runtime.batch import Columns, MessageBatch
from processors.runtime.changelog import changelog_batch
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import message_batch
from processors.runtime.pipeline import Pipeline
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry
from schemas.timeframes import MINUTE_NS
from schemas.timeframes import TIMEFRAME_NS as LENGTHS

UNIVERSE = "universe.v1"
LIVE_PER_S = 5_000 / 60
"""Rows a second of 5,000 symbols with a bar a minute."""
T0 = 1_700_006_400_000_000_000


def minutes(symbols: int, first: int, n: int, *, all_timeframes: bool) -> MessageBatch:
    """Return n minutes of bars of all symbols, partition by partition within each minute, as featurize sends them."""
    entry = load_registry().current(UNIVERSE)
    codec = FlatCodec(entry.schema, entry.id)
    rng = np.random.default_rng(first)
    names = np.array([STRINGS.code(f"S{i:05d}:US") for i in range(symbols)], np.int64)
    partition, _ = Partitioner(CrossConfig().partitions).of(names)
    names = names[np.argsort(partition, kind="stable")]
    ts, tf, day = [], [], []
    for minute in range(first, first + n):
        now = T0 + minute * MINUTE_NS
        for name, length in LENGTHS.items():
            if name == "1m" or (all_timeframes and now % length == 0):
                ts.append(now)
                tf.append(STRINGS.code(name))
                day.append(minute // 390)
    rows = Columns.empty(codec.layout, symbols * len(ts))
    rows["ts"], rows["tf"] = np.repeat(ts, symbols), np.repeat(tf, symbols)
    rows["symbol_id"], rows["session"] = np.tile(names, len(ts)), np.repeat(day, symbols)
    rows["close"] = 100 * np.exp(rng.normal(0, 0.1, len(rows)))
    rows["volume"], rows["log_return_1"] = rng.integers(0, 10_000, len(rows)), rng.normal(0, 0.001, len(rows))
    return message_batch(codec.encode(UNIVERSE, 0, rows, rows["symbol_id"]), 0)  # type: ignore[arg-type]


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(prog="bench.cross", description=__doc__)
    parser.add_argument("--symbols", type=int, default=5_000, help="(default %(default)s)")
    parser.add_argument("--minutes", type=int, default=120, help="after a warm-up of 70 (default %(default)s)")
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {given.symbols:,} symbols")
    for all_timeframes in (False, True):
        pipeline = Pipeline([Cross(CrossConfig())])
        pipeline.warm()
        state = pipeline.open()
        pipeline.run(state, minutes(given.symbols, 0, 70, all_timeframes=all_timeframes))
        took, rows, slowest = 0.0, 0, 0.0
        for minute in range(70, 70 + given.minutes):
            batch = minutes(given.symbols, minute, 1, all_timeframes=all_timeframes)
            began = time.perf_counter()
            out = pipeline.run(state, batch)
            spent = time.perf_counter() - began
            took, slowest, rows = took + spent, max(slowest, spent), rows + len(batch)
            assert sum(map(len, out)) == len(batch), "every row of a full universe comes out at once"
        per_s = rows / took
        print(
            f"{'1m to 1h' if all_timeframes else '1m'}: {per_s:,.0f} rows/s, {per_s / LIVE_PER_S:,.0f} times the live "
            f"rate of {LIVE_PER_S:.0f}; a minute of all symbols {1000 * took / given.minutes:.1f} ms, "
            f"at most {1000 * slowest:.1f}"
        )
    _state(pipeline, state)


def _state(pipeline: Pipeline, state) -> None:  # noqa: ANN001
    for table in state.states["cross"].tables.values():
        table.dirty[: len(table)] = 1
    began = time.perf_counter()
    log = changelog_batch("changelog", 0, state)
    made_s = time.perf_counter() - began
    assert log is not None
    entries = dict(zip(log.keys(), log.values(), strict=True))
    began = time.perf_counter()
    restored = pipeline.open()
    restored.restore(entries)
    took_s = time.perf_counter() - began
    rows = len(restored.states["cross"]["series"])
    print(
        f"state: {rows:,} series, {len(log.payload) / 1e6:.1f} MB in its changelog, "
        f"{len(log.payload) / rows:,.0f} bytes each; made in {made_s:.2f} s, restored in {took_s:.2f} s"
    )


if __name__ == "__main__":
    main()
