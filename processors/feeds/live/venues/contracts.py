"""More venues of contracts, each with a spot market beside: Delta, Phemex, Bit.com."""

from typing import Any, ClassVar

from processors.feeds.live.port import ACK, BEAT, BOOK, DATA, OTHER, REFUSED, Parsed, Tick, Venue, clocked, sides
from processors.feeds.live.read import NAN, ms_ns, number, us_ns
from processors.feeds.live.venues.regional import best


class Delta(Venue):
    """Trades, and the best of the book from tickers, first levels and whole books; times are in microseconds.

    Spot markets have a bar in their names (``BTC_USDT``), contracts have none (``BTCUSDT``).
    """

    name: ClassVar[str] = "delta"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what = message["type"]
        if what in ("heartbeat", "pong"):
            return Parsed(BEAT)
        if what == "error":
            return Parsed(REFUSED, detail=str(message.get("message")))
        if what in ("subscriptions", "unsubscribed", "success"):
            wrong = [c for c in message.get("channels", ()) if "error" in c]
            return Parsed(REFUSED, detail=str(wrong)) if wrong else Parsed(ACK)
        if what in ("all_trades", "all_trades_snapshot"):
            # A snapshot is newest first.
            rows = sorted(message.get("trades", [message]), key=lambda t: int(t["timestamp"]))
            return Parsed(DATA, [self._trade(message["symbol"], t, recv_ns, memory) for t in rows])
        if what == "l1_orderbook":
            return self._best(message, sides(message, ("best_bid", "bid_qty", "best_ask", "ask_qty")), recv_ns, memory)
        if what == "l2_orderbook":
            bid, ask = (
                best([(level["limit_price"], level["size"]) for level in message[side]], of)
                for side, of in (("buy", max), ("sell", min))
            )
            return self._best(message, (*bid, *ask), recv_ns, memory)
        if what == "v2/ticker" and message.get("quotes"):
            names = ("best_bid", "bid_size", "best_ask", "ask_size")
            return self._best(message, sides(message["quotes"], names), recv_ns, memory)
        return Parsed(BOOK if what.startswith("l2_") else OTHER)

    def symbol_id(self, name: str) -> str:
        """Return our instrument: a pair of coins of the spot market, or a contract of its own."""
        return super().symbol_id(name) if "_" in name or not name else f"{name.upper()}:CRYPTO"

    def _trade(self, symbol: str, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        ts = clocked(memory, us_ns(int(t["timestamp"])), recv_ns)
        return self.trade(symbol, ts, recv_ns, number(t["price"]), number(t["size"]))

    def _best(
        self, message: Any, of: tuple[float, float, float, float], recv_ns: int, memory: dict[str, Any]
    ) -> Parsed:
        ts = clocked(memory, us_ns(int(message["timestamp"])), recv_ns)
        return Parsed(DATA, [self.quote(message["symbol"], ts, recv_ns, *of)])


class Phemex(Venue):
    """Trades, and quotes of the spot market's daily statistics; times are in nanoseconds.

    Prices are whole numbers, scaled by 10^4 for contracts and by 10^8 for spot, whose sizes are scaled likewise; the
    messages of hedged contracts (``trades_p``) hold plain decimals. Spot markets have an ``s`` before their names.
    """

    name: ClassVar[str] = "phemex"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if message.get("error"):
            return Parsed(REFUSED, detail=str(message["error"]))
        if "result" in message:
            return Parsed(BEAT if message["result"] == "pong" else ACK)
        for key in ("trades", "trades_p"):
            if key in message:
                symbol = message["symbol"]
                scales = (1.0, 1.0) if key == "trades_p" else _scales(symbol)
                # Newest first.
                trades = [self._trade(symbol, t, scales, recv_ns, memory) for t in sorted(message[key])]
                return Parsed(DATA, trades)
        if "spot_market24h" in message:
            d, ts = message["spot_market24h"], clocked(memory, int(message["timestamp"]), recv_ns)
            scale, _ = _scales(d["symbol"])
            bid, ask = number(d.get("bidEp")) / scale, number(d.get("askEp")) / scale
            return Parsed(DATA, [self.quote(d["symbol"], ts, recv_ns, bid, NAN, ask, NAN)])
        if "book" in message or "orderbook_p" in message:
            return Parsed(BOOK)
        if {"kline", "kline_p", "market24h", "tick", "tick_p", "accounts", "index_market24h", "data"} & message.keys():
            return Parsed(OTHER)
        raise ValueError("no message of Phemex")

    def symbol_id(self, name: str) -> str:
        """Return our instrument: a pair of coins of the spot market, or a contract of its own."""
        return super().symbol_id(name) if name.startswith("s") or not name else f"{name.upper()}:CRYPTO"

    def _trade(self, symbol: str, t: Any, scales: tuple[float, float], recv_ns: int, memory: dict[str, Any]) -> Tick:
        at, _, price, size = t
        ts = clocked(memory, int(at), recv_ns)
        return self.trade(symbol, ts, recv_ns, number(price) / scales[0], number(size) / scales[1])


def _scales(symbol: str) -> tuple[float, float]:
    """Return what prices and sizes of a market are multiplied by."""
    return (1e8, 1e8) if symbol.startswith("s") else (1e4, 1.0)


class BitDotCom(Venue):
    """Trades, tickers and first levels of Bit.com; spot markets are a ``pair``, contracts an ``instrument_id``."""

    name: ClassVar[str] = "bit.com"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        channel, d = message["channel"], message.get("data")
        if channel == "pong":
            return Parsed(BEAT)
        if channel == "subscription":
            return Parsed(ACK) if d.get("code") == 0 else Parsed(REFUSED, detail=str(d))
        if channel in ("trade", "market_trade"):
            trades = [
                self.trade(
                    _market(t), clocked(memory, ms_ns(t["created_at"]), recv_ns), recv_ns, number(t["price"]),
                    number(t["qty"]), t["trade_id"], "block" if t.get("is_block_trade") else "",
                )
                for t in sorted(d, key=lambda t: int(t["created_at"]))
            ]  # fmt: skip
            return Parsed(DATA, trades)
        if channel in ("ticker", "depth1"):
            names = ("best_bid", "best_bid_qty", "best_ask", "best_ask_qty")
            ts = clocked(memory, ms_ns(message["timestamp"]), recv_ns)
            return Parsed(DATA, [self.quote(_market(d), ts, recv_ns, *sides(d, names))])
        return Parsed(BOOK if channel.startswith(("depth", "order_book")) else OTHER)


def _market(d: Any) -> str:
    name: str = d.get("instrument_id") or d["pair"]
    return name
