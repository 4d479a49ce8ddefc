"""Venues of coins: Poloniex, KuCoin, Upbit, bitFlyer."""

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
    unclocked,
)  # fmt: skip
from processors.feeds.live.read import NAN, decimal_ns, iso_ns, ms_ns, number


class Poloniex(Venue):
    """The feed of today, and the one of arrays before it, whose markets go by number.

    The numbers of the old one are named by the first message of a market's channel; a market that is not named so is
    called by its number.
    """

    name: ClassVar[str] = "poloniex"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if isinstance(message, list):
            return self._arrays(message, recv_ns, memory)
        if message.get("event") == "error" or "error" in message:
            return Parsed(REFUSED, detail=str(message.get("message", message.get("error"))))
        if "event" in message:
            return Parsed(BEAT if message["event"] == "pong" else ACK)
        channel, data = message["channel"], message.get("data", ())
        if channel == "trades":
            trades = [
                self.trade(
                    t["symbol"], clocked(memory, ms_ns(t["createTime"]), recv_ns), recv_ns, number(t["price"]),
                    number(t["quantity"]), t["id"],
                )
                for t in sorted(data, key=lambda t: int(t["id"]))
            ]  # fmt: skip
            return Parsed(DATA, trades)
        return Parsed(BOOK if channel.startswith("book") else OTHER)

    def _arrays(self, message: list[Any], recv_ns: int, memory: dict[str, Any]) -> Parsed:
        names = memory.setdefault("markets", {})
        channel = message[0]
        if channel == 1010:
            return Parsed(BEAT)
        if len(message) == 2:
            return Parsed(ACK)
        if channel == 1002:
            pair, _, ask, bid = message[2][:4]
            ts = unclocked(memory, recv_ns)
            return Parsed(
                DATA, [self.quote(names.get(pair, str(pair)), ts, recv_ns, number(bid), NAN, number(ask), NAN)]
            )
        ticks: list[Tick] = []
        if not isinstance(channel, int):
            raise ValueError("no channel of Poloniex")  # noqa: TRY004 - one error for what a venue may get wrong
        for event in message[2]:
            if event[0] == "i":
                names[channel] = event[1]["currencyPair"]
            elif event[0] == "t":
                _, trade_id, _, price, size, seconds = event[:6]
                ts = ms_ns(event[6]) if len(event) > 6 else decimal_ns(seconds)
                ticks.append(
                    self.trade(
                        names.get(channel, str(channel)),
                        clocked(memory, ts, recv_ns),
                        recv_ns,
                        number(price),
                        number(size),
                        trade_id,
                    )
                )
        return Parsed(DATA if ticks else BOOK, ticks)


class Kucoin(Venue):
    """Matches and tickers, numbered by the market's sequence."""

    name: ClassVar[str] = "kucoin"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what = message["type"]
        if what == "pong":
            return Parsed(BEAT)
        if what in ("welcome", "ack"):
            return Parsed(ACK)
        if what == "error":
            return Parsed(REFUSED, detail=str(message.get("data")))
        channel, _, symbol = message["topic"].partition(":")
        d = message["data"]
        if channel == "/market/match":
            ts = clocked(memory, int(d["time"]), recv_ns)
            return Parsed(
                DATA, [self.trade(d["symbol"], ts, recv_ns, number(d["price"]), number(d["size"]), d["sequence"])]
            )
        if channel == "/market/ticker":
            best = sides(d, ("bestBid", "bestBidSize", "bestAsk", "bestAskSize"))
            at = d.get("time", d.get("Time"))
            ts = clocked(memory, ms_ns(at), recv_ns) if at else unclocked(memory, recv_ns)
            symbol = message["subject"] if symbol == "all" else symbol
            return Parsed(DATA, [self.quote(symbol, ts, recv_ns, *best, d.get("sequence"))])
        return Parsed(BOOK if "level2" in channel.lower() else OTHER)


class Upbit(Venue):
    """Trades, and the first level of the order book."""

    name: ClassVar[str] = "upbit"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "status" in message:
            return Parsed(BEAT)
        if "error" in message:
            return Parsed(REFUSED, detail=str(message["error"]))
        what = message["type"]
        if what == "trade":
            ts = clocked(memory, ms_ns(message["trade_timestamp"]), recv_ns)
            price, size = number(message["trade_price"]), number(message["trade_volume"])
            return Parsed(DATA, [self.trade(message["code"], ts, recv_ns, price, size, message["sequential_id"])])
        if what == "orderbook":
            first = message["orderbook_units"][0]
            best = sides(first, ("bid_price", "bid_size", "ask_price", "ask_size"))
            ts = clocked(memory, ms_ns(message["timestamp"]), recv_ns)
            return Parsed(DATA, [self.quote(message["code"], ts, recv_ns, *best)])
        return Parsed(OTHER)


class Bitflyer(Venue):
    """Executions and tickers."""

    name: ClassVar[str] = "bitflyer"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "error" in message:
            return Parsed(REFUSED, detail=str(message["error"]))
        if "method" not in message:
            return Parsed(ACK if "result" in message else OTHER)
        channel, d = message["params"]["channel"], message["params"]["message"]
        if channel.startswith("lightning_executions_"):
            symbol = channel.removeprefix("lightning_executions_")
            trades = [
                self.trade(
                    symbol, clocked(memory, iso_ns(t["exec_date"]), recv_ns), recv_ns, number(t["price"]),
                    number(t["size"]), t["id"],
                )
                for t in d
            ]  # fmt: skip
            return Parsed(DATA, trades)
        if channel.startswith("lightning_ticker_"):
            best = sides(d, ("best_bid", "best_bid_size", "best_ask", "best_ask_size"))
            ts = clocked(memory, iso_ns(d["timestamp"]), recv_ns)
            return Parsed(DATA, [self.quote(d["product_code"], ts, recv_ns, *best, d.get("tick_id"))])
        return Parsed(BOOK if channel.startswith("lightning_board") else OTHER)
