"""Made-up universes: symbols by partition, bars with gaps, ties, late and stale ones, and any order of arrival."""

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np

from processors.feeds.partitioner import partition_of
from processors.runtime.batch import Columns, MessageBatch
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import message_batch
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry
from tests.cross.oracle import Bar

MINUTE = 60_000_000_000
T0 = 1_700_000_100_000_000_000 // (5 * MINUTE) * (5 * MINUTE)
UNIVERSE = "universe.v1"


@cache
def symbols(partition: int, n: int, partitions: int = 4) -> list[str]:
    """Return n symbols of a partition."""
    names = (f"X{i}:US" for i in range(10_000))
    return list(islice((s for s in names if partition_of(s.encode(), partitions) == partition), n))


def made_up(seed: int, minutes: int = 19) -> list[list[Bar]]:
    """Return the rows of four partitions, each in its order; partition 3 has a single symbol.

    The first symbol of each partition has every minute, so that none falls silent. Some start anew once: from then on
    their closes are of another basis.
    """
    anew = np.random.default_rng(seed + 1).integers(1, 2 * minutes, (4, 4)).tolist()
    rng = np.random.default_rng(seed)
    out = []
    for p in range(4):
        rows = []
        # They do not begin together: the first row of all is not always the first in time.
        for minute in range(int(rng.integers(4)), minutes):
            due = ["1m"] + ["5m"] * (minute % 5 == 0)
            for tf in due:
                for k, name in enumerate(symbols(p, 1 if p == 3 else 4)):
                    if k and rng.random() < 0.25:
                        continue
                    row = _bar(rng, T0 + minute * MINUTE, name, tf, minute // 3)
                    split = minute >= anew[p][k]
                    rows.append(replace(row, close=row.close / 7, basis=T0 + anew[p][k] * MINUTE) if split else row)
                    if rng.random() < 0.06:
                        rows.append(_bar(rng, T0 + (minute - int(rng.integers(3))) * MINUTE, name, tf, minute // 3))
        last = T0 + (minutes + 1) * MINUTE
        out.append([*rows, _bar(rng, last, symbols(p, 1)[0], "1m", minutes)])
    return out


def _bar(rng: np.random.Generator, ts: int, symbol: str, tf: str, session: int) -> Bar:
    step = float(rng.integers(-2, 3)) / 1000 if rng.random() < 0.6 else float(rng.normal(0, 0.01))
    log_return = np.nan if rng.random() < 0.05 else step
    volume = float(rng.integers(0, 3)) * 100
    # Fundamentals are known of some, and some are alike.
    quality = np.nan if rng.random() < 0.3 else float(rng.integers(-4, 5)) / 4
    stale = bool(rng.random() < 0.05)
    return Bar(ts, symbol, tf, session, 50 + float(rng.random()), volume, log_return, stale, quality)


def interleaved(partitions: list[list[Bar]], seed: int) -> list[Bar]:
    """Return all rows in an order that keeps each partition's own; short runs or long ones."""
    rng = np.random.default_rng(seed)
    left = [list(rows) for rows in partitions]
    run_max = int(rng.choice([1, 3, 40, 1000]))
    out = []
    while any(left):
        rows = left[int(rng.integers(len(left)))]
        n = int(rng.integers(1, run_max + 1))
        out += rows[:n]
        del rows[:n]
    return out


def batch_of(bars: list[Bar]) -> MessageBatch:
    """Return rows as the one partition of ``universe.v1`` has them."""
    entry = load_registry().current(UNIVERSE)
    codec = FlatCodec(entry.schema, entry.id)
    rows = Columns.empty(codec.layout, len(bars))
    rows["ts"], rows["session"] = [b.ts for b in bars], [b.session for b in bars]
    rows["symbol_id"] = symbol = np.array([STRINGS.code(b.symbol) for b in bars])
    rows["tf"] = [STRINGS.code(b.tf) for b in bars]
    rows["close"], rows["volume"] = [b.close for b in bars], [b.volume for b in bars]
    rows["log_return_1"], rows["stale"] = [b.log_return for b in bars], [b.stale for b in bars]
    rows["quality_score"], rows["basis_ns"] = [b.quality for b in bars], [b.basis for b in bars]
    return message_batch(codec.encode(UNIVERSE, 0, rows, symbol), 0)
