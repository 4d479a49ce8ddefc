"""Kraken: the spot feed in both versions, and Kraken Futures.

Version 2 numbers the trades of a market without holes, and repeats the last fifty when asked to after a reconnect, so
that a cut is filled. Version 1 numbers nothing.
"""

import json
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
    Step,
    Venue,
    clocked,
    sides,
    unclocked,
)  # fmt: skip
from processors.feeds.live.read import decimal_ns, iso_ns, ms_ns, number


class Kraken(LiveVenue):
    """Both versions of the spot feed; live it is version 2."""

    name: ClassVar[str] = "kraken"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:
        """Yield what to send after connecting."""
        for channel, more in (("trade", {"snapshot": again}), ("ticker", {"event_trigger": "bbo"})):
            yield json.dumps({"method": "subscribe", "params": {"channel": channel, "symbol": list(symbols), **more}})

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if isinstance(message, list):
            return self._version_1(message, recv_ns, memory)
        if "event" in message:
            return self._event(message)
        if "method" in message:
            if message["method"] == "pong":
                return Parsed(BEAT)
            return Parsed(ACK) if message.get("success") else Parsed(REFUSED, detail=str(message.get("error")))
        channel = message["channel"]
        if channel == "heartbeat":
            return Parsed(BEAT)
        if channel == "trade":
            return self._trades(message["data"], recv_ns, memory)
        if channel == "ticker":
            return self._tickers(message["data"], recv_ns, memory)
        return Parsed(BOOK if channel in ("book", "level3") else OTHER)

    def _trades(self, trades: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        ticks, steps = [], []
        for t in sorted(trades, key=lambda t: (t["symbol"], t["trade_id"])):
            ts = clocked(memory, iso_ns(t["timestamp"]), recv_ns)
            tick = self.trade(t["symbol"], ts, recv_ns, number(t["price"]), number(t["qty"]), t["trade_id"])
            ticks.append(tick)
            steps.append(Step(f"trades {t['symbol']}", t["trade_id"], t["trade_id"], tick.symbol_id))
        return Parsed(DATA, ticks, steps)

    def _tickers(self, tickers: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        return Parsed(
            DATA,
            [
                self.quote(
                    t["symbol"], iso_ns(t["timestamp"]) if t.get("timestamp") else unclocked(memory, recv_ns), recv_ns,
                    number(t["bid"]), number(t["bid_qty"]), number(t["ask"]), number(t["ask_qty"]),
                )
                for t in tickers
            ],
        )  # fmt: skip

    def _event(self, message: Any) -> Parsed:
        what = message["event"]
        if what in ("heartbeat", "pong"):
            return Parsed(BEAT)
        if what in ("systemStatus", "subscriptionStatus"):
            refused = message.get("status") == "error"
            return Parsed(REFUSED, detail=str(message.get("errorMessage"))) if refused else Parsed(ACK)
        return Parsed(REFUSED, detail=str(message)) if what == "error" else Parsed(OTHER)

    def _version_1(self, message: list[Any], recv_ns: int, memory: dict[str, Any]) -> Parsed:
        channel, pair, data = message[-2], message[-1], message[1]
        if channel == "trade":
            ticks = [
                self.trade(pair, clocked(memory, decimal_ns(t[2]), recv_ns), recv_ns, number(t[0]), number(t[1]))
                for t in data
            ]
            return Parsed(DATA, ticks)
        if channel == "spread":
            bid, ask, ts, bid_size, ask_size = data
            sides = number(bid), number(bid_size), number(ask), number(ask_size)
            return Parsed(DATA, [self.quote(pair, clocked(memory, decimal_ns(ts), recv_ns), recv_ns, *sides)])
        if channel == "ticker":
            # Price, whole lots, lots.
            bid, ask = data["b"], data["a"]
            sides = number(bid[0]), number(bid[-1]), number(ask[0]), number(ask[-1])
            return Parsed(DATA, [self.quote(pair, unclocked(memory, recv_ns), recv_ns, *sides)])
        return Parsed(BOOK if channel.startswith("book") else OTHER)


class KrakenFutures(Venue):
    """Trades and tickers of contracts, sizes in contracts."""

    name: ClassVar[str] = "kraken_futures"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "event" in message:
            what = message["event"]
            refused = what in ("error", "alert", "subscribed_failed")
            return Parsed(REFUSED, detail=str(message.get("message"))) if refused else Parsed(ACK)
        feed = message["feed"]
        if feed == "heartbeat":
            return Parsed(BEAT)
        if feed in ("trade", "trade_snapshot"):
            trades = message.get("trades", [message])
            return Parsed(
                DATA,
                [
                    self.trade(
                        t["product_id"], clocked(memory, ms_ns(t["time"]), recv_ns), recv_ns,
                        number(t["price"]), number(t["qty"]), t.get("seq"),
                        "" if t.get("type", "fill") == "fill" else t["type"],
                    )
                    for t in sorted(trades, key=lambda t: (t["time"], t.get("seq", 0)))
                ],
            )  # fmt: skip
        if feed in ("ticker", "ticker_lite"):
            best = sides(message, ("bid", "bid_size", "ask", "ask_size"))
            ts = ms_ns(message["time"]) if "time" in message else unclocked(memory, recv_ns)
            return Parsed(DATA, [self.quote(message["product_id"], ts, recv_ns, *best)])
        return Parsed(BOOK if feed.startswith("book") else OTHER)
