"""How far a group has to come so that everything that was in its topics at a moment is done.

Called by the driver where it runs ``once``. A topic that transactions write ends with their marks, which no reader is
given: so the goal of a partition is its last record, not its end, and an aborted tail is no goal at all.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processors.errors import RetryableError
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.offsets import GroupOffsets

READ_S_MAX = 20.0
"""Longest wait for the ends of all partitions: a second or two is usual."""
WINDOW, WIDER = 1_000, 20
"""Offsets from the end in which the last record is looked for, and how many times more where there was none: behind a
record lies one mark, unless transactions were aborted."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Offsets that a group has to commit.

    Parameters
    ----------
    next_offset
        Topic -> partition -> the offset after the last record that was there.
    """

    bootstrap_servers: str
    group: str
    next_offset: Mapping[str, Mapping[int, int]]

    @classmethod
    def now(cls, bootstrap_servers: str, group: str, topics: Sequence[str]) -> Self:
        """Return the goal of a group that reads some topics, by their full names.

        Raises
        ------
        RetryableError
            The broker is away, a topic is missing, or its end was not reached in time.
        """
        consumer = Consumer({
            "bootstrap.servers": bootstrap_servers, "group.id": f"{group}.goal", "enable.auto.commit": False,
            "isolation.level": "read_committed", "enable.partition.eof": True, "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20, "fetch.queue.backoff.ms": 5, "logger": CLIENT_LOG,
        })  # fmt: skip
        try:
            return cls(bootstrap_servers, group, {topic: _last_records(consumer, topic) for topic in topics})
        except KafkaException as e:
            raise RetryableError(f"Kafka at {bootstrap_servers}: {e.args[0].str()}") from None
        finally:
            consumer.close()

    def is_reached(self) -> bool:
        """Return whether the group has committed all of it.

        Raises
        ------
        RetryableError
            No coordinator answered.
        """
        return all(at >= wanted for at, wanted in self._places())

    def progress(self) -> tuple[int, int]:
        """Return how many offsets of the goal are committed, and how many there are.

        Raises
        ------
        RetryableError
            No coordinator answered.
        """
        places = self._places()
        return sum(min(max(at, 0), wanted) for at, wanted in places), sum(wanted for _, wanted in places)

    def _places(self) -> list[tuple[int, int]]:
        """Return the committed and the wanted offset of each partition."""
        found = []
        for topic, wanted in self.next_offset.items():
            if wanted:
                offsets = GroupOffsets(self.bootstrap_servers, self.group, topic, max(wanted) + 1)
                try:
                    committed = offsets.committed()
                finally:
                    offsets.close()
                found += [(committed[partition], offset) for partition, offset in wanted.items()]
        return found


def _last_records(consumer: Consumer, topic: str) -> dict[int, int]:
    """Return partition -> offset after its last committed record; none where a partition has no record."""
    known = consumer.list_topics(topic, READ_S_MAX).topics[topic]
    if known.error is not None:
        raise RetryableError(f"{topic}: {known.error.str()}")
    bounds = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), READ_S_MAX) for p in known.partitions}
    found: dict[int, int] = {}
    begin, window = {p: end for p, (_, end) in bounds.items()}, WINDOW
    while missing := [p for p, (low, _) in bounds.items() if p not in found and begin[p] > low]:
        for p in missing:
            low, end = bounds[p]
            begin[p] = max(low, end - window)
        found |= _read_to_the_end(consumer, topic, {p: begin[p] for p in missing})
        window *= WIDER
    return found


def _read_to_the_end(consumer: Consumer, topic: str, begin: Mapping[int, int]) -> dict[int, int]:
    consumer.assign([TopicPartition(topic, p, at) for p, at in begin.items()])
    open_, found, deadline_s = set(begin), {}, time.monotonic() + READ_S_MAX
    while open_:
        for message in consumer.consume(10_000, 0.05):
            error, partition = message.error(), message.partition() or 0
            if error is None and partition in open_:
                found[partition] = (message.offset() or 0) + 1
            elif error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                open_.discard(partition)
        if time.monotonic() > deadline_s:
            raise RetryableError(f"{topic}: the end was not reached within {READ_S_MAX:.0f} s")
    return found
