"""Made-up raw ticks for tests of the runtime, and reading topics back as any consumer would."""

import time
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from processors.runtime.batch import Columns, EncodedBatch
from processors.runtime.codec import FlatCodec
from processors.runtime.strings import STRINGS
from processors.runtime.topics import create_changelog, create_topics
from schemas.registry import load_registry

RAW, BARS = "ticks.raw.v1", "bars.v1"
REPOSITORY = Path(__file__).parents[2]


def raw_batch(partition: int, first: int, n: int, symbols: int = 7) -> EncodedBatch:
    """Return n raw ticks of one partition, every field different from every other and from its own past."""
    entry = load_registry().current(RAW)
    codec = FlatCodec(entry.schema, entry.id)
    i = np.arange(first, first + n)
    columns = Columns.empty(codec.layout, n)
    columns["symbol_id"] = [STRINGS.code(f"P{partition}S{k % symbols}:US") for k in i]
    columns["vendor"] = [STRINGS.code(f"v{k % 3}") for k in i]
    columns["venue"] = STRINGS.code("x")
    columns["conditions"] = [STRINGS.code("@" * (k % 4)) for k in i]
    columns["ts_event"] = 1_700_000_000_000_000_000 + i * 1_000_003
    columns["ts_recv"] = columns["ts_event"] + 777
    columns["seq"] = i
    columns["price"], columns["size"] = 100 + i * 0.01, 20 + i % 50
    columns["bid"], columns["ask"] = 99 + i * 0.01, np.nan
    columns["bid_size"], columns["ask_size"] = 3.5 + i, np.nan
    return codec.encode(RAW, partition, columns, columns["symbol_id"])


def bar_batch(partition: int, first: int, n: int, skip: int = 11, symbols: int = 7) -> EncodedBatch:
    """Return a bar for each of n raw ticks of ``raw_batch``, at the tick's time; every ``skip``-th tick has none."""
    entry = load_registry().current(BARS)
    codec = FlatCodec(entry.schema, entry.id)
    i = np.array([k for k in range(first, first + n) if k % skip])
    columns = Columns.empty(codec.layout, len(i))
    columns["symbol_id"] = [STRINGS.code(f"P{partition}S{k % symbols}:US") for k in i]
    columns["tf"] = STRINGS.code("1m")
    columns["ts"] = 1_700_000_000_000_000_000 + i * 1_000_003
    columns["ts_start"] = columns["ts"] - 60_000_000_000
    for k, name in enumerate(("o", "h", "l", "c", "v", "vwap")):
        columns[name] = k + i * 0.001
    columns["n_trades"], columns["raw_offset"] = i + 5, i
    return codec.encode(BARS, partition, columns, columns["symbol_id"])


def publish(bootstrap_servers: str, prefix: str, batches: list[EncodedBatch]) -> int:
    """Create the topics of a prefix and publish the batches; return the number of records."""
    create_topics(bootstrap_servers, prefix=prefix)
    for stage in ("echo", "pair"):
        create_changelog(bootstrap_servers, f"{prefix}{stage}.changelog")
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 5})
    for batch in batches:
        for key, value in zip(batch.keys(), batch.values(), strict=True):
            producer.produce(prefix + batch.topic, value, key, batch.partition)
        producer.poll(0)
    assert producer.flush(30) == 0
    return sum(len(b) for b in batches)


def read_all(
    bootstrap_servers: str, topic: str, expected: int = 0, timeout_s: float = 30.0, *, to_end: bool = True
) -> dict[int, list[tuple[bytes, bytes]]]:
    """Return (key, value) of every committed record by partition.

    Waits until ``expected`` are there and then, unless ``to_end`` is off, reads on to the end of every partition.
    """
    consumer = Consumer({
        "bootstrap.servers": bootstrap_servers, "group.id": "reader", "isolation.level": "read_committed",
        "enable.auto.commit": False, "enable.partition.eof": True,
        # The end of a log is told after a fetch that found nothing: at once, not after half a second.
        "fetch.wait.max.ms": 20,
    })  # fmt: skip
    partitions = sorted(consumer.list_topics(topic, 10).topics[topic].partitions)
    out: dict[int, list[tuple[bytes, bytes]]] = {p: [] for p in partitions}
    try:
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        deadline = time.monotonic() + timeout_s
        at_end: set[int] = set()
        while time.monotonic() < deadline:
            if _size(out) >= expected and (len(at_end) == len(partitions) or not to_end):
                break
            # A short wait: consume() waits for the full number.
            for message in consumer.consume(5000, 0.05):
                p = message.partition()
                assert p is not None
                if message.error():
                    at_end.add(p)
                else:
                    at_end.discard(p)
                    out[p].append((message.key(), message.value()))  # type: ignore[arg-type]
    finally:
        consumer.close()
    return out


def _size(records: dict[int, list[tuple[bytes, bytes]]]) -> int:
    return sum(map(len, records.values()))
