"""Callbacks of the client, whose exceptions reach the caller of ``poll`` as what they are."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

OnRebalance = Callable[[Any, Consumer, list[TopicPartition]], None]


def raising_whole(callback: OnRebalance) -> OnRebalance:
    """Return a callback that raises again, from Python, what a call of the client raises within it.

    Raised from C alone, a ``KafkaException`` leaves ``poll`` as the bare ``KafkaError`` in it (confluent-kafka 2.16 on
    Python 3.11), which is no exception: no ``except`` but a bare one would catch it, and a coordinator that loads
    while partitions are assigned would end the process.
    """

    @wraps(callback)
    def whole(self: Any, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            callback(self, consumer, partitions)
        except KafkaException:  # noqa: TRY203 - caught once, it is an object of its class
            raise

    return whole
