"""A venue on the loopback that plays a script to each connection, and a sink that keeps what is published."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from websockets.asyncio.server import ServerConnection, serve

from processors.feeds.live.catalog import row_of
from processors.feeds.live.hub import Hub, HubConfig
from processors.feeds.live.plan import Plan, add_venue
from processors.feeds.live.port import Tick
from processors.feeds.live.session import SessionConfig

Script = Callable[[ServerConnection, int], Awaitable[None]]
"""What the venue does with its n-th connection, counted from 0; it closes at the end."""

QUICK = SessionConfig(backoff_s=0.01, backoff_s_max=0.05, connect_gap_s=0.0)


@dataclass
class Venue:
    """The running server: its address, and what clients asked of it, by connection."""

    url: str = ""
    asked: list[list[str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@asynccontextmanager
async def playing(script: Script, **options: object) -> AsyncIterator[Venue]:
    """Serve a script on a free port of the loopback."""
    venue = Venue()

    async def handle(socket: ServerConnection) -> None:
        n = len(venue.asked)
        venue.asked.append([])

        async def listen() -> None:
            async for text in socket:
                venue.asked[n].append(text if isinstance(text, str) else repr(text))

        listening = asyncio.create_task(listen())
        try:
            await script(socket, n)
        finally:
            listening.cancel()

    async with serve(handle, "127.0.0.1", 0, **options) as server:  # type: ignore[arg-type]
        port = server.sockets[0].getsockname()[1]
        venue.url = f"ws://127.0.0.1:{port}"
        yield venue


@dataclass
class Kept:
    """A sink that keeps what it gets; ``wait_s`` makes it slow."""

    ticks: list[Tick] = field(default_factory=list)
    beats: list[tuple[str, str, int]] = field(default_factory=list)
    wait_s: float = 0.0

    def send(self, ticks: Sequence[Tick]) -> None:
        """Keep ticks."""
        time.sleep(self.wait_s)
        self.ticks += ticks

    def beat(self, feeds: Sequence[tuple[str, str, int]], recv_ns: int) -> None:  # noqa: ARG002 - the port's
        """Keep clock marks."""
        self.beats += feeds


def plan_at(venue: Venue, name: str, symbols: Sequence[str], config: SessionConfig = QUICK) -> Plan:
    """Return the plan of a venue of the table, with the local address for its own."""
    plan, row = Plan(), row_of(name)
    limits = replace(row.limits, messages_per_s=1000.0)
    add_venue(plan, replace(row, url=venue.url, limits=limits), symbols, None, config)
    return plan


async def run_until(
    plan: Plan, sink: Kept, done: Callable[[], bool], seconds: float = 10.0, config: HubConfig | None = None
) -> Hub:
    """Run the feeds until ``done``, at most so long."""
    stop = asyncio.Event()
    hub = Hub(plan.sources, plan.healths, sink, config)

    async def watch() -> None:
        async with asyncio.timeout(seconds):
            while not done():  # noqa: ASYNC110 - what is watched has no event
                await asyncio.sleep(0.005)
        stop.set()

    watching = asyncio.create_task(watch())
    try:
        await hub.run(stop)
    finally:
        watching.cancel()
    return hub


def coinbase_match(trade_id: int, second: int = 0, price: float = 100.0) -> str:
    """Return a trade as Coinbase sends it."""
    return json.dumps(
        {
            "type": "match", "trade_id": trade_id, "side": "buy", "size": f"{0.001 * trade_id:.4f}",
            "price": f"{price + trade_id}", "product_id": "BTC-USD", "sequence": 1000 + trade_id,
            "time": f"2026-01-05T10:{second // 60:02d}:{second % 60:02d}.{trade_id % 1000:03d}000Z",
        }
    )  # fmt: skip
