"""Follows ``alerts.v1`` and has every alert delivered; what is done is kept in a compacted topic.

It reads with a plain consumer that is assigned every partition and commits by itself: deliveries end in any order, and
an offset is committed when it and all before it are done.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable

from aiokafka import (  # type: ignore[import-untyped]
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRecord,
    TopicPartition,
)

from processors.feedback.config import FeedbackConfig
from processors.feedback.delivery import Deliverer
from processors.feedback.metrics import Metrics
from processors.feedback.records import Reader, UndecodableError
from processors.feedback.rules import Alert
from processors.feedback.webhooks import wanted

ALERTS = "alerts.v1"
GROUP = "feedback.delivery"
DONE = "feedback.done"
"""Compacted topic of ended deliveries: idempotency key to fate; made by ``mps feedback``."""
DONE_KEYS_MAX = 50_000
"""Kept for each partition: weeks of alerts, 10 MB."""
COMMIT_S = 1.0
_POLL_MS = 200


class InOrder:
    """Says up to which offset of each partition everything has ended, in whatever order it ends."""

    def __init__(self) -> None:
        self._open: dict[int, deque[int]] = {}
        self._ended: set[tuple[int, int]] = set()
        self.moved: dict[int, int] = {}
        """Partition -> first offset that has not ended; only those that moved since it was emptied."""

    def begin(self, partition: int, offset: int) -> None:
        """Note an offset, in the order of the partition."""
        self._open.setdefault(partition, deque()).append(offset)

    def end(self, partition: int, offset: int) -> None:
        """Note that an offset has ended."""
        self._ended.add((partition, offset))
        waiting = self._open[partition]
        while waiting and (partition, waiting[0]) in self._ended:
            first = waiting.popleft()
            self._ended.discard((partition, first))
            self.moved[partition] = first + 1


class DoneTopic:
    """Ended deliveries, in memory and in a compacted topic; the oldest of a partition go when there are too many."""

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int) -> None:
        self._servers, self._topic = bootstrap_servers, topic
        self._keys: list[dict[str, None]] = [{} for _ in range(partitions)]
        self._partition_of: dict[str, int] = {}
        self._producer: AIOKafkaProducer | None = None

    def __contains__(self, key: object) -> bool:
        """Return whether a delivery has ended."""
        return key in self._partition_of

    async def start(self) -> None:
        """Read what there is, to the end."""
        self._producer = AIOKafkaProducer(bootstrap_servers=self._servers, acks="all", enable_idempotence=True)
        await self._producer.start()
        consumer = AIOKafkaConsumer(bootstrap_servers=self._servers, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(self._topic, p) for p in range(len(self._keys))]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    for record in records:
                        self._take(record.partition, record.key.decode(), ended=record.value is not None)
        finally:
            await consumer.stop()

    async def stop(self) -> None:
        """Leave the broker."""
        if self._producer is not None:
            await self._producer.stop()

    async def add(self, key: str, fate: str, attempts: int) -> None:
        """Remember that a delivery has ended; returns when Kafka has it."""
        assert self._producer is not None
        # By its own hash: a delivery has one key, whichever partition its alert came from.
        partition = sum(key.encode()) % len(self._keys)
        value = json.dumps({"fate": fate, "attempts": attempts}).encode()
        await self._producer.send_and_wait(self._topic, value, key.encode(), partition)
        self._take(partition, key, ended=True)
        while len(self._keys[partition]) > DONE_KEYS_MAX:
            oldest = next(iter(self._keys[partition]))
            self._take(partition, oldest, ended=False)
            await self._producer.send(self._topic, None, oldest.encode(), partition)

    def _take(self, partition: int, key: str, *, ended: bool) -> None:
        self._keys[partition].pop(key, None)
        self._partition_of.pop(key, None)
        if ended:
            self._keys[partition][key] = None
            self._partition_of[key] = partition


class Outbox:
    """Delivers the alerts of one prefix.

    Parameters
    ----------
    partitions
        Of the alerts and of what is done.
    publish
        Publishes an alert and returns when Kafka has it: for a webhook that gave up.
    """

    def __init__(
        self, bootstrap_servers: str, prefix: str, partitions: int, config: FeedbackConfig,
        publish: Callable[[Alert], Awaitable[None]], metrics: Metrics,
    ) -> None:  # fmt: skip
        self._servers, self._prefix, self._config, self._metrics = bootstrap_servers, prefix, config, metrics
        self._partitions = partitions
        self._done = DoneTopic(bootstrap_servers, prefix + DONE, partitions)
        self._deliverer = Deliverer(config.delivery, self._done, publish, metrics)
        self._order = InOrder()
        self._reader = Reader(ALERTS)
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self.ended = asyncio.Event()
        self.is_ready = False

    @property
    def pending(self) -> int:
        """Return the number of alerts whose webhooks are not done."""
        return len(self._tasks)

    async def run(self) -> None:
        """Follow the alerts until ``close``.

        Raises
        ------
        Exception
            What a delivery or the broker raised: the process ends, and the next one goes on from the last commit.
        """
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers, group_id=self._prefix + GROUP, enable_auto_commit=False,
            auto_offset_reset="earliest", isolation_level="read_committed",
        )  # fmt: skip
        try:
            await self._done.start()
            await consumer.start()
            consumer.assign([TopicPartition(self._prefix + ALERTS, p) for p in range(self._partitions)])
            self.is_ready = True
            await self._follow(consumer)
        finally:
            await consumer.stop()
            await self._done.stop()
            await self._deliverer.disconnect()
            self.ended.set()

    async def close(self) -> None:
        """Let the requests on their way end; begin no other."""
        self._stopping = True
        await self._deliverer.close()
        if self.is_ready:
            await asyncio.wait_for(self.ended.wait(), self._config.delivery.timeout_s + 10)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        loop = asyncio.get_running_loop()
        committed_s = loop.time()
        while not self._stopping:
            if self._failure is not None:
                raise self._failure
            # With no room nothing is fetched; deliveries go on, and so do commits.
            room = self._config.delivery.pending_max - len(self._tasks)
            if room > 0:
                found = await consumer.getmany(timeout_ms=_POLL_MS, max_records=room)
                for record in (r for records in found.values() for r in records):
                    self._begin(record)
            else:
                await asyncio.sleep(_POLL_MS / 1000)
            if loop.time() - committed_s > COMMIT_S:
                await self._commit(consumer)
                committed_s = loop.time()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._config.delivery.timeout_s + 1)
        await self._commit(consumer)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        moved, self._order.moved = self._order.moved, {}
        if moved:
            await consumer.commit({TopicPartition(self._prefix + ALERTS, p): offset for p, offset in moved.items()})

    def _begin(self, record: ConsumerRecord[bytes, bytes]) -> None:
        self._order.begin(record.partition, record.offset)
        alert = self._read(record.value)
        if alert is None or not any(wanted(hook, alert) for hook in self._config.webhooks):
            self._order.end(record.partition, record.offset)
            return
        task = asyncio.create_task(self._deliver(record.partition, record.offset, alert))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _read(self, value: bytes | None) -> Alert | None:
        try:
            return Alert(**self._reader.read(value))
        except UndecodableError:
            self._metrics.count("undecodable", ALERTS)
            return None

    async def _deliver(self, partition: int, offset: int, alert: Alert) -> None:
        hooks = [hook for hook in self._config.webhooks if wanted(hook, alert)]
        if all(await asyncio.gather(*(self._deliverer.deliver(hook, alert) for hook in hooks))):
            self._order.end(partition, offset)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
