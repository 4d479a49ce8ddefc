"""Publishes a recording to ``ticks.raw.v1``: at a chosen speed, never twice within a run, and able to go on later.

Called by ``mps replay`` and ``mps demo``.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from processors.configuration import configured
from processors.errors import ConfigError, PlatformError, RetryableError
from processors.feeds import port
from processors.feeds.files import Recording
from processors.feeds.partitioner import Partitioner
from processors.feeds.replay import BATCH_ROWS, Step, steps
from processors.feeds.resume import BROKER_TIMEOUT_S, TopicRecords
from processors.reconcile.config import ReconcileConfig
from processors.runtime.plain import PlainSink
from processors.runtime.strings import STRINGS
from processors.runtime.topics import create_topics, partitions_at

DELIVERY_TIMEOUT_S = 60.0
"""How long a record may be under way before the run fails: a broker's restart fits in, a dead broker is noticed."""
PAUSE_S_MAX = 2.0
"""Longest wait for one gap of the recording: a weekend is not slept through, at no speed."""
BEGIN_ANEW = "Begin anew with `mps down --wipe`, or beside it with another MPS_HOME"
SLICE_S = 0.05
"""Wall time that one step of a paced replay spans: below what a human sees, above what a timer misses."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to publish.

    Parameters
    ----------
    speed
        Recorded seconds a second; None for as fast as it goes.
    limit
        Most ticks.
    begin_ns, end_ns
        Only ticks with an event time in ``[begin_ns, end_ns)``.
    resume
        Go on after what the topic already holds of the same recording.
    partitions
        Of the topic, which is created where it is missing; None for that of the platform, ``partitions_at``.
    prefix
        Stands before the topic's name.
    late
        Publish although all of it is older than what the topic has seen.
    pause_s_max
        Longest wait for one gap, seconds of the wall: whoever measures ages needs every gap in full.
    """

    speed: float | None = None
    limit: int | None = None
    begin_ns: int | None = None
    end_ns: int | None = None
    resume: bool = False
    partitions: int | None = None
    prefix: str = ""
    late: bool = False
    batch_rows: int = BATCH_ROWS
    pause_s_max: float = PAUSE_S_MAX

    def __post_init__(self) -> None:
        """Check the values."""
        if self.speed is not None and not 0 < self.speed < float("inf"):
            raise ConfigError("replay", "speed", self.speed, "a positive number, or max")
        for name in ("limit", "partitions", "batch_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError("replay", name, value, "1 or more")
        if self.begin_ns is not None and self.end_ns is not None and self.begin_ns >= self.end_ns:
            raise ConfigError("replay", "from", self.begin_ns, "must be before --to")


@dataclass(slots=True)
class Published:
    """The account of one replay.

    Parameters
    ----------
    ticks
        Ticks of the recording that are in the topic now: published by this run, or found there on resume.
    marks
        The same for clock marks.
    skipped
        Records among them (ticks and marks) that were found there.
    kinds, symbols
        Ticks by kind and by symbol.
    first_event_ns, last_event_ns
        Earliest and latest event time; 0 where there was no tick.
    seconds
        Wall time of publishing.
    gaps_cut
        Gaps of the recording that were not waited for in full.
    warnings
        What the user should know about the records published, one sentence each.
    """

    ticks: int = 0
    marks: int = 0
    skipped: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    symbols: dict[str, int] = field(default_factory=dict)
    first_event_ns: int = 0
    last_event_ns: int = 0
    seconds: float = 0.0
    gaps_cut: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Ticks and marks."""
        return self.ticks + self.marks

    @property
    def ticks_per_s(self) -> float:
        """Ticks a second of wall time."""
        return self.ticks / self.seconds if self.seconds > 0 else 0.0

    def add(self, step: Step) -> None:
        """Count a step's ticks and marks."""
        self.marks += step.marks
        ticks = step.ticks
        if not len(ticks):
            return
        self.ticks += len(ticks)
        event = port.longs(ticks, "ts_event")
        self.first_event_ns = min(self.first_event_ns or int(event.min()), int(event.min()))
        self.last_event_ns = max(self.last_event_ns, int(event.max()))
        names = port.codec().layout.symbols["kind"]
        for kind, n in enumerate(np.bincount(port.longs(ticks, "kind"), minlength=len(names)).tolist()):
            if n:
                self.kinds[names[kind]] = self.kinds.get(names[kind], 0) + n
        codes, counts = np.unique(port.longs(ticks, "symbol_id"), return_counts=True)
        for code, n in zip(codes.tolist(), counts.tolist(), strict=True):
            symbol = STRINGS.text(code)
            self.symbols[symbol] = self.symbols.get(symbol, 0) + n


Progress = Callable[[Published, int], None]
"""Told the account so far and the recording's clock, ns."""


class Publisher:
    """Sends recordings to one broker.

    Parameters
    ----------
    bootstrap_servers
        Kafka, "host:port,...".
    progress
        Called after each step, a few hundred times a run at full speed.
    warn
        Told each warning when it is known, before the records it is about are published.
    """

    def __init__(
        self, bootstrap_servers: str, progress: Progress | None = None, warn: Callable[[str], None] | None = None
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._tell = progress or (lambda _account, _clock_ns: None)
        self._warn = warn or (lambda _text: None)
        self._failed: list[str] = []

    def publish(self, recording: Recording, options: ReplayOptions | None = None) -> Published:
        """Publish the recording and return the account, once the broker has confirmed every record.

        Raises
        ------
        ConfigError
            The topic has another number of partitions, or, on resume, holds something else than this recording.
        PlatformError
            All of it would be late, and that was not asked for: nothing is published.
        RetryableError
            The broker is away, or refused or lost records; nothing is published twice by trying again with resume.
        """
        options = options or ReplayOptions()
        topic = options.prefix + port.RAW_TOPIC
        self._find_broker()
        partitions = options.partitions or partitions_at(self.bootstrap_servers, options.prefix)
        options = replace(options, partitions=partitions)
        create_topics(self.bootstrap_servers, options.prefix, [port.RAW_TOPIC], partitions)
        held = TopicRecords(self.bootstrap_servers, topic, partitions) if options.resume else None
        if held is not None:
            held.verify(step.batches for step in _steps(recording, options, None))
        seen_ns = self._newest_event_ns(topic, options)
        if not options.late:
            _refuse_late(topic, recording, options, seen_ns)
        newest_ns = max(seen_ns.values(), default=0)
        pace = _Pace(options.speed, options.pause_s_max)
        account = Published()
        producer = self._producer()
        begin_s = time.monotonic()
        try:
            sink = PlainSink(producer, DELIVERY_TIMEOUT_S)
            for step in _steps(recording, options, pace.slice_ns):
                if not account.ticks:
                    self._look_back(topic, step, newest_ns, account)
                batches = step.batches if held is None else held.rest(step.batches)
                if batches:
                    # What the topic has already is not waited for.
                    pace.wait(step.clock_ns, producer)
                for batch in batches:
                    sink.produce(topic, batch)
                self._check()
                account.add(step)
                account.seconds = time.monotonic() - begin_s
                self._tell(account, step.clock_ns)
            self._flush(producer)
        except KafkaException as e:
            producer.purge()
            raise RetryableError(f"Kafka at {self.bootstrap_servers}: {e.args[0].str()}; go on with --resume") from e
        except BaseException:
            producer.purge()
            raise
        account.seconds = time.monotonic() - begin_s
        account.gaps_cut = pace.gaps_cut
        if held is not None:
            account.skipped = held.skipped
        return account

    def _newest_event_ns(self, topic: str, options: ReplayOptions) -> dict[int, int]:
        """Return partition -> greatest event time that is known of it."""
        if options.resume:
            # What it goes on with is no older than what is there.
            return {}
        assert options.partitions is not None, "publish has found out"
        try:
            return TopicRecords(self.bootstrap_servers, topic, options.partitions).newest_event_ns()
        except RetryableError:
            # For a warning only: whoever else writes there may end with something that is no record.
            return {}

    def _look_back(self, topic: str, step: Step, newest_ns: int, account: Published) -> None:
        """Warn where the recording begins before what the topic has seen: time only goes forward."""
        if not len(step.ticks):
            return
        first_ns = int(port.longs(step.ticks, "ts_event").min())
        if newest_ns - first_ns <= _lateness_ns():
            return
        account.warnings.append(
            f"{topic} has seen {_utc(newest_ns)} already, and these ticks begin at {_utc(first_ns)}: until then they "
            f"are late and make no bars. {BEGIN_ANEW}"
        )
        self._warn(account.warnings[-1])

    def _find_broker(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        try:
            admin.list_topics(timeout=BROKER_TIMEOUT_S)
        except KafkaException as e:
            raise RetryableError(
                f"Kafka at {self.bootstrap_servers} does not answer ({e.args[0].str()}): start it with `mps up`, "
                "or set MPS_BOOTSTRAP_SERVERS"
            ) from e

    def _producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                # Retries neither double nor reorder records.
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 10,
                "batch.size": 1 << 20,
                # Bounds the memory, and the time that a record waits here.
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 1 << 17,
                "delivery.timeout.ms": int(DELIVERY_TIMEOUT_S * 1000),
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
                # A lost connection is retried; what fails in the end is raised.
                "log_level": 2,
            }
        )

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and len(self._failed) < 10:
            self._failed.append(f"{message.topic()} [{message.partition()}]: {error.str()}")

    def _check(self) -> None:
        if self._failed:
            raise RetryableError(
                f"Kafka at {self.bootstrap_servers} did not take a record: {self._failed[0]}; "
                "once it is well, go on with --resume"
            )

    def _flush(self, producer: Producer) -> None:
        left = producer.flush(DELIVERY_TIMEOUT_S + 5)
        self._check()
        if left:
            raise RetryableError(f"{left:,} records are still unconfirmed after {DELIVERY_TIMEOUT_S:.0f} s")


def _steps(recording: Recording, options: ReplayOptions, slice_ns: int | None) -> Iterator[Step]:
    return steps(
        recording, partitions=options.partitions, batch_rows=options.batch_rows, slice_ns=slice_ns,
        limit=options.limit, begin_ns=options.begin_ns, end_ns=options.end_ns,
    )  # fmt: skip


def _refuse_late(topic: str, recording: Recording, options: ReplayOptions, seen_ns: dict[int, int]) -> None:
    """Refuse a recording of which every tick is behind the clock of its partition: no bar would be made of it."""
    newest_ns = max(f.newest_event_ns for f in recording.files)
    if options.end_ns is not None:
        newest_ns = min(newest_ns, options.end_ns - 1)
    codes = np.array([STRINGS.code(symbol) for f in recording.files for symbol in f.symbols], np.int64)
    assert options.partitions is not None, "publish has found out"
    partitions = np.unique(Partitioner(options.partitions).of(codes)[0]).tolist()
    clock_ns = min((seen_ns.get(p, 0) for p in partitions), default=0)
    if newest_ns >= clock_ns - _lateness_ns():
        return
    raise PlatformError(
        f"nothing is published: {topic} has seen {_utc(clock_ns)} already, and the newest of these ticks is of "
        f"{_utc(newest_ns)}: all of them would be late and make no bars. {BEGIN_ANEW}; --late publishes them anyway"
    )


def _lateness_ns() -> int:
    return configured("reconcile", ReconcileConfig()).lateness_ms * 1_000_000


def _utc(ns: int) -> str:
    return f"{np.datetime64(ns, 'ns').astype('datetime64[s]')}Z"


class _Pace:
    """Waits so that the recording's clock passes at a speed; long gaps are cut."""

    def __init__(self, speed: float | None, pause_s_max: float) -> None:
        self._speed, self._pause_s_max = speed, pause_s_max
        self.slice_ns = None if speed is None else max(1, int(SLICE_S * speed * 1e9))
        self.gaps_cut = 0
        self._clock_ns = 0
        self._due_s = 0.0

    def wait(self, clock_ns: int, producer: Producer) -> None:
        """Wait until a step at this clock is due."""
        if self._speed is None:
            return
        now_s = time.monotonic()
        if not self._clock_ns:
            self._due_s = now_s
        else:
            pause_s = (clock_ns - self._clock_ns) / 1e9 / self._speed
            if pause_s > self._pause_s_max:
                self.gaps_cut += 1
                pause_s = self._pause_s_max
            self._due_s += pause_s
        self._clock_ns = clock_ns
        producer.poll(max(0.0, self._due_s - now_s))
        # poll comes back early for an event.
        time.sleep(max(0.0, self._due_s - time.monotonic()))
