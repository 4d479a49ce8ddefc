"""The plain path: confluent-kafka's own calls. Always available, and the reference for the native path."""

import time
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processors.errors import RetryableError
from processors.runtime.batch import EncodedBatch, MessageBatch, pack
from processors.runtime.ports import QUEUE_FULL_WAIT_S_MAX

PASSING = frozenset({
    KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._PARTITION_EOF,
    KafkaError._RESOLVE,
})  # fmt: skip
"""Errors that librdkafka reports while it goes on trying by itself."""


class PlainSource:
    """Reads with ``Consumer.consume`` and groups the messages by partition."""

    def __init__(self, consumer: Consumer, topic: str, logical_topic: str, rows_max: int) -> None:
        self._consumer, self._logical_topic, self._rows_max = consumer, logical_topic, rows_max

    def assigned(self, partitions: list[TopicPartition]) -> None:
        """Nothing to prepare."""

    def revoked(self, partitions: list[TopicPartition]) -> None:
        """Nothing to free."""

    def poll(self, timeout_s: float) -> list[MessageBatch]:
        """Return up to one batch a partition."""
        by_partition: dict[int, list[Message]] = {}
        # One long wait for the first message, then only what is already here: waiting for a full batch adds latency.
        first = self._consumer.consume(1, timeout_s)
        for message in first + (self._consumer.consume(self._rows_max, 0) if first else []):
            error = message.error()
            if error is None:
                by_partition.setdefault(message.partition(), []).append(message)  # type: ignore[arg-type]
            elif error.code() not in PASSING:
                raise KafkaException(error)
        return [_batch(self._logical_topic, p, messages) for p, messages in by_partition.items()]


def _batch(topic: str, partition: int, messages: list[Message]) -> MessageBatch:
    payload, start = pack([m.value() or b"" for m in messages])
    key, key_start = pack([m.key() or b"" for m in messages])
    offset = np.array([m.offset() for m in messages], np.int64)
    timestamp_ms = np.array([m.timestamp()[1] for m in messages], np.int64)
    return MessageBatch(topic, partition, payload, start, key, key_start, offset, timestamp_ms)


class PlainSink:
    """Writes with ``Producer.produce_batch``."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def produce(self, topic: str, batch: EncodedBatch) -> None:
        """Enqueue all records of the batch, in order."""
        pairs = zip(batch.keys(), batch.values(), strict=True)
        messages: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in pairs]
        deadline = time.monotonic() + QUEUE_FULL_WAIT_S_MAX
        while messages:
            done = self._producer.produce_batch(topic, messages, partition=batch.partition)
            if done == len(messages):
                self._producer.poll(0)
                return
            # Enqueued messages come first, since the queue stays full once it is.
            rest = [m for m in messages if "_error" in m]
            other = [m["_error"] for m in rest if m["_error"].code() != KafkaError._QUEUE_FULL]
            if other:
                raise KafkaException(other[0])
            if time.monotonic() > deadline:
                raise RetryableError(f"{topic}: the producer's queue stayed full for {QUEUE_FULL_WAIT_S_MAX:.0f} s")
            messages = [{"key": m["key"], "value": m["value"]} for m in rest]
            self._producer.poll(0.05)

    def close(self) -> None:
        """Nothing to free."""


class PlainPath:
    """The plain path as the driver takes it."""

    name = "plain"

    def source(self, consumer: Consumer, topic: str, logical_topic: str, rows_max: int) -> PlainSource:
        """Return the source of one consumer."""
        return PlainSource(consumer, topic, logical_topic, rows_max)

    def sink(self, producer: Producer) -> PlainSink:
        """Return the sink of one producer."""
        return PlainSink(producer)
