"""Starts ``mps run`` as users do, and publishes samples at a pace, so that a kill falls into work."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Producer

from processors.runtime.batch import EncodedBatch, MessageBatch
from processors.runtime.topics import create_topics
from tests.runtime.ticks import REPOSITORY

Places = dict[tuple[str, int], list[bytes]]


def start(stage: str, bootstrap_servers: str, prefix: str, model: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start a stage as its own process."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "run", stage, "--prefix", prefix, "--commit-interval-ms", "20", *more],
        cwd=REPOSITORY, env={**os.environ, "MPS_BOOTSTRAP_SERVERS": bootstrap_servers, "MPS_MODEL": str(model)},
    )  # fmt: skip


@contextmanager
def stages(names: list[str], bootstrap_servers: str, prefix: str, model: Path, *more: str) -> Iterator[None]:
    """Run stages until the block ends, then stop them gracefully; each must end with code 0."""
    running = [start(name, bootstrap_servers, prefix, model, *more) for name in names]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        codes = [process.wait(60) for process in running]
    assert codes == [0] * len(codes)


def publish_paced(
    bootstrap_servers: str,
    prefix: str,
    batches: list[MessageBatch],
    steps: int = 1,
    pause_s: float = 0.0,
    between: Callable[[int], None] = lambda _: None,
) -> None:
    """Publish batches, a share of each partition's records at every step; ``between`` is called after each step."""
    create_topics(bootstrap_servers, prefix=prefix)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "linger.ms": 2,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    # By partition: a later batch of one must not begin before an earlier one ends.
    records: dict[tuple[str, int], list[tuple[bytes, bytes]]] = {}
    for batch in batches:
        place = batch.topic, batch.partition
        records.setdefault(place, []).extend(zip(batch.keys(), batch.values(), strict=True))
    for step in range(steps):
        for (topic, partition), rows in records.items():
            for key, value in rows[len(rows) * step // steps : len(rows) * (step + 1) // steps]:
                producer.produce(prefix + topic, value, key, partition)
        assert producer.flush(30) == 0
        between(step)
        time.sleep(pause_s)


def values_of(logs: dict[tuple[str, int], list[EncodedBatch]]) -> Places:
    """Return the records of a memory driver's logs by topic and partition."""
    return {place: [v for b in batches for v in b.values()] for place, batches in logs.items()}
