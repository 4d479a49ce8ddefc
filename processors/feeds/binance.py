"""Binance recordings: book tickers and trades of spot, USD-M and COIN-M markets.

All three markets of a coin are sources of one instrument (``BTC-USD:CRYPTO``): vendor BINANCE, venue SPOT, USDM or
COINM. Sizes become coins. seq is the exchange's own number, the update id of a book ticker and the trade id of a
trade, doubled, plus one for a trade: the two are counted separately and must not share numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.feeds import port
from processors.feeds.port import Rows
from processors.runtime.batch import F64, NULL_LONG, Columns
from processors.runtime.strings import STRINGS

VENDOR = "BINANCE"
VENUE_PREFIX = "BINANCE_"
COIN_MARGINED = "BINANCE_COINM"
CONTRACT_USD = {"BTC": 100.0}
"""What one COIN-M contract is worth, by coin; 10 USD for the coins that are not here."""
CONTRACT_USD_OTHER = 10.0

NORMAL_TRADE = "MARKET"
"""The trade type of an ordinary trade; others (insurance fund, liquidation without a market) are kept as conditions."""

_DOLLARS = ("USD_PERP", "USDT")
"""Endings of symbols that are quoted in dollars. Others, and dated futures, are instruments of their own."""


def coin(symbol: str) -> str | None:
    """Return the coin of a symbol quoted in dollars (``BTC`` of ``BTCUSDT``), None for any other symbol."""
    for ending in _DOLLARS:
        if symbol.endswith(ending) and len(symbol) > len(ending):
            return symbol.removesuffix(ending)
    return None


def symbol_id(symbol: str) -> str:
    """Return the instrument: one for all dollar markets of a coin."""
    base = coin(symbol)
    return f"{symbol}:CRYPTO" if base is None else f"{base}-USD:CRYPTO"


def contract_usd(symbol: str) -> float:
    """Return what one COIN-M contract of a symbol is worth, USD."""
    # BTCUSD_PERP and the dated BTCUSD_240927 alike.
    return CONTRACT_USD.get(symbol.partition("_")[0].removesuffix("USD"), CONTRACT_USD_OTHER)


def _stamped(rows: Rows, skew_ns: int) -> Columns:
    """Return ticks with what book tickers and trades have in common."""
    ticks = port.raw_ticks(rows.num_rows)
    recv, event = port.times(rows, "ts_recv"), port.times(rows, "ts_event")
    ticks["symbol_id"] = port.codes(rows, "symbol", symbol_id)
    ticks["vendor"] = STRINGS.code(VENDOR)
    ticks["venue"] = port.codes(rows, "venue", lambda v: v.removeprefix(VENUE_PREFIX))
    # The receive time stays as recorded, even where it is before the event.
    ticks["ts_recv"] = recv
    ticks["ts_event"] = np.where(event == NULL_LONG, recv + skew_ns, event)
    return ticks


def _coins(rows: Rows, size: F64, price: F64) -> F64:
    """Return sizes in coins, shape (n,): a COIN-M size is in contracts of a fixed worth in USD."""
    venues, at = port.texts(rows, "venue")
    in_contracts = np.array([v == COIN_MARGINED for v in venues])[at]
    if not in_contracts.any():
        return size
    symbols, at = port.texts(rows, "symbol")
    worth = np.array([contract_usd(s) for s in symbols])[at]
    # A price that is not positive gives no size; the price itself goes on, for the rules of the next stage.
    return np.where(in_contracts, size * worth / np.where(price > 0, price, np.nan), size)


@dataclass(frozen=True, slots=True)
class BinanceBookTicker:
    """Best bid and ask with sizes; spot has no exchange time, so the receive time and the clock skew stand in."""

    name: str = "Binance book tickers"
    columns: frozenset[str] = frozenset(
        {"ts_recv", "ts_event", "symbol", "venue", "update_id", "bid", "bid_qty", "ask", "ask_qty"}
    )
    foreign: frozenset[str] = frozenset()
    times: tuple[str, ...] = ("ts_recv", "ts_event")

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:  # noqa: ARG002 - the port's
        """Return quotes."""
        ticks = _stamped(rows, skew_ns)
        ticks["kind"] = port.kind_index("quote")
        for side in ("bid", "ask"):
            price = port.numbers(rows, side)
            ticks[side] = price
            ticks[f"{side}_size"] = _coins(rows, port.numbers(rows, f"{side}_qty"), price)
        number = port.integers(rows, "update_id")
        ticks["seq"] = np.where(number < 0, NULL_LONG, number * 2)
        return ticks


@dataclass(frozen=True, slots=True)
class BinanceTrades:
    """Trades; a trade type that is not the normal one is kept in the conditions."""

    name: str = "Binance trades"
    columns: frozenset[str] = frozenset(
        {"ts_recv", "ts_event", "symbol", "venue", "trade_id", "price", "qty", "trade_type"}
    )
    foreign: frozenset[str] = frozenset()
    times: tuple[str, ...] = ("ts_recv", "ts_event")

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:  # noqa: ARG002 - the port's
        """Return trades."""
        ticks = _stamped(rows, skew_ns)
        ticks["kind"] = port.kind_index("trade")
        price = port.numbers(rows, "price")
        ticks["price"] = price
        ticks["size"] = _coins(rows, port.numbers(rows, "qty"), price)
        ticks["conditions"] = port.codes(rows, "trade_type", lambda t: "" if t == NORMAL_TRADE else t)
        number = port.integers(rows, "trade_id")
        ticks["seq"] = np.where(number < 0, NULL_LONG, number * 2 + 1)
        return ticks
