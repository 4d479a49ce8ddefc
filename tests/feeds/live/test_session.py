"""Connections to a venue on the loopback: cut, garbled, silent, slow, and with holes."""

import asyncio
import json
import tracemalloc
from itertools import pairwise

from websockets.asyncio.server import ServerConnection

from processors.feeds.live.health import Health
from processors.feeds.live.hub import Hub, HubConfig
from processors.feeds.live.port import Tick
from processors.feeds.live.session import Backoff, SessionConfig, Turnstile
from processors.reconcile.config import ReconcileConfig
from tests.feeds.live.venue_server import Kept, coinbase_match, plan_at, playing, run_until


def trades(sink: Kept) -> list[int]:
    """Return the trade ids published."""
    return [t.seq // 2 for t in sink.ticks if t.kind == "trade"]


def marks(sink: Kept) -> list[str]:
    return [t.conditions for t in sink.ticks if t.kind == "status"]


def test_a_cut_loses_only_what_was_sent_meanwhile_and_is_marked() -> None:
    """A cut loses only what was sent meanwhile, is marked before the next tick, and the hole is counted."""

    async def script(socket: ServerConnection, n: int) -> None:
        # Trades 4 and 5 happen while nobody listens; 3 comes again as the last match.
        for i in ([1, 2, 3], [6, 7])[min(n, 1)]:
            await socket.send(coinbase_match(i, second=i))
        # Time for the request to come in.
        await asyncio.sleep(0.05)
        if n:
            await socket.wait_closed()

    async def scenario() -> tuple[Kept, Health, list[list[str]]]:
        sink = Kept()
        async with playing(script) as venue:
            plan = plan_at(venue, "coinbase", ["BTC-USD"])
            await run_until(plan, sink, lambda: 7 in trades(sink) and all(venue.asked))
            return sink, plan.healths[0], venue.asked

    sink, health, asked = asyncio.run(scenario())
    assert trades(sink) == [1, 2, 3, 6, 7]
    assert marks(sink) == ["gap:?", "gap:2"]
    kinds = [t.kind for t in sink.ticks]
    assert kinds == ["trade"] * 3 + ["status"] * 2 + ["trade"] * 2
    assert {t.symbol_id for t in sink.ticks} == {"BTC-USD:CRYPTO"}
    assert (health.reconnects, health.gaps, health.missing) == (1, 2, 2)
    for request in asked:
        assert json.loads(request[0])["product_ids"] == ["BTC-USD"]


def test_a_repeat_after_a_reconnect_has_the_number_it_had() -> None:
    """A repeat after a reconnect has the same vendor, venue and number as the first time, so it can be told."""

    async def script(socket: ServerConnection, n: int) -> None:
        for i in ([1, 2, 3], [2, 3, 4])[min(n, 1)]:
            await socket.send(coinbase_match(i, second=i))
        if n:
            await socket.wait_closed()

    async def scenario() -> Kept:
        sink = Kept()
        async with playing(script) as venue:
            await run_until(plan_at(venue, "coinbase", ["BTC-USD"]), sink, lambda: 4 in trades(sink))
        return sink

    ticks = [t for t in asyncio.run(scenario()).ticks if t.kind == "trade"]
    assert [t.seq // 2 for t in ticks] == [1, 2, 3, 2, 3, 4]
    first, again = ticks[1], ticks[3]
    assert (first.vendor, first.venue, first.seq, first.price, first.ts_event) == (
        again.vendor, again.venue, again.seq, again.price, again.ts_event
    )  # fmt: skip


def test_garbage_is_counted_and_costs_no_tick() -> None:
    """Frames that cannot be read are counted, and the ticks between them come through."""
    garbage = ["", "{", "null", "[1,2]", '{"type":"match"}', "\x00\xff", b"\x1f\x8b\x00", b"\xff\xfe", '{"type":NaN}']

    async def script(socket: ServerConnection, _n: int) -> None:
        for i, frame in enumerate(garbage, start=1):
            await socket.send(frame)
            await socket.send(coinbase_match(i, second=i))
        await socket.wait_closed()

    async def scenario() -> tuple[Kept, Health]:
        sink = Kept()
        async with playing(script) as venue:
            plan = plan_at(venue, "coinbase", ["BTC-USD"])
            await run_until(plan, sink, lambda: len(garbage) in trades(sink))
            return sink, plan.healths[0]

    sink, health = asyncio.run(scenario())
    assert trades(sink) == list(range(1, len(garbage) + 1))
    assert health.garbage == len(garbage)
    assert health.reconnects == 0


def test_a_silent_venue_is_left_and_connected_to_anew() -> None:
    """A connection that falls silent is taken for dead, though its socket is open."""

    async def script(socket: ServerConnection, n: int) -> None:
        await socket.send(coinbase_match(n + 1, second=n))
        await socket.wait_closed()

    async def scenario() -> tuple[Kept, Health]:
        sink = Kept()
        quick = SessionConfig(backoff_s=0.01, backoff_s_max=0.02, connect_gap_s=0.0, silence_s=0.1)
        async with playing(script) as venue:
            plan = plan_at(venue, "coinbase", ["BTC-USD"], quick)
            await run_until(plan, sink, lambda: 3 in trades(sink))
            return sink, plan.healths[0]

    sink, health = asyncio.run(scenario())
    assert trades(sink) == [1, 2, 3]
    assert health.reconnects == 2
    assert marks(sink) == ["gap:?", "gap:?"]


def test_a_venue_that_answers_no_ping_is_left() -> None:
    """A peer that answers no WebSocket ping is left, even while it sends."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A hand-made server: a handshake, then one frame now and then, and never a pong.
        import base64
        import hashlib

        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        opened.append(1)
        try:
            for i in range(100):
                text = coinbase_match(100 * len(opened) + i, second=i).encode()
                writer.write(b"\x81\x7e" + len(text).to_bytes(2, "big") + text)
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        finally:
            writer.close()

    opened: list[int] = []

    async def scenario() -> Health:
        from tests.feeds.live.venue_server import Venue

        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        venue = Venue(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        quick = SessionConfig(backoff_s=0.01, backoff_s_max=0.02, connect_gap_s=0.0, ws_ping_s=0.1)
        plan = plan_at(venue, "coinbase", ["BTC-USD"], quick)
        await run_until(plan, Kept(), lambda: plan.healths[0].reconnects >= 1)
        server.close()
        await asyncio.sleep(0.1)
        return plan.healths[0]

    health = asyncio.run(scenario())
    assert health.reconnects >= 1
    assert len(opened) >= 2


def test_a_full_queue_stops_the_reading_and_loses_nothing() -> None:
    """With a slow broker the queue fills to its bound and no further, nothing is lost, and memory stays small."""
    n_trades = 3000

    async def script(socket: ServerConnection, _n: int) -> None:
        for i in range(1, n_trades + 1):
            await socket.send(coinbase_match(i, second=i % 3000))
        await socket.wait_closed()

    async def scenario() -> tuple[Kept, int]:
        sink = Kept(wait_s=0.01)
        async with playing(script, write_limit=1024) as venue:
            plan = plan_at(venue, "coinbase", ["BTC-USD"])
            config = HubConfig(frames_max=50, ticks_max=20)
            hub = await run_until(plan, sink, lambda: n_trades in trades(sink)[-1:], 30.0, config)
        return sink, hub.depth_max

    tracemalloc.start()
    sink, depth_max = asyncio.run(scenario())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert trades(sink) == list(range(1, n_trades + 1))
    assert depth_max == 50
    assert peak < 20_000_000
    assert marks(sink) == []


def test_slow_frames_come_through_whole() -> None:
    """A message that trickles in over many small fragments is one message."""

    async def script(socket: ServerConnection, _n: int) -> None:
        async def pieces(text: str):
            for at in range(0, len(text), 7):
                yield text[at : at + 7]
                await asyncio.sleep(0.001)

        for i in (1, 2):
            await socket.send(pieces(coinbase_match(i, second=i)))
        await socket.wait_closed()

    async def scenario() -> Kept:
        sink = Kept()
        async with playing(script) as venue:
            await run_until(plan_at(venue, "coinbase", ["BTC-USD"]), sink, lambda: 2 in trades(sink))
        return sink

    assert trades(asyncio.run(scenario())) == [1, 2]


def test_a_quiet_venue_that_lives_tells_the_time() -> None:
    """Heartbeats of a venue become clock marks, by the venue's clock, never going back."""

    async def script(socket: ServerConnection, _n: int) -> None:
        await socket.send(coinbase_match(1, second=1))
        for _ in range(100):
            await socket.send('{"type":"heartbeat","last_trade_id":1,"product_id":"BTC-USD","sequence":2}')
            await asyncio.sleep(0.01)

    async def scenario() -> Kept:
        sink = Kept()
        async with playing(script) as venue:
            plan = plan_at(venue, "coinbase", ["BTC-USD"])
            config = HubConfig(beat_s=0.05)
            await run_until(plan, sink, lambda: len(sink.beats) >= 3, config=config)
        return sink

    beats = asyncio.run(scenario()).beats
    assert {b[:2] for b in beats} == {("COINBASE", "")}
    times = [b[2] for b in beats]
    assert times == sorted(times)


def test_the_beat_is_a_second_and_a_feed_lives_on_between_its_own_heartbeats() -> None:
    """A feed last heard three beats ago still tells the time, that of its last frame; after five seconds it is dead.

    So a quiet minute closes within the beat, what a mark is behind, and the two seconds of reconcile: below five.
    """
    config = HubConfig()
    assert config.beat_s + config.behind_ns * 1e-9 + ReconcileConfig().lateness_ms * 1e-3 < 5.0
    now_ns, health = 1_767_607_200_000_000_000, Health("quiet", "QUIET", "")
    hub = Hub([], [health], Kept(), config)
    before_ns = now_ns - 9 * 10**9
    health.saw([Tick("trade", "BTC-USD:CRYPTO", "QUIET", "", before_ns, before_ns, price=1.0, size=1.0)])
    for ago_s, alive in ((0.5, True), (3.0, True), (4.9, True), (5.1, False)):
        health.last_recv_ns = now_ns - int(ago_s * 1e9)
        found = hub._alive(now_ns)
        assert bool(found) is alive
    health.last_recv_ns = now_ns
    assert hub._alive(now_ns) == [("QUIET", "", now_ns - config.behind_ns)]


def test_a_heartbeat_tells_of_trades_that_never_came() -> None:
    """A heartbeat that knows a later trade than the last one seen marks the hole."""

    async def script(socket: ServerConnection, _n: int) -> None:
        await socket.send(coinbase_match(1, second=1))
        await socket.send('{"type":"heartbeat","last_trade_id":4,"product_id":"BTC-USD","sequence":2}')
        await socket.send(coinbase_match(5, second=2))
        await socket.wait_closed()

    async def scenario() -> Kept:
        sink = Kept()
        async with playing(script) as venue:
            await run_until(plan_at(venue, "coinbase", ["BTC-USD"]), sink, lambda: 5 in trades(sink))
        return sink

    sink = asyncio.run(scenario())
    assert marks(sink) == ["gap:3"]
    assert [t.kind for t in sink.ticks] == ["trade", "status", "trade"]


def test_a_failed_sink_ends_the_feed_with_its_error() -> None:
    """What the sink fails with is raised, and the sessions end."""

    class Broken(Kept):
        def send(self, ticks: object) -> None:  # noqa: ARG002 - the port's
            raise ValueError("no broker")

    async def script(socket: ServerConnection, _n: int) -> None:
        await socket.send(coinbase_match(1))
        await socket.wait_closed()

    async def scenario() -> str:
        async with playing(script) as venue:
            try:
                await run_until(plan_at(venue, "coinbase", ["BTC-USD"]), Broken(), lambda: False)
            except ValueError as e:
                return str(e)
        return ""

    assert asyncio.run(scenario()) == "no broker"


def test_connections_pass_a_turnstile_one_by_one() -> None:
    """Connections to one venue keep the distance that its limit asks for."""

    async def scenario() -> list[float]:
        turnstile, passed = Turnstile(0.05), []
        loop = asyncio.get_running_loop()

        async def one() -> None:
            await turnstile.passed()
            passed.append(loop.time())

        await asyncio.gather(*(one() for _ in range(4)))
        return passed

    passed = asyncio.run(scenario())
    assert all(b - a > 0.04 for a, b in pairwise(passed))


def test_waits_grow_to_a_bound_and_begin_anew_after_a_steady_time() -> None:
    """Waits double up to the longest, each at least half of its bound, and begin anew after a good connection."""
    many = [Backoff(SessionConfig()) for _ in range(50)]
    bounds = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    for bound in bounds:
        waits = [backoff.after(1.0) for backoff in many]
        assert bound / 2 <= min(waits) <= max(waits) <= bound
        assert len(set(waits)) > 1
    assert all(backoff.after(30.0) <= 0.5 for backoff in many)
    assert all(backoff.after(1.0) <= 0.5 for backoff in many)
