"""Reading a topic without a consumer group: nothing is committed, so any number of readers disturb nobody."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from processors.errors import ConfigError, RetryableError
from processors.runtime.client_log import CLIENT_LOG

CONNECT_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Place:
    """Where the reader is in one partition.

    Parameters
    ----------
    end
        End of what was committed when the reader started: records before it are history.
    """

    next: int
    end: int


NAMED_MAX = 40
"""Topics that an error names."""
LIKE_MIN = 0.6
"""Part of the letters that a misspelt name shares with the right one; difflib's own default."""


class TopicTail:
    """A reader of one topic.

    Parameters
    ----------
    topic
        Full name.
    from_beginning
        Start at the oldest record that is kept, else at the end.
    partitions
        All of the topic's where None.
    read_committed
        Hide records of open and aborted transactions.

    Raises
    ------
    ConfigError
        The topic, or a partition of it, does not exist.
    RetryableError
        The broker does not answer.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        from_beginning: bool,
        partitions: Sequence[int] | None = None,
        read_committed: bool = True,
    ) -> None:
        self.topic = topic
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                # Required by the client, never joined.
                "group.id": f"tail-{uuid.uuid4()}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed" if read_committed else "read_uncommitted",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 8192,
                "logger": CLIENT_LOG,
            }
        )
        try:
            self.places = self._places(bootstrap_servers, partitions, from_beginning)
        except BaseException:
            self.consumer.close()
            raise
        self.consumer.assign([TopicPartition(topic, p, place.next) for p, place in self.places.items()])

    def _places(
        self, bootstrap_servers: str, partitions: Sequence[int] | None, from_beginning: bool
    ) -> dict[int, Place]:
        try:
            metadata = self.consumer.list_topics(timeout=CONNECT_TIMEOUT_S)
            if self.topic not in metadata.topics:
                topics = sorted(t for t in metadata.topics if not t.startswith("__"))
                # A cluster may have thousands, and the text goes into an answer's header, of 8 KiB at most.
                known = ", ".join(nearest(self.topic, topics)[:NAMED_MAX]) + (
                    ", ..." if len(topics) > NAMED_MAX else ""
                )
                raise ConfigError(f"Kafka at {bootstrap_servers}", "topic", self.topic, f"one of {known or '(none)'}")
            there = sorted(metadata.topics[self.topic].partitions)
            places = {}
            for p in there if partitions is None else partitions:
                if p not in there:
                    raise ConfigError(self.topic, "partition", p, f"one of {', '.join(map(str, there))}")
                at = TopicPartition(self.topic, p)
                _, end = self.consumer.get_watermark_offsets(at, timeout=CONNECT_TIMEOUT_S)
                places[p] = Place(OFFSET_BEGINNING if from_beginning else end, end)
        except KafkaException as e:
            raise RetryableError(
                f"Kafka at {bootstrap_servers} does not answer ({e.args[0].str()}): start it with `mps up`, "
                "or set MPS_BOOTSTRAP_SERVERS"
            ) from e
        return places

    @property
    def is_live(self) -> bool:
        """Whether all that was there at the start has been read."""
        return all(place.next >= place.end for place in self.places.values())

    def poll(self, n: int, timeout_s: float) -> list[Message]:
        """Return up to n records, empty where none came in time.

        Raises
        ------
        RetryableError
            The broker went away for good, or the topic was deleted.
        """
        records = []
        for message in self.consumer.consume(n, timeout_s):
            error = message.error()
            if error is None:
                records.append(message)
                place = self._place(message)
                offset = message.offset()
                place.next = (offset if offset is not None else place.next) + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public name
                place = self._place(message)
                place.next = max(place.next, place.end)
            # Of a partition, or of none: then it is the consumer's.
            elif not error.retriable() and error.code() != KafkaError._TRANSPORT:  # noqa: SLF001 - likewise
                raise RetryableError(f"{self.topic}: {error.str()}")
        return records

    def _place(self, message: Message) -> Place:
        return self.places[message.partition() or 0]

    def close(self) -> None:
        """Leave."""
        self.consumer.close()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self.close()


def nearest(name: str, topics: Sequence[str]) -> list[str]:
    """Return the topics in the order in which an error names them: the most alike first, what is not alike by name.

    The version at the end is left out of it: it is the same in nearly all, so that all would be alike.
    """
    stem = _stem(name)
    like = {topic: SequenceMatcher(None, _stem(topic), stem).ratio() for topic in topics}
    return sorted(topics, key=lambda topic: (-like[topic] if like[topic] >= LIKE_MIN else 0.0, topic))


def _stem(topic: str) -> str:
    stem, dot, version = topic.rpartition(".")
    return stem if dot and version[:1] == "v" and version[1:].isdigit() else topic
