"""The way of live ticks into Kafka: encoded by partition, produced with idempotence, and every one confirmed."""

import threading
from collections.abc import Sequence

import numpy as np

from processors.feeds import port
from processors.feeds.live.port import Tick, columns_of
from processors.feeds.partitioner import Partitioner
from processors.feeds.publish import DELIVERY_TIMEOUT_S, Publisher
from processors.runtime.batch import EncodedBatch
from processors.runtime.plain import PlainSink
from processors.runtime.strings import STRINGS
from processors.runtime.topics import create_topics, partitions_at


def encoded(ticks: Sequence[Tick], partitioner: Partitioner) -> list[EncodedBatch]:
    """Return the records of ticks, one batch a partition, in order within each."""
    columns = columns_of(ticks)
    partition, key = partitioner.of(port.longs(columns, "symbol_id"))
    out = []
    for p in range(partitioner.partitions):
        mine = np.flatnonzero(partition == p)
        if len(mine):
            out.append(port.codec().encode(port.RAW_TOPIC, p, columns.take(mine), key[mine]))
    return out


def encoded_beats(feeds: Sequence[tuple[str, str, int]], recv_ns: int, partitions: int) -> list[EncodedBatch]:
    """Return clock marks of these feeds (vendor, venue, time), for every partition."""
    marks = columns_of([Tick("heartbeat", "", vendor, venue, min(ts, recv_ns), recv_ns) for vendor, venue, ts in feeds])
    no_key = np.full(len(feeds), STRINGS.code(""))
    return [port.codec().encode(port.RAW_TOPIC, p, marks, no_key) for p in range(partitions)]


class LivePublisher(Publisher):
    """Sends live ticks to one broker; the topic is created where it is missing.

    Parameters
    ----------
    bootstrap_servers
        Kafka, "host:port,...".
    prefix
        Before the topic's name.
    partitions
        Of the topic; None for that of the platform, ``partitions_at``.

    Raises
    ------
    RetryableError
        The broker does not answer, or later did not take a record for a minute.
    """

    def __init__(self, bootstrap_servers: str, prefix: str = "", partitions: int | None = None) -> None:
        super().__init__(bootstrap_servers)
        self._topic = prefix + port.RAW_TOPIC
        self._find_broker()
        partitions = partitions or partitions_at(bootstrap_servers, prefix)
        self._partitioner = Partitioner(partitions)
        create_topics(bootstrap_servers, prefix, [port.RAW_TOPIC], partitions)
        self._live = self._producer()
        self._sink = PlainSink(self._live, DELIVERY_TIMEOUT_S)
        # Clock marks and ticks come from threads of their own.
        self._lock = threading.Lock()

    def send(self, ticks: Sequence[Tick]) -> None:
        """Publish ticks in order; wait while the producer's queue is full."""
        self._produce(encoded(ticks, self._partitioner))

    def beat(self, feeds: Sequence[tuple[str, str, int]], recv_ns: int) -> None:
        """Publish clock marks to every partition."""
        self._produce(encoded_beats(feeds, recv_ns, self._partitioner.partitions))

    def _produce(self, batches: list[EncodedBatch]) -> None:
        with self._lock:
            for batch in batches:
                self._sink.produce(self._topic, batch)
            self._check()

    def close(self) -> None:
        """Wait until the broker has confirmed every record."""
        self._flush(self._live)
