"""Binance recordings."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from processors.feeds.binance import contract_usd, symbol_id
from processors.feeds.files import open_recording
from processors.feeds.port import longs

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"
BOOK, TRADES = MARKET / "binance_book_ticker_3venues.parquet", MARKET / "binance_trades_3venues.parquet"


@pytest.fixture
def book(write, ns) -> Any:
    """Return a function that writes book tickers with given exchange times, received a second apart."""

    def to_file(name: str, events: list[int | None]) -> Path:
        n = len(events)
        recv = [ns("2024-08-08T23:54:14") + i * 1_000_000_000 for i in range(n)]
        return write(
            name, ts_recv=recv, ts_event=[None if e is None else r + e for r, e in zip(recv, events, strict=True)],
            symbol=["BTCUSDT"] * n, venue=["BINANCE_SPOT"] * n, update_id=[500 + i for i in range(n)],
            bid=[61_000.0 + i for i in range(n)], bid_qty=[1.5 + i for i in range(n)],
            ask=[61_000.5 + i for i in range(n)], ask_qty=[0.25 + i for i in range(n)],
        )  # fmt: skip

    return to_file


def test_all_dollar_markets_of_a_coin_are_one_instrument_and_other_symbols_stay_apart() -> None:
    """All dollar markets of a coin are one instrument; other quote currencies and dated futures stay apart."""
    assert {symbol_id(s) for s in ("BTCUSDT", "BTCUSD_PERP")} == {"BTC-USD:CRYPTO"}
    assert symbol_id("ETHUSD_PERP") == "ETH-USD:CRYPTO"
    assert [symbol_id(s) for s in ("BTCEUR", "BTCUSD_240927", "USDT")] == [
        "BTCEUR:CRYPTO", "BTCUSD_240927:CRYPTO", "USDT:CRYPTO",
    ]  # fmt: skip


def test_a_receive_time_before_the_event_is_kept_as_recorded() -> None:
    """The recorder's clock is behind the exchange's: every receive time before its event is kept as recorded."""
    (ticks,) = open_recording([TRADES]).files[0].ticks()
    table = pq.read_table(TRADES)
    assert (longs(ticks, "ts_recv") == table["ts_recv"].cast("int64").to_numpy()).all()
    assert (longs(ticks, "ts_event") == table["ts_event"].cast("int64").to_numpy()).all()
    assert (longs(ticks, "ts_recv") < longs(ticks, "ts_event")).all()


def test_a_missing_exchange_time_is_the_receive_time_put_right_by_the_median_skew(book, read) -> None:
    """A missing exchange time is the receive time put right by the median skew of the file's other rows."""
    rows = read(book("a", [1_200, None, 1_300, 9_000, None]))
    assert [r["ts_event"] - r["ts_recv"] for r in rows] == [1_200, 1_300, 1_300, 9_000, 1_300]


def test_the_skew_of_a_file_without_exchange_times_is_that_of_its_companions(book, read) -> None:
    """The skew of a file without exchange times is that of the files replayed with it, and 0 where it is alone."""
    bare, timed = book("bare", [None, None]), book("timed", [700, 800, 900])
    assert [r["ts_event"] - r["ts_recv"] for r in read(bare, timed)] == [800, 800]
    assert [r["ts_event"] - r["ts_recv"] for r in read(bare)] == [0, 0]


def test_spot_book_tickers_of_the_recording_have_event_times_near_those_of_its_trades() -> None:
    """Spot book tickers of the recording, which have no exchange time, get one within 10 ms of the trades' skew."""
    differences = []
    for file in open_recording([BOOK, TRADES]).files:
        ticks = next(file.ticks())
        differences.append(np.median(longs(ticks, "ts_event") - longs(ticks, "ts_recv")) / 1e6)
    assert differences == pytest.approx([1269.4, 1269.4], abs=10)


def test_coin_margined_sizes_are_turned_from_contracts_into_coins(write, read, ns) -> None:
    """COIN-M sizes are turned from contracts into coins: 100 USD a contract of BTC, 10 USD of any other coin."""
    path = write(
        "a", ts_recv=[ns("2024-08-08T23:54")] * 4, ts_event=[ns("2024-08-08T23:54:01")] * 4,
        symbol=["BTCUSD_PERP", "ETHUSD_PERP", "BTCUSDT", "BTCUSD_PERP"],
        venue=["BINANCE_COINM", "BINANCE_COINM", "BINANCE_USDM", "BINANCE_COINM"], trade_id=[1, 2, 3, 4],
        price=[50_000.0, 2_500.0, 61_000.0, 0.0], qty=[7.0, 50.0, 0.3, 1.0], trade_type=["MARKET"] * 4,
    )  # fmt: skip
    rows = read(path)
    assert [r["size"] for r in rows] == [7 * 100 / 50_000, 50 * 10 / 2_500, 0.3, None]
    assert [r["venue"] for r in rows] == ["COINM", "COINM", "USDM", "COINM"]
    assert [r["price"] for r in rows] == [50_000.0, 2_500.0, 61_000.0, 0.0]
    assert [contract_usd(s) for s in ("BTCUSD_240927", "SOLUSD_PERP")] == [100.0, 10.0]


def test_coin_margined_book_sizes_use_the_price_of_their_own_side(write, read, ns) -> None:
    """COIN-M book sizes use the price of their own side."""
    path = write(
        "a", ts_recv=[ns("2024-08-08T23:54")], ts_event=[ns("2024-08-08T23:54:01")], symbol=["BTCUSD_PERP"],
        venue=["BINANCE_COINM"], update_id=[1], bid=[50_000.0], bid_qty=[10.0], ask=[62_500.0], ask_qty=[5.0],
    )  # fmt: skip
    assert [(r["bid_size"], r["ask_size"]) for r in read(path)] == [(0.02, 0.008)]


def test_a_trade_type_other_than_market_is_kept_as_condition(write, read, ns) -> None:
    """A trade type other than MARKET is kept as condition; a missing one leaves none."""
    path = write(
        "a", ts_recv=[ns("2024-08-08T23:54")] * 3, ts_event=[ns("2024-08-08T23:54:01")] * 3, symbol=["BTCUSDT"] * 3,
        venue=["BINANCE_USDM"] * 3, trade_id=[1, 2, 3], price=[1.0, 2.0, 3.0], qty=[4.0, 5.0, 6.0],
        trade_type=["MARKET", "INSURANCE_FUND", None],
    )  # fmt: skip
    assert [r["conditions"] for r in read(path)] == ["", "INSURANCE_FUND", ""]


def test_trades_and_book_tickers_of_a_venue_share_no_number() -> None:
    """Trades and book tickers of a venue share no number, though the exchange counts them separately."""
    seen: dict[tuple[int, int], list[np.ndarray]] = {}
    for file in open_recording([BOOK, TRADES]).files:
        for ticks in file.ticks():
            source = longs(ticks, "symbol_id") * 1_000_000 + longs(ticks, "venue")
            for one in np.unique(source):
                seen.setdefault(int(one), []).append(longs(ticks, "seq")[source == one])
    assert len(seen) == 6
    for parts in seen.values():
        numbers = np.concatenate(parts)
        assert len(np.unique(numbers)) == len(numbers)
