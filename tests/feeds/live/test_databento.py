"""Databento: files written by its own library, and its own live client against a gateway on the loopback."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from processors.errors import ConfigError
from processors.feeds.files import open_recording
from processors.feeds.live.hub import Hub
from processors.feeds.live.port import Tick
from processors.feeds.live.session import SessionConfig
from processors.runtime.batch import NULL_LONG
from tests.feeds.live.venue_server import Kept

db = pytest.importorskip("databento", reason="the extra databento is not installed")
dbn = pytest.importorskip("databento_dbn")
zstandard = pytest.importorskip("zstandard")

# The package leaves its files and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect what the package leaves here, and not in the next test."""
    yield
    gc.collect()


BEGIN_NS = 1_767_607_200_000_000_000
IDS = {"ESH6": 101, "GCG6": 202}


def metadata(schema: str | None) -> bytes:
    """Return the head of a file or stream; the library takes objects with these attributes for mappings."""
    days = date(2026, 1, 5), date(2026, 1, 6)
    mappings = [
        SimpleNamespace(
            raw_symbol=name, intervals=[SimpleNamespace(start_date=days[0], end_date=days[1], symbol=str(i))]
        )
        for name, i in IDS.items()
    ]
    return bytes(
        dbn.Metadata(
            "GLBX.MDP3", BEGIN_NS, dbn.SType.RAW_SYMBOL, dbn.SType.INSTRUMENT_ID,
            dbn.Schema(schema) if schema else None, symbols=list(IDS), mappings=mappings,
        ).encode()
    )  # fmt: skip


def event(i: int, action: str, instrument: int, sequence: int, price: float = 6900.25) -> Any:
    """Return a top-of-book event; every field differs from event to event."""
    fixed = round((price + i * 0.25) * 1e9)
    level = dbn.BidAskPair(
        bid_px=fixed - 250_000_000, ask_px=fixed + 250_000_000, bid_sz=10 + i, ask_sz=30 + i, bid_ct=1, ask_ct=2
    )
    at_ns = BEGIN_NS + i * 1_000_003
    return dbn.MBP1Msg(
        1, instrument, at_ns, fixed, 1 + i, dbn.Action(action), dbn.Side("B"), 0, at_ns + 500_000, sequence=sequence,
        levels=level,
    )  # fmt: skip


EVENTS = [
    event(0, "A", 101, 7), event(1, "T", 101, 8), event(2, "T", 101, 8), event(3, "C", 101, 8),
    event(4, "T", 202, 5, 2650.0), event(5, "A", 202, 6, 2650.0),
]  # fmt: skip


@pytest.mark.parametrize("ending", [".dbn", ".dbn.zst"])
def test_a_file_of_top_of_book_is_read_by_mps_replay(tmp_path: Path, read: Callable[..., Any], ending: str) -> None:
    """A DBN file of mbp-1, compressed or not, gives a trade for each action T and a quote for any other event."""
    path = tmp_path / f"es{ending}"
    data = (metadata("mbp-1")) + b"".join(bytes(e) for e in EVENTS)
    path.write_bytes(zstandard.compress(data) if ending.endswith("zst") else data)
    rows = read(path)
    assert [r["kind"] for r in rows] == ["quote", "trade", "trade", "quote", "trade", "quote"]
    assert [r["symbol_id"] for r in rows] == ["ESH6:CME"] * 4 + ["GCG6:CMX"] * 2
    assert rows[1]["price"] == 6900.5
    assert rows[1]["size"] == 2.0
    assert (rows[3]["bid"], rows[3]["ask"], rows[3]["bid_size"], rows[3]["ask_size"]) == (6900.75, 6901.25, 13.0, 33.0)
    assert rows[2]["seq"] - rows[1]["seq"] == 2
    assert [r["ts_event"] for r in rows] == [BEGIN_NS + i * 1_000_003 for i in range(6)]


def test_a_record_of_tbbo_is_the_book_before_a_trade_and_the_trade(tmp_path: Path, read: Callable[..., Any]) -> None:
    """A quote comes before each trade; its number is no other quote's of the packet, the trade's is as elsewhere."""
    trades = [e for e in EVENTS if str(e.action) == "T" or e.action == dbn.Action.TRADE]
    path, whole = tmp_path / "tbbo.dbn", tmp_path / "mbp.dbn"
    path.write_bytes(metadata("tbbo") + b"".join(bytes(e) for e in trades))
    whole.write_bytes(metadata("mbp-1") + b"".join(bytes(e) for e in EVENTS))
    rows, others = read(path), read(whole)
    assert [r["kind"] for r in rows] == ["quote", "trade"] * 3
    assert open_recording([path]).rows == 6
    assert rows[1::2] == [r for r in others if r["kind"] == "trade"]
    assert [(r["bid"], r["ask"], r["bid_size"], r["price"]) for r in rows[:4:2]] == [
        (6900.25, 6900.75, 11.0, None), (6900.5, 6901.0, 12.0, None),
    ]  # fmt: skip
    numbers = [r["seq"] for r in rows[::2]]
    assert len({*numbers, *(r["seq"] for r in others)}) == 3 + len(EVENTS)
    assert [r["ts_recv"] for r in rows[::2]] == [r["ts_recv"] for r in rows[1::2]]


def test_bars_are_refused(tmp_path: Path) -> None:
    """A DBN file of bars is refused by its schema."""
    path = tmp_path / "bars.dbn"
    path.write_bytes(metadata("ohlcv-1m"))
    with pytest.raises(ConfigError, match="ohlcv-1m"):
        open_recording([path])


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    """A DBN file without its metadata, or empty, is an error that names it."""
    path = tmp_path / "cut.dbn"
    path.write_bytes((metadata("trades"))[:20])
    with pytest.raises(ConfigError, match=r"cut\.dbn"):
        open_recording([path])


def test_without_a_key_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the error names the environment variable."""
    from processors.feeds.live.databento import DatabentoLive

    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="DATABENTO_API_KEY"):
        DatabentoLive(["ES.FUT"], "GLBX.MDP3")


def status(i: int, action: Any, instrument: int) -> Any:
    """Return a status of an instrument."""
    at_ns = BEGIN_NS + i * 1_000_003
    return dbn.StatusMsg(1, instrument, at_ns, at_ns + 500_000, action=action, reason=dbn.StatusReason.REGULATORY)


@pytest.mark.parametrize(
    ("action", "said"),
    [("HALT", "halt"), ("PAUSE", "halt"), ("SUSPEND", "halt"), ("TRADING", "resume"), ("PRE_OPEN", "auction"),
     ("CROSS", "auction"), ("QUOTING", "auction"), ("POST_CLOSE", "status:POST_CLOSE:REGULATORY"),
     ("SSR_CHANGE", "status:SSR_CHANGE:REGULATORY")],
)  # fmt: skip
def test_a_status_tells_a_phase_of_its_instrument(monkeypatch: pytest.MonkeyPatch, action: str, said: str) -> None:
    """Halts, auctions and their ends by the vendor's own records; what is no phase passes as it is."""
    from processors.feeds.live.databento import DatabentoLive

    monkeypatch.setenv("DATABENTO_API_KEY", "db-" + "x" * 29)
    source = DatabentoLive(["ES.FUT"], "GLBX.MDP3")
    source.ticks_of(named("SymbolMappingMsg", instrument_id=101, stype_out_symbol="ESH6"), 1)
    (tick,) = source.ticks_of(status(3, getattr(dbn.StatusAction, action), 101), 77)
    assert (tick.kind, tick.symbol_id, tick.venue, tick.conditions) == ("status", "ESH6:CME", "CME", said)
    assert (tick.ts_event, tick.ts_recv) == (BEGIN_NS + 3_000_009, 77)
    assert tick.seq == NULL_LONG


@pytest.mark.parametrize(("dataset", "schemas"), [("GLBX.MDP3", ["mbp-1", "status"]), ("EQUS.MINI", ["mbp-1"])])
def test_the_status_is_asked_of_datasets_that_have_it(
    monkeypatch: pytest.MonkeyPatch, dataset: str, schemas: list[str]
) -> None:
    """A second subscription where the exchange publishes a status, and none where the question would be refused."""
    from processors.feeds.live.databento import DatabentoLive

    monkeypatch.setenv("DATABENTO_API_KEY", "db-" + "x" * 29)
    asked: list[str] = []
    client = SimpleNamespace(
        add_reconnect_callback=lambda _call: None, subscribe=lambda _of, schema, *_rest: asked.append(schema)
    )
    source = DatabentoLive(["ESH6"], dataset)
    monkeypatch.setattr(source, "_package", SimpleNamespace(Live=lambda **_options: client, BentoError=db.BentoError))
    assert source._client() is client
    assert asked == schemas


async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[str]) -> None:
    """Speak the gateway's protocol: greeting, challenge, answer, subscriptions, then DBN."""
    writer.write(b"lsg_version=0.4.0\ncram=abcdefgh\n")
    asked.append((await reader.readline()).decode())
    if "auth=" not in asked[-1]:
        writer.close()
        return
    writer.write(b"success=1|session_id=1\n")
    while not asked[-1].startswith("start_session"):
        asked.append((await reader.readline()).decode())
    writer.write(metadata(None))
    for name, i in IDS.items():
        mapping = dbn.SymbolMappingMsg(
            publisher_id=1, instrument_id=i, ts_event=BEGIN_NS, stype_in=dbn.SType.PARENT, stype_in_symbol="ES.FUT",
            stype_out=dbn.SType.RAW_SYMBOL, stype_out_symbol=name, start_ts=BEGIN_NS, end_ts=BEGIN_NS + 10**12,
        )  # fmt: skip
        writer.write(bytes(mapping))
    for record in EVENTS:
        writer.write(bytes(record))
    await writer.drain()
    await reader.read()
    writer.close()
    await writer.wait_closed()


def test_a_session_that_ends_is_followed_by_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that hangs up, fails or is away is asked again; what was missed is marked, once a symbol."""
    from processors.feeds.live import databento as module

    monkeypatch.setenv("DATABENTO_API_KEY", "db-" + "x" * 29)
    sessions: list[int] = []

    class Client:
        """A client whose session has the sample's events, and then ends or fails as the vendor's does."""

        def __init__(self, number: int) -> None:
            self._number = number

        async def __aiter__(self) -> AsyncIterator[Any]:
            for name, i in IDS.items():
                yield named("SymbolMappingMsg", instrument_id=i, stype_out_symbol=name)
            yield EVENTS[min(self._number, 5)]
            if self._number == 2:
                raise db.BentoError("the connection was lost")

        def terminate(self) -> None:
            """Hang up."""

    def client(_self: Any) -> Client:
        sessions.append(len(sessions))
        if len(sessions) == 2:
            raise ConfigError("databento", "DATABENTO_API_KEY", "refused", "the gateway cannot be reached")
        return Client(len(sessions) - 1)

    monkeypatch.setattr(module.DatabentoLive, "_client", client)
    config = SessionConfig(backoff_s=0.001, backoff_s_max=0.002)
    source = module.DatabentoLive(["ES.FUT"], "GLBX.MDP3", config=config)

    async def scenario() -> list[Tick]:
        sink, stop = Kept(), asyncio.Event()
        running = asyncio.create_task(Hub([source], [source.health], sink).run(stop))
        async with asyncio.timeout(10):
            while len(sessions) < 6:  # noqa: ASYNC110 - what is watched has no event
                await asyncio.sleep(0.005)
        stop.set()
        await running
        return sink.ticks

    ticks = asyncio.run(scenario())
    kinds = [(t.kind, t.conditions) for t in ticks[:7]]
    cut = [("status", "gap:?")] * 2
    assert kinds == [("quote", ""), *cut, ("trade", ""), *cut, ("quote", "")]
    assert source.health.reconnects >= 2


def test_a_first_session_that_is_refused_ends_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key is said at once and not tried again."""
    from processors.feeds.live import databento as module

    monkeypatch.setenv("DATABENTO_API_KEY", "db-" + "x" * 29)

    def refused(_self: Any) -> Any:
        raise ConfigError("databento", "DATABENTO_API_KEY", "refused", "authentication failed")

    monkeypatch.setattr(module.DatabentoLive, "_client", refused)
    source = module.DatabentoLive(["ES.FUT"], "GLBX.MDP3")
    with pytest.raises(ConfigError, match="authentication failed"):
        asyncio.run(Hub([source], [source.health], Kept()).run(asyncio.Event()))


def named(kind: str, **fields: Any) -> Any:
    """Return a record of a kind, which the adapter knows by the name of its class."""
    return type(kind, (SimpleNamespace,), {})(**fields)


def test_the_live_client_brings_what_the_gateway_sends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, read: Callable[..., Any]
) -> None:
    """The vendor's own client, against a gateway on the loopback, brings the ticks with the numbers of the file."""
    from processors.feeds.live.databento import DatabentoLive

    monkeypatch.setenv("DATABENTO_API_KEY", "db-" + "x" * 29)
    asked: list[str] = []

    async def scenario() -> list[Tick]:
        sink, stop = Kept(), asyncio.Event()
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await gateway(reader, writer, asked)
            ended.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        source = DatabentoLive(["ES.FUT"], "GLBX.MDP3", "127.0.0.1", server.sockets[0].getsockname()[1])

        async def watch() -> None:
            async with asyncio.timeout(10):
                while len(sink.ticks) < len(EVENTS):  # noqa: ASYNC110 - what is watched has no event
                    await asyncio.sleep(0.01)
            stop.set()

        watching = asyncio.create_task(watch())
        await Hub([source], [source.health], sink).run(stop)
        await watching
        # The client hangs up in a thread of its own.
        await asyncio.wait_for(ended.wait(), 5)
        server.close()
        await server.wait_closed()
        return sink.ticks

    ticks = asyncio.run(scenario())
    path = tmp_path / "same.dbn"
    path.write_bytes((metadata("mbp-1")) + b"".join(bytes(e) for e in EVENTS))
    rows = read(path)
    assert [(t.kind, t.symbol_id, t.ts_event, t.seq) for t in ticks] == [
        (r["kind"], r["symbol_id"], r["ts_event"], r["seq"]) for r in rows
    ]
    assert [t.price for t in ticks if t.kind == "trade"] == [r["price"] for r in rows if r["kind"] == "trade"]
    subscription = next(a for a in asked if a.startswith("schema="))
    assert "schema=mbp-1" in subscription
    assert "stype_in=parent" in subscription
    assert "symbols=ES.FUT" in subscription
