"""Binance and its kin (Binance US, Binance TR; USD-M and COIN-M futures): trades and book tickers.

Trade ids of a market have no holes. A book ticker of the spot market carries no time: it is stamped by its receipt.
Sizes of COIN-M contracts become coins, as in the recorded feed.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from processors.feeds.binance import NORMAL_TRADE, contract_usd
from processors.feeds.live.port import (
    ACK,
    BOOK,
    DATA,
    OTHER,
    REFUSED,
    LiveVenue,
    Parsed,
    Step,
    clocked,
    unclocked,
)  # fmt: skip
from processors.feeds.live.read import ms_ns, number

STREAMS = ("trade", "bookTicker")
COINM = "COINM"


class Binance(LiveVenue):
    """One of its markets, told by the segment."""

    name: ClassVar[str] = "binance"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:  # noqa: ARG002 - the port's
        """Yield what to send after connecting."""
        streams = [f"{symbol}@{stream}" for symbol in symbols for stream in STREAMS]
        yield json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1})

    def symbol_id(self, name: str) -> str:
        """Return the instrument; perpetuals of a coin are sources of the coin, dated contracts are their own."""
        return super().symbol_id(name.removesuffix("_PERP"))

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        data = message.get("data", message)
        if isinstance(data, list):
            return Parsed(OTHER)
        what = data.get("e")
        if what in ("trade", "aggTrade"):
            return self._trade(data, recv_ns, memory)
        if what == "bookTicker" or (what is None and {"u", "s", "b", "B", "a", "A"} <= data.keys()):
            return self._book_ticker(data, recv_ns, memory)
        if what is not None:
            if "E" in data and what == "depthUpdate":
                clocked(memory, ms_ns(data["E"]), recv_ns)
            return Parsed(BOOK if what == "depthUpdate" else OTHER)
        if "lastUpdateId" in data:
            return Parsed(BOOK)
        if "error" in message or "code" in message:
            return Parsed(REFUSED, detail=str(message.get("error") or message.get("msg")))
        if "result" in message and "id" in message:
            return Parsed(ACK)
        raise ValueError("no message of Binance")

    def _trade(self, data: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        symbol, price = data["s"], number(data["p"])
        ts = clocked(memory, ms_ns(data["T"]), recv_ns)
        first, last = (data["f"], data["l"]) if data["e"] == "aggTrade" else (data["t"], data["t"])
        size = self._coins(symbol, number(data["q"]), price)
        kind = data.get("X", NORMAL_TRADE)
        tick = self.trade(symbol, ts, recv_ns, price, size, last, "" if kind == NORMAL_TRADE else kind)
        return Parsed(DATA, [tick], [Step(f"trades {symbol}", int(first), int(last), tick.symbol_id)])

    def _book_ticker(self, data: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        symbol, bid, ask = data["s"], number(data["b"]), number(data["a"])
        ts = clocked(memory, ms_ns(data["T"]), recv_ns) if "T" in data else unclocked(memory, recv_ns)
        sizes = self._coins(symbol, number(data["B"]), bid), self._coins(symbol, number(data["A"]), ask)
        return Parsed(DATA, [self.quote(symbol, ts, recv_ns, bid, sizes[0], ask, sizes[1], data["u"])])

    def _coins(self, symbol: str, size: float, price: float) -> float:
        if self.segment != COINM:
            return size
        return size * contract_usd(symbol) / price if price > 0 else math.nan
