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
    ) -> None:
        self.sink, self.error = sink, None
        self._servers, self._config, self._stop = bootstrap_servers, config, stop
        self._records_max, self._wait_s, self._once = records_max, wait_s, once
        self._lag: dict[str, int] = {}
        self._lost = 0
        self._caught_up = False
        self._failures = 0
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
        """Return the counters, the lag of each topic in offsets, and whether all was stored when last seen."""
        return {
            **self.sink.counts,
            "lost_to_retention": self._lost,
            "lag": dict(self._lag),
            "caught_up": self._caught_up,
        }

    def _run(self) -> None:
        try:
            self._try_often()
        except PlatformError as e:
            self.error = e
            self._stop.set()
        except BaseException as e:  # noqa: BLE001 - a thread's end must be seen by the process
            self.error = PlatformError(f"sink {self.sink.name}: {type(e).__name__}: {e}")
            _log.exception("sink %s broke", self.sink.name)
            self._stop.set()

    def _try_often(self) -> None:
        config = self._config
        while not self._stop.is_set():
            follower = Follower(
                self._servers, self.sink.topics, f"mps-sink-{self.sink.name}", config.queued_kilobytes_max
            )
            try:
                self._follow(follower)
            except RetryableError as e:
                self._failures += 1
                self._caught_up = False
                wait_s = min(config.backoff_first_ms * 2 ** (self._failures - 1), config.backoff_max_ms) / 1e3
                _log.error("sink %s, try %d of %d: %s", self.sink.name, self._failures, config.tries_max, e)
                if self._failures >= config.tries_max:
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
        idle_at_s = time.monotonic()
        while not self._stop.is_set():
            batches = follower.poll(self._records_max, self._wait_s)
            if batches:
                self.sink.write(batches)
                self._failures = 0
            elif time.monotonic() - idle_at_s > IDLE_EVERY_S:
                self.sink.idle()
                idle_at_s = time.monotonic()
            if self._once and follower.at_end:
                self.sink.finish()
            self._lag, self._caught_up = follower.lag(), follower.at_end and not self.sink.waiting()
            if self._once and self._caught_up:
                return
        self.sink.finish()
