"""OKX (version 5) and OKCoin or OKEx (version 3, deflated): trades, tickers and best bid and offer.

One message of trades may stand for several (``count``), of which it names the last. Sizes of contracts are contracts.
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
    sides,
    top,
)  # fmt: skip
from processors.feeds.live.read import iso_ns, ms_ns, number

UPGRADE = "64008"
"""Notice that the connection will be closed soon."""


class Okx(LiveVenue):
    """Both versions; live it is version 5."""

    name: ClassVar[str] = "okx"

    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:  # noqa: ARG002 - the port's
        """Yield what to send after connecting."""
        channels = [{"channel": c, "instId": s} for s in symbols for c in ("trades", "bbo-tbt")]
        yield json.dumps({"op": "subscribe", "args": channels})

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "table" in message:
            return self._version_3(message, recv_ns, memory)
        if "event" in message:
            return _event(message)
        channel, data = message["arg"]["channel"], message["data"]
        symbol = message["arg"].get("instId", "")
        if channel in ("trades", "trades-all"):
            return self._trades(data, recv_ns, memory)
        if channel == "tickers":
            return Parsed(DATA, [self._ticker(t, recv_ns, memory) for t in data])
        if channel == "bbo-tbt":
            quotes = [
                self.quote(
                    symbol, clocked(memory, ms_ns(d["ts"]), recv_ns), recv_ns, *top(d["bids"]), *top(d["asks"]),
                    d.get("seqId"), _segment(symbol),
                )
                for d in data
            ]  # fmt: skip
            return Parsed(DATA, quotes)
        return Parsed(BOOK if "book" in channel else OTHER)

    def _trades(self, trades: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        ticks, steps = [], []
        for t in trades:
            symbol, last = t["instId"], int(t["tradeId"])
            ts = clocked(memory, ms_ns(t["ts"]), recv_ns)
            tick = self.trade(symbol, ts, recv_ns, number(t["px"]), number(t["sz"]), last, venue=_segment(symbol))
            ticks.append(tick)
            if t.get("count"):
                steps.append(Step(f"trades {symbol}", last - int(t["count"]) + 1, last, tick.symbol_id))
        return Parsed(DATA, ticks, steps)

    def _ticker(self, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        best = sides(t, ("bidPx", "bidSz", "askPx", "askSz"))
        ts = clocked(memory, ms_ns(t["ts"]), recv_ns)
        return self.quote(t["instId"], ts, recv_ns, *best, venue=_segment(t["instId"]))

    def _version_3(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        channel, ticks = message["table"].partition("/")[2], []
        for d in message["data"]:
            if channel == "trade":
                symbol, size = d["instrument_id"], number(d.get("size", d.get("qty")))
                ts = clocked(memory, iso_ns(d["timestamp"]), recv_ns)
                ticks.append(
                    self.trade(
                        symbol, ts, recv_ns, number(d["price"]), size, int(d["trade_id"]), venue=_segment(symbol)
                    )
                )
            elif channel == "ticker":
                best = sides(d, ("best_bid", "best_bid_size", "best_ask", "best_ask_size"))
                symbol, ts = d["instrument_id"], clocked(memory, iso_ns(d["timestamp"]), recv_ns)
                ticks.append(self.quote(symbol, ts, recv_ns, *best, venue=_segment(symbol)))
        if channel in ("trade", "ticker"):
            return Parsed(DATA, ticks)
        return Parsed(BOOK if channel.startswith("depth") else OTHER)


def _segment(symbol: str) -> str:
    parts = symbol.split("-")
    if len(parts) == 2:
        return "SPOT"
    return "SWAP" if parts[-1] == "SWAP" else "OPTION" if parts[-1] in ("C", "P") else "FUTURES"


def _event(message: Any) -> Parsed:
    what = message["event"]
    if what == "error":
        return Parsed(REFUSED, detail=f"{message.get('code', message.get('errorCode'))}: {message.get('msg')}")
    if what == "notice" and str(message.get("code")) == UPGRADE:
        return Parsed(LEAVE, detail=str(message.get("msg")))
    if what == "pong":
        return Parsed(BEAT)
    return Parsed(ACK if what in ("subscribe", "unsubscribe", "login") else OTHER)
