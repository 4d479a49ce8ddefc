"""The native and the plain path on odd records and full queues: the same batches, the same order, the same errors."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.runtime.batch import EncodedBatch, MessageBatch, pack
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.native import NativePath, NativeSink, NativeSource
from processors.runtime.plain import PlainPath
from processors.runtime.ports import Path, Sink, Source
from tests.conftest import MakeTopics

pytestmark = pytest.mark.broker
PATHS: tuple[Path, ...] = (PlainPath(), NativePath())
Record = tuple[bytes | None, bytes | None]

# Empty is not null, a null byte is not an end, and the largest is close to the broker's limit of a million bytes.
BYTES = st.binary(max_size=40) | st.sampled_from([b"", b"\0", b"\0" * 33, "über".encode()])
LARGE = st.integers(0, 255).map(lambda n: bytes([n, 7, 255]) * 300_000)
WRITTEN = st.lists(st.tuples(BYTES, BYTES | BYTES | BYTES | LARGE), min_size=1, max_size=30)
FOREIGN = st.lists(st.tuples(st.none() | BYTES, st.none() | BYTES), min_size=1, max_size=30)
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Reader:
    """A source that reads one topic of one partition from its beginning."""

    source: Source
    consumer: Consumer
    topic: str

    @classmethod
    def of(cls, path: Path, servers: str, topic: str) -> "Reader":
        """Assign the topic."""
        consumer = Consumer({
            "bootstrap.servers": servers, "group.id": "reader", "enable.auto.commit": False, "fetch.wait.max.ms": 20,
            "auto.offset.reset": "earliest", "logger": CLIENT_LOG,
        })  # fmt: skip
        source = path.source(consumer, {topic: topic}, 500)
        source.assigned([TopicPartition(topic, 0, 0)])
        consumer.assign([TopicPartition(topic, 0, 0)])
        return cls(source, consumer, topic)

    def read(self, n: int) -> list[MessageBatch]:
        """Return batches with the next n records."""
        batches: list[MessageBatch] = []
        deadline = time.monotonic() + 20
        while sum(map(len, batches)) < n:
            assert time.monotonic() < deadline, f"{sum(map(len, batches))} of {n} came"
            batches += self.source.poll(0.05)
        return batches

    def close(self) -> None:
        """Leave."""
        self.source.revoked([TopicPartition(self.topic, 0)])
        self.consumer.close()


def places(batches: list[MessageBatch]) -> list[tuple[int, bytes, bytes, int]]:
    """Return offset, key, value and time of each record."""
    return [
        (int(offset), key, value, int(at))
        for b in batches
        for offset, key, value, at in zip(b.offset, b.keys(), b.values(), b.timestamp_ms, strict=True)
    ]


def stock(servers: str, topic: str, n: int) -> list[Record]:
    """Return keys and values as any consumer sees them, null apart from empty."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "stock", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages: list[Message] = []
    while len(messages) < n:
        messages += consumer.consume(n, 0.1)
    consumer.close()
    return [(m.key(), m.value()) for m in messages]  # type: ignore[misc]


@pytest.fixture
def reader(bootstrap_servers: str) -> Iterator[Callable[[Path, str], Reader]]:
    """Return a function that makes readers, which are closed at the end."""
    made: list[Reader] = []

    def make(path: Path, topic: str) -> Reader:
        made.append(Reader.of(path, bootstrap_servers, topic))
        return made[-1]

    yield make
    for each in made:
        each.close()


def producer_of(servers: str, **more: object) -> Producer:
    """Return a producer that keeps the order."""
    return Producer({"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 1, **more})  # type: ignore[arg-type]


def batch_of(records: list[tuple[bytes, bytes]]) -> EncodedBatch:
    """Return records of partition 0."""
    return EncodedBatch("any", 0, *pack([v for _, v in records]), *pack([k for k, _ in records]))


def test_both_sinks_write_the_same_records(bootstrap_servers: str, make_topics: MakeTopics) -> None:
    """Whatever the keys and values, a stock consumer finds the same records of both sinks, empty ones as empty."""
    topics = make_topics("plain", "native", partitions=1)
    producers = [producer_of(bootstrap_servers) for _ in PATHS]
    sinks: list[Sink] = [path.sink(p) for path, p in zip(PATHS, producers, strict=True)]
    assert isinstance(sinks[1], NativeSink)
    everything: list[tuple[bytes, bytes]] = []

    @FEW
    @given(WRITTEN)
    def write(records: list[tuple[bytes, bytes]]) -> None:
        everything.extend(records)
        for sink, topic in zip(sinks, topics, strict=True):
            sink.produce(topic, batch_of(records))

    write()
    everything += [(b"", b"")] * 3
    for sink, topic, producer in zip(sinks, topics, producers, strict=True):
        # A batch without a single byte has no memory to point at.
        sink.produce(topic, batch_of([(b"", b"")] * 3))
        assert producer.flush(30) == 0
        sink.close()
        assert stock(bootstrap_servers, topic, len(everything)) == everything


def test_both_sources_read_the_same_batches(
    bootstrap_servers: str, make_topics: MakeTopics, reader: Callable[[Path, str], Reader]
) -> None:
    """Null keys, tombstones, empty and large values of a stock producer come out of both sources the same."""
    (topic,) = make_topics("in", partitions=1)
    producer = producer_of(bootstrap_servers)
    plain, native = (reader(path, topic) for path in PATHS)
    assert isinstance(native.source, NativeSource)

    @FEW
    @given(FOREIGN | WRITTEN)
    def publish(records: list[Record]) -> None:
        for key, value in records:
            producer.produce(topic, value, key, 0)
        assert producer.flush(30) == 0
        got = places(plain.read(len(records)))
        assert got == places(native.read(len(records)))
        assert [(k, v) for _, k, v, _ in got] == [(k or b"", v or b"") for k, v in records]

    publish()


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
@pytest.mark.parametrize(("bound", "limit", "held_max"), [("messages", 16, 32), ("kbytes", 8, 200)])
def test_a_full_queue_is_waited_for(
    bootstrap_servers: str, make_topics: MakeTopics, path: Path, bound: str, limit: int, held_max: int
) -> None:
    """With room for a few records only, the sink waits, holds no more than that, and publishes all in order."""
    (topic,) = make_topics("small", partitions=1)
    producer = producer_of(bootstrap_servers, **{f"queue.buffering.max.{bound}": limit})
    held: list[int] = []

    class Watched:
        """The producer, noting how many records it holds each time the sink waits."""

        def __getattr__(self, name: str) -> object:
            held.append(len(producer))
            return getattr(producer, name)

    sink = path.sink(producer)
    sink._producer = Watched()  # type: ignore[attr-defined]
    records = [(b"%d" % i, b"x%d" % i * 20) for i in range(3000)]
    sink.produce(topic, batch_of(records))
    assert producer.flush(30) == 0
    sink.close()
    # What is delivered and not yet reported counts too; 8 kB are 130 of the smallest records.
    assert 0 < max(held) <= held_max
    assert len(held) > 20, "the queue was never full"
    assert stock(bootstrap_servers, topic, len(records)) == records


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
def test_a_record_too_large_is_refused(bootstrap_servers: str, make_topics: MakeTopics, path: Path) -> None:
    """A record above the limit is an error that says so, on both paths, and what was before it is published."""
    (topic,) = make_topics("large", partitions=1)
    producer = producer_of(bootstrap_servers)
    sink = path.sink(producer)
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        sink.produce(topic, batch_of([(b"a", b"small"), (b"b", b"z" * 2_000_000), (b"c", b"after")]))
    assert producer.flush(30) == 0
    sink.close()
    assert stock(bootstrap_servers, topic, 1)[0] == (b"a", b"small")
