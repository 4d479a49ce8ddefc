"""The demo's course: parts up, model trained, stages up, ticks published, everything drained, the account made."""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from deploy.demo import newest
from deploy.demo.account import Line, account
from deploy.demo.monitor import Monitor, Progress
from deploy.local.endpoints import Endpoints
from deploy.local.paths import Home, home
from deploy.local.run_file import read_running
from deploy.local.score_service import serve_command
from deploy.local.stack import Stack
from deploy.local.supervisor import Supervisor, stop_in_order, term_as_interrupt
from processors.errors import PlatformError
from processors.feeds.files import open_recording
from processors.feeds.publish import Published, Publisher, ReplayOptions
from processors.runtime.changelog import read_account
from processors.runtime.topics import create_changelog, create_topics, partitions_at
from processors.sinks.redis_store import RedisStore
from processors.sinks.stats import Stats, read_stats
from processors.topology import STAGE_NAMES

DRAIN_S_MAX = 300.0
"""Longest wait after the last tick until every stage and sink has caught up."""
LOOK_EVERY_S = 0.25
IDLE_LOOKS = 40
"""Ten seconds in which nothing has anything to do: rows that are missing then will not come any more."""

Tell = Callable[[str], None]
"""Told what is being done, in a few words."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    Parameters
    ----------
    files
        Recorded ticks.
    speed
        Event seconds a wall second; None for as fast as possible.
    path
        ``auto``, ``native`` or ``plain``.
    """

    files: tuple[Path, ...]
    speed: float | None = None
    path: str = "auto"


@dataclass(slots=True)
class Result:
    """What the demo ends with."""

    published: Published
    topics: dict[str, int]
    fates: dict[str, dict[str, int]]
    dead: dict[tuple[str, str], int]
    freshness: dict[str, int]
    lines: list[Line]
    latency_p50_ms: float
    latency_p99_ms: float
    seconds: float

    @property
    def even(self) -> bool:
        """Whether every line of the account comes out."""
        return all(line.even for line in self.lines)


@dataclass(slots=True)
class Demo:
    """The running demo: a context manager, so that whatever happens everything it started is stopped.

    Parameters
    ----------
    options
        What the user asked for.
    tell
        Told each step.
    """

    options: Options
    tell: Tell
    home: Home = field(default_factory=home)
    monitor: Monitor = field(init=False)
    progress: Progress = field(init=False)
    endpoints: Endpoints = field(init=False)
    store: RedisStore = field(init=False)
    published: Published | None = None
    _stack: Stack = field(init=False)
    _exit: ExitStack = field(default_factory=ExitStack)
    _feed_failure: BaseException | None = None
    _began: float = 0.0

    def __enter__(self) -> Self:
        """Start the parts, train where there is no model yet, and start every stage."""
        try:
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything in the reverse order."""
        self._exit.close()

    def _start(self) -> None:
        self._exit.enter_context(term_as_interrupt())
        self.tell("clearing the last run")
        # Left-overs of a crash, and parts that `mps up` left running; another live run is refused by ``claim``.
        Supervisor(self.home).claim()
        stop_in_order(read_running(self.home))
        for folder in (self.home.kafka, self.home.redis, self.home.clickhouse):
            shutil.rmtree(folder, ignore_errors=True)
        self._stack = self._exit.enter_context(Stack(self.home, progress=self.tell))
        self.endpoints = self._stack.endpoints
        self.store = RedisStore.from_url(self.endpoints.redis_url)
        self._exit.callback(self.store.client.close)
        self.tell("creating topics")
        create_topics(self.endpoints.bootstrap_servers)
        for stage in STAGE_NAMES:
            create_changelog(self.endpoints.bootstrap_servers, f"{stage}.changelog")
        self._train()
        for stage in STAGE_NAMES:
            self._spawn(stage, "run", stage, "--path", self.options.path)
        self._spawn("sink", "sink")
        self._spawn("serve", *serve_command())
        self.monitor = Monitor(self.endpoints.bootstrap_servers)
        self._exit.callback(self.monitor.close)
        self.progress = Progress(self.endpoints.bootstrap_servers)
        self._exit.callback(self.progress.close)

    def _spawn(self, name: str, *arguments: str, may_end: bool = False) -> None:
        self.tell(f"starting {name}")
        self._stack.supervisor.start(name, [sys.executable, "-m", "cli.main", *arguments], may_end=may_end)

    def _train(self) -> None:
        from processors.score.model import model_path

        if (path := model_path()).is_file():
            self.tell(f"scoring with the model that is there, {path}")
            return
        # On the very ticks that are published: a model of others would say nothing of these.
        self._spawn("train", "train", *(str(file.resolve()) for file in self.options.files), "--json", may_end=True)
        began = time.monotonic()

        def tick() -> None:
            self.tell(f"training the baseline on the earlier rows, {time.monotonic() - began:.0f} s")

        try:
            self._stack.supervisor.wait("train", 600, tick=tick)
        except PlatformError as e:
            raise PlatformError(
                f"{e}\nNo model can be made of these ticks: name more of them, or make one of the shipped ticks first, "
                "with `mps train`, and run the demo again"
            ) from e

    def feed(self, on_progress: Callable[[Published, int], None]) -> None:
        """Publish the recordings from a thread; ``check`` and ``fed`` tell how it goes."""
        self._began = time.monotonic()
        recording = open_recording(self.options.files)

        def work() -> None:
            try:
                publisher = Publisher(self.endpoints.bootstrap_servers, on_progress)
                self.published = publisher.publish(recording, ReplayOptions(speed=self.options.speed))
            except BaseException as e:  # noqa: BLE001 - handed to the main thread by ``check``
                self._feed_failure = e

        threading.Thread(target=work, name="feed", daemon=True).start()

    @property
    def fed(self) -> bool:
        """Whether the last tick is published."""
        return self.published is not None

    def check(self) -> None:
        """Raise if the feed, the monitor or a process has failed."""
        if self._feed_failure is not None:
            raise self._feed_failure
        self.monitor.check()
        self._stack.supervisor.check()

    def behind(self) -> dict[str, int]:
        """Return what has not caught up: stage or sink -> partitions or rows behind."""
        left = {stage: n for stage, n in self.progress.behind(self.monitor).items() if n}
        stats = self.stats()
        counts = self.monitor.counts()
        for topic, rows in stats.rows.items():
            if rows != counts[topic]:
                left[f"ClickHouse {topic}"] = counts[topic] - rows
        left |= {f"Redis {topic}": n for topic, n in newest.behind(self.store, self.monitor.taps).items() if n}
        return left

    def stats(self) -> Stats:
        """Return what the sink has written."""
        return read_stats(self.home)

    def drained(self) -> bool:
        """Whether every record published so far has passed every stage and sink."""
        published = self.published
        counts = self.monitor.counts()
        return published is not None and counts["ticks.raw.v1"] >= published.records and not self.behind()

    def serve(self) -> None:
        """Keep everything running until Ctrl-C, or until a process dies."""
        try:
            while True:
                self.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            return

    def result(self) -> Result:
        """Take every figure from where it lives and make the account."""
        assert self.published is not None
        seconds = time.monotonic() - self._began
        fates: dict[str, dict[str, int]] = {}
        told: dict[str, dict[str, int]] = {}
        servers = self.endpoints.bootstrap_servers
        for stage in STAGE_NAMES:
            of_fates, of_topics = read_account(servers, f"{stage}.changelog", partitions_at(servers))
            fates |= of_fates
            told |= of_topics
        dead_by_stage: dict[str, int] = {}
        for (stage, _), n in self.monitor.dead_reasons.items():
            dead_by_stage[stage] = dead_by_stage.get(stage, 0) + n
        counts = self.monitor.counts()
        lines = account(
            self.published.records, counts, fates, dead_by_stage, self.stats().rows, told,
            self.monitor.newest.against(self.store),
        )  # fmt: skip
        return Result(
            self.published, counts, fates, dict(self.monitor.dead_reasons), dict(self.monitor.freshness_states), lines,
            self.monitor.latency_ms(0.5), self.monitor.latency_ms(0.99), seconds,
        )  # fmt: skip

    def idle(self) -> bool:
        """Whether every stage and sink says that it has nothing left to do, however many rows it has."""
        return self.fed and self.stats().caught_up and not any(self.progress.behind(self.monitor).values())


def wait_until_drained(demo: Demo, draw: Callable[[], None]) -> None:
    """Wait until the last tick is published and everything behind it is done.

    Where everything says it is done, and yet a store has more or fewer rows than its topic, waiting mends nothing: the
    account will tell.

    Raises
    ------
    PlatformError
        Something did not catch up within ``DRAIN_S_MAX`` of the last tick; the message says what.
    """
    deadline: float | None = None
    quiet = idle = 0
    while quiet < 3 and idle < IDLE_LOOKS:
        demo.check()
        draw()
        time.sleep(LOOK_EVERY_S)
        if not demo.fed:
            continue
        deadline = deadline or time.monotonic() + DRAIN_S_MAX
        # Three looks in a row: between two transactions of neighbouring stages nothing is behind for an instant.
        quiet = quiet + 1 if demo.drained() else 0
        idle = idle + 1 if demo.idle() else 0
        if time.monotonic() > deadline:
            raise PlatformError(f"not drained {DRAIN_S_MAX:.0f} s after the last tick: {demo.behind()}")
