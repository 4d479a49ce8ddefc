"""Taps: exact counts, last offsets and times of topics while they fill, at almost no cost.

A tap reads a topic on the native path where it can, so a million records cost a fraction of a second.
"""

from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from processors.runtime.batch import I64, MessageBatch
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.native import choose_path
from processors.runtime.ports import Source


@dataclass(slots=True)
class Tap:
    """Follows one topic from its first record, committed records only."""

    bootstrap_servers: str
    topic: str
    partitions: int
    count: int = 0
    last_offset: dict[int, int] = field(default_factory=dict)
    _consumer: Consumer = field(init=False)
    _source: Source = field(init=False)

    def __post_init__(self) -> None:
        """Assign every partition."""
        self._consumer = Consumer({
            "bootstrap.servers": self.bootstrap_servers, "group.id": "tap", "isolation.level": "read_committed",
                "fetch.queue.backoff.ms": 5,
            "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20,
            "logger": CLIENT_LOG,
        })  # fmt: skip
        self._source = choose_path("auto").source(self._consumer, {self.topic: self.topic}, 50_000)
        places = [TopicPartition(self.topic, p, 0) for p in range(self.partitions)]
        self._source.assigned(places)
        self._consumer.assign(places)

    def poll(self) -> list[MessageBatch]:
        """Return what has come since the last call, without waiting."""
        batches = self._source.poll(0.001)
        for batch in batches:
            self.count += len(batch)
            self.last_offset[batch.partition] = int(batch.offset[-1])
        return batches

    def close(self) -> None:
        """Leave."""
        self._source.revoked([TopicPartition(self.topic, p) for p in range(self.partitions)])
        self._consumer.close()


class Clocks:
    """When each raw record was appended to its log, by partition and offset: where latency starts."""

    def __init__(self) -> None:
        self._ms: dict[int, I64] = {}

    def add(self, batch: MessageBatch) -> None:
        """Remember the append times of a batch."""
        times = self._ms.get(batch.partition, np.zeros(0, np.int64))
        end = int(batch.offset[-1]) + 1
        if end > len(times):
            times = np.concatenate([times, np.zeros(max(end, 2 * len(times)) - len(times), np.int64)])
            self._ms[batch.partition] = times
        times[batch.offset] = batch.timestamp_ms

    def latency_ms(self, partition: int, raw_offset: I64, now_ms: float) -> I64:
        """Return the age of raw records at ``now_ms``, milliseconds; records not seen yet are left out."""
        times = self._ms.get(partition, np.zeros(0, np.int64))
        known = raw_offset[(raw_offset >= 0) & (raw_offset < len(times))]
        started = times[known]
        return np.asarray(now_ms - started[started > 0], np.int64)
