"""Huobi (HTX): spot, and its contracts. Frames are gzip; it asks for a pong by a message of its own."""

import json
from typing import Any, ClassVar

from processors.feeds.binance import contract_usd
from processors.feeds.live.port import ACK, BEAT, BOOK, DATA, OTHER, REFUSED, Parsed, Tick, Venue, clocked
from processors.feeds.live.read import NAN, ms_ns, number


class Huobi(Venue):
    """One of its markets; sizes of coin-margined contracts become coins."""

    name: ClassVar[str] = "huobi"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "ping" in message:
            return Parsed(BEAT, answer=json.dumps({"pong": message["ping"]}))
        if "ch" not in message:
            if message.get("status") == "error" or message.get("err-code"):
                return Parsed(REFUSED, detail=str(message.get("err-msg")))
            if "subbed" in message or "status" in message or "op" in message:
                return Parsed(ACK)
            raise ValueError("no message of Huobi")
        _, symbol, channel = message["ch"].split(".", 2)
        tick = message["tick"]
        if channel == "trade.detail":
            # Newest first.
            return Parsed(DATA, [self._trade(symbol, t, recv_ns, memory) for t in reversed(tick["data"])])
        if channel in ("bbo", "ticker", "detail.merged"):
            return Parsed(DATA, [self._quote(symbol, tick, message["ts"], recv_ns, memory)])
        return Parsed(BOOK if channel.startswith(("depth", "mbp")) else OTHER)

    def _trade(self, symbol: str, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        ts, price = clocked(memory, ms_ns(t["ts"]), recv_ns), number(t["price"])
        # Ids of the spot market have more digits than a long; there tradeId is the trade's own.
        trade_id = t.get("tradeId", t["id"])
        return self.trade(symbol, ts, recv_ns, price, self._coins(symbol, number(t["amount"]), price), trade_id)

    def _quote(self, symbol: str, tick: Any, ts_ms: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        ts = clocked(memory, ms_ns(tick.get("quoteTime", tick.get("ts", ts_ms))), recv_ns)
        (bid, bid_size), (ask, ask_size) = _side(tick, "bid"), _side(tick, "ask")
        sizes = self._coins(symbol, bid_size, bid), self._coins(symbol, ask_size, ask)
        return self.quote(symbol, ts, recv_ns, bid, sizes[0], ask, sizes[1], tick.get("seqId"))

    def _coins(self, symbol: str, size: float, price: float) -> float:
        if self.segment not in ("SWAP", "FUTURES"):
            return size
        return size * contract_usd(symbol.replace("-", "").replace("_", "USD_")) / price if price > 0 else NAN


def _side(tick: Any, side: str) -> tuple[float, float]:
    value = tick.get(side)
    if isinstance(value, list):
        return (number(value[0]), number(value[1])) if value else (NAN, NAN)
    return number(value), number(tick.get(f"{side}Size"))
