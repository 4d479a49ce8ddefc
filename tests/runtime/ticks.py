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

RAW = "ticks.raw.v1"
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


def publish(bootstrap_servers: str, prefix: str, batches: list[EncodedBatch]) -> int:
    """Create the topics of a prefix and publish the batches; return the number of records."""
    create_topics(bootstrap_servers, prefix=prefix)
    create_changelog(bootstrap_servers, f"{prefix}echo.changelog")
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
            for message in consumer.consume(5000, 0.3):
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
