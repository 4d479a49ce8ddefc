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
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from processors.errors import BackpressureError, PlatformError, QueueFullError, RetryableError
from processors.runtime.batch import MessageBatch
from processors.runtime.callbacks import raising_whole
from processors.runtime.changelog import changelog_batch
from processors.runtime.config import KafkaConfig, consumer_settings, producer_settings
from processors.runtime.deadletter import DeadLetterLimit
from processors.runtime.goal import Goal
from processors.runtime.held import Held
from processors.runtime.metrics import Metrics
from processors.runtime.native import choose_path
from processors.runtime.pipeline import DEAD_LETTER, PartitionState, Pipeline
from processors.runtime.ports import Sink, Source
from processors.runtime.restore import committed_positions, restored_state
from processors.runtime.topics import check_partitions, partition_counts
from processors.runtime.transaction import Transactions

log = logging.getLogger(__name__)

GATHER_ROWS_MAX = 1_000
"""Most records of a partition at a time where the partitions of the output meet in one.

Featurize writes ``universe.v1``, whatever reads it: were it to depend on whether cross runs, cross would begin with a
hole. Cross waits for a partition for ten minutes of event time, so featurize, catching up, may not put hours of one
partition before the first record of another: 1,000 bars of a few symbols are minutes.
"""
PAUSE_S = 1.0
"""How long a blocked partition is left alone before it is tried again; the group is served meanwhile."""
GOAL_EVERY_S, GOAL_BUSY_S = 0.5, 5.0
"""How often a run that ends once it has caught up asks how far its group is: while nothing comes, and while it works,
since each question is a client of its own."""
STEADY_S = 60.0
"""Failures further apart than this do not add up: a batch that always fails does so every few seconds."""


class FencedError(PlatformError):
    """Another process took over the transactional id: this one stops."""


class KafkaDriver:
    """Runs a pipeline live, exactly once; ``run`` until ``stop``."""

    def __init__(self, pipeline: Pipeline, config: KafkaConfig) -> None:
        self.pipeline, self.config = pipeline, config
        pipeline.limit = DeadLetterLimit(config.dead_letter_share_max, config.dead_letter_window_rows)
        self.rows = 0
        self.commits = 0
        self.metrics = Metrics(config.group)
        self._path = choose_path(config.path)
        # Topics by the name that their batches have, with the name at the broker.
        self._topics = {topic: config.prefix + topic for topic in pipeline.inputs}
        self._held = Held(list(self._topics.values()))
        self._states: dict[int, PartitionState] = {}
        self._next_offset: dict[tuple[str, int], int] = {}
        self._position: dict[tuple[str, int], int] = {}
        self._paused_until: dict[int, float] = {}
        self._stopping = self._joined = False
        self._failed_at = 0.0
        self._failures = 0
        self._heard = 0.0
        self._goal: Goal | None = None
        self._asked_goal = 0.0
        self._consumer: Consumer
        self._producer: Producer
        self._transactions: Transactions
        self._source: Source
        self._sink: Sink

    @property
    def path(self) -> str:
        """Name of the path in use."""
        return self._path.name

    @property
    def rows_max(self) -> int:
        """Most records taken from one partition at once."""
        # Of what any stage of a chain gathers, no partition may run far ahead of the others.
        gathers = any(map(self.pipeline.placing.gathers, self.pipeline.stages))
        return min(self.config.batch_rows_max, GATHER_ROWS_MAX) if gathers else self.config.batch_rows_max

    def stop(self) -> None:
        """Finish the open transaction, leave the group and return from ``run``; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Work until ``stop``, or, where the configuration says ``once``, until all that was there is committed.

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
        transactions = self._transactions
        batches = self._source.poll(self.config.commit_idle_ms / 1000 if transactions.active else 0.1)
        blocked: list[int] = []
        try:
            for batch in batches:
                blocked = [batch.partition]
                self._process(batch)
            self._check_silence(heard=bool(batches))
            self._settle(wait=False)
            self._check_goal(GOAL_BUSY_S if batches else GOAL_EVERY_S)
            if transactions.open:
                age_ms = transactions.age_s() * 1000
                # A steady trickle is no load: those after us need not wait for a batch that will never be full.
                light = sum(map(len, batches)) < self.config.light_rows_max
                if age_ms >= (self.config.commit_idle_ms if light else self.config.commit_interval_ms):
                    self._begin_commit()
        except QueueFullError as e:
            # The queue is that of all partitions: were one paused alone, the others would fill it again.
            self._rewind(list(self._states), e)
        except BackpressureError as e:
            self._rewind(blocked, e)

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

    def _check_goal(self, every_s: float) -> None:
        """Stop where all that was there at the start is committed, by whichever process of the group."""
        now = time.monotonic()
        # Whoever leaves a group while joining it is given partitions on the way out.
        if self._goal is None or not self._joined or now - self._asked_goal < every_s:
            return
        self._asked_goal = now
        if self._goal.is_reached():
            log.info("caught up with what was there at the start")
            self.stop()

    def _process(self, batch: MessageBatch) -> None:
        state = self._states.get(batch.partition)
        if state is None:
            return
        # A rebalance inside one poll hands out records of the old assignment: what is committed already is dropped.
        at = batch.topic, batch.partition
        behind = int(np.searchsorted(batch.offset, self._position[at]))
        if behind:
            if behind == len(batch):
                return
            batch = batch.skip(behind)
        # The state may run ahead of a commit that is not settled: if that fails, it is restored from the changelog.
        out = self.pipeline.run(state, batch)
        self._settle()
        if not self._transactions.open:
            self._transactions.begin()
        dead = 0
        for records in out:
            self._sink.produce(self.config.prefix + records.topic, records)
            self.metrics.count("records_out", len(records), records.topic)
            dead += len(records) if records.topic == DEAD_LETTER else 0
        self._next_offset[at] = self._position[at] = int(batch.offset[-1]) + 1
        self.rows += len(batch)
        self.metrics.count("records_in", len(batch))
        self.metrics.count("dead_letters", dead)

    def _begin_commit(self) -> None:
        """Publish changed state, and begin to commit it with the records and the offsets."""
        for partition in dict.fromkeys(p for _, p in self._next_offset):
            changed = changelog_batch(self.config.changelog, partition, self._states[partition])
            if changed is not None:
                self._sink.produce(self.config.changelog, changed)
            self._states[partition].clean()
        offsets = [TopicPartition(self._topics[t], p, offset) for (t, p), offset in self._next_offset.items()]
        self._next_offset.clear()
        self._transactions.commit(offsets, self._consumer.consumer_group_metadata())

    def _settle(self, *, wait: bool = True) -> None:
        """Hear how the last commit ended."""
        took_s = self._transactions.settle(wait=wait)
        if took_s is None:
            return
        if time.monotonic() - self._failed_at > STEADY_S:
            self._failures = 0
        self.commits += 1
        self.metrics.count("commits")
        self.metrics.took("commit_seconds", took_s)

    def _commit(self) -> None:
        """Commit all that was done, and wait for it."""
        self._settle()
        if self._transactions.open:
            self._begin_commit()
            self._settle()

    def _abort(self) -> None:
        self._settle()
        self._transactions.abort(self.config.open_timeout_s)
        self._next_offset.clear()

    def _rewind(self, blocked: list[int], reason: BackpressureError) -> None:
        """Go back to the last commit, and leave the partitions that are blocked paused for a while.

        Every partition goes back, not the blocked ones alone: one transaction holds the records of all, so its abort
        takes back what each has done since the last commit, and each state is restored to that point.
        """
        log.warning("partitions %s paused for %.0f s: %s", blocked, PAUSE_S, reason)
        self._abort()
        placed = self._committed(self._held.places(self._states))
        self._restore(list(self._states), placed)
        for at in placed:
            self._consumer.seek(at)
        self._consumer.pause(self._held.places(blocked))
        self._paused_until |= dict.fromkeys(blocked, time.monotonic() + PAUSE_S)
        self.metrics.show("partitions_paused", len(self._paused_until))

    def _resume_paused(self) -> None:
        if not self._paused_until:
            return
        now = time.monotonic()
        due = [p for p, until in self._paused_until.items() if until <= now]
        if due:
            self._consumer.resume(self._held.places(due))
            for p in due:
                del self._paused_until[p]
            self.metrics.show("partitions_paused", len(self._paused_until))

    def _restore(self, partitions: list[int], placed: list[TopicPartition]) -> None:
        """Take up partitions at the committed positions of all their topics."""
        for partition in partitions:
            began = time.monotonic()
            at = [p for p in placed if p.partition == partition]
            self._states[partition] = restored_state(self.pipeline, self.config, at)
            for p in at:
                self._position[p.topic.removeprefix(self.config.prefix), partition] = max(p.offset, 0)
            self.metrics.took("restore_seconds", time.monotonic() - began)

    @raising_whole
    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._joined = True
        # A kept partition's transaction must not stay open while others are restored.
        self._commit()
        self._source.assigned(partitions)
        # Committed offsets first: the call waits until no transaction of a former owner is open on them. After that
        # the changelog is as old as the offsets, since both are written by the same transactions.
        whole = self._held.add(partitions)
        mine = {(p.topic, p.partition) for p in partitions}
        pieces = [p for p in self._held.places(whole) if (p.topic, p.partition) not in mine]
        placed = self._committed([*partitions, *pieces])
        self._restore(whole, placed)
        given = placed[: len(partitions)]
        if self.config.group_protocol == "consumer":
            consumer.incremental_assign(given)
        else:
            consumer.assign(given)
        for p in placed[len(partitions) :]:
            consumer.seek(p)
        # Resumed by name: the client keeps a partition paused over its loss and return.
        consumer.resume([p for p in placed if p.partition in self._states])
        self._hold_back([p for p in given if p.partition not in self._states])
        self.metrics.show("partitions_assigned", len(self._states))
        log.info("assigned %s", sorted(self._states))

    def _committed(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return committed_positions(self._consumer, places, accept_loss=self.config.accept_loss)

    def _hold_back(self, pieces: list[TopicPartition]) -> None:
        """Stop fetching what cannot be worked on: another process holds the same partition of another topic."""
        if pieces:
            self._consumer.pause(pieces)
            log.warning("waiting for the other topics of %s", ", ".join(f"{p.topic} {p.partition}" for p in pieces))

    @raising_whole
    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # The next owner starts from what is committed, so finish first.
        self._commit()
        self._forget(partitions)

    @raising_whole
    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Another process may own them already: what is not committed must not be.
        self._abort()
        self._forget(partitions)
        if self._states:
            raise RetryableError("some partitions were lost, and with them what the others had not committed")

    def _forget(self, partitions: list[TopicPartition]) -> None:
        self._source.revoked(partitions)
        given_up = self._held.remove(partitions)
        for p in given_up:
            self._states.pop(p, None)
            self._paused_until.pop(p, None)
        self._hold_back(self._held.places(given_up))
        self.metrics.show("partitions_assigned", len(self._states))
        log.info("gave up %s", sorted(p.partition for p in partitions))

    def _open(self) -> None:
        c = self.config
        self._producer = Producer(producer_settings(c))
        self._sink = self._path.sink(self._producer)
        self._producer.init_transactions(c.open_timeout_s)
        self._transactions = Transactions(self._producer, c.transaction_timeout_ms / 1000 + 5)
        self._consumer = Consumer(consumer_settings(c))
        self._check_partitions()
        if c.once and self._goal is None:
            self._goal = Goal.now(c.bootstrap_servers, c.prefix + c.group, list(self._topics.values()))
        names = {full: topic for topic, full in self._topics.items()}
        self._source = self._path.source(self._consumer, names, self.rows_max)
        self._held = Held(list(names))
        self._consumer.subscribe(
            list(names), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._heard = time.monotonic()

    def _check_partitions(self) -> None:
        """Refuse topics that cannot be read together, and tell the pipeline how many partitions it spreads over."""
        spread = [self.config.prefix + t for t in sorted(self.pipeline.placing.spread)]
        if len(self._topics) == 1 and not spread:
            return
        servers = self.config.bootstrap_servers
        counts = partition_counts(self._consumer, servers)
        check_partitions(servers, counts, list(self._topics.values()))
        if spread:
            self.pipeline.placing.set_partitions(check_partitions(servers, counts, spread))

    def _close(self) -> None:
        """Close both clients; what is not committed is given up."""
        if hasattr(self, "_transactions"):
            try:
                self._abort()
            except (KafkaException, RetryableError) as e:
                log.warning("transaction left to the broker's time-out: %s", e.args[0])
                self._transactions.forget()
        self._next_offset.clear()
        if hasattr(self, "_consumer"):
            try:
                self._consumer.close()
            except KafkaException as e:
                # Closing serves callbacks: partitions that are given now cannot be taken up any more.
                log.warning("given partitions while it left the group: %s", e.args[0])
            del self._consumer
        self._states.clear()
        if hasattr(self, "_sink"):
            self._sink.close()
            del self._sink, self._producer
        if hasattr(self, "_transactions"):
            del self._transactions

    def _classify(self, error: KafkaError) -> RetryableError:
        """Return what to retry.

        Raises
        ------
        FencedError
            There is nothing to retry: another process took over.
        """
        error = self._cause(error)
        if error.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED):
            # The broker fences a producer, too, whose transaction outlived its time-out: after an outage, or a pause
            # of this process. Then nobody took over, and a new producer goes on from what is committed.
            age_ms = self._transactions.age_s() * 1000 if hasattr(self, "_transactions") else 0.0
            if age_ms >= self.config.transaction_timeout_ms and self._transactions.open:
                return RetryableError(
                    f"Kafka at {self.config.bootstrap_servers}: transaction aborted after {age_ms:.0f} ms"
                )
            raise FencedError(f"group {self.config.group} instance {self.config.instance}: taken over: {error.str()}")
        return RetryableError(f"Kafka at {self.config.bootstrap_servers}: {error.name()}: {error.str()}")

    def _cause(self, error: KafkaError) -> KafkaError:
        """Return why a producer is of no use any more: from then on its calls say that it is, and only an abort why.

        Taken for something to be retried, a fence would be answered by a new producer that fences the newer process.
        """
        if error.code() != KafkaError._FATAL or not hasattr(self, "_producer"):
            return error
        try:
            self._producer.abort_transaction(self.config.open_timeout_s)
        except KafkaException as e:
            cause: KafkaError = e.args[0]
            return cause
        return error

    def _give_up_or_wait(self, error: RetryableError) -> None:
        self._failures += 1
        self._failed_at = time.monotonic()
        self.metrics.count("retries")
        if self._failures > self.config.retries_max:
            address = f"Kafka at {self.config.bootstrap_servers}"
            reason = str(error) if address in str(error) else f"{address}: {error}"
            raise PlatformError(f"gave up after {self._failures} attempts in a row: {reason}") from error
        wait_s = min(0.1 * 2**self._failures, 5.0)
        log.warning("attempt %d failed, again in %.1f s: %s", self._failures, wait_s, error)
        # In slices, so that a stop is soon seen; an Event's lock could be held when the signal comes.
        until = time.monotonic() + wait_s
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.05)
