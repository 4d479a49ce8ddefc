"""A consumer that reads whole topics, read committed, from positions that its caller keeps.

No consumer group decides anything: partitions are assigned by hand, so that a position and the rows it belongs to can
live in one write of the sink.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from processors.errors import ConfigError, RetryableError
from processors.runtime.client_log import CLIENT_LOG
from processors.sinks.decode import Records

TIMEOUT_S = 10.0

Place = tuple[str, int]
"""Topic and partition."""

# The client reconnects by itself; these only say that it is at it.
_PASSING = frozenset(
    {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE}  # noqa: SLF001
)

_log = logging.getLogger(__name__)


class Follower:
    """Reads all partitions of some topics.

    Parameters
    ----------
    topics
        All must exist when ``begin`` is called.
    name
        Name of the client in the broker's logs.
    queued_kilobytes_max
        Bound of what is fetched ahead.
    """

    def __init__(
        self, bootstrap_servers: str, topics: Sequence[str], name: str, queued_kilobytes_max: int = 32_768
    ) -> None:
        self.topics, self._servers = tuple(topics), bootstrap_servers
        self.lost = 0
        """Offsets that retention removed before they were read; some of them held no record."""
        self._end: dict[Place, int] = {}
        self._next: dict[Place, int] = {}
        self._backlog: dict[Place, int] = {}
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "client.id": name,
                # Named because the client wants one; never joined, never committed to.
                "group.id": name,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                # Retention overtook us: that is said aloud, not skipped.
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": queued_kilobytes_max,
                "fetch.message.max.bytes": 4 << 20,
                "fetch.wait.max.ms": 100,
                "logger": CLIENT_LOG,
            }
        )

    def topic_ids(self) -> dict[str, str]:
        """Return the id that Kafka gave each topic when it was made.

        Raises
        ------
        RetryableError
            A topic does not exist (yet), or the broker is away.
        """
        try:
            described = self._admin.describe_topics(TopicCollection(list(self.topics)), request_timeout=TIMEOUT_S)
            return {topic: str(future.result(TIMEOUT_S + 5).topic_id) for topic, future in described.items()}
        except KafkaException as e:
            if e.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                missing = ", ".join(self.topics)
                raise RetryableError(f"a topic is missing of {missing}: `mps topics` creates them") from None
            raise RetryableError(f"Kafka at {self._servers}: {e.args[0].str()}") from None

    def begin(self, positions: Mapping[Place, int]) -> None:
        """Read on from those offsets; from its beginning where a partition has none.

        Raises
        ------
        ConfigError
            A position lies behind the end of its partition: the log was cut, or is another one.
        RetryableError
            The broker is away.
        """
        try:
            found = self._consumer.list_topics(timeout=TIMEOUT_S).topics
            places = [(topic, p) for topic in self.topics for p in found[topic].partitions if topic in found]
            self._next = {place: self._first(place, positions.get(place)) for place in places}
            self._end = {}
            self._consumer.assign([TopicPartition(topic, p, offset) for (topic, p), offset in self._next.items()])
        except KeyError as e:
            raise RetryableError(f"topic {e} does not exist: `mps topics` creates it") from None
        except KafkaException as e:
            raise RetryableError(f"Kafka at {self._servers}: {e.args[0].str()}") from None

    def _first(self, place: Place, wanted: int | None) -> int:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=TIMEOUT_S)
        self._backlog[place] = high
        if wanted is None:
            return low
        if wanted > high:
            raise ConfigError(
                f"topic {place[0]} partition {place[1]}", "end", high,
                f"the sink has already stored offset {wanted - 1}: the log was cut; restore it, or empty the sink",
            )  # fmt: skip
        if wanted < low:
            self.lost += low - wanted
            _log.error(
                "%s partition %d: offsets %d to %d were removed by retention before they were stored",
                *place, wanted, low - 1,
            )  # fmt: skip
        return max(wanted, low)

    def poll(self, records_max: int, wait_s: float) -> list[Records]:
        """Return the next records by topic: at most so many, after at most so many seconds; empty if there are none.

        Raises
        ------
        RetryableError
            The broker refused: begin again.
        """
        by_topic: dict[str, list[Message]] = {}
        for message in self._consumer.consume(records_max, wait_s):
            error = message.error()
            if error is None:
                by_topic.setdefault(str(message.topic()), []).append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                place = (str(message.topic()), int(message.partition() or 0))
                self._end[place] = self._next[place] = int(message.offset() or 0)
            elif error.code() in _PASSING:
                _log.warning("Kafka: %s", error.str())
            else:
                raise RetryableError(f"Kafka: {message.topic()} partition {message.partition()}: {error.str()}")
        batches = [_records(topic, messages) for topic, messages in by_topic.items()]
        for batch in batches:
            for partition in np.unique(batch.partition).tolist():
                place = (batch.topic, partition)
                after = int(batch.offset[batch.partition == partition][-1]) + 1
                # An end that was seen before these records is no end any more.
                if self._end.get(place, 0) < after:
                    self._end.pop(place, None)
                    self._next[place] = after
        return batches

    @property
    def at_end(self) -> bool:
        """Return whether everything that was committed when last seen has been read."""
        return bool(self._next) and self._end.keys() == self._next.keys()

    @property
    def backlog_is_read(self) -> bool:
        """Return whether all that was there at ``begin`` has been read, however much has come since."""
        return self.at_end or (bool(self._next) and all(self._next[p] >= end for p, end in self._backlog.items()))

    def lag(self) -> dict[str, int]:
        """Return how many offsets of each topic lie ahead, as far as the client knows."""
        lag = dict.fromkeys(self.topics, 0)
        for place, after in self._next.items():
            high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1]
            lag[place[0]] += max(0, high - after)
        return lag

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def _records(topic: str, messages: list[Message]) -> Records:
    return Records(
        topic,
        [message.value() or b"" for message in messages],
        np.array([message.partition() for message in messages], np.int64),
        np.array([message.offset() for message in messages], np.int64),
        np.array([message.timestamp()[1] for message in messages], np.int64),
    )
