"""HitBTC and the venues on its engine (Bequant, Bitcoin.com, FMFW): trades and tickers, versions 2 and 3."""

from typing import Any, ClassVar

from processors.feeds.live.port import ACK, BOOK, DATA, OTHER, REFUSED, Parsed, Tick, Venue, clocked
from processors.feeds.live.read import iso_ns, ms_ns, number


class Hitbtc(Venue):
    """Both versions."""

    name: ClassVar[str] = "hitbtc"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if message.get("error"):
            return Parsed(REFUSED, detail=str(message["error"]))
        if "ch" in message:
            return self._version_3(message, recv_ns, memory)
        if "method" not in message:
            if "result" in message:
                return Parsed(ACK)
            raise ValueError("no message of HitBTC")
        method, d = message["method"], message["params"]
        if method in ("snapshotTrades", "updateTrades"):
            trades = [
                self.trade(
                    d["symbol"], clocked(memory, iso_ns(t["timestamp"]), recv_ns), recv_ns, number(t["price"]),
                    number(t["quantity"]), t["id"],
                )
                for t in sorted(d["data"], key=lambda t: t["id"])
            ]  # fmt: skip
            return Parsed(DATA, trades)
        if method == "ticker":
            ts = clocked(memory, iso_ns(d["timestamp"]), recv_ns)
            sides = number(d["bid"]), number(None), number(d["ask"]), number(None)
            return Parsed(DATA, [self.quote(d["symbol"], ts, recv_ns, *sides)])
        return Parsed(BOOK if "rderbook" in method else OTHER)

    def _version_3(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        channel = message["ch"].partition("/")[0]
        if "result" in message:
            return Parsed(ACK)
        data = message.get("update") or message.get("snapshot") or message.get("data") or {}
        if channel == "trades":
            rows = [(s, t) for s, trades in data.items() for t in sorted(trades, key=lambda t: t["i"])]
            return Parsed(DATA, [self._trade(symbol, t, recv_ns, memory) for symbol, t in rows])
        if channel == "ticker" or message["ch"].startswith("orderbook/top"):
            quotes = [
                self.quote(
                    symbol, clocked(memory, ms_ns(t["t"]), recv_ns), recv_ns, number(t["b"]), number(t["B"]),
                    number(t["a"]), number(t["A"]),
                )
                for symbol, t in data.items()
            ]  # fmt: skip
            return Parsed(DATA, quotes)
        return Parsed(BOOK if channel == "orderbook" else OTHER)

    def _trade(self, symbol: str, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        ts = clocked(memory, ms_ns(t["t"]), recv_ns)
        return self.trade(symbol, ts, recv_ns, number(t["p"]), number(t["q"]), t["i"])
