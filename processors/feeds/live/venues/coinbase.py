"""Coinbase: the Exchange feed (matches, ticker, heartbeat) and Advanced Trade (market_trades, ticker).

Trade ids of a product have no holes, and heartbeats tell the last one: both are searched for gaps.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from processors.feeds.live.port import ACK, BEAT, BOOK, DATA, OTHER, REFUSED, LiveVenue, Parsed, Step, Tick, clocked
from processors.feeds.live.read import iso_ns, number

CHANNELS = ("matches", "ticker", "heartbeat")
_BOOK = frozenset(
    {"snapshot", "l2update", "level2", "received", "open", "done", "change", "activate", "l2_data", "level3"}
)


class Coinbase(LiveVenue):
    """Both feeds; live it is the Exchange feed, whose trades come without a key."""

    name: ClassVar[str] = "coinbase"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:  # noqa: ARG002 - the port's
        """Yield what to send after connecting."""
        yield json.dumps({"type": "subscribe", "product_ids": list(symbols), "channels": list(CHANNELS)})

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "channel" in message and "events" in message:
            return self._advanced(message, recv_ns, memory)
        what = message["type"]
        if what in ("match", "last_match"):
            return self._match(message, recv_ns, memory, what)
        if what == "ticker":
            ts = clocked(memory, iso_ns(message["time"]), recv_ns)
            return Parsed(DATA, [self._ticker(message, ts, recv_ns, message.get("sequence"))])
        if what == "heartbeat":
            last = int(message["last_trade_id"])
            product = message["product_id"]
            return Parsed(BEAT, steps=[Step(f"trades {product}", last + 1, last, self.symbol_id(product))])
        if what == "subscriptions":
            return Parsed(ACK)
        if what == "error":
            return Parsed(REFUSED, detail=f"{message.get('message')}: {message.get('reason')}")
        return Parsed(BOOK if what in _BOOK else OTHER)

    def _match(self, message: Any, recv_ns: int, memory: dict[str, Any], what: str) -> Parsed:
        ts, product, number_ = iso_ns(message["time"]), message["product_id"], int(message["trade_id"])
        if what == "match":
            clocked(memory, ts, recv_ns)
        # The last match is of before we joined: a repeat after a reconnect, with the number it had.
        condition = "last_match" if what == "last_match" else ""
        tick = self.trade(product, ts, recv_ns, number(message["price"]), number(message["size"]), number_, condition)
        return Parsed(DATA, [tick], [Step(f"trades {product}", number_, number_, tick.symbol_id)])

    def _ticker(self, message: Any, ts: int, recv_ns: int, update_id: Any) -> Tick:
        get = message.get
        return self.quote(
            message["product_id"], ts, recv_ns,
            number(message["best_bid"]), number(get("best_bid_size", get("best_bid_quantity"))),
            number(message["best_ask"]), number(get("best_ask_size", get("best_ask_quantity"))),
            update_id,
        )  # fmt: skip

    def _advanced(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        steps = [Step("connection", int(message["sequence_num"]), int(message["sequence_num"]))]
        channel, events = message["channel"], message["events"]
        if channel == "market_trades":
            trades = [
                self.trade(
                    t["product_id"], iso_ns(t["time"]), recv_ns, number(t["price"]), number(t["size"]), t["trade_id"]
                )
                for event in events
                # Newest first.
                for t in reversed(event["trades"])
            ]
            return Parsed(DATA, trades, steps)
        ts = clocked(memory, iso_ns(message["timestamp"]), recv_ns)
        if channel in ("ticker", "ticker_batch"):
            # The connection's numbers begin anew with each: they are not the quote's.
            quotes = [self._ticker(t, ts, recv_ns, None) for event in events for t in event["tickers"]]
            return Parsed(DATA, quotes, steps)
        known = {"heartbeats": BEAT, "subscriptions": ACK, "l2_data": BOOK}
        return Parsed(known.get(channel, OTHER), steps=steps)
