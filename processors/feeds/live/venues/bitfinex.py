"""Bitfinex, version 2: trades and tickers.

A channel is named once and then goes by its number. Every message of a connection is numbered when asked for (flag
65536), so that a lost one shows; tickers carry no time of their own.
"""

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
    Step,
    Tick,
    clocked,
    unclocked,
)  # fmt: skip
from processors.feeds.live.read import ms_ns, number

NUMBERED = 65_536
RESTART, RESYNC = 20_051, 20_061
"""Info codes with which the venue asks for a new connection."""


class Bitfinex(LiveVenue):
    """Its public channels."""

    name: ClassVar[str] = "bitfinex"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:  # noqa: ARG002 - the port's
        """Yield what to send after connecting."""
        yield json.dumps({"event": "conf", "flags": NUMBERED})
        for symbol in symbols:
            for channel in ("trades", "ticker"):
                yield json.dumps({"event": "subscribe", "channel": channel, "symbol": symbol})

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if isinstance(message, dict):
            return _event(message, memory)
        payload = message[2] if message[1] in ("te", "tu") else message[1]
        steps = self._steps(message, memory)
        if payload == "hb":
            return Parsed(BEAT, steps=steps)
        channel, symbol = memory["channels"][message[0]]
        if channel == "ticker" and symbol.startswith("t"):
            bid, bid_size, ask, ask_size = (number(v) for v in payload[:4])
            ts = unclocked(memory, recv_ns)
            return Parsed(DATA, [self.quote(symbol, ts, recv_ns, bid, bid_size, ask, ask_size)], steps)
        if channel == "trades" and symbol.startswith("t"):
            if message[1] == "tu":
                # The same trade again, once it is booked.
                return Parsed(OTHER, steps=steps)
            rows = [payload] if message[1] == "te" else sorted(payload)
            return Parsed(DATA, [self._trade(symbol, row, recv_ns, memory) for row in rows], steps)
        return Parsed(BOOK if channel == "book" else OTHER, steps=steps)

    def _trade(self, symbol: str, row: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        trade_id, ms, amount, price = row[:4]
        # What was sold has a negative amount.
        return self.trade(
            symbol, clocked(memory, ms_ns(ms), recv_ns), recv_ns, number(price), abs(number(amount)), trade_id
        )

    def _steps(self, message: list[Any], memory: dict[str, Any]) -> list[Step]:
        at = 3 if isinstance(message[1], str) and message[1] in ("te", "tu", "cs") else 2
        if not memory.get("numbered") or len(message) <= at:
            return []
        return [Step("connection", int(message[at]), int(message[at]))]


def _event(message: dict[str, Any], memory: dict[str, Any]) -> Parsed:
    what = message["event"]
    if what == "subscribed":
        name = message.get("symbol") or message.get("key") or message.get("currency") or ""
        memory.setdefault("channels", {})[message["chanId"]] = (message["channel"], name)
    if what == "conf" and message.get("status") == "OK":
        memory["numbered"] = bool(int(message.get("flags", 0)) & NUMBERED)
    if what == "info" and message.get("code") in (RESTART, RESYNC):
        return Parsed(LEAVE, detail=str(message.get("msg")))
    if what == "error":
        return Parsed(REFUSED, detail=str(message.get("msg")))
    if what == "pong":
        return Parsed(BEAT)
    return Parsed(ACK if what in ("subscribed", "unsubscribed", "conf", "info", "auth") else OTHER)
