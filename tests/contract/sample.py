"""A recorded sample that every stage has something to do with: ninety minutes of FX and gold, a minute of crypto."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import fastavro
import numpy as np

from processors.feeds.files import open_recording
from processors.feeds.replay import steps
from processors.reference import TOPICS
from processors.reference.records import Fundamental, MarketEvent, Record, avro_of
from processors.runtime.batch import EncodedBatch, MessageBatch, pack
from processors.runtime.codec import wire_record
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.stage import Stage
from processors.score.stage import ScoreStage
from processors.topology import BRANCHES, PARTITIONS, TOPOLOGY, build_stage
from schemas.registry import load_registry
from tests.runtime.pair import Pair
from tests.runtime.ticks import bar_batch, raw_batch
from tests.score.adaptive_model import adaptive_model

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"
# US trading hours: two vendors of EURUSD disagree now and then, gold is fast. Enough minutes for every window to fill.
FX = (datetime(2014, 5, 5, 13, 0, tzinfo=UTC), datetime(2014, 5, 5, 14, 30, tzinfo=UTC))
CRYPTO = (datetime(2024, 8, 8, 23, 54, tzinfo=UTC), datetime(2024, 8, 8, 23, 56, tzinfo=UTC))

DAY_NS = 86_400_000_000_000


class AdaptiveScore(ScoreStage):
    """Score with a model whose intervals follow their misses, which the shipped baseline does not."""

    name: ClassVar[str] = "adaptive"

    def __init__(self) -> None:
        super().__init__(adaptive_model(horizon_bars={"1m": 5}))


STAGES: dict[str, Callable[[], Stage]] = {
    **{row.stage: partial(build_stage, row.stage) for row in TOPOLOGY + BRANCHES},
    "pair": Pair,
    "adaptive": AdaptiveScore,
}
"""Every stage of the platform, the test stage that has a side, and score with a model of format 3."""
BRAIDS = 5
"""Pieces that each topic of a stage with sides is cut into: they come by turns."""


@cache
def raw_records() -> tuple[MessageBatch, ...]:
    """Return the sample of ``ticks.raw.v1``, one batch a partition."""
    out: dict[int, list[EncodedBatch]] = {p: [] for p in range(PARTITIONS)}
    for pattern, (begin, end) in (("[exn][uazs][ruds]*", FX), ("binance*", CRYPTO)):
        files = sorted(MARKET.glob(pattern + ".parquet"))
        span = {"begin_ns": int(begin.timestamp()) * 10**9, "end_ns": int(end.timestamp()) * 10**9}
        for step in steps(open_recording(files), **span):
            for batch in step.batches:
                out[batch.partition].append(batch)
    return tuple(message_batch(joined(batches), 0) for batches in out.values() if batches)


def joined(batches: list[EncodedBatch]) -> EncodedBatch:
    """Return batches of one topic and partition as one."""
    payload, start = pack([v for b in batches for v in b.values()])
    key, key_start = pack([k for b in batches for k in b.keys()])  # noqa: SIM118 - no dict
    return EncodedBatch(batches[0].topic, batches[0].partition, payload, start, key, key_start)


@cache
def inputs_of(stage: str) -> tuple[MessageBatch, ...]:
    """Return the sample of what a stage consumes: a batch a partition, or with sides several, its topics braided."""
    if stage == "pair":
        made = [f(p, 100_000 * p, 1200) for p in range(2) for f in (raw_batch, bar_batch)]
        return _braided([message_batch(batch, 0) for batch in made])
    built = STAGES[stage]()
    if not built.sides:
        return log_of(built.source)
    return _braided([batch for topic in (built.source, *built.sides) for batch in log_of(topic)])


@cache
def log_of(topic: str) -> tuple[MessageBatch, ...]:
    """Return the sample of a topic, one batch a partition."""
    if topic == TOPOLOGY[0].source:
        return raw_records()
    if topic in TOPICS:
        return tuple(message_batch(facts(topic, p), 0) for p in range(PARTITIONS))
    last = next((i for i, row in enumerate(TOPOLOGY) if topic in row.sinks), None)
    if last is None:
        stage = next(row.stage for row in BRANCHES if topic in row.sinks)
        driver = MemoryDriver([build_stage(stage)])
        driver.run(inputs_of(stage))
    else:
        driver = MemoryDriver([build_stage(row.stage) for row in TOPOLOGY[: last + 1]])
        driver.run(raw_records())
    logs = [joined(batches) for (name, _), batches in sorted(driver.logs.items()) if name == topic]
    return tuple(message_batch(log, 0) for log in logs)


def facts(topic: str, partition: int, n: int = 40) -> EncodedBatch:
    """Return records of reference data of the sample's symbols, known a day apart from long before the sample on."""
    made: list[Record] = []
    for i in range(n):
        ts = int(FX[0].timestamp()) * 10**9 + (i - n // 2) * DAY_NS
        if topic == Fundamental.TOPIC:
            made.append(Fundamental("EURUSD:FX", "leverage", ts - DAY_NS, "2014Q1", i / 7, "ratio", ts, ts, "made"))
        else:
            kind, name = ("index", "close") if i % 3 else ("earnings", "date")
            symbol = "VIX:INDEX" if i % 3 else "EURUSD:FX"
            made.append(
                MarketEvent(symbol, f"{symbol} {i}", kind, name, ts, ts - DAY_NS, 9.0 + i, "points", "", "made")
            )
    entry = load_registry().current(topic)
    schema = fastavro.parse_schema(entry.schema)
    payload, start = pack([wire_record(entry.id, schema, avro_of(r)) for r in made])
    key, key_start = pack(["|".join(r.key).encode() for r in made])
    return EncodedBatch(topic, partition, payload, start, key, key_start)


def _braided(batches: list[MessageBatch]) -> tuple[MessageBatch, ...]:
    """Return pieces of all batches by turns, partition by partition: each topic in its own order."""
    out = []
    for partition in sorted({b.partition for b in batches}):
        mine = [b for b in batches if b.partition == partition]
        edges = [np.linspace(0, len(b), BRAIDS + 1).astype(int).tolist() for b in mine]
        turns = zip(*(pairwise(e) for e in edges), strict=True)
        out += [cut(b, *at) for turn in turns for b, at in zip(mine, turn, strict=True) if at[1] > at[0]]
    return tuple(out)


def partitions_of(stage: str) -> list[list[MessageBatch]]:
    """Return the same, the batches of each partition together."""
    batches = inputs_of(stage)
    return [[b for b in batches if b.partition == p] for p in sorted({b.partition for b in batches})]


def part(batches: list[MessageBatch], begin: int, end: int) -> list[MessageBatch]:
    """Return records begin to end of batches that follow each other."""
    out, at = [], 0
    for batch in batches:
        a, b = max(begin - at, 0), min(end - at, len(batch))
        if a < b:
            out.append(cut(batch, a, b))
        at += len(batch)
    return out


def run(stages: list[Stage], batches: list[MessageBatch]) -> dict[tuple[str, int], list[bytes]]:
    """Return what the in-memory driver publishes, by topic and partition."""
    driver = MemoryDriver(stages)
    driver.run(batches)
    return {place: driver.records(*place) for place in sorted(driver.logs)}


def cut(batch: MessageBatch, begin: int, end: int) -> MessageBatch:
    """Return records begin to end of a batch."""
    whole = batch.skip(begin)
    n = end - begin
    return MessageBatch(
        whole.topic, whole.partition, whole.payload, np.ascontiguousarray(whole.start[: n + 1]), whole.key,
        np.ascontiguousarray(whole.key_start[: n + 1]), whole.offset[:n], whole.timestamp_ms[:n],
    )  # fmt: skip
