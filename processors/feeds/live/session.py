"""One connection to a venue and how it is kept: subscribe, listen, answer, mark holes, connect anew. Called by ``hub``.

    connect -> subscribe -> [frame -> parse -> marks + ticks -> put] ... -> cut, silence, farewell -> wait -> connect

``put`` waits while the queue is full: then no frame is read, and the venue feels it. Nothing is dropped here.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from processors.feeds.live.catalog import Row
from processors.feeds.live.health import Health
from processors.feeds.live.port import LEAVE, Parsed, Tick
from processors.feeds.live.raw import Recorder
from processors.feeds.live.sequence import Sequencer

LOG = logging.getLogger(__name__)

Put = Callable[[Sequence[Tick]], Awaitable[None]]

CUT = "gap:?"
"""Conditions of the mark after a cut: how many are missing is not known (a numbered series tells it after this)."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """How patient a session is.

    Parameters
    ----------
    backoff_s, backoff_s_max
        First and longest wait before connecting anew; doubled each time, and half of it left to chance, so that a
        venue that comes back is not stormed.
    steady_s
        A connection that lasted so long was a good one: the waits begin anew.
    open_timeout_s
        For the handshake: longer than any of a venue that is well.
    ws_ping_s
        Between WebSocket pings, and how long to wait for the pong: twice this is the longest death unseen.
    frame_bytes_max
        Snapshots of a whole book have a few megabytes.
    silence_s, connect_gap_s
        Instead of the venue's own; None for those.
    """

    backoff_s: float = 0.5
    backoff_s_max: float = 60.0
    steady_s: float = 30.0
    open_timeout_s: float = 10.0
    ws_ping_s: float = 20.0
    frame_bytes_max: int = 1 << 24
    silence_s: float | None = None
    connect_gap_s: float | None = None


class Backoff:
    """Waits between connections that fail, growing, and half of each left to chance.

    Parameters
    ----------
    config
        Its bounds.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config, self._failures = config, 0
        self._chance = random.Random()  # noqa: S311 - only spreads the waits

    def after(self, lasted_s: float) -> float:
        """Return how long to wait after a connection that lasted so long, seconds."""
        c = self._config
        self._failures = 0 if lasted_s >= c.steady_s else self._failures + 1
        longest_s = min(c.backoff_s_max, c.backoff_s * 2.0 ** min(max(0, self._failures - 1), 30))
        return longest_s * (0.5 + 0.5 * self._chance.random())


class Turnstile:
    """Lets connections to one venue begin with a least gap between them: what it allows is a rate an address."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._next_s = 0.0

    async def passed(self) -> None:
        """Return when it is this caller's turn."""
        now_s = time.monotonic()
        turn_s = max(now_s, self._next_s)
        self._next_s = turn_s + self._gap_s
        await asyncio.sleep(turn_s - now_s)


@dataclass(slots=True)
class Session:
    """One connection of a venue, from start to stop.

    Parameters
    ----------
    row
        The venue.
    url, names
        Where, and the venue's names of what to subscribe to.
    health
        Shared by the venue's sessions.
    turnstile
        Likewise.
    recorder
        Gets every frame; None for none.
    """

    row: Row
    url: str
    names: Sequence[str]
    health: Health
    turnstile: Turnstile
    config: SessionConfig = field(default_factory=SessionConfig)
    recorder: Recorder | None = None
    _sequencer: Sequencer = field(default_factory=Sequencer)
    _connections: int = 0

    async def run(self, put: Put) -> None:
        """Stay connected until cancelled."""
        backoff = Backoff(self.config)
        while True:
            await self.turnstile.passed()
            began_s = time.monotonic()
            try:
                await self._connected(put)
                why = "the venue ended the connection"
            except (OSError, TimeoutError, WebSocketException, InvalidURI, InvalidHandshake) as e:
                why = str(e) or type(e).__name__
            wait_s = backoff.after(time.monotonic() - began_s)
            self.health.state, self.health.detail = "reconnecting", why[:80]
            LOG.warning("%s: %s; connecting anew in %.1f s", self.health.name, why, wait_s)
            await asyncio.sleep(wait_s)

    async def _connected(self, put: Put) -> None:
        """Live through one connection."""
        c = self.config
        options: dict[str, Any] = {
            "open_timeout": c.open_timeout_s,
            "ping_interval": c.ws_ping_s,
            "ping_timeout": c.ws_ping_s,
            "close_timeout": 2.0,
            "max_size": c.frame_bytes_max,
        }
        self.health.state = "connecting"
        async with connect(self.url, **options) as socket:
            if self.recorder is not None:
                self.recorder.connected(self.url, time.time_ns())
            self._connections += 1
            self._sequencer.reconnected()
            self.health.state = "connected"
            keeping = [asyncio.create_task(self._subscribe(socket)), asyncio.create_task(self._ping(socket))]
            try:
                await self._listen(socket, put)
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.gather(*keeping, return_exceptions=True)

    async def _subscribe(self, socket: ClientConnection) -> None:
        """Ask for everything, no faster than the venue allows."""
        for text in self.row.make_requests(self.names, again=self._connections > 1):
            await self._send(socket, text)
            await asyncio.sleep(1.0 / self.row.limits.messages_per_s)

    async def _ping(self, socket: ClientConnection) -> None:
        if not self.row.limits.ping_s:
            return
        while True:
            await asyncio.sleep(self.row.limits.ping_s)
            await self._send(socket, self.row.limits.ping)

    async def _send(self, socket: ClientConnection, text: str) -> None:
        if self.recorder is not None:
            self.recorder.sent(self.url, time.time_ns(), text)
        try:
            await socket.send(text)
        except WebSocketException:
            # The listener meets the same end, and tells it.
            LOG.debug("%s: not sent: %s", self.health.name, text)

    async def _listen(self, socket: ClientConnection, put: Put) -> None:
        """Take frames until the end of the connection."""
        venue, memory = self.row.make(), {"url": self.url}
        silence_s = self.config.silence_s or self.row.limits.silence_s
        is_first = True
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    frame = await socket.recv()
            except TimeoutError:
                raise TimeoutError(f"silent for {silence_s:g} s") from None
            recv_ns = time.time_ns()
            if self.recorder is not None:
                self.recorder.received(recv_ns, frame)
            parsed = venue.parse(frame, recv_ns, memory)
            rows = [*self._marks(parsed, recv_ns, is_first=is_first), *parsed.ticks]
            is_first = False
            self.health.heard(parsed, recv_ns)
            if rows:
                await put(rows)
            if parsed.answer is not None:
                await self._send(socket, parsed.answer)
            if parsed.what == LEAVE:
                return

    def _marks(self, parsed: Parsed, recv_ns: int, *, is_first: bool) -> list[Tick]:
        """Return the marks that stand before this frame's ticks."""
        all_ids = self.health.symbols if not self.names else [self.row.symbol_id(name) for name in self.names]
        marks = []
        if is_first and self._connections > 1:
            self.health.reconnects += 1
            marks = [self.health.mark(symbol_id, recv_ns, CUT) for symbol_id in all_ids]
        for step in parsed.steps:
            missing = self._sequencer.missing(step)
            if missing:
                ids = [step.symbol_id] if step.symbol_id else all_ids
                marks += [self.health.mark(i, recv_ns, f"gap:{missing}", missing) for i in ids]
        return marks
