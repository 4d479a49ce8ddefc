"""Reads changes, rolls and bars, and writes what the rules make of them: each record counts exactly once.

    records of some partitions -> rules -> [alerts, rows that changed, offsets of the records]   one transaction

So after a kill at any moment the alerts, the rows and the place to go on from are those of the same records: none is
lost, none is told twice. The rows are a compacted topic, read back at the start. A consumer that is assigned every
partition reads them: nobody shares this work, so there is no rebalance. A second process fences the first.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]

from processors.runtime.changelog import read_changelog

GROUP = "feedback.rules"
ROWS = "feedback.rows"
"""Compacted topic of the rows, JSON by key; made by ``mps feedback``."""
TRANSACTION_MS = 15_000
"""After a kill the broker gives up the open transaction so soon, should no new process do it before."""
RECORDS_MAX = 500
"""In one transaction: some 20 ms of rules beside 20 ms of commit."""
POSITIONS_S = 3600.0
"""All positions are committed at the start and so often from then on: brokers forget, one by one, those that nothing
was committed for in days, as in a topic of rolls, and what is read again from its beginning is told again."""
_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Write:
    """One record to publish; ``topic`` is without prefix."""

    topic: str
    key: bytes
    value: bytes


Apply = Callable[[str, bytes | None], Sequence[Write]]
"""Takes topic, without prefix, and value of one record; returns what to publish."""


def row_write(key: str, row: Mapping[str, Any]) -> Write:
    """Return the record that keeps a row."""
    return Write(ROWS, key.encode(), json.dumps(row).encode())


class Inbox:
    """Applies the records of some topics, in the order of each partition.

    Parameters
    ----------
    topics
        To read, without prefix, from their beginning at the very first start.
    partitions
        Of each of them, and of the rows.
    restore
        Gets key -> row as they were at the last commit, before the first record is applied.
    """

    def __init__(
        self, bootstrap_servers: str, prefix: str, topics: Sequence[str], partitions: int, apply: Apply,
        restore: Callable[[dict[str, Any]], None],
    ) -> None:  # fmt: skip
        self._servers, self._prefix, self._apply, self._restore = bootstrap_servers, prefix, apply, restore
        self._partitions = partitions
        self._places = [TopicPartition(prefix + topic, p) for topic in topics for p in range(partitions)]
        self._stopping = False
        self.is_ready = False

    async def run(self) -> None:
        """Read until ``close``.

        Raises
        ------
        Exception
            What the broker raised; the process ends, and the next one goes on from the last commit. Among them
            ``ProducerFenced``: another process runs on the same prefix.
        """
        async with contextlib.AsyncExitStack() as stack:
            # Its start ends the transaction of a killed predecessor: what is read after it is settled.
            producer = AIOKafkaProducer(
                bootstrap_servers=self._servers, transactional_id=self._prefix + GROUP,
                transaction_timeout_ms=TRANSACTION_MS,
            )  # fmt: skip
            stack.push_async_callback(producer.stop)
            await producer.start()
            self._restore(await asyncio.to_thread(lambda: dict(self._rows())))
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers, group_id=self._prefix + GROUP, enable_auto_commit=False,
                auto_offset_reset="earliest", isolation_level="read_committed",
            )  # fmt: skip
            stack.push_async_callback(consumer.stop)
            await consumer.start()
            consumer.assign(self._places)
            self.is_ready = True
            due_s = time.monotonic()
            while not self._stopping:
                found = await consumer.getmany(timeout_ms=_POLL_MS, max_records=RECORDS_MAX)
                if found:
                    await self._transact(producer, found)
                if time.monotonic() >= due_s:
                    due_s = time.monotonic() + POSITIONS_S
                    positions = {place: await consumer.position(place) for place in self._places}
                    async with producer.transaction():
                        await producer.send_offsets_to_transaction(positions, self._prefix + GROUP)

    def close(self) -> None:
        """End ``run`` after the transaction in hand."""
        self._stopping = True

    def _rows(self) -> Iterator[tuple[str, Any]]:
        for partition in range(self._partitions):
            for key, value in read_changelog(self._servers, self._prefix + ROWS, partition).items():
                yield key.decode(), json.loads(value)

    async def _transact(self, producer: AIOKafkaProducer, found: Mapping[TopicPartition, Sequence[Any]]) -> None:
        writes: list[Write] = []
        for place, records in found.items():
            for record in records:
                writes += self._apply(place.topic[len(self._prefix) :], record.value)
        async with producer.transaction():
            sent = [await producer.send(self._prefix + w.topic, w.value, w.key) for w in writes]
            # A commit does not raise what a single record has met.
            await asyncio.gather(*sent)
            ends = {place: records[-1].offset + 1 for place, records in found.items()}
            await producer.send_offsets_to_transaction(ends, self._prefix + GROUP)
