"""Venues of one country or closed ones: Bithumb, ProBit, EXX, Independent Reserve."""

from collections.abc import Iterator
from typing import Any, ClassVar

from processors.feeds.live.port import (
    ACK,
    BEAT,
    BOOK,
    DATA,
    OTHER,
    REFUSED,
    Parsed,
    Step,
    Tick,
    Venue,
    clocked,
    top,
)  # fmt: skip
from processors.feeds.live.read import decimal_ns, iso_ns, ms_ns, number
from processors.feeds.live.venues.spot import Upbit


class Bithumb(Upbit):
    """Trades and books by its first interface; its second has the messages of Upbit, with markets as ``KRW-BTC``.

    Times of the first are of Korea and do not say so; its trades are not numbered.
    """

    name: ClassVar[str] = "bithumb"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if "resmsg" in message:
            is_well = message["status"] == "0000"
            return Parsed(ACK) if is_well else Parsed(REFUSED, detail=f"{message['status']}: {message['resmsg']}")
        if "content" not in message:
            return super().read(message, recv_ns, memory)
        what, d = message["type"], message["content"]
        if what == "transaction":
            trades = [self._dealt(t, recv_ns, memory) for t in sorted(d["list"], key=_korean_ns)]
            return Parsed(DATA, trades)
        if what == "orderbooksnapshot":
            (bid, bid_size), (ask, ask_size) = best(d["bids"], max), best(d["asks"], min)
            ts = clocked(memory, ms_ns(int(d["datetime"])), recv_ns)
            return Parsed(DATA, [self.quote(d["symbol"], ts, recv_ns, bid, bid_size, ask, ask_size)])
        return Parsed(BOOK if what.startswith("orderbook") else OTHER)

    def symbol_id(self, name: str) -> str:
        """Return our instrument of either interface's name."""
        quote, dash, base = name.partition("-")
        return super().symbol_id(f"{base}_{quote}" if dash else name)

    def _dealt(self, t: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        ts = clocked(memory, _korean_ns(t), recv_ns)
        return self.trade(t["symbol"], ts, recv_ns, number(t["contPrice"]), number(t["contQty"]))


def _korean_ns(t: Any) -> int:
    return iso_ns(f"{t['contDtm']}+09:00")


def best(levels: Any, of: Any) -> tuple[float, float]:
    """Return price and size of the best level, whatever their order; ``of`` is ``max`` for bids, ``min`` for asks."""
    return top([of(levels, key=lambda level: number(level[0]))] if levels else [])


class Probit(Venue):
    """Trades; its tickers have no quotes, and its books no times."""

    name: ClassVar[str] = "probit"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says; one may hold trades, books and a ticker at once."""
        if "errorCode" in message or message.get("status", "ok") != "ok":
            return Parsed(REFUSED, detail=str(message)[:200])
        if "channel" not in message:
            if message.get("type") == "authorization":
                return Parsed(ACK)
            raise ValueError("no message of ProBit")
        if "recent_trades" in message:
            symbol = message["market_id"]
            trades = [
                self.trade(
                    symbol, clocked(memory, iso_ns(t["time"]), recv_ns), recv_ns, number(t["price"]),
                    number(t["quantity"]), _numbered(t),
                )
                for t in sorted(message["recent_trades"], key=lambda t: (iso_ns(t["time"]), _numbered(t)))
            ]  # fmt: skip
            return Parsed(DATA, trades)
        return Parsed(BOOK if any(key.startswith("order_books") for key in message) else OTHER)


def _numbered(t: Any) -> int:
    """Return the number in a trade's id: ``ETH-BTC:4429182``."""
    return int(t["id"].rpartition(":")[2])


class Exx(Venue):
    """Trades; messages are arrays, and the first of a channel is an array of them."""

    name: ClassVar[str] = "exx"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        if not isinstance(message, list) or not message:
            raise ValueError("no message of EXX")
        rows = message if isinstance(message[0], list) else [message]
        kinds = {row[0] for row in rows}
        if kinds == {"T"}:
            trades = [self._dealt(row, recv_ns, memory) for row in sorted(rows, key=lambda row: int(row[7]))]
            return Parsed(DATA, trades)
        if not kinds <= {"AE", "E", "K"}:
            raise ValueError(f"no message of EXX: {sorted(map(str, kinds))}")
        return Parsed(OTHER if "K" in kinds else BOOK)

    def _dealt(self, row: Any, recv_ns: int, memory: dict[str, Any]) -> Tick:
        _, _, seconds, symbol, _, price, size, trade_id = row
        ts = clocked(memory, decimal_ns(seconds), recv_ns)
        return self.trade(symbol, ts, recv_ns, number(price), number(size), trade_id)


class IndependentReserve(Venue):
    """Trades; the events of a channel are numbered without holes, the trades themselves are not.

    The later form of a trade has its price in several currencies, and becomes one tick of each of these markets.
    """

    name: ClassVar[str] = "independent_reserve"

    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says."""
        event = message["Event"]
        if event == "Heartbeat":
            return Parsed(BEAT)
        if event in ("Subscriptions", "Unsubscribe"):
            return Parsed(ACK)
        if event == "Error":
            return Parsed(REFUSED, detail=str(message.get("Data")))
        if event != "Trade":
            return Parsed(BOOK if message["Channel"].startswith("orderbook") else OTHER)
        channel, d = message["Channel"], message["Data"]
        at = iso_ns(d["TradeDate"]) if "TradeDate" in d else ms_ns(message["Time"])
        ts, size = clocked(memory, at, recv_ns), number(d["Volume"])
        trades = [self.trade(symbol, ts, recv_ns, number(price), size) for symbol, price in _markets(channel, d)]
        last = int(message["Nonce"])
        symbol_id = trades[0].symbol_id if len(trades) == 1 else ""
        return Parsed(DATA, trades, [Step(channel, last, last, symbol_id)])


def _markets(channel: str, d: Any) -> Iterator[tuple[str, Any]]:
    """Yield market and price of a trade of ``ticker-xbt-aud``, or of ``ticker-xbt`` with a price in each currency."""
    price = d["Price"]
    if not isinstance(price, dict):
        yield d.get("Pair") or channel.partition("-")[2], price
        return
    coin = channel.split("-")[1]
    for currency, value in price.items():
        yield f"{coin}-{currency.lower()}", value
