"""The loop of one sink: from its topics into its store, until told to stop or, for ``--once``, until caught up."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

from processors.errors import PlatformError, RetryableError
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records
from processors.sinks.follow import Follower, Place

IDLE_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where records go, with the position of the last one."""

    name: str
    counts: dict[str, int]

    @property
    def topics(self) -> list[str]:
        """Return the topics it takes."""
        ...

    def positions(self, topic_ids: dict[str, str]) -> dict[Place, int]:
        """Return where to go on."""
        ...

    def write(self, batches: Sequence[Records]) -> None:
        """Store records, all of a topic or none."""
        ...

    def idle(self) -> None:
        """Be called about once a second while there is nothing to write."""
        ...

    def backlog_read(self) -> None:
        """Be called when all that was in the topics at the beginning was written."""
        ...

    def finish(self) -> None:
        """Store what waits: the end of the topics was reached, or the process ends."""
        ...

    def waiting(self) -> int:
        """Return the number of records that were taken and are not stored yet."""
        ...


class SinkRunner:
    """Runs one sink in a thread.

    Parameters
    ----------
    records_max, wait_s
        A batch ends at so many records or after so many seconds.
    once
        End when everything committed so far is stored.
    stop
        Shared by the process: set to end, and set here when the sink fails.
    is_copy
        Its rows are in another sink's store too: while its own is away it goes on trying, and with ``once`` it fails
        without ending the others.
    """

    def __init__(
        self,
        sink: Sink,
        bootstrap_servers: str,
        config: SinkConfig,
        stop: threading.Event,
        *,
        records_max: int,
        wait_s: float,
        once: bool = False,
        is_copy: bool = False,
    ) -> None:
        self.sink, self.error = sink, None
        self._is_copy = is_copy
        self._servers, self._config, self._stop = bootstrap_servers, config, stop
        self._records_max, self._wait_s, self._once = records_max, wait_s, once
        self._lag: dict[str, int] = {}
        self._lost = 0
        self._caught_up = False
        self._failures = 0
        self._away = ""
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)

    error: PlatformError | None
    """What ended the sink, None while all is well."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Return whether the sink is at work."""
        return self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the end of the batch at work, and of the thread."""
        self._thread.join(timeout_s)

    def stats(self) -> dict[str, Any]:
        """Return the counters, the lag of each topic in offsets, whether all was stored when last seen, and what fails.

        ``away`` is why the last try failed, empty while all is well.
        """
        return {
            **self.sink.counts,
            "lost_to_retention": self._lost,
            "lag": dict(self._lag),
            "caught_up": self._caught_up,
            "away": self._away,
        }

    def _run(self) -> None:
        try:
            self._try_often()
        except PlatformError as e:
            self.error = e
            if not (self._is_copy and isinstance(e, RetryableError)):
                self._stop.set()
        except BaseException as e:  # noqa: BLE001 - a thread's end must be seen by the process
            self.error = PlatformError(f"sink {self.sink.name}: {type(e).__name__}: {e}")
            _log.exception("sink %s broke", self.sink.name)
            self._stop.set()

    def _try_often(self) -> None:
        config = self._config
        tries_max = None if self._is_copy and not self._once else config.tries_max
        while not self._stop.is_set():
            follower = Follower(
                self._servers, self.sink.topics, f"mps-sink-{self.sink.name}", config.queued_kilobytes_max
            )
            try:
                self._follow(follower)
            except RetryableError as e:
                self._failures += 1
                self._caught_up, self._away = False, str(e)
                wait_s = min(config.backoff_first_ms * 2 ** (self._failures - 1), config.backoff_max_ms) / 1e3
                of = f" of {tries_max}" if tries_max else ""
                _log.error("sink %s, try %d%s: %s", self.sink.name, self._failures, of, e)
                if self._failures == tries_max:
                    raise
                self._stop.wait(wait_s)
            else:
                return
            finally:
                self._lost += follower.lost
                follower.close()

    def _follow(self, follower: Follower) -> None:
        """Store batches until the end; the position is asked of the store at every (new) beginning."""
        follower.begin(self.sink.positions(follower.topic_ids()))
        _log.info("sink %s: following %s", self.sink.name, ", ".join(self.sink.topics))
        idle_at_s, is_filling = time.monotonic(), True
        while not self._stop.is_set():
            batches = follower.poll(self._records_max, self._wait_s)
            if batches:
                self.sink.write(batches)
                self._failures, self._away = 0, ""
            elif time.monotonic() - idle_at_s > IDLE_EVERY_S:
                self.sink.idle()
                self._away = ""
                idle_at_s = time.monotonic()
            if is_filling and follower.backlog_is_read:
                self.sink.backlog_read()
                is_filling = False
            if self._once and follower.at_end:
                self.sink.finish()
            self._lag, self._caught_up = follower.lag(), follower.at_end and not self.sink.waiting()
            if self._once and self._caught_up:
                return
        self.sink.finish()
