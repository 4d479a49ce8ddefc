"""Futures trades and top-of-book events."""

import pyarrow.parquet as pq
import pytest

from processors.feeds import files
from processors.feeds.files import open_recording
from processors.feeds.futures import EXCHANGES, GLOBEX, DatabentoTopOfBook, globex_symbol_id, root
from processors.futures.expiry import rules
from schemas.instruments import partition_key
from tests.support import SHARED

FUTURES = SHARED / "market" / "futures"


def test_a_contract_is_a_symbol_and_its_root_the_partition_key(write, read, ns) -> None:
    """A contract is a symbol and its root the partition key, so that a curve lives in one partition."""
    path = write(
        "a", ts=[ns("2013-10-07T10:00"), ns("2013-10-07T10:01")], symbol=["GC"] * 2, contract=["GCZ13", "GCG14"],
        venue=["COMEX"] * 2, seq=[3, 9], price=[1310.7, 1316.1], size=[0, 4], suspicious=[True, False],
    )  # fmt: skip
    rows = read(path)
    assert [r["symbol_id"] for r in rows] == ["GCZ13:CMX", "GCG14:CMX"]
    assert {partition_key(r["symbol_id"]) for r in rows} == {"GC:CMX"}
    assert [(r["vendor"], r["venue"], r["kind"], r["conditions"]) for r in rows] == [
        ("ALGOSEEK", "CMX", "trade", "SUSPICIOUS"), ("ALGOSEEK", "CMX", "trade", ""),
    ]  # fmt: skip
    day = ns("2013-10-07") // 86_400_000_000_000
    assert [r["seq"] for r in rows] == [day * 2**33 + 3 * 2 + 1, day * 2**33 + 9 * 2 + 1]


def test_a_size_of_zero_passes_as_it_is(write, read, ns) -> None:
    """A size of zero (spread legs, corrections) passes as it is: it is neither dropped nor null."""
    path = write(
        "a", ts=[ns("2013-10-07T10:00")], symbol=["GC"], contract=["GCZ13"], venue=["COMEX"], seq=[3],
        price=[1310.7], size=[0],
    )  # fmt: skip
    assert [r["size"] for r in read(path)] == [0.0]


def test_contracts_of_globex_get_their_exchange_from_their_root() -> None:
    """Contracts of Globex get their exchange from their root; digits may begin a root."""
    assert [root(c) for c in ("ESU4", "GCZ13", "6EH24", "ZNM5")] == ["ES", "GC", "6E", "ZN"]
    assert [globex_symbol_id(c) for c in ("ESU4", "GCZ3", "CLF5", "ZCK4", "6EH4")] == [
        "ESU4:CME", "GCZ3:CMX", "CLF5:NYM", "ZCK4:CBT", "6EH4:CME",
    ]  # fmt: skip


def test_a_contract_is_one_symbol_whatever_its_source() -> None:
    """A root is of the exchange that the rules of its dates name, as in files that tell the exchange of each row."""
    named = {r: found[0].venue for r, found in rules().items() if found[0].venue in GLOBEX}
    assert {r: globex_symbol_id(f"{r}Z4") for r in named} == {r: f"{r}Z4:{EXCHANGES[v]}" for r, v in named.items()}
    # Roots of which no dates are kept, and one of another exchange's.
    assert [globex_symbol_id(c) for c in ("KEZ24", "ALIZ4", "XYZH5", "VXZ4")] == [
        "KEZ24:CBT", "ALIZ4:CMX", "XYZH5:CME", "VXZ4:CME",
    ]  # fmt: skip


@pytest.fixture
def events(write, ns):
    """Return top-of-book events of which three share a packet, two of them trades."""
    n = 5
    return write(
        "events", ts_recv=[ns("2024-07-01T23:58") + i for i in range(n)], symbol=["ESU4"] * n,
        ts_event=[ns("2024-07-01T23:57") + i for i in range(n)], action=["A", "T", "C", "T", "A"],
        price=[5528.0, 5528.25, 5528.5, 5528.75, 5529.0], size=[1, 2, 3, 4, 5],
        bid=[5527.0, 5527.25, 5527.5, 5527.75, 5528.0], bid_size=[11, 12, 13, 14, 15],
        ask=[5530.0, 5530.25, 5530.5, 5530.75, 5531.0], ask_size=[21, 22, 23, 24, 25], sequence=[70, 71, 71, 71, 72],
    )  # fmt: skip


def test_an_event_of_the_top_of_book_is_a_trade_or_a_quote(events, read) -> None:
    """An event of the top of book is a trade where its action is T and a quote otherwise, one tick each."""
    rows = read(events)
    assert [r["kind"] for r in rows] == ["quote", "trade", "quote", "trade", "quote"]
    assert [(r["price"], r["size"]) for r in rows] == [
        (None, None), (5528.25, 2.0), (None, None), (5528.75, 4.0), (None, None),
    ]  # fmt: skip
    assert [(r["bid"], r["ask_size"]) for r in rows] == [
        (5527.0, 21.0), (None, None), (5527.5, 23.0), (None, None), (5528.0, 25.0),
    ]  # fmt: skip
    assert {(r["symbol_id"], r["vendor"], r["venue"]) for r in rows} == {("ESU4:CME", "DATABENTO", "CME")}


def test_events_of_one_packet_have_numbers_of_their_own_wherever_the_rows_are_cut(events, read, monkeypatch) -> None:
    """Events of one packet have numbers of their own, and the same ones wherever the reading is cut."""
    whole = [r["seq"] for r in read(events)]
    assert whole == [70 << 17, (71 << 17) + 1, 71 << 17, (71 << 17) + 3, 72 << 17]
    for rows in (1, 2, 3):
        monkeypatch.setattr(files, "READ_ROWS", rows)
        assert [r["seq"] for r in read(events)] == whole


@pytest.mark.skipif(not FUTURES.is_dir(), reason="the recorded futures files are not shipped and not here")
def test_a_trade_has_one_number_in_a_file_of_trades_and_in_one_of_all_events(read) -> None:
    """A trade has the same number in a file of trades and in one of all events, so that it counts once."""
    trades = read(FUTURES / "databento_trades_20240701.parquet")
    events = [r for r in read(FUTURES / "databento_mbp1_20240701.parquet") if r["kind"] == "trade"]
    assert len(trades) == 120
    assert len({r["seq"] for r in trades}) == 120
    assert trades == events


@pytest.mark.skipif(not FUTURES.is_dir(), reason="the recorded futures files are not shipped and not here")
def test_a_file_ordered_by_contract_is_published_by_time_with_every_zero_size(read) -> None:
    """A file ordered by contract is published by time; all 247 zero sizes are there."""
    path = FUTURES / "gc_tick_trades.parquet"
    recording = open_recording([path])
    assert not recording.files[0].in_order
    assert recording.warnings == ()
    rows = read(path)
    times = [r["ts_event"] for r in rows]
    assert times == sorted(times)
    assert len(rows) == pq.ParquetFile(path).metadata.num_rows
    assert sum(r["size"] == 0 for r in rows) == 247


def test_market_by_order_is_no_form_of_ticks() -> None:
    """Market-by-order events have a top-of-book file's columns and more, and are no form of ticks."""
    assert "order_id" in DatabentoTopOfBook().foreign
