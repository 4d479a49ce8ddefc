"""Reference data in Kafka: written in one transaction, so that a reader sees all of an import or nothing of it.

The topics are compacted; a record has the key of what it says and lies in the partition of its symbol's ticks, an
event of no one instrument (the close of the VIX, a policy rate) in every partition: whoever reads one has it. To
import a file again writes the same keys and values, which changes nothing for whoever reads.
"""

import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from processors.errors import RetryableError
from processors.feeds.partitioner import partition_of
from processors.reference import TOPICS
from processors.reference.records import MarketEvent, Record, avro_of, record_of
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.codec import HEADER_BYTES, wire_record
from processors.runtime.topics import create_topics, partition_counts, partitions_at
from schemas.instruments import partition_key
from schemas.registry import load_registry

TIMEOUT_S = 30.0
TRANSACTION_S_MAX = 300.0
"""A million records take half a minute; an import that hangs is aborted by the broker after this."""
READ_S_MAX = 120.0
KEY_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class ReferenceStore:
    """The three topics of reference data at one broker.

    Parameters
    ----------
    prefix
        Stands before every topic's name.
    """

    bootstrap_servers: str
    prefix: str = ""

    def publish(self, records: Iterable[Record], partitions: int | None = None) -> dict[str, int]:
        """Write all records in one transaction and return their number by topic; topics are created where missing.

        Raises
        ------
        RetryableError
            The broker did not take it; then nothing of it is seen, and it can be done again.
        """
        partitions = partitions or partitions_at(self.bootstrap_servers, self.prefix)
        create_topics(self.bootstrap_servers, self.prefix, TOPICS, partitions)
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                # A second import at the same time fences the first: one of them is seen whole, never a mixture.
                "transactional.id": f"{self.prefix}reference-import",
                "transaction.timeout.ms": int(TRANSACTION_S_MAX * 1000),
                "compression.type": "lz4",
                "linger.ms": 10,
                "logger": CLIENT_LOG,
            }
        )
        begun = False
        try:
            producer.init_transactions(TIMEOUT_S)
            producer.begin_transaction()
            begun = True
            counts = self._produce(producer, records, partitions)
            producer.commit_transaction(TRANSACTION_S_MAX)
        except KafkaException as e:
            if begun and not e.args[0].fatal():
                producer.abort_transaction(TIMEOUT_S)
            raise RetryableError(f"{self.bootstrap_servers} did not take the import: {e.args[0].str()}") from e
        except BaseException:
            if begun:
                producer.abort_transaction(TIMEOUT_S)
            raise
        return counts

    def _produce(self, producer: Producer, records: Iterable[Record], partitions: int) -> dict[str, int]:
        schemas = {t: load_registry().current(t) for t in TOPICS}
        parsed = {t: fastavro.parse_schema(entry.schema) for t, entry in schemas.items()}
        counts: dict[str, int] = {}
        places: dict[str, int] = {}
        for record in records:
            topic, by = record.TOPIC, record.partition_key
            if by not in places:
                places[by] = partition_of(partition_key(by).encode(), partitions)
            value = wire_record(schemas[topic].id, parsed[topic], avro_of(record))
            key = KEY_SEPARATOR.join(record.key)
            everywhere = isinstance(record, MarketEvent) and record.is_market_wide
            for place in range(partitions) if everywhere else (places[by],):
                _put(producer, self.prefix + topic, value, key, place)
            counts[topic] = counts.get(topic, 0) + 1
        return counts

    def read(self, topic: str) -> list[Record]:
        """Return every record of a topic that is committed, the newest of each key; empty where there is no topic.

        The order is that of partition and offset: the same at each reading.

        Raises
        ------
        RetryableError
            The broker does not answer.
        """
        full = self.prefix + topic
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        partitions = partition_counts(admin, self.bootstrap_servers).get(full, 0)
        if not partitions:
            return []
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                # Required by the client, never joined.
                "group.id": f"{full}-reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                # The end of a log is told after a fetch that found nothing: at once, not after half a second.
                "fetch.wait.max.ms": 20,
                "logger": CLIENT_LOG,
            }
        )
        try:
            consumer.assign([TopicPartition(full, p, OFFSET_BEGINNING) for p in range(partitions)])
            newest = _to_the_end(consumer, partitions, self.bootstrap_servers)
        finally:
            consumer.close()
        ordered = sorted(newest.values(), key=lambda m: (m.partition() or 0, m.offset() or 0))
        return _decoded(topic, [m for m in ordered if m.value() is not None])


def _put(producer: Producer, topic: str, value: bytes, key: str, partition: int) -> None:
    """Hand one message to the producer; where its queue is full, wait until it is not."""
    while True:
        try:
            producer.produce(topic, value, key, partition)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def _to_the_end(consumer: Consumer, partitions: int, where: str) -> dict[bytes, Message]:
    """Return the newest message of each key, read up to the end of each partition."""
    newest: dict[bytes, Message] = {}
    ended: set[int | None] = set()
    deadline_s = time.monotonic() + READ_S_MAX
    while len(ended) < partitions:
        # A short wait: consume() waits for the full number.
        for message in consumer.consume(10_000, 0.05):
            error = message.error()
            if error is None:
                key, of = message.key() or b"", message.partition() or 0
                # What is in every partition is taken from the first.
                if key not in newest or of <= (newest[key].partition() or 0):
                    newest[key] = message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public name
                ended.add(message.partition())
            elif not error.retriable() and error.code() != KafkaError._TRANSPORT:  # noqa: SLF001 - likewise
                raise RetryableError(f"{where}: {error.str()}")
        if time.monotonic() > deadline_s:
            raise RetryableError(f"{where} did not give the reference data within {READ_S_MAX:.0f} s")
    return newest


def _decoded(topic: str, messages: list[Message]) -> list[Record]:
    registry = load_registry()
    reader = fastavro.parse_schema(registry.current(topic).schema)
    writers = {e.id: fastavro.parse_schema(e.schema) for e in registry.versions(f"{topic}-value")}
    out = []
    for message in messages:
        value: Any = message.value()
        writer = writers[int.from_bytes(value[1:HEADER_BYTES], "big")]
        record: Any = fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), writer, reader)
        out.append(record_of(topic, record))
    return out
