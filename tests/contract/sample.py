"""A recorded sample that every stage has something to do with: ninety minutes of FX and gold, a minute of crypto."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

from processors.feeds.files import open_recording
from processors.feeds.replay import steps
from processors.runtime.batch import EncodedBatch, MessageBatch, pack
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.stage import Stage
from processors.topology import PARTITIONS, STAGE_NAMES, build_stage

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"
# US trading hours: two vendors of EURUSD disagree now and then, gold is fast. Enough minutes for every window to fill.
FX = (datetime(2014, 5, 5, 13, 0, tzinfo=UTC), datetime(2014, 5, 5, 14, 30, tzinfo=UTC))
CRYPTO = (datetime(2024, 8, 8, 23, 54, tzinfo=UTC), datetime(2024, 8, 8, 23, 56, tzinfo=UTC))


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
    """Return the sample of the topic that a stage consumes, one batch a partition."""
    before = STAGE_NAMES[: STAGE_NAMES.index(stage)]
    if not before:
        return raw_records()
    driver = MemoryDriver([build_stage(name) for name in before])
    driver.run(raw_records())
    source = build_stage(stage).source
    logs = [joined(batches) for (topic, _), batches in sorted(driver.logs.items()) if topic == source]
    return tuple(message_batch(log, 0) for log in logs)


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
