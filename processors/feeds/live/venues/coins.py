"""More venues of coins: Gate.io, Bitget, Crypto.com, Blockchain.com, AscendEX."""

import json
from typing import Any, ClassVar

from processors.feeds.live.port import (
    ACK,
    BEAT,
    BOOK,
    DATA,
    OTHER,
    REFUSED,
    Parsed,
    Tick,
    Venue,
    clocked,
    sides,
)  # fmt: skip
from processors.feeds.live.read import NAN, decimal_ns, iso_ns, ms_ns, number


class Gateio(Venue):
    """Trades and book tickers of the spot market, version 4."""

    name: ClassVar[str] = "gateio"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        channel, what, d = message["channel"].partition(".")[2], message.get("event"), message.get("result")
        if message.get("error"):
            return Parsed(REFUSED, detail=str(message["error"]))
        if channel in ("ping", "pong"):
            return Parsed(BEAT)
        if what in ("subscribe", "unsubscribe"):
            return Parsed(ACK)
        if channel == "trades":
            rows = d if isinstance(d, list) else [d]
            return Parsed(DATA, [self._trade(t, recv_ns, memory) for t in rows])
        if channel == "book_ticker":
            best = sides(d, ("b", "B", "a", "A"))
            ts = clocked(memory, ms_ns(d["t"]), recv_ns)
            return Parsed(DATA, [self.quote(d["s"], ts, recv_ns, *best, d.get("u"))])
        if channel == "tickers":
            rows = d if isinstance(d, list) else [d]
            stamp = ms_ns(message["time_ms"]) if "time_ms" in message else decimal_ns(message["time"])
            quotes = [
                self.quote(
                    t["currency_pair"], stamp, recv_ns, number(t["highest_bid"]), NAN, number(t["lowest_ask"]), NAN
                )
                for t in rows
                if "highest_bid" in t
            ]
            return Parsed(DATA if quotes else OTHER, quotes)
        return Parsed(BOOK if channel.startswith(("order_book", "obu")) else OTHER)

    def _trade(self, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        at = ms_ns(t["create_time_ms"]) if "create_time_ms" in t else decimal_ns(t["create_time"])
        size = abs(number(t["amount"] if "amount" in t else t["size"]))
        symbol = t.get("currency_pair") or t["contract"]
        return self.trade(symbol, clocked(memory, at, recv_ns), recv_ns, number(t["price"]), size, t["id"])


class Bitget(Venue):
    """Trades and tickers, versions 1 and 2."""

    name: ClassVar[str] = "bitget"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "event" in message:
            is_error = message["event"] == "error"
            return Parsed(REFUSED, detail=str(message.get("msg"))) if is_error else Parsed(ACK)
        channel, symbol = message["arg"]["channel"], message["arg"]["instId"]
        if channel == "trade":
            # Newest first in the snapshot of version 2, oldest first in version 1's: the times tell.
            rows = sorted((_bitget_trade(t) for t in message["data"]), key=lambda t: t[0])
            return Parsed(
                DATA,
                [
                    self.trade(symbol, clocked(memory, ts, recv_ns), recv_ns, price, size, trade_id)
                    for ts, price, size, trade_id in rows
                ],
            )
        if channel == "ticker":
            quotes = []
            for t in message["data"]:
                bid, ask = t.get("bidPr", t.get("bestBid")), t.get("askPr", t.get("bestAsk"))
                sides = number(bid), number(t.get("bidSz")), number(ask), number(t.get("askSz"))
                ts = clocked(memory, ms_ns(t.get("ts", t.get("systemTime"))), recv_ns)
                quotes.append(self.quote(symbol, ts, recv_ns, *sides))
            return Parsed(DATA, quotes)
        return Parsed(BOOK if channel.startswith("books") else OTHER)


def _bitget_trade(t: Any) -> tuple[int, float, float, Any]:
    if isinstance(t, list):
        return ms_ns(t[0]), number(t[1]), number(t[2]), None
    return ms_ns(t["ts"]), number(t["price"]), number(t["size"]), t.get("tradeId")


class CryptoCom(Venue):
    """Trades and tickers of Crypto.com."""

    name: ClassVar[str] = "cryptocom"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        method = message["method"]
        if method == "public/heartbeat":
            return Parsed(BEAT, answer=json.dumps({"id": message["id"], "method": "public/respond-heartbeat"}))
        if message.get("code", 0) != 0:
            return Parsed(REFUSED, detail=f"{message['code']}: {message.get('message')}")
        result = message.get("result")
        if not result or "data" not in result:
            return Parsed(ACK)
        channel, symbol, data = result["channel"], result["instrument_name"], result["data"]
        if channel == "trade":
            trades = [
                self.trade(
                    symbol, clocked(memory, ms_ns(t["t"]), recv_ns), recv_ns, number(t["p"]), number(t["q"]), t["d"]
                )
                for t in sorted(data, key=lambda t: int(t["d"]))
            ]
            return Parsed(DATA, trades)
        if channel == "ticker":
            quotes = [
                self.quote(
                    symbol, clocked(memory, ms_ns(t["t"]), recv_ns), recv_ns, number(t["b"]), number(t.get("bs")),
                    number(t["k"]), number(t.get("ks")),
                )
                for t in data
            ]  # fmt: skip
            return Parsed(DATA, quotes)
        return Parsed(BOOK if channel == "book" else OTHER)


class Blockchain(Venue):
    """Trades; every message of a connection is numbered."""

    name: ClassVar[str] = "blockchain"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what, channel = message["event"], message["channel"]
        if what == "rejected":
            return Parsed(REFUSED, detail=str(message.get("text")))
        if channel == "heartbeat":
            return Parsed(ACK if what == "subscribed" else BEAT)
        if what in ("subscribed", "unsubscribed"):
            return Parsed(ACK)
        if channel == "trades" and "price" in message:
            ts = clocked(memory, iso_ns(message["timestamp"]), recv_ns)
            numbers = number(message["price"]), number(message["qty"])
            return Parsed(DATA, [self.trade(message["symbol"], ts, recv_ns, *numbers, message["trade_id"])])
        return Parsed(BOOK if channel in ("l2", "l3") else OTHER)


class Ascendex(Venue):
    """Trades, and best bid and offer."""

    name: ClassVar[str] = "ascendex"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what = message["m"]
        if what == "ping":
            return Parsed(BEAT, answer='{"op":"pong"}')
        if what in ("pong", "connected", "sub", "unsub"):
            is_refused = message.get("code", 0) not in (0, "0")
            return Parsed(REFUSED, detail=str(message)) if is_refused else Parsed(BEAT if what == "pong" else ACK)
        if what == "error":
            return Parsed(REFUSED, detail=str(message.get("reason", message.get("info"))))
        symbol, d = message.get("symbol", message.get("s", "")), message.get("data")
        if what == "trades":
            trades = [
                self.trade(
                    symbol,
                    clocked(memory, ms_ns(t["ts"]), recv_ns),
                    recv_ns,
                    number(t["p"]),
                    number(t["q"]),
                    t["seqnum"],
                )
                for t in d
            ]
            return Parsed(DATA, trades)
        if what == "bbo":
            (bid, bid_size), (ask, ask_size) = d["bid"] or (None, None), d["ask"] or (None, None)
            sides = number(bid), number(bid_size), number(ask), number(ask_size)
            return Parsed(DATA, [self.quote(symbol, clocked(memory, ms_ns(d["ts"]), recv_ns), recv_ns, *sides)])
        return Parsed(BOOK if what.startswith("depth") else OTHER)
