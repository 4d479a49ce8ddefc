"""Bybit: version 5 (spot, linear, inverse) and the older feeds of contracts.

Trades have ids that do not rise (but for the spot market's), so holes cannot be seen; the numbers of quotes are the
cross sequence. Sizes of inverse contracts are dollars and become coins.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from processors.feeds.live.port import (
    ACK,
    BEAT,
    BOOK,
    DATA,
    OTHER,
    REFUSED,
    LiveVenue,
    Parsed,
    Tick,
    clocked,
)  # fmt: skip
from processors.feeds.live.read import NAN, ms_ns, number

INVERSE = "INVERSE"
_MARKET_IN_URL = re.compile(r"/(spot|linear|inverse|option)\b")


class Bybit(LiveVenue):
    """All versions; live it is the spot market of version 5."""

    name: ClassVar[str] = "bybit"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:  # noqa: ARG002 - the port's
        """Yield what to send after connecting: at most ten topics a request."""
        topics = [topic for s in symbols for topic in (f"publicTrade.{s}", f"orderbook.1.{s}")]
        for i in range(0, len(topics), 10):
            yield json.dumps({"op": "subscribe", "args": topics[i : i + 10]})

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        topic = message.get("topic")
        if topic is None:
            return _answer(message)
        channel = topic.partition(".")[0]
        if channel in ("publicTrade", "trade"):
            return Parsed(DATA, [self._trade(t, recv_ns, memory) for t in _rows(message)])
        if topic.startswith("orderbook.1."):
            return Parsed(DATA, [self._top(message, recv_ns, memory)])
        if channel == "tickers" and {"bid1Price", "ask1Price"} & message["data"].keys():
            return Parsed(DATA, [self._ticker(message, recv_ns, memory)])
        is_book = channel in ("orderbook", "orderBookL2_25", "orderBookL2", "orderBook_200", "depth", "diffDepth")
        return Parsed(BOOK if is_book else OTHER)

    def _segment(self, symbol: str, memory: dict[str, Any]) -> str:
        found = _MARKET_IN_URL.search(memory.get("url", ""))
        if found is not None:
            return found[1].upper()
        if "url" not in memory:
            return self.segment
        # The older feeds: contracts in dollars, or in coins that stand for one.
        return INVERSE if symbol.rstrip("0123456789").endswith("USD") else "LINEAR"

    def _trade(self, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        get = t.get
        symbol = get("s") or t["symbol"]
        price, size = number(get("p", get("price"))), number(get("v", get("size")))
        ts = clocked(memory, ms_ns(get("T", get("trade_time_ms"))), recv_ns)
        venue = self._segment(symbol, memory)
        conditions = "block" if get("BT") else ""
        trade_id = get("i", get("trade_id")) if venue == "SPOT" else None
        return self.trade(symbol, ts, recv_ns, price, _coins(venue, size, price), trade_id, conditions, venue)

    def _top(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        data = message["data"]
        ts = clocked(memory, ms_ns(message.get("cts") or message["ts"]), recv_ns)
        (bid, bid_size), (ask, ask_size) = _best(data["b"]), _best(data["a"])
        venue = self._segment(data["s"], memory)
        sizes = _coins(venue, bid_size, bid), _coins(venue, ask_size, ask)
        return self.quote(data["s"], ts, recv_ns, bid, sizes[0], ask, sizes[1], data.get("seq"), venue)

    def _ticker(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        data, get = message["data"], message["data"].get
        ts = clocked(memory, ms_ns(message["ts"]), recv_ns)
        venue = self._segment(data["symbol"], memory)
        bid, ask = number(get("bid1Price")), number(get("ask1Price"))
        sizes = _coins(venue, number(get("bid1Size")), bid), _coins(venue, number(get("ask1Size")), ask)
        return self.quote(data["symbol"], ts, recv_ns, bid, sizes[0], ask, sizes[1], None, venue)


def _rows(message: Any) -> list[Any]:
    """Return the trades of a message, each with its symbol, oldest first."""
    data = message["data"]
    return data if isinstance(data, list) else [{"s": message["params"]["symbol"], "T": data["t"], **data, "i": None}]


def _best(levels: Any) -> tuple[float, float]:
    """Return the level that stands: a delta names the one that went (size 0) and the one that came."""
    standing = [(number(p), number(s)) for p, s in levels if number(s) > 0]
    return standing[0] if standing else (NAN, NAN)


def _coins(venue: str, size: float, price: float) -> float:
    if venue != INVERSE:
        return size
    return size / price if price > 0 else math.nan


def _answer(message: Any) -> Parsed:
    if message.get("op") in ("ping", "pong") or message.get("ret_msg") == "pong" or "pong" in message:
        return Parsed(BEAT)
    if message.get("success") or message.get("code") == "0" or message.get("msg") == "Success":
        return Parsed(ACK)
    return Parsed(REFUSED, detail=str(message.get("ret_msg") or message.get("desc") or message)[:200])
