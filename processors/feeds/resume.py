"""What the topic holds already, so that a resumed replay goes on after it, and no replay goes back unseen.

The records of a recording are the same in every run, so the end offset of a partition says how many of them are
there; the last of them is read back and compared, so that another recording is not taken for this one.
"""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from processors.errors import ConfigError, RetryableError
from processors.feeds import port
from processors.runtime.batch import EncodedBatch, pack

BROKER_TIMEOUT_S = 8.0
"""How long to look for the broker before saying that it is away."""


class TopicRecords:
    """The records of a topic: those that a resumed replay leaves out, and how far event time has come.

    Parameters
    ----------
    topic
        Full name. Nobody else may have published to it, or its offsets are not those of the recording.

    Raises
    ------
    RetryableError
        The broker does not answer, or a last record cannot be read.
    """

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int) -> None:
        self._topic = topic
        self._offset = [0] * partitions
        self.skipped = 0
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "mps-replay",
                "enable.auto.commit": False,
                # The end of a transaction stands where a record could: nothing follows it, and we need not wait.
                "enable.partition.eof": True,
                "log_level": 2,
            }
        )
        try:
            bounds = [self._find_bounds(consumer, p) for p in range(partitions)]
            self._begin, self._end = [low for low, _ in bounds], [high for _, high in bounds]
            self._last = self._values(consumer)
        finally:
            consumer.close()

    def _find_bounds(self, consumer: Consumer, partition: int) -> tuple[int, int]:
        deadline_s = time.monotonic() + BROKER_TIMEOUT_S
        while True:
            try:
                place = TopicPartition(self._topic, partition)
                bounds: tuple[int, int] = consumer.get_watermark_offsets(place, timeout=BROKER_TIMEOUT_S)
            except KafkaException as e:
                # A new topic's partitions have no leader for a moment.
                if time.monotonic() > deadline_s:
                    raise RetryableError(
                        f"the end of {self._topic} [{partition}] is not known: {e.args[0].str()}"
                    ) from e
                time.sleep(0.1)
            else:
                return bounds

    def _values(self, consumer: Consumer) -> list[bytes | None]:
        """Return the last record of each partition; None where it is empty, or all of it was deleted."""
        found: list[bytes | None] = [None] * len(self._end)
        wanted = {p for p, (begin, end) in enumerate(zip(self._begin, self._end, strict=True)) if begin < end}
        # All at once: a consumer that is sent from one partition to the next waits a second each time.
        consumer.assign([TopicPartition(self._topic, p, self._end[p] - 1) for p in wanted])
        while wanted:
            message = consumer.poll(BROKER_TIMEOUT_S)
            partition = None if message is None else message.partition()
            if message is not None and partition not in wanted:
                continue
            if message is None or partition is None or message.error() is not None:
                where = min(wanted) if partition is None else partition
                raise RetryableError(f"the last record of {self._topic} [{where}] cannot be read")
            found[partition] = message.value() or b""
            wanted.remove(partition)
        return found

    def newest_event_ns(self) -> dict[int, int]:
        """Return partition -> event time of its last record; none where that cannot be read."""
        found = {p: value for p, value in enumerate(self._last) if value}
        keys = pack([b""] * len(found))
        columns, error = port.codec().decode(EncodedBatch(self._topic, 0, *pack(list(found.values())), *keys))
        times = zip(found, error.tolist(), columns["ts_event"].tolist(), strict=True)
        return {p: int(at) for p, fault, at in times if not fault}

    def verify(self, recording: Iterable[list[EncodedBatch]]) -> None:
        """Check that the topic's records are the first ones of the recording, before anything is published.

        Parameters
        ----------
        recording
            The batches of each step, from the beginning; read only as far as the topic reaches.

        Raises
        ------
        ConfigError
            A partition's last record is not the one this recording has at its offset, or the recording is shorter.
        """
        offset = [0] * len(self._end)
        for batches in recording:
            if all(at >= end for at, end in zip(offset, self._end, strict=True)):
                return
            for batch in batches:
                p = batch.partition
                last = self._end[p] - 1 - offset[p]
                if 0 <= last < len(batch):
                    ours = batch.payload[batch.start[last] : batch.start[last + 1]].tobytes()
                    if ours != self._last[p]:
                        self._refuse(p, "another record")
                offset[p] += len(batch)
        for p, end in enumerate(self._end):
            if end > offset[p]:
                self._refuse(p, f"{end - offset[p]:,} records too many")

    def rest(self, batches: list[EncodedBatch]) -> list[EncodedBatch]:
        """Return what the topic does not hold yet of the batches of the next step."""
        out = []
        for batch in batches:
            p = batch.partition
            skip = min(len(batch), max(0, self._end[p] - self._offset[p]))
            self._offset[p] += len(batch)
            self.skipped += skip
            if skip < len(batch):
                out.append(_tail(batch, skip))
        return out

    def _refuse(self, partition: int, found: str) -> None:
        raise ConfigError(
            f"{self._topic} [{partition}]", "records", found,
            "--resume goes on with the same files and options; publish to a fresh topic, or without --resume",
        )  # fmt: skip


def _tail(batch: EncodedBatch, skip: int) -> EncodedBatch:
    return EncodedBatch(
        batch.topic, batch.partition, batch.payload, batch.start[skip:], batch.key, batch.key_start[skip:]
    )
