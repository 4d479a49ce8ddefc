"""State in Kafka: each commit appends the rows that changed to a compacted topic; an assignment reads them back."""

import time

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from processors.errors import ConfigError, RetryableError
from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.pipeline import PartitionState
from processors.runtime.state import COUNTS, PUBLISHED, TableSpec, row_of, unpack_key

RESTORE_WAIT_S_MAX = 120.0
"""Longest wait for one restore: an unfinished transaction of a dead owner ends within its time-out, well below."""


END_WAIT_S_MAX = 10.0
"""Longest wait for a broker to lead a partition."""


def changelog_batch(topic: str, partition: int, state: PartitionState) -> EncodedBatch | None:
    """Return the rows that changed since the last commit as changelog records; None where nothing changed."""
    keys: list[bytes] = []
    payloads, sizes = [], []
    for prefix, table_keys, values in state.changed_rows():
        keys += [prefix + key for key in table_keys]
        payloads.append(values.ravel())
        sizes.append(np.full(len(values), values.shape[1], np.int64))
    if not keys:
        return None
    key, key_start = pack(keys)
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
    return EncodedBatch(topic, partition, np.concatenate(payloads), start, key, key_start)


def read_changelog(bootstrap_servers: str, topic: str, partition: int) -> dict[bytes, bytes]:
    """Return the last committed value of each key of one changelog partition.

    Reads to the end of the log as it stood at the call, past unfinished transactions: their outcome is waited for.

    Raises
    ------
    RetryableError
        The end was not reached within ``RESTORE_WAIT_S_MAX``.
    """
    base = {
        "bootstrap.servers": bootstrap_servers, "group.id": "unused", "enable.auto.commit": False, "logger": CLIENT_LOG,
    }  # fmt: skip
    end = _end_offset(base, topic, partition)
    if end == 0:
        return {}
    consumer = Consumer(
        {
            **base,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "queued.min.messages": 100_000,
            "fetch.wait.max.ms": 50,
        }
    )
    entries: dict[bytes, bytes] = {}
    deadline = time.monotonic() + RESTORE_WAIT_S_MAX
    try:
        consumer.assign([TopicPartition(topic, partition, 0)])
        while True:
            for message in consumer.consume(10_000, 0.2):
                error = message.error()
                if error is None:
                    key, value = message.key(), message.value()
                    assert isinstance(key, bytes)
                    assert isinstance(value, bytes)
                    entries[key] = value
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                # The end-of-partition event carries the position after control records too.
                if (message.offset() or 0) + (error is None) >= end:
                    return entries
            if time.monotonic() > deadline:
                raise RetryableError(f"{topic} partition {partition}: offset {end} not reached: a transaction is open")
    finally:
        consumer.close()


def begin_changelog(bootstrap_servers: str, topic: str, partition: int, entries: dict[bytes, bytes]) -> None:
    """Write the state that a stage is to begin with, in one transaction: it is seen whole, or not at all.

    The stage must not have begun: its changelog is empty.

    Raises
    ------
    ConfigError
        The changelog has a state already.
    RetryableError
        The brokers did not take it; nothing of it is seen.
    """
    if read_changelog(bootstrap_servers, topic, partition):
        raise ConfigError(
            topic, "state", "there is one",
            "an empty changelog: the stage has begun. To begin anew, stop it and delete its changelog and its group",
        )  # fmt: skip
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "transactional.id": f"{topic}-begin",
            "compression.type": "lz4",
            "logger": CLIENT_LOG,
        }
    )
    try:
        producer.init_transactions(RESTORE_WAIT_S_MAX)
        producer.begin_transaction()
        for key, value in entries.items():
            while True:
                try:
                    producer.produce(topic, value, key, partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.commit_transaction(RESTORE_WAIT_S_MAX)
    except KafkaException as e:
        raise RetryableError(f"{topic}: {e.args[0].str()}") from e


def read_counts(bootstrap_servers: str, topic: str, partitions: int) -> dict[str, dict[str, int]]:
    """Return stage -> fate -> number of events, over all partitions, as of the last commits.

    The counts are part of the state, so they are exact: an event that was consumed twice by a killed process is
    counted once.
    """
    return _totals(bootstrap_servers, topic, partitions, COUNTS)[0]


def read_account(
    bootstrap_servers: str, topic: str, partitions: int
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """Return what ``read_counts`` does, and stage -> topic -> records that the stage published, counted as exactly."""
    fates, published = _totals(bootstrap_servers, topic, partitions, COUNTS, PUBLISHED)
    return fates, published


def _totals(bootstrap_servers: str, topic: str, partitions: int, *specs: TableSpec) -> list[dict[str, dict[str, int]]]:
    """Return stage -> key -> n of each of the tables, added up over all partitions."""
    totals: list[dict[str, dict[str, int]]] = [{} for _ in specs]
    for partition in range(partitions):
        for key, value in read_changelog(bootstrap_servers, topic, partition).items():
            stage, table, *of = unpack_key(key)
            for spec, total in zip(specs, totals, strict=True):
                if table == spec.name.encode():
                    counts = total.setdefault(stage.decode(), {})
                    counts[of[0].decode()] = counts.get(of[0].decode(), 0) + int(row_of(spec, value)["n"])
    return totals


def _end_offset(base: dict[str, object], topic: str, partition: int) -> int:
    """Return the high watermark, unfinished transactions included."""
    consumer = Consumer({**base, "isolation.level": "read_uncommitted"})
    deadline = time.monotonic() + END_WAIT_S_MAX
    try:
        while True:
            try:
                _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
            except KafkaException as e:
                # A topic that was made a moment ago: the broker does not lead its partitions yet.
                if e.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return int(end)
    finally:
        consumer.close()
