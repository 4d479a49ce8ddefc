"""The Kafka driver: consume a batch, run the stages, publish records, changed state and offsets in one transaction.

    poll -> run -> produce -> ... -> changelog + offsets + commit        (about every commit_interval_ms)
      ^                                   |
      |      abort or failed step: state from the changelog, position from the committed offsets
      +-----------------------------------+

After a commit whose outcome is unknown the producer is closed and a new one made (its epoch bump settles the old
transaction), and work resumes from the committed offsets: librdkafka lacks the client side of KIP-890.
"""

import logging
import time

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from processors.errors import BackpressureError, ConfigError, PlatformError, RetryableError
from processors.runtime.batch import MessageBatch
from processors.runtime.changelog import changelog_batch, read_changelog
from processors.runtime.config import KafkaConfig, consumer_settings, producer_settings
from processors.runtime.deadletter import DeadLetterLimit
from processors.runtime.metrics import Metrics
from processors.runtime.native import choose_path
from processors.runtime.pipeline import DEAD_LETTER, PartitionState, Pipeline
from processors.runtime.ports import Sink, Source

log = logging.getLogger(__name__)

STEADY_S = 60.0
"""Failures further apart than this do not add up: a batch that always fails does so every few seconds."""


class FencedError(PlatformError):
    """Another process took over the transactional id: this one stops."""


class LostRecordsError(PlatformError):
    """Records were deleted from the source before they were read: retention was shorter than the delay."""


class _UnknownOutcomeError(Exception):
    """A commit timed out: nobody knows whether it happened. Only a new producer settles it."""


class KafkaDriver:
    """Runs a pipeline live, exactly once; ``run`` until ``stop``."""

    def __init__(self, pipeline: Pipeline, config: KafkaConfig) -> None:
        self.pipeline, self.config = pipeline, config
        pipeline.limit = DeadLetterLimit(config.dead_letter_share_max, config.dead_letter_window_rows)
        self.rows = 0
        self.commits = 0
        self.metrics = Metrics(config.group)
        self._path = choose_path(config.path)
        self._states: dict[int, PartitionState] = {}
        self._next_offset: dict[int, int] = {}
        self._position: dict[int, int] = {}
        self._paused_until: dict[int, float] = {}
        self._stopping = False
        self._failed_at = 0.0
        self._failures = 0
        self._in_transaction = False
        self._began = 0.0
        self._heard = 0.0
        self._consumer: Consumer
        self._producer: Producer
        self._source: Source
        self._sink: Sink

    @property
    def path(self) -> str:
        """Name of the path in use."""
        return self._path.name

    def stop(self) -> None:
        """Finish the open transaction, leave the group and return from ``run``; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Work until ``stop``.

        Raises
        ------
        FencedError
            Another process has this group and instance.
        DeadLetterLimitError
            Too much of the input is unusable.
        LostRecordsError
            Records are gone that were not read yet.
        ConfigError
            The changelog is not that of the committed offsets.
        PlatformError
            The brokers stayed away, or a step kept failing, ``retries_max`` times in a row.
        """
        self.pipeline.warm()
        while not self._stopping:
            failure: RetryableError | None = None
            try:
                self._open()
                self._work()
            except _UnknownOutcomeError as e:
                failure = RetryableError(f"commit without an answer: {e}")
            except RetryableError as e:
                failure = e
            except KafkaException as e:
                failure = self._classify(e.args[0])
            finally:
                # Before any wait: an open transaction holds up readers, and the group may give the partitions away.
                self._close()
            if failure is not None:
                self._give_up_or_wait(failure)

    def _work(self) -> None:
        while not self._stopping:
            self._turn()
        self._commit()

    def _turn(self) -> None:
        """Take what is there, and commit when it is time."""
        self._resume_paused()
        wait_s = self.config.commit_idle_ms / 1000 if self._in_transaction else 0.1
        batches = self._source.poll(wait_s)
        try:
            for batch in batches:
                self._process(batch)
        except BackpressureError as e:
            self._rewind_partition(batch.partition, e)
            return
        self._check_silence(heard=bool(batches))
        if self._in_transaction:
            age_ms = (time.monotonic() - self._began) * 1000
            if age_ms >= self.config.commit_interval_ms or (not batches and age_ms >= self.config.commit_idle_ms):
                self._commit()

    def _check_silence(self, *, heard: bool) -> None:
        """Ask for the brokers when nothing has come for long: an idle topic and a lost cluster look the same."""
        now = time.monotonic()
        if not heard and now - self._heard < self.config.silence_s_max:
            return
        self._heard = now
        # Serves the producer's log lines.
        self._producer.poll(0)
        if not heard:
            self._consumer.list_topics(self.config.prefix + self.pipeline.source, self.config.open_timeout_s)
            self._failures = 0

    def _process(self, batch: MessageBatch) -> None:
        state = self._states.get(batch.partition)
        if state is None:
            return
        # A rebalance inside one poll hands out records of the old assignment: what is committed already is dropped.
        behind = int(np.searchsorted(batch.offset, self._position[batch.partition]))
        if behind:
            if behind == len(batch):
                return
            batch = batch.skip(behind)
        if not self._in_transaction:
            self._producer.begin_transaction()
            self._in_transaction, self._began = True, time.monotonic()
        dead = 0
        for out in self.pipeline.run(state, batch):
            self._sink.produce(self.config.prefix + out.topic, out)
            self.metrics.count("records_out", len(out), out.topic)
            dead += len(out) if out.topic == DEAD_LETTER else 0
        self._next_offset[batch.partition] = self._position[batch.partition] = int(batch.offset[-1]) + 1
        self.rows += len(batch)
        self.metrics.count("records_in", len(batch))
        self.metrics.count("dead_letters", dead)

    def _commit(self) -> None:
        """Publish changed state and offsets and commit them with the records."""
        if not self._in_transaction:
            return
        began = time.monotonic()
        for partition in self._next_offset:
            changed = changelog_batch(self.config.changelog, partition, self._states[partition])
            if changed is not None:
                self._sink.produce(self.config.changelog, changed)
        topic = self.config.prefix + self.pipeline.source
        offsets = [TopicPartition(topic, p, offset) for p, offset in self._next_offset.items()]
        try:
            self._producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata(), 20)
            self._producer.commit_transaction(20)
        except KafkaException as e:
            error = e.args[0]
            if error.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT) and not error.txn_requires_abort():
                # Neither commit nor abort may be asked of this producer again: only a new one settles the outcome.
                self._in_transaction = False
                raise _UnknownOutcomeError(str(error)) from e
            raise
        self._in_transaction = False
        for partition in self._next_offset:
            self._states[partition].clean()
        self._next_offset.clear()
        if time.monotonic() - self._failed_at > STEADY_S:
            self._failures = 0
        self.commits += 1
        self.metrics.count("commits")
        self.metrics.took("commit_seconds", time.monotonic() - began)

    def _abort(self) -> None:
        if self._in_transaction:
            self._producer.abort_transaction(self.config.open_timeout_s)
            self._in_transaction = False
            self._next_offset.clear()

    def _rewind_partition(self, partition: int, reason: BackpressureError) -> None:
        """Go back to the last commit, and leave the partition that is blocked paused for a while."""
        log.warning("partition %d paused for 1 s: %s", partition, reason)
        self._abort()
        for at in self._committed(list(self._states)):
            self._restore(at.partition, at.offset)
            self._consumer.seek(at)
        self._consumer.pause([TopicPartition(self.config.prefix + self.pipeline.source, partition)])
        self._paused_until[partition] = time.monotonic() + 1.0
        self.metrics.show("partitions_paused", len(self._paused_until))

    def _resume_paused(self) -> None:
        if not self._paused_until:
            return
        now = time.monotonic()
        due = [p for p, until in self._paused_until.items() if until <= now]
        if due:
            topic = self.config.prefix + self.pipeline.source
            self._consumer.resume([TopicPartition(topic, p) for p in due])
            for p in due:
                del self._paused_until[p]
            self.metrics.show("partitions_paused", len(self._paused_until))

    def _restore(self, partition: int, committed: int) -> None:
        began = time.monotonic()
        state = self.pipeline.open()
        entries = read_changelog(self.config.bootstrap_servers, self.config.changelog, partition)
        if committed > 0 and not entries:
            # Every commit writes the counts at least, so the changelog was deleted or is another one.
            raise ConfigError(
                self.config.changelog, f"partition {partition}", "empty",
                f"group {self.config.group} has committed offset {committed}, so its state is lost: begin anew under "
                "another --prefix, or delete the group too to read everything again",
            )  # fmt: skip
        state.restore(entries)
        self._states[partition] = state
        took_s = time.monotonic() - began
        self.metrics.took("restore_seconds", took_s)
        log.info("partition %d: %d rows restored in %.2f s", partition, len(entries), took_s)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # A kept partition's transaction must not stay open while others are restored.
        self._commit()
        self._source.assigned(partitions)
        # Committed offsets first: the call waits until no transaction of a former owner is open on them. After that
        # the changelog is as old as the offsets, since both are written by the same transactions.
        placed = self._committed([p.partition for p in partitions])
        for p in placed:
            self._restore(p.partition, p.offset)
        if self.config.group_protocol == "consumer":
            consumer.incremental_assign(placed)
        else:
            consumer.assign(placed)
        self.metrics.show("partitions_assigned", len(self._states))
        log.info("assigned %s", sorted(self._states))

    def _committed(self, partitions: list[int]) -> list[TopicPartition]:
        """Return the committed position of each partition, its beginning where nothing was committed yet."""
        topic = self.config.prefix + self.pipeline.source
        placed = self._consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=30)
        for p in placed:
            if p.error is not None:
                raise KafkaException(p.error)
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, p.partition), timeout=30)
            if p.offset >= 0:
                self._check_loss(p, low, high)
            self._position[p.partition] = max(p.offset, 0)
            if p.offset < 0:
                p.offset = OFFSET_BEGINNING
        return placed

    def _check_loss(self, at: TopicPartition, low: int, high: int) -> None:
        """Compare a committed position with what the log still holds; move it to the log's beginning if that is wanted.

        Raises
        ------
        LostRecordsError
            Records are gone, and ``accept_loss`` is off.
        """
        if low <= at.offset <= high:
            return
        what = f"{at.topic} partition {at.partition}: committed offset {at.offset}, but the log holds {low} to {high}"
        if not self.config.accept_loss:
            raise LostRecordsError(f"{what}: records are lost; go on without them with --accept-loss")
        log.error("%s: going on from %d", what, low)
        at.offset = low

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # The next owner starts from what is committed, so finish first.
        self._commit()
        self._forget(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Another process may own them already: what is not committed must not be.
        self._abort()
        self._forget(partitions)
        if self._states:
            raise RetryableError("some partitions were lost, and with them what the others had not committed")

    def _forget(self, partitions: list[TopicPartition]) -> None:
        self._source.revoked(partitions)
        for p in partitions:
            self._states.pop(p.partition, None)
            self._paused_until.pop(p.partition, None)
        self.metrics.show("partitions_assigned", len(self._states))
        log.info("gave up %s", sorted(p.partition for p in partitions))

    def _open(self) -> None:
        c = self.config
        self._producer = Producer(producer_settings(c))
        self._sink = self._path.sink(self._producer)
        self._producer.init_transactions(c.open_timeout_s)
        self._consumer = Consumer(consumer_settings(c))
        topic = c.prefix + self.pipeline.source
        self._source = self._path.source(self._consumer, topic, self.pipeline.source, c.batch_rows_max)
        self._consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        self._heard = time.monotonic()

    def _close(self) -> None:
        """Close both clients; what is not committed is given up."""
        try:
            if hasattr(self, "_producer"):
                self._abort()
        except KafkaException as e:
            log.warning("transaction left to the broker's time-out: %s", e.args[0])
        self._in_transaction = False
        self._next_offset.clear()
        if hasattr(self, "_consumer"):
            self._consumer.close()
            del self._consumer
        self._states.clear()
        if hasattr(self, "_sink"):
            self._sink.close()
            del self._sink, self._producer

    def _classify(self, error: KafkaError) -> RetryableError:
        """Return what to retry.

        Raises
        ------
        FencedError
            There is nothing to retry: another process took over.
        """
        if error.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED):
            # The broker fences a producer, too, whose transaction outlived its time-out: after an outage, or a pause
            # of this process. Then nobody took over, and a new producer goes on from what is committed.
            age_ms = (time.monotonic() - self._began) * 1000
            if self._in_transaction and age_ms >= self.config.transaction_timeout_ms:
                return RetryableError(
                    f"Kafka at {self.config.bootstrap_servers}: transaction aborted after {age_ms:.0f} ms"
                )
            raise FencedError(f"group {self.config.group} instance {self.config.instance}: taken over: {error.str()}")
        return RetryableError(f"Kafka at {self.config.bootstrap_servers}: {error.name()}: {error.str()}")

    def _give_up_or_wait(self, error: RetryableError) -> None:
        self._failures += 1
        self._failed_at = time.monotonic()
        self.metrics.count("retries")
        if self._failures > self.config.retries_max:
            raise PlatformError(f"gave up after {self._failures} attempts in a row: {error}") from error
        wait_s = min(0.1 * 2**self._failures, 5.0)
        log.warning("attempt %d failed, again in %.1f s: %s", self._failures, wait_s, error)
        # In slices, so that a stop is soon seen; an Event's lock could be held when the signal comes.
        until = time.monotonic() + wait_s
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.05)
