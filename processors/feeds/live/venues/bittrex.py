"""Bittrex, version 3 (closed in 2023; recordings remain): SignalR around compressed messages."""

import base64
import zlib
from typing import Any, ClassVar

from processors.feeds.live.port import ACK, BEAT, BOOK, DATA, OTHER, REFUSED, Parsed, Step, Venue, clocked, unclocked
from processors.feeds.live.read import NAN, inflated, iso_ns, message_of, number

_FATES = {"heartbeat": BEAT, "orderBook": BOOK, "authenticationExpiring": OTHER}
"""Of hub messages without ticks; any other is of a kind that makes none."""


class Bittrex(Venue):
    """Trades and tickers; both are numbered without holes by market. A trade's own id is no number."""

    name: ClassVar[str] = "bittrex"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a frame says: an answer, a sign of life, or hub messages, each with compressed arguments."""
        if "E" in message:
            return Parsed(REFUSED, detail=str(message["E"]))
        if "R" in message:
            refused = [r for r in _listed(message["R"]) if isinstance(r, dict) and r.get("Success") is False]
            return Parsed(REFUSED, detail=str(refused)) if refused else Parsed(ACK)
        if not message:
            return Parsed(BEAT)
        if "M" not in message and "I" in message:
            return Parsed(ACK)
        calls = message["M"]
        if not calls:
            return Parsed(ACK)
        parts = [
            self._update(call["M"], message_of(_text(argument)), recv_ns, memory)
            for call in calls
            for argument in call["A"]
        ] or [Parsed(_FATES.get(call["M"], OTHER)) for call in calls]
        fates = [part.what for part in parts]
        return Parsed(
            DATA if DATA in fates else fates[0],
            [tick for part in parts for tick in part.ticks],
            [step for part in parts for step in part.steps],
        )

    def _update(self, what: str, d: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        if what == "trade":
            symbol = d["marketSymbol"]
            trades = [
                self.trade(
                    symbol, clocked(memory, iso_ns(t["executedAt"]), recv_ns), recv_ns, number(t["rate"]),
                    number(t["quantity"]),
                )
                for t in sorted(d["deltas"], key=lambda t: iso_ns(t["executedAt"]))
            ]  # fmt: skip
            number_of = int(d["sequence"])
            return Parsed(DATA, trades, [Step(f"trades {symbol}", number_of, number_of, self.symbol_id(symbol))])
        if what in ("ticker", "tickers"):
            ts = unclocked(memory, recv_ns)
            quotes = [
                self.quote(t["symbol"], ts, recv_ns, number(t["bidRate"]), NAN, number(t["askRate"]), NAN)
                for t in d.get("deltas", [d])
            ]
            return Parsed(DATA, quotes)
        return Parsed(_FATES.get(what, OTHER))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(argument: str) -> str:
    """Return a compressed argument as text: base64 around raw deflate."""
    return inflated(base64.b64decode(argument, validate=True), -zlib.MAX_WBITS).decode()
