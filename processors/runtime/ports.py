"""What the Kafka driver asks of the two paths to librdkafka: ``plain`` (confluent-kafka's calls) and ``native``."""

from collections.abc import Mapping
from typing import Protocol

from confluent_kafka import Consumer, Producer, TopicPartition

from processors.runtime.batch import EncodedBatch, MessageBatch

QUEUE_FULL_WAIT_S_MAX = 5.0
"""How long a full producer queue may take nothing at all before the transaction is given up; what drains slowly is
waited for. Well below the time after which the broker gives the transaction up, and us with it."""


class Source(Protocol):
    """Takes consumed records out of a subscribed consumer. Subscription and offsets stay with the driver."""

    def assigned(self, partitions: list[TopicPartition]) -> None:
        """Prepare for new partitions; called before the consumer fetches from them."""

    def revoked(self, partitions: list[TopicPartition]) -> None:
        """Let go of partitions; records already fetched from them are dropped."""

    def poll(self, timeout_s: float) -> list[MessageBatch]:
        """Return up to one batch a topic and partition; serves the consumer's callbacks.

        Raises
        ------
        KafkaException
            The consumer reports an error that is not passing.
        """


class Sink(Protocol):
    """Hands records to a producer inside its open transaction, each to its own partition."""

    def produce(self, topic: str, batch: EncodedBatch) -> None:
        """Enqueue all records of the batch, in order.

        Raises
        ------
        QueueFullError
            The producer's queue stayed full.
        """

    def close(self) -> None:
        """Free what belongs to the producer, before the producer goes."""


class Path(Protocol):
    """One of the two paths."""

    name: str

    def source(self, consumer: Consumer, topics: Mapping[str, str], rows_max: int) -> Source:
        """Return the source of one consumer: of topics by full name, each with the name that its batches get."""

    def sink(self, producer: Producer) -> Sink:
        """Return the sink of one producer."""
