"""Recordings of raw messages: written, read, played again; and the known answers of the real ones."""

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from processors.errors import ConfigError
from processors.feeds.files import open_recording
from processors.feeds.live import catalog
from processors.feeds.live.plan import Plan, add_venue
from processors.feeds.live.raw import CONNECTED, NAMES, RECEIVED, SENT, Recorder, line_of, lines, venue_of
from tests.conformance.kinds.websocket import check
from tests.feeds.live.messages import CASES, RECV_NS
from tests.feeds.live.venue_server import QUICK, Kept, coinbase_match, playing, run_until


def test_the_real_recordings_are_read_to_the_last_line(shared: Path) -> None:
    """Every line of every real recording is ticks or left out by rule, and the index agrees."""
    cases = list(check(shared))
    assert [f"{c.name}: {c.detail}" for c in cases if not c.ok] == []
    assert len(cases) >= 100


def test_a_line_that_is_none_fails_its_file(tmp_path: Path) -> None:
    """A recording with a broken line, an unreadable message or an unknown venue fails the check by name."""
    folder = tmp_path / "websocket"
    folder.mkdir()
    (folder / "coinbase.1.0.raw.txt").write_text(f"1767607200.5: {coinbase_match(1)}\nno line\n")
    (folder / "kraken.1.0.raw.txt").write_text('1767607200.5: {"nothing": "known"}\n')
    (folder / "nowhere.1.0.raw.txt").write_text("1767607200.5: {}\n")
    failed = {c.name for c in check(tmp_path) if not c.ok}
    assert failed == {
        "coinbase.1.0.raw.txt: every line", "kraken.1.0.raw.txt: every line", "nowhere.1.0.raw.txt: venue",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "ok"), [({"BTC-USD": 2}, True), ({"BTC-USD": 1}, False), ({"ETH-USD": 1}, False), ({"match": 3}, True),
                     ({"match": 2}, True), ({"match": 1}, True), ({"match": 4}, False)],
)  # fmt: skip
def test_the_index_counts_by_some_keys(tmp_path: Path, told: dict[str, int], ok: bool) -> None:
    """A count of the index is that of the text under one key or several, received or sent; else it fails."""
    folder = tmp_path / "websocket"
    folder.mkdir()
    name, rows = "coinbase.1.0.raw.txt", [f"1767607200.{n}: {coinbase_match(n)}\n" for n in (1, 2)]
    (folder / name).write_text('wss://host <- 1767607200.1: {"channel":"match"}\n' + "".join(rows))
    index = {"lines": 3, "first": 1767607200.1, "last": 1767607200.2, "top_symbols_or_channels": told}
    (folder / "index.json").write_text(json.dumps({name: index}))
    assert [c.name for c in check(tmp_path) if not c.ok] == ([] if ok else [f"{name}: {next(iter(told))}"])


@pytest.mark.parametrize("venue", sorted({venue for venue, *_ in CASES} - {"binance_delivery"}))
def test_a_recording_of_every_venue_passes_the_check(tmp_path: Path, venue: str) -> None:
    """A recording of true messages is read whole by the venue that its file is named after, in capitals too."""
    folder = tmp_path / "websocket"
    folder.mkdir()
    lines_of_it = [f"{RECV_NS / 1e9:.6f}: {json.dumps(m)}\n" for v, m, _ in CASES if v == venue]
    for name in (venue, venue.upper()):
        (folder / f"{name}.1.0.raw.txt").write_text("wss://host <-> 1767607200.1\n" + "".join(lines_of_it))
    cases = list(check(tmp_path))
    assert len(cases) >= 12
    assert [c for c in cases if not c.ok] == []


def test_what_is_recorded_live_is_played_again_the_same(tmp_path: Path, read: Callable[..., Any]) -> None:
    """Ticks of a recording made live are those that were published live."""

    async def script(socket: ServerConnection, _n: int) -> None:
        for i in range(1, 6):
            await socket.send(coinbase_match(i, second=i))
        await socket.wait_closed()

    async def scenario() -> Kept:
        from dataclasses import replace

        from processors.feeds.live.catalog import row_of

        sink, plan = Kept(), Plan()
        async with playing(script) as venue:
            add_venue(plan, replace(row_of("coinbase"), url=venue.url), ["BTC-USD"], tmp_path / "raw", QUICK)
            await run_until(plan, sink, lambda: len(sink.ticks) == 5 and bool(venue.asked[0]))
        plan.close()
        return sink

    sink = asyncio.run(scenario())
    path = tmp_path / "raw" / "coinbase.1.0.raw.txt"
    assert [line.what for line in lines(path)].count(CONNECTED) == 1
    assert [line.what for line in lines(path)].count(SENT) == 1
    rows = read(path)
    assert [(r["seq"], r["ts_event"], r["ts_recv"], r["price"]) for r in rows] == [
        (t.seq, t.ts_event, t.ts_recv, t.price) for t in sink.ticks
    ]


@given(
    st.integers(1_000_000_000_000_000_000, 1_900_000_000_000_000_000),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1) | st.binary(min_size=1),
)
def test_any_frame_comes_back_from_its_line(ns: int, frame: str | bytes) -> None:
    """Whatever a venue sends is one line, and that line gives it back with its receipt to the nanosecond."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coinbase.1.0.raw.txt"
        recorder = Recorder(path)
        recorder.received(ns, frame)
        recorder.close()
        (line,) = lines(path)
    back = line.frame
    if isinstance(frame, str) and isinstance(back, bytes):
        back = back.decode()
    if isinstance(frame, str) and frame.startswith("header: "):
        return
    assert (line.what, line.recv_ns, back) == (RECEIVED, ns, frame)


@pytest.mark.parametrize(
    ("name", "venue"),
    [
        ("coinbase.28.0.raw.txt", "coinbase"),
        ("BINANCE_US.1.0.raw.txt", "binance_us"),
        ("binance_futures.1.0.raw.txt", "binance_futures"),
        ("binance_spot_btcusdt_20240808.jsonl.gz", "binance"),
        ("okex.1.0.raw.txt", "okx"),
        ("crypto.com.1.0.raw.txt", "crypto.com"),
        ("bit.com.2.0.raw.txt", "bit.com"),
        ("fmfw_io.1.0.raw.txt", "fmfw"),
        ("fmfw.1.0.raw.txt", "fmfw"),
        ("ascendex_futures.1.0.raw.txt", "ascendex_futures"),
        ("independent_reserve.1.0.raw.txt", "independent_reserve"),
        ("htx.1.0.raw.txt", "huobi"),
    ],
)
def test_a_file_is_told_by_its_name(name: str, venue: str) -> None:
    """The venue is the longest of the table that the name begins with."""
    assert venue_of(Path(name)).venue == venue


def test_every_other_name_is_of_a_venue_of_the_table() -> None:
    """No old name leads to a venue that is not there."""
    assert set(NAMES.values()) <= set(catalog.rows())


@pytest.mark.parametrize("name", ["nowhere.1.0.raw.txt", "krakenx.1.0.raw.txt", "gemini_options.raw.txt", ".raw.txt"])
def test_a_file_of_an_unknown_venue_is_refused_with_those_known(name: str) -> None:
    """A venue that is not in the table is no other whose name it begins with; the refusal names the file."""
    with pytest.raises(ConfigError, match="a file name begins with one of coinbase") as refused:
        venue_of(Path(name))
    assert name in str(refused.value)


def test_compressed_frames_are_unpacked() -> None:
    """A binary frame written as a Python literal, gzip or deflate, is read as the text inside."""
    import zlib

    from processors.feeds.live.read import unpacked

    text = '{"ping":5}'
    deflate = zlib.compressobj(wbits=-15)
    for packed in (gzip.compress(text.encode()), deflate.compress(text.encode()) + deflate.flush(), text.encode()):
        line = line_of(f"1767607200.25: {packed!r}")
        assert line.recv_ns == 1_767_607_200_250_000_000
        assert unpacked(line.frame) == text
    bomb = gzip.compress(b" " * (1 << 27))
    with pytest.raises(ValueError, match="more than"):
        unpacked(bomb)


def test_repeats_keep_their_numbers_in_a_replay(tmp_path: Path, read: Callable[..., Any]) -> None:
    """A recording over a reconnect has a trade twice: both are published with the number, so one is dropped later."""
    path = tmp_path / "coinbase.1.0.raw.txt"
    path.write_text("".join(f"176760720{i}.5: {coinbase_match(n)}\n" for i, n in enumerate([1, 2, 2, 3])))
    assert [r["seq"] // 2 for r in read(path)] == [1, 2, 2, 3]
    assert open_recording([path]).warnings == ()


def test_a_truncated_gzip_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A cut file is refused before anything is published."""
    path = tmp_path / "binance_spot.jsonl.gz"
    path.write_bytes(gzip.compress(b"1767607200500000000 {}\n" * 9999)[:-20])
    with pytest.raises(ConfigError, match="binance_spot"):
        open_recording([path])
