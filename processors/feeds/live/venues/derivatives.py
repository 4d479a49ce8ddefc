"""Venues of contracts: Deribit, BitMEX, FTX (closed in 2022; recordings remain) and dYdX's version 3.

Contracts are instruments of their own, with sizes as published.
"""

import json
from typing import Any, ClassVar

from processors.feeds.live.port import ACK, BEAT, BOOK, DATA, OTHER, REFUSED, Parsed, Step, Tick, Venue, clocked, sides
from processors.feeds.live.read import iso_ns, ms_ns, number


class Deribit(Venue):
    """Trades, tickers and quotes; the trades of a contract are numbered without holes."""

    name: ClassVar[str] = "deribit"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        method = message.get("method")
        if method == "heartbeat":
            wanted = message["params"]["type"] == "test_request"
            return Parsed(
                BEAT, answer='{"jsonrpc":"2.0","id":1,"method":"public/test","params":{}}' if wanted else None
            )
        if method != "subscription":
            if "error" in message:
                return Parsed(REFUSED, detail=json.dumps(message["error"]))
            if "result" in message:
                return Parsed(ACK)
            raise ValueError("no message of Deribit")
        channel, data = message["params"]["channel"].partition(".")[0], message["params"]["data"]
        if channel == "trades":
            ticks = [
                self.trade(
                    t["instrument_name"], clocked(memory, ms_ns(t["timestamp"]), recv_ns), recv_ns,
                    number(t["price"]), number(t["amount"]), t["trade_seq"],
                    "liquidation" if t.get("liquidation") else "",
                )
                for t in data
            ]  # fmt: skip
            numbers = [(t["instrument_name"], int(t["trade_seq"])) for t in data]
            steps = [Step(f"trades {s}", n, n, tick.symbol_id) for (s, n), tick in zip(numbers, ticks, strict=True)]
            return Parsed(DATA, ticks, steps)
        if channel in ("ticker", "quote"):
            names = ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount")
            ts = clocked(memory, ms_ns(data["timestamp"]), recv_ns)
            return Parsed(DATA, [self.quote(data["instrument_name"], ts, recv_ns, *sides(data, names))])
        return Parsed(BOOK if channel == "book" else OTHER)


class Bitmex(Venue):
    """Trades and quotes; neither is numbered."""

    name: ClassVar[str] = "bitmex"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        table = message.get("table")
        if table is None:
            if "error" in message:
                return Parsed(REFUSED, detail=str(message["error"]))
            if "info" in message or "success" in message:
                return Parsed(ACK)
            raise ValueError("no message of BitMEX")
        if table == "trade":
            return Parsed(DATA, [self._trade(t, recv_ns, memory) for t in message["data"]])
        if table == "quote":
            names = ("bidPrice", "bidSize", "askPrice", "askSize")
            quotes = [
                self.quote(q["symbol"], clocked(memory, iso_ns(q["timestamp"]), recv_ns), recv_ns, *sides(q, names))
                for q in message["data"]
            ]
            return Parsed(DATA, quotes)
        return Parsed(BOOK if table.startswith("orderBook") else OTHER)

    def _trade(self, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        ts = clocked(memory, iso_ns(t["timestamp"]), recv_ns)
        kind = t.get("trdType", "Regular")
        return self.trade(
            t["symbol"],
            ts,
            recv_ns,
            number(t["price"]),
            number(t["size"]),
            conditions="" if kind == "Regular" else kind,
        )


class Ftx(Venue):
    """Trades and tickers; trade ids rise, over all markets together."""

    name: ClassVar[str] = "ftx"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what = message["type"]
        if what == "pong":
            return Parsed(BEAT)
        if what == "error":
            return Parsed(REFUSED, detail=f"{message.get('code')}: {message.get('msg')}")
        if what in ("subscribed", "unsubscribed", "info"):
            return Parsed(ACK)
        channel, symbol, data = message["channel"], message.get("market", ""), message.get("data")
        if channel == "trades":
            trades = [
                self.trade(
                    symbol, clocked(memory, iso_ns(t["time"]), recv_ns), recv_ns, number(t["price"]),
                    number(t["size"]), t["id"], "liquidation" if t.get("liquidation") else "",
                )
                for t in data
            ]  # fmt: skip
            return Parsed(DATA, trades)
        if channel == "ticker":
            ts = clocked(memory, int(float(data["time"]) * 1e6) * 1000, recv_ns)
            return Parsed(DATA, [self.quote(symbol, ts, recv_ns, *sides(data, ("bid", "bidSize", "ask", "askSize")))])
        return Parsed(BOOK if channel.startswith("orderbook") else OTHER)


class Dydx(Venue):
    """Trades; the book is the only other channel."""

    name: ClassVar[str] = "dydx"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what = message["type"]
        if what in ("connected", "unsubscribed"):
            return Parsed(ACK)
        if what == "error":
            return Parsed(REFUSED, detail=str(message.get("message")))
        channel, symbol = message["channel"], message.get("id", "")
        if channel != "v3_trades":
            return Parsed(BOOK if channel == "v3_orderbook" else OTHER)
        contents = message["contents"]
        trades = [
            self.trade(
                symbol, clocked(memory, iso_ns(t["createdAt"]), recv_ns), recv_ns, number(t["price"]),
                number(t["size"]), conditions="liquidation" if t.get("liquidation") else "",
            )
            # Newest first.
            for t in reversed(contents.get("trades", ()))
        ]  # fmt: skip
        return Parsed(DATA if trades else ACK, trades)
