"""The plain path: confluent-kafka's own calls. Always available, and the reference for the native path."""

import gc
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processors.errors import QueueFullError
from processors.runtime.batch import EncodedBatch, MessageBatch, pack
from processors.runtime.ports import QUEUE_FULL_WAIT_S_MAX

PASSING = frozenset({
    KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._PARTITION_EOF,
    KafkaError._RESOLVE,
})  # fmt: skip
"""Errors that librdkafka reports while it goes on trying by itself."""


class PlainSource:
    """Reads with ``Consumer.consume`` and groups the messages by topic and partition."""

    def __init__(self, consumer: Consumer, topics: Mapping[str, str], rows_max: int) -> None:
        self._consumer, self._topics, self._rows_max = consumer, dict(topics), rows_max

    def assigned(self, partitions: list[TopicPartition]) -> None:
        """Nothing to prepare."""

    def revoked(self, partitions: list[TopicPartition]) -> None:
        """Nothing to free."""

    def poll(self, timeout_s: float) -> list[MessageBatch]:
        """Return up to one batch a topic and partition."""
        # One long wait for the first message, then only what is already here: waiting for a full batch adds latency.
        first = self._consumer.consume(1, timeout_s)
        if not first:
            return []
        with _no_collection():
            return self._batches(first + self._consumer.consume(self._rows_max, 0))

    def _batches(self, messages: list[Message]) -> list[MessageBatch]:
        if any(map(Message.error, messages)):
            messages = [m for m in messages if not _failed(m)]
        by_place: dict[tuple[str, int], list[Message]] = {}
        # Fetched by partition, so they come in long runs.
        if len(self._topics) == 1:
            (topic,) = self._topics
            for partition, run in groupby(messages, Message.partition):
                by_place.setdefault((topic, partition), []).extend(run)  # type: ignore[arg-type]
        else:
            for place, run in groupby(messages, _place):
                by_place.setdefault(place, []).extend(run)
        return [_batch(self._topics[topic], p, ms) for (topic, p), ms in by_place.items()]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles while there are many messages at once.

    It looks again after every 700 new objects, walks all that live, and messages have no cycles: a third of this path's
    time went there.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _place(message: Message) -> tuple[str, int]:
    return message.topic(), message.partition()  # type: ignore[return-value]


def _failed(message: Message) -> bool:
    """Return whether the message is an error that passes.

    Raises
    ------
    KafkaException
        It does not pass.
    """
    error = message.error()
    if error is not None and error.code() not in PASSING:
        raise KafkaException(error)
    return error is not None


def _batch(topic: str, partition: int, messages: list[Message]) -> MessageBatch:
    # Bound once and mapped: a call by name for each field of each message costs more than what it returns.
    payload, start = pack(_bytes(map(Message.value, messages)))
    key, key_start = pack(_bytes(map(Message.key, messages)))
    offset = np.fromiter(map(Message.offset, messages), np.int64, len(messages))
    timestamp_ms = np.array([t for _, t in map(Message.timestamp, messages)], np.int64)
    return MessageBatch(topic, partition, payload, start, key, key_start, offset, timestamp_ms)


def _bytes(values: Iterable[Any]) -> list[bytes]:
    """Return the values with empty ones for null."""
    out = list(values)
    return [v or b"" for v in out] if None in out else out


class PlainSink:
    """Writes with ``Producer.produce``: ``produce_batch`` wants a dict of every message, which costs as much again.

    Parameters
    ----------
    full_s_max
        How long the queue may take nothing.
    """

    def __init__(self, producer: Producer, full_s_max: float = QUEUE_FULL_WAIT_S_MAX) -> None:
        self._producer, self._full_s_max = producer, full_s_max

    def produce(self, topic: str, batch: EncodedBatch) -> None:
        """Enqueue all records of the batch, in order."""
        produce, partition = self._producer.produce, batch.partition
        for key, value in zip(batch.keys(), batch.values(), strict=True):
            full_since_s = 0.0
            while True:
                try:
                    produce(topic, value, key, partition)
                except BufferError:
                    full_since_s = full_since_s or time.monotonic()
                    if time.monotonic() - full_since_s > self._full_s_max:
                        raise QueueFullError(
                            f"{topic}: the producer's queue stayed full for {self._full_s_max:.0f} s"
                        ) from None
                    self._producer.poll(0.05)
                else:
                    break
        self._producer.poll(0)

    def close(self) -> None:
        """Nothing to free."""


class PlainPath:
    """The plain path as the driver takes it."""

    name = "plain"

    def source(self, consumer: Consumer, topics: Mapping[str, str], rows_max: int) -> PlainSource:
        """Return the source of one consumer."""
        return PlainSource(consumer, topics, rows_max)

    def sink(self, producer: Producer) -> PlainSink:
        """Return the sink of one producer."""
        return PlainSink(producer)
