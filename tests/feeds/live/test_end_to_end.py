"""From venues on the loopback over a real broker to the consensus, by the command line."""

import asyncio
import csv
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition
from websockets.asyncio.server import ServerConnection

from cli.commands.feed import feed
from processors.feeds import port
from processors.feeds.live import catalog
from processors.reconcile.stage import ReconcileStage
from processors.runtime.batch import MessageBatch, pack
from processors.runtime.memory import MemoryDriver
from processors.runtime.strings import STRINGS
from tests.feeds.live.venue_server import coinbase_match, playing

SENT = {"coinbase": threading.Event(), "kraken": threading.Event()}
"""Set once a venue has sent all it has."""


def interrupt_when_all_is_sent() -> None:
    """Press Ctrl-C a moment after the last frame."""
    for event in SENT.values():
        event.wait(60)
    time.sleep(1.0)
    signal.raise_signal(signal.SIGINT)


async def coinbase(socket: ServerConnection, n: int) -> None:
    """Ten trades, a cut, two of them again, and on from the fifteenth."""
    for i in (range(1, 11), [9, 10, *range(15, 25)])[min(n, 1)]:
        await socket.send(coinbase_match(i, second=i, price=100_000.0))
        await asyncio.sleep(0.002)
    if n:
        SENT["coinbase"].set()
        await socket.wait_closed()


async def kraken(socket: ServerConnection, _n: int) -> None:
    """Trades of the same market a little dearer, with a frame of garbage and one trade far off."""
    for i in range(1, 25):
        price = 100_001.0 + i + (5_000.0 if i == 12 else 0.0)
        trade = {
            "symbol": "BTC/USD", "side": "buy", "price": price, "qty": 0.01 * i, "ord_type": "limit",
            "trade_id": 500 + i,
            "timestamp": f"2026-01-05T10:00:{i:02d}.5Z",
        }  # fmt: skip
        await socket.send(json.dumps({"channel": "trade", "type": "update", "data": [trade]}))
        if i == 5:
            await socket.send("<html>busy</html>")
        await asyncio.sleep(0.002)
    SENT["kraken"].set()
    await socket.wait_closed()


@pytest.fixture
def venues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve both venues from another thread, and name their addresses in the table."""
    ready, addresses = threading.Event(), dict[str, str]()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        async with playing(coinbase) as a, playing(kraken) as b:
            addresses.update(coinbase=a.url, kraken=b.url)
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    with catalog.TABLE.open(newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        row["url"] = addresses.get(row["venue"], row["url"])
    table = tmp_path / "venues.csv"
    with table.open("w", newline="") as f:
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.setattr(catalog, "TABLE", table)
    catalog.rows.cache_clear()
    yield
    catalog.rows.cache_clear()
    loop.call_soon_threadsafe(end.set)
    thread.join(10)
    loop.close()


def consumed(bootstrap_servers: str, topic: str) -> list[MessageBatch]:
    """Return all records of a topic, one batch a partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reader", "enable.auto.commit": False})
    out = []
    for p in range(4):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)
        consumer.assign([TopicPartition(topic, p, low)])
        messages: list[tuple[bytes, bytes]] = []
        while len(messages) < high - low:
            messages += [(m.key() or b"", m.value() or b"") for m in consumer.consume(1000, 0.2)]
        keys, values = pack([k for k, _ in messages]), pack([v for _, v in messages])
        n = len(messages)
        out.append(MessageBatch(port.RAW_TOPIC, p, *values, *keys, np.arange(n), np.zeros(n, np.int64)))
    consumer.close()
    return out


def run(*arguments: str) -> Result:
    return CliRunner().invoke(feed, arguments, catch_exceptions=False)


@pytest.mark.broker
@pytest.mark.usefixtures("venues")
def test_live_ticks_of_two_venues_become_a_consensus(
    bootstrap_servers: str, topic_prefix: str, mps_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ticks of two venues reach the topic; repeats are dropped, marks pass, and both count in the consensus."""
    assert not mps_home.exists() or mps_home.is_dir()
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    threading.Thread(target=interrupt_when_all_is_sent).start()
    result = run(
        "live", "BTC-USD", "--venues", "coinbase,kraken", "--prefix", topic_prefix, "--seconds", "90",
        "--record", str(tmp_path / "raw"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "coinbase     BTC-USD      -> BTC-USD:CRYPTO" in result.output
    assert "coinbase: 22 ticks of 22 frames, 2 gap marks, 1 reconnects, 0 unreadable" in result.output
    assert "kraken: 24 ticks of 25 frames, 0 gap marks, 0 reconnects, 1 unreadable" in result.output

    batches = consumed(bootstrap_servers, topic_prefix + port.RAW_TOPIC)
    columns = [port.codec().decode(batch)[0] for batch in batches]
    conditions = [STRINGS.text(int(c)) for part in columns for c in part["conditions"]]
    assert [c for c in conditions if c.startswith("gap")] == ["gap:?", "gap:4"]

    driver = MemoryDriver([ReconcileStage()])
    driver.run(b for b in batches if len(b))
    fates = driver.counts("reconcile")
    # Trades 9 and 10 came twice; the marks are passed on.
    assert (fates["duplicate"], fates["status"], fates.get("ignored", 0), fates.get("dead", 0)) == (2, 2, 0, 0)
    assert fates["consensus"] + fates.get("cut", 0) + fates.get("late", 0) == 20 + 24
    assert fates["consensus"] > 20

    names = {p.name for p in (tmp_path / "raw").iterdir()}
    assert names == {"coinbase.1.0.raw.txt", "kraken.1.0.raw.txt"}
    again = run(
        "replay-raw", str(tmp_path / "raw" / "kraken.1.0.raw.txt"), "--prefix", f"{topic_prefix}again.", "--json"
    )
    assert again.exit_code == 0, again.output
    assert json.loads(again.output)["ticks"] == 24


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["BTC-USD", "--venues", "nowhere"], "nowhere"),
        (["BTC-USD", "--venues", "ftx"], "recordings"),
        (["BTCUSD", "--venues", "coinbase"], "two coins with a dash"),
    ],
)
def test_a_wrong_venue_or_symbol_is_told_before_anything_runs(arguments: list[str], told: str) -> None:
    """A venue that is not known, or cannot be subscribed to, and a symbol of another form are errors at the start."""
    from processors.errors import ConfigError

    with pytest.raises(ConfigError, match=told):
        run("live", *arguments)


def test_unknown_instruments_can_be_written(tmp_path: Path) -> None:
    """Instruments that are missing are written beside those known, and the file is read by the stages."""
    from cli.commands.feed import write_instruments
    from schemas.instruments import load_instruments, read_instruments

    file = tmp_path / "mine.csv"
    write_instruments(file, ["SOL-EUR:CRYPTO", "AAPL:US"])
    found = read_instruments(file)
    assert {r.symbol_id for r in found.rows} == {r.symbol_id for r in load_instruments().rows} | {
        "SOL-EUR:CRYPTO", "AAPL:US"
    }  # fmt: skip
    assert found.rows[found.by_symbol["SOL-EUR:CRYPTO"]].currency == "EUR"


def test_the_metrics_of_a_feed_are_those_of_its_state() -> None:
    """Prometheus is told the counts of each venue, its lag and its silence."""
    from prometheus_client import CollectorRegistry, generate_latest

    from processors.feeds.live.health import Health, HealthCollector

    health = Health("coinbase", "COINBASE", "", messages=7, ticks=5, gaps=2, missing=9, reconnects=1, lag_ms=12.5)
    registry = CollectorRegistry()
    registry.register(HealthCollector([health]))
    text = generate_latest(registry).decode()
    for line in (
        'mps_feed_messages_total{venue="coinbase"} 7.0', 'mps_feed_ticks_total{venue="coinbase"} 5.0',
        'mps_feed_gaps_total{venue="coinbase"} 2.0', 'mps_feed_missing_total{venue="coinbase"} 9.0',
        'mps_feed_reconnects_total{venue="coinbase"} 1.0', 'mps_feed_lag_ms{venue="coinbase"} 12.5',
    ):  # fmt: skip
        assert line in text
