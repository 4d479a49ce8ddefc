"""Gemini: version 2 (many markets a connection, trades) and version 1 (one a connection, trades and top of book).

Version 2 has no top of book but by keeping the whole book, so live it is version 1, whose messages are numbered
without holes within a connection.
"""

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
    Step,
    Tick,
    clocked,
)  # fmt: skip
from processors.feeds.live.read import NAN, ms_ns, number

_SYMBOL_IN_URL = re.compile(r"/v1/marketdata/([A-Za-z0-9]+)")


class Gemini(LiveVenue):
    """Both versions; ``memory["url"]`` names the market of a connection of version 1."""

    name: ClassVar[str] = "gemini"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:  # noqa: ARG002 - the port's
        """Yield nothing: the address says what to send."""
        yield from ()

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        what = message.get("type")
        if "socket_sequence" in message:
            return self._version_1(message, recv_ns, memory)
        if what == "trade":
            return Parsed(DATA, [self._trade(message, recv_ns, memory)])
        if what == "l2_updates":
            # The first one of a market brings its last trades, newest first.
            trades = sorted(message.get("trades", ()), key=lambda t: t["event_id"])
            ticks = [self._trade(t, recv_ns, memory) for t in trades]
            return Parsed(DATA if ticks else BOOK, ticks)
        if what == "heartbeat":
            clocked(memory, ms_ns(message["timestamp"]), recv_ns)
            return Parsed(BEAT)
        if message.get("result") == "error" or what == "error":
            return Parsed(REFUSED, detail=f"{message.get('reason')}: {message.get('message')}")
        if what is None:
            raise ValueError("no message of Gemini")
        return Parsed(ACK if what in ("subscription_ack", "subscribed") else OTHER)

    def _trade(self, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        ts = clocked(memory, ms_ns(t["timestamp"]), recv_ns)
        return self.trade(t["symbol"], ts, recv_ns, number(t["price"]), number(t["quantity"]), t["event_id"])

    def _version_1(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        at = int(message["socket_sequence"])
        steps = [Step("connection", at, at)]
        if message["type"] == "heartbeat":
            return Parsed(BEAT, steps=steps)
        found = _SYMBOL_IN_URL.search(memory["url"])
        if found is None:
            raise ValueError(f"no market in {memory['url']}")
        symbol, ticks = found[1].upper(), []
        initial = any(event.get("reason") == "initial" for event in message["events"])
        ts = recv_ns if initial and "timestampms" not in message else ms_ns(message["timestampms"])
        for event in message["events"]:
            if event["type"] == "trade":
                numbers = number(event["price"]), number(event["amount"])
                ticks.append(self.trade(symbol, ts, recv_ns, *numbers, event["tid"]))
            elif event["type"] == "change" and event.get("reason") in ("top-of-book", "initial"):
                price, size = number(event["price"]), number(event["remaining"])
                sides = (price, size, NAN, NAN) if event["side"] == "bid" else (NAN, NAN, price, size)
                ticks.append(self.quote(symbol, ts, recv_ns, *sides))
        return Parsed(DATA if ticks else OTHER, ticks, steps)
