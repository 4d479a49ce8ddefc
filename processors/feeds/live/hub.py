"""All feeds of one process: their sessions, the bounded queue they share, and the one way out of it.

session --+
session --+--> queue (bounded: a full one stops the reading) --> encode, produce --> ticks.raw.v1
vendor  --+                             clock marks, every few seconds --^
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from processors.feeds.live.health import Health
from processors.feeds.live.port import Tick
from processors.feeds.live.session import Put


class Source(Protocol):
    """Anything that brings ticks until it is cancelled: a session of a venue, a vendor's client."""

    async def run(self, put: Put) -> None:
        """Bring ticks."""
        ...


class Sink(Protocol):
    """Where ticks go. Called from a thread, one call at a time; it waits while it is full."""

    def send(self, ticks: Sequence[Tick]) -> None:
        """Publish ticks in order."""
        ...

    def beat(self, feeds: Sequence[tuple[str, str, int]], recv_ns: int) -> None:
        """Publish clock marks: vendor, venue and time of each feed that lives, to every partition."""
        ...


@dataclass(frozen=True, slots=True)
class HubConfig:
    """How much is held, and how often the clock is told.

    Parameters
    ----------
    frames_max
        Frames with ticks that wait to be published. A frame has a few ticks: some ten megabytes.
    ticks_max
        Ticks published at a time.
    beat_s
        Between clock marks. A bar of a quiet symbol closes so late at most, and by ``behind_ns`` and the lateness of
        reconcile (2 s) later: 4 s in all, within the 5 s that a minute of an equity may be old.
    alive_s
        A feed that was heard within it is told to live: longer than any venue is quiet between two heartbeats of its
        own, whatever the beat.
    behind_ns
        How much earlier than the venue's clock a mark is: ticks of a feed come a little out of order.
    """

    frames_max: int = 10_000
    ticks_max: int = 20_000
    beat_s: float = 1.0
    alive_s: float = 5.0
    behind_ns: int = 1_000_000_000


class Hub:
    """Runs the sources until told to stop, then publishes what they brought.

    Parameters
    ----------
    sources
        What brings ticks.
    healths
        Of their venues.
    sink
        Where they go.
    tell
        Called twice a second.
    """

    def __init__(
        self, sources: Sequence[Source], healths: Sequence[Health], sink: Sink, config: HubConfig | None = None,
        tell: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.config = config or HubConfig()
        self._sources, self._healths, self._sink, self._tell = sources, healths, sink, tell
        self._queue: asyncio.Queue[Sequence[Tick]] = asyncio.Queue(self.config.frames_max)
        self._beaten: dict[tuple[str, str], int] = {}
        self.depth_max = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; raise what a source or the sink failed with.

        Raises
        ------
        PlatformError
            The broker is away for too long, or a vendor refused.
        """
        sources = [asyncio.create_task(s.run(self._put)) for s in self._sources]
        drain = asyncio.create_task(self._drain())
        others = [asyncio.create_task(self._beat()), asyncio.create_task(self._show())]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopped, drain, *sources, *others], return_when=asyncio.FIRST_COMPLETED)
            await _ended(sources)
            # What was taken from the venues is published to the last.
            last = asyncio.create_task(self._queue.put(()))
            await asyncio.wait([last, drain], return_when=asyncio.FIRST_COMPLETED)
            await _ended([last])
            await asyncio.wait([drain])
        finally:
            await _ended([stopped, drain, *sources, *others])
        for task in [drain, *sources, *others]:
            if not task.cancelled():
                task.result()

    async def _put(self, ticks: Sequence[Tick]) -> None:
        await self._queue.put(ticks)
        self.depth_max = max(self.depth_max, self._queue.qsize())

    async def _drain(self) -> None:
        """Publish until a frame without ticks, which is the end."""
        while True:
            frames = [await self._queue.get()]
            held = len(frames[0])
            while held < self.config.ticks_max and not self._queue.empty():
                frames.append(self._queue.get_nowait())
                held += len(frames[-1])
            ticks = [tick for frame in frames for tick in frame]
            if ticks:
                await asyncio.to_thread(self._sink.send, ticks)
            if not all(frames):
                return

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.config.beat_s)
            now_ns = time.time_ns()
            feeds = list(self._alive(now_ns))
            if feeds:
                await asyncio.to_thread(self._sink.beat, feeds, now_ns)

    def _alive(self, now_ns: int) -> Sequence[tuple[str, str, int]]:
        out = []
        for h in self._healths:
            if now_ns - h.last_recv_ns > self.config.alive_s * 1e9 or not h.newest_event_ns:
                continue
            feed = h.vendor, h.venue
            at_ns = max(self._beaten.get(feed, 0), h.clock_ns(h.last_recv_ns) - self.config.behind_ns)
            self._beaten[feed] = at_ns
            out.append((*feed, at_ns))
        return out

    async def _show(self) -> None:
        while True:
            if self._tell is not None:
                self._tell()
            await asyncio.sleep(0.5)


async def _ended(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
