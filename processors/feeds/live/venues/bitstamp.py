"""Bitstamp: live trades, and the first level of the order book. Trade ids rise, over all markets together."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from processors.feeds.live.port import (
    ACK,
    BEAT,
    BOOK,
    DATA,
    LEAVE,
    OTHER,
    REFUSED,
    LiveVenue,
    Parsed,
    clocked,
    top,
)  # fmt: skip
from processors.feeds.live.read import decimal_ns, number, us_ns


class Bitstamp(LiveVenue):
    """Its one feed."""

    name: ClassVar[str] = "bitstamp"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:  # noqa: ARG002 - the port's
        """Yield what to send after connecting."""
        for channel in (f"{c}_{s}" for s in symbols for c in ("live_trades", "order_book")):
            yield json.dumps({"event": "bts:subscribe", "data": {"channel": channel}})

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what, channel, data = message["event"], message.get("channel", ""), message.get("data")
        symbol = channel.rpartition("_")[2]
        if what == "trade":
            ts = clocked(memory, _time_ns(data), recv_ns)
            price, size = number(data.get("price_str", data["price"])), number(data.get("amount_str", data["amount"]))
            return Parsed(DATA, [self.trade(symbol, ts, recv_ns, price, size, data["id"])])
        if what == "data" and channel.startswith(("order_book_", "detail_order_book_")):
            ts = clocked(memory, _time_ns(data), recv_ns)
            return Parsed(DATA, [self.quote(symbol, ts, recv_ns, *top(data["bids"]), *top(data["asks"]))])
        if what == "bts:request_reconnect":
            return Parsed(LEAVE)
        if what == "bts:error":
            return Parsed(REFUSED, detail=str(data))
        if what in ("bts:subscription_succeeded", "bts:unsubscription_succeeded"):
            return Parsed(ACK)
        if what == "bts:heartbeat":
            return Parsed(BEAT)
        return Parsed(BOOK if what == "data" or what.startswith("order_") else OTHER)


def _time_ns(data: Any) -> int:
    return us_ns(int(data["microtimestamp"])) if "microtimestamp" in data else decimal_ns(data["timestamp"])
