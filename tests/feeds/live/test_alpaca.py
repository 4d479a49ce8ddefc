"""Alpaca's own client against a server on the loopback that speaks its protocol."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from processors.errors import ConfigError
from processors.feeds.live.hub import Hub
from processors.feeds.live.port import Tick
from processors.runtime.batch import NULL_LONG
from tests.feeds.live.venue_server import Kept, Venue, playing

# The package is on an older interface of websockets, and leaves its sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

msgpack = pytest.importorskip("msgpack", reason="the extra alpaca is not installed")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect what the package leaves here, and not in the next test."""
    yield
    gc.collect()


AT_S, AT_NS = 1_767_625_200, 123_456_789


def at(i: int) -> Any:
    return msgpack.Timestamp(AT_S + i, AT_NS)


TRADE = {"T": "t", "S": "AAPL", "i": 52, "x": "V", "p": 271.25, "s": 40, "t": at(0), "c": ["@", "I"], "z": "C"}
OFF_EXCHANGE = {"T": "t", "S": "AAPL", "i": 7, "x": "D", "p": 271.26, "s": 41, "t": at(1), "c": [" "], "z": "C"}
QUOTE = {
    "T": "q", "S": "AAPL", "bx": "V", "bp": 271.2, "bs": 3, "ax": "V", "ap": 271.3, "as": 4, "t": at(2), "c": ["R"],
    "z": "C",
}  # fmt: skip
STATUS = {"T": "s", "S": "AAPL", "sc": "H", "sm": "halt", "rc": "T12", "rm": "news", "t": at(3), "z": "C"}
CORRECTION = {
    "T": "c", "S": "AAPL", "x": "V", "oi": 52, "op": 271.25, "os": 40, "oc": ["@"], "ci": 53, "cp": 271.24, "cs": 39,
    "cc": ["@"], "t": at(4), "z": "C",
}  # fmt: skip
CANCEL = {"T": "x", "S": "AAPL", "i": 51, "x": "V", "p": 271.0, "s": 10, "a": "C", "t": at(5), "z": "C"}
BROKEN = {"T": "t", "S": "AAPL", "i": 60}


def script(batches: list[list[dict[str, Any]]], *, accepted: bool = True) -> Any:
    """Return a venue that lets in, then plays one batch a connection and cuts, but for the last."""

    async def play(socket: ServerConnection, n: int) -> None:
        async def say(*messages: dict[str, Any]) -> None:
            await socket.send(msgpack.packb(list(messages)))

        await say({"T": "success", "msg": "connected"})
        await asyncio.sleep(0.05)
        if not accepted:
            await say({"T": "error", "code": 402, "msg": "auth failed"})
            await socket.wait_closed()
            return
        await say({"T": "success", "msg": "authenticated"})
        await asyncio.sleep(0.05)
        await say({"T": "subscription", "trades": ["AAPL"], "quotes": ["AAPL"]})
        for message in batches[min(n, len(batches) - 1)]:
            await say(message)
        if n + 1 >= len(batches):
            await socket.wait_closed()

    return play


def run(monkeypatch: pytest.MonkeyPatch, play: Any, n_ticks: int) -> tuple[list[Tick], Any, Venue]:
    from processors.feeds.live.alpaca import AlpacaLive

    monkeypatch.setenv("APCA_API_KEY_ID", "PK1")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "SK2")

    async def scenario() -> tuple[list[Tick], Any, Venue]:
        sink, stop = Kept(), asyncio.Event()
        async with playing(play) as venue:
            source = AlpacaLive(["AAPL"], venue.url)
            source._stream._reconnect_min_backoff = 0.01

            async def watch() -> None:
                async with asyncio.timeout(10):
                    while len(sink.ticks) < n_ticks:  # noqa: ASYNC110 - what is watched has no event
                        await asyncio.sleep(0.01)
                stop.set()

            watching = asyncio.create_task(watch())
            try:
                await Hub([source], [source.health], sink).run(stop)
            finally:
                watching.cancel()
            return sink.ticks, source.health, venue

    return asyncio.run(scenario())


def test_every_kind_of_message_becomes_its_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades, quotes, halts, corrections and cancels come as ticks, to the nanosecond; a broken one is counted."""
    sent = [TRADE, OFF_EXCHANGE, QUOTE, BROKEN, STATUS, CORRECTION, CANCEL]
    ticks, health, venue = run(monkeypatch, script([sent]), 6)
    trade, off, quote, status, correction, cancel = ticks
    assert [t.ts_event for t in ticks] == [(AT_S + i) * 10**9 + AT_NS for i in range(6)]
    assert {t.symbol_id for t in ticks} == {"AAPL:US"}
    assert (trade.kind, trade.venue, trade.price, trade.size, trade.seq, trade.conditions) == (
        "trade", "V", 271.25, 40.0, 105, "@ I"
    )  # fmt: skip
    assert (off.venue, off.seq, off.conditions) == ("D", NULL_LONG, "")
    assert (quote.kind, quote.bid, quote.bid_size, quote.ask, quote.ask_size) == ("quote", 271.2, 3.0, 271.3, 4.0)
    assert (status.kind, status.conditions) == ("status", "halt")
    assert (correction.kind, correction.price, correction.conditions) == ("correction", 271.24, "correct")
    assert (cancel.kind, cancel.price, cancel.conditions) == ("correction", 271.0, "cancel")
    assert (correction.seq, cancel.seq) == (2 * 52 + 1, 2 * 51 + 1)
    assert health.garbage == 1
    assert any("PK1" in text for text in venue.asked[0])


def test_a_cut_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a cut the client connects anew, and a mark stands before the next tick."""
    ticks, health, _ = run(monkeypatch, script([[TRADE], [QUOTE]]), 3)
    assert [(t.kind, t.conditions) for t in ticks] == [("trade", "@ I"), ("status", "gap:?"), ("quote", "R")]
    assert health.reconnects == 1


def test_refused_keys_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are refused end the feed with an error that names them, and no endless attempts."""
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID"):
        run(monkeypatch, script([[]], accepted=False), 1)


def test_without_a_key_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the error names the environment variable."""
    from processors.feeds.live.alpaca import AlpacaLive

    monkeypatch.delenv("APCA_API_KEY_ID", raising=False)
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID"):
        AlpacaLive(["AAPL"])


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing the error names the extra to install."""
    import sys

    from processors.feeds.live.alpaca import AlpacaLive
    from processors.feeds.live.databento import DatabentoLive

    monkeypatch.setitem(sys.modules, "alpaca.data.live", None)
    monkeypatch.setitem(sys.modules, "databento", None)
    with pytest.raises(ConfigError, match=r"\.\[alpaca\]"):
        AlpacaLive(["AAPL"])
    with pytest.raises(ConfigError, match=r"\.\[databento\]"):
        DatabentoLive(["ES.FUT"], "GLBX.MDP3")
