"""The native path: compiled code reads partition queues and enqueues records in the wheel's own librdkafka.

Subscription, rebalance, transactions and offsets stay with confluent-kafka, whose ``poll`` runs in the same loop, so
callbacks fire only there. Records are copied once, from librdkafka's memory into a batch.
"""

import logging
import time
from collections.abc import Mapping
from functools import cache

import confluent_kafka
import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from numba import njit

from processors.errors import ConfigError, QueueFullError
from processors.runtime import librdkafka as rd
from processors.runtime.batch import I64, U8, EncodedBatch, MessageBatch
from processors.runtime.plain import PASSING, PlainPath
from processors.runtime.ports import QUEUE_FULL_WAIT_S_MAX, Path, Sink, Source

log = logging.getLogger(__name__)

_COPY = 2  # RD_KAFKA_MSG_F_COPY


@njit(cache=True, nogil=True)
def _consume(queue: int, timeout_ms: int, pointers: I64, sizes: I64, passing: I64) -> int:
    """Take messages off a partition's queue, waiting without the GIL: a commit goes on beside it.

    Returns
    -------
    The number n of messages, whose addresses are ``pointers[:n]``; ``sizes`` gets the bytes of their payloads, of
    their keys, and the first error code among them that is not ``passing``. Messages with an error are destroyed and
    not counted.
    """
    n = rd.consume_batch_queue(
        np.uint64(queue), np.int32(timeout_ms), np.uint64(pointers.ctypes.data), np.uint64(len(pointers))
    )
    sizes[:] = 0
    kept = 0
    for i in range(n):
        m = np.uint64(pointers[i])
        error = rd.load_i32(m)
        if error != 0:
            if sizes[2] == 0 and error not in passing:
                sizes[2] = error
            rd.message_destroy(m)
            continue
        sizes[0] += rd.load_i64(m + np.uint64(32))
        sizes[1] += rd.load_i64(m + np.uint64(48))
        pointers[kept] = pointers[i]
        kept += 1
    return kept


@njit(cache=True)
def _copy(pointers: I64, payload: U8, start: I64, key: U8, key_start: I64, offset: I64, timestamp_ms: I64) -> None:
    """Copy messages into a batch and destroy them."""
    p = 0
    k = 0
    kind = np.zeros(1, np.int64)
    for i in range(len(offset)):
        m = np.uint64(pointers[i])
        n = rd.load_i64(m + np.uint64(32))
        start[i] = p
        if n > 0:
            rd.memcpy(
                np.uint64(payload.ctypes.data) + np.uint64(p), np.uint64(rd.load_i64(m + np.uint64(24))), np.uint64(n)
            )
        p += n
        n = rd.load_i64(m + np.uint64(48))
        key_start[i] = k
        if n > 0:
            rd.memcpy(
                np.uint64(key.ctypes.data) + np.uint64(k), np.uint64(rd.load_i64(m + np.uint64(40))), np.uint64(n)
            )
        k += n
        offset[i] = rd.load_i64(m + np.uint64(56))
        timestamp_ms[i] = rd.message_timestamp(m, np.uint64(kind.ctypes.data))
        rd.message_destroy(m)
    start[len(offset)] = p
    key_start[len(offset)] = k


@njit(cache=True)
def _produce(
    topic: int, partition: int, first: int, payload: U8, start: I64, key: U8, key_start: I64
) -> tuple[int, int]:
    """Enqueue records from ``first`` on; return the first one not enqueued and its error code, or (n, 0)."""
    n = len(start) - 1
    payload_at = np.uint64(payload.ctypes.data)
    key_at = np.uint64(key.ctypes.data)
    for i in range(first, n):
        failed = rd.produce(
            np.uint64(topic), np.int32(partition), np.int32(_COPY),
            payload_at + np.uint64(start[i]), np.uint64(start[i + 1] - start[i]),
            key_at + np.uint64(key_start[i]), np.uint64(key_start[i + 1] - key_start[i]), np.uint64(0),
        )  # fmt: skip
        if failed != 0:
            return i, rd.last_error()
    return n, 0


class NativeSource:
    """Reads the partition queues of a consumer, which are cut off from its ``poll``."""

    def __init__(self, consumer: Consumer, handle: int, topics: Mapping[str, str], rows_max: int) -> None:
        self._consumer, self._handle, self._topics = consumer, handle, dict(topics)
        self._library = rd.load_library()
        assert self._library is not None
        self._queues: dict[tuple[str, int], int] = {}
        self._passing = np.array(sorted(PASSING), np.int64)
        self._pointers = np.zeros(rows_max, np.int64)
        self._sizes = np.zeros(3, np.int64)

    def assigned(self, partitions: list[TopicPartition]) -> None:
        """Take each partition's queue and stop its forwarding, before the consumer fetches into it."""
        assert self._library is not None
        for p in partitions:
            queue = self._library.rd_kafka_queue_get_partition(self._handle, p.topic.encode(), p.partition)
            self._library.rd_kafka_queue_forward(queue, None)
            self._queues[p.topic, p.partition] = queue

    def revoked(self, partitions: list[TopicPartition]) -> None:
        """Empty and free the queues: their records belong to the next owner."""
        assert self._library is not None
        for p in partitions:
            queue = self._queues.pop((p.topic, p.partition), None)
            if queue is None:
                continue
            while (n := _consume(queue, 0, self._pointers, self._sizes, self._passing)) > 0:
                self._take(p.topic, p.partition, n)
            self._library.rd_kafka_queue_destroy(queue)

    def poll(self, timeout_s: float) -> list[MessageBatch]:
        """Return up to one batch a topic and partition."""
        self._serve(0.0 if self._queues else timeout_s)
        batches = self._read(0)
        if not batches and self._queues:
            # Wait on each queue for its share; a record in a later one waits for at most that long.
            batches = self._read(max(1, int(timeout_s * 1000 / len(self._queues))), first_only=True)
        return batches

    def _serve(self, timeout_s: float) -> None:
        message = self._consumer.poll(timeout_s)
        if message is None:
            return
        error = message.error()
        # A record here would mean a queue that is still forwarded: it would be lost in silence.
        assert error is not None, f"record of partition {message.partition()} came around its queue"
        if error.code() not in PASSING:
            raise KafkaException(error)

    def _read(self, timeout_ms: int, *, first_only: bool = False) -> list[MessageBatch]:
        batches = []
        for (topic, partition), queue in self._queues.items():
            n = _consume(queue, timeout_ms, self._pointers, self._sizes, self._passing)
            error = int(self._sizes[2])
            if n:
                # Before any error is raised: the messages are ours, and nobody else frees them.
                batches.append(self._take(topic, partition, n))
            if error:
                raise KafkaException(KafkaError(error))
            if n and first_only:
                break
        return batches

    def _take(self, topic: str, partition: int, n: int) -> MessageBatch:
        payload, key = np.empty(self._sizes[0], np.uint8), np.empty(self._sizes[1], np.uint8)
        start, key_start = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
        offset, timestamp_ms = np.empty(n, np.int64), np.empty(n, np.int64)
        _copy(self._pointers, payload, start, key, key_start, offset, timestamp_ms)
        return MessageBatch(self._topics[topic], partition, payload, start, key, key_start, offset, timestamp_ms)


class NativeSink:
    """Enqueues records with ``rd_kafka_produce`` on the producer's own handle, inside its open transaction."""

    def __init__(self, producer: Producer, handle: int) -> None:
        self._producer, self._handle = producer, handle
        self._library = rd.load_library()
        self._topics: dict[str, int] = {}

    def produce(self, topic: str, batch: EncodedBatch) -> None:
        """Enqueue all records of the batch, in order."""
        if topic not in self._topics:
            assert self._library is not None
            self._topics[topic] = self._library.rd_kafka_topic_new(self._handle, topic.encode(), None)
        at = 0
        deadline = time.monotonic() + QUEUE_FULL_WAIT_S_MAX
        while True:
            before = at
            at, error = _produce(
                self._topics[topic], batch.partition, at, batch.payload, batch.start, batch.key, batch.key_start
            )
            if error == 0:
                break
            if error != KafkaError._QUEUE_FULL:
                raise KafkaException(KafkaError(error))
            if at > before:
                deadline = time.monotonic() + QUEUE_FULL_WAIT_S_MAX
            elif time.monotonic() > deadline:
                raise QueueFullError(f"{topic}: the producer's queue stayed full for {QUEUE_FULL_WAIT_S_MAX:.0f} s")
            self._producer.poll(0.01)
        self._producer.poll(0)

    def close(self) -> None:
        """Give the topic handles back."""
        assert self._library is not None
        for topic in self._topics.values():
            self._library.rd_kafka_topic_destroy(topic)
        self._topics.clear()


class NativePath:
    """The native path as the driver takes it."""

    name = "native"

    def source(self, consumer: Consumer, topics: Mapping[str, str], rows_max: int) -> Source:
        """Return the source of one consumer."""
        return NativeSource(consumer, _handle(consumer), topics, rows_max)

    def sink(self, producer: Producer) -> Sink:
        """Return the sink of one producer."""
        return NativeSink(producer, _handle(producer))


def _handle(client: Consumer | Producer) -> int:
    handle = rd.handle_of(client)
    assert handle is not None, "choose_path found the handles of both kinds of clients"
    return handle


@cache
def _fault() -> str:
    """Return why the native path cannot be used in this process; empty where it can."""
    if rd.load_library() is None:
        return f"confluent-kafka {confluent_kafka.version()} is not a version, or not a wheel, that it knows"
    # Clients that connect to nobody: their layout is that of all others.
    probe = {"log_level": 0}
    consumer = Consumer({**probe, "group.id": "probe"})
    found = rd.handle_of(Producer(probe)), rd.handle_of(consumer)
    consumer.close()
    return "" if None not in found else "the clients of confluent-kafka are not laid out as it knows them"


def choose_path(wanted: str) -> Path:
    """Return the path of that name: ``plain``, ``native``, or ``auto`` for native where it can be used.

    Raises
    ------
    ConfigError
        ``native`` is wanted and cannot be used here.
    """
    if wanted == "plain":
        return PlainPath()
    if not (fault := _fault()):
        return NativePath()
    if wanted == "native":
        raise ConfigError("Kafka driver", "path", wanted, f"auto or plain, since native cannot be used here: {fault}")
    return PlainPath()
