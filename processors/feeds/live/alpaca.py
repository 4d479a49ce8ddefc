"""Alpaca: trades, quotes, corrections, cancels and halts of US equities, by its own client. Needs the extra ``alpaca``.

Trades are named by their exchange (``venue``), quotes are of the tape or of IEX and have none. Ids of trades rise on an
exchange, but for ``D``, which stands for several reporting facilities: its trades carry no number.
"""

import logging
import os
from collections.abc import Sequence
from typing import Any

from processors.errors import ConfigError
from processors.feeds.live.health import Health
from processors.feeds.live.port import Tick, doubled
from processors.feeds.live.read import number
from processors.feeds.live.session import CUT, Put
from processors.runtime.batch import NULL_LONG

VENDOR = "ALPACA"
KEY, SECRET, FEED = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_DATA_FEED"
NO_NUMBERS = frozenset({"D"})
REMEDY = "in the checkout: pip install -e '.[alpaca]'"


def equity_id(symbol: str) -> str:
    """Return our instrument."""
    return f"{symbol.upper()}:US"


def time_ns(value: Any) -> int:
    """Return nanoseconds of a time of the wire (msgpack's, which keeps them all)."""
    return int(value.to_unix_nano())


def trade_of(m: dict[str, Any], recv_ns: int) -> Tick:
    """Return a trade."""
    return Tick(
        "trade", equity_id(m["S"]), VENDOR, str(m["x"]), time_ns(m["t"]), recv_ns, price=number(m["p"]),
        size=number(m["s"]), seq=_seq(m, "i"), conditions=_conditions(m),
    )  # fmt: skip


def quote_of(m: dict[str, Any], recv_ns: int) -> Tick:
    """Return a quote; a side of price 0 is withdrawn."""
    return Tick(
        "quote", equity_id(m["S"]), VENDOR, "", time_ns(m["t"]), recv_ns, bid=number(m["bp"]), ask=number(m["ap"]),
        bid_size=number(m["bs"]), ask_size=number(m["as"]), conditions=_conditions(m),
    )  # fmt: skip


def correction_of(m: dict[str, Any], recv_ns: int) -> Tick:
    """Return what a trade is corrected to; the number is that of the trade."""
    return Tick(
        "correction", equity_id(m["S"]), VENDOR, str(m["x"]), time_ns(m["t"]), recv_ns, price=number(m["cp"]),
        size=number(m["cs"]), seq=_seq(m, "oi"), conditions="correct",
    )  # fmt: skip


def cancel_of(m: dict[str, Any], recv_ns: int) -> Tick:
    """Return the trade that is taken back, by its number."""
    return Tick(
        "correction", equity_id(m["S"]), VENDOR, str(m["x"]), time_ns(m["t"]), recv_ns, price=number(m["p"]),
        size=number(m["s"]), seq=_seq(m, "i"), conditions="cancel",
    )  # fmt: skip


PHASES = {"2": "halt", "H": "halt", "P": "halt", "3": "resume", "T": "resume"}
"""Codes of trading status that tell a phase, by Alpaca's page on real-time stock data: digits of tapes A and B, letters
of tape C. Others (price indications, imbalances, the resumption of quotes alone) pass as they are."""


def status_of(m: dict[str, Any], recv_ns: int) -> Tick:
    """Return a halt or its end, by the tape's codes of status and reason."""
    text = PHASES.get(str(m["sc"]), f"status:{m['sc']}:{m.get('rc', '')}")
    return Tick("status", equity_id(m["S"]), VENDOR, "", time_ns(m["t"]), recv_ns, conditions=text)


def _seq(m: dict[str, Any], key: str) -> int:
    """Return the number of the trade that a message names."""
    return NULL_LONG if str(m["x"]) in NO_NUMBERS else doubled(m[key], 1)


def _conditions(m: dict[str, Any]) -> str:
    # A blank is a regular trade's condition.
    return " ".join(c for c in m.get("c") or () if c.strip())


class AlpacaLive:
    """Keeps Alpaca's stream, which connects anew by itself.

    Parameters
    ----------
    symbols
        ``AAPL``...
    url
        Instead of the vendor's address, for a proxy.

    Raises
    ------
    ConfigError
        The package or a key is missing.
    """

    def __init__(self, symbols: Sequence[str], url: str | None = None) -> None:
        try:
            from alpaca.data.enums import DataFeed
            from alpaca.data.live import StockDataStream
        except ImportError as e:
            raise ConfigError("alpaca", "package", "missing", REMEDY) from e
        for name in (KEY, SECRET):
            if not os.environ.get(name):
                raise ConfigError("alpaca", name, "", "set it to your key: a free account has the feed of IEX")
        feed = os.environ.get(FEED, "iex")
        if feed not in [f.value for f in DataFeed]:
            raise ConfigError("alpaca", FEED, feed, f"one of {', '.join(f.value for f in DataFeed)}")
        self._symbols = [s.upper() for s in symbols]
        self.health = Health("alpaca", VENDOR, "", tuple(equity_id(s) for s in self._symbols))
        self._stream = _kept(StockDataStream, self)(
            os.environ[KEY], os.environ[SECRET], raw_data=True, feed=DataFeed(feed), url_override=url
        )
        self._put: Put | None = None
        self.refusal = ""
        # Its log repeats with a trace what the state tells in a word.
        logging.getLogger("alpaca").setLevel(logging.CRITICAL)

    def symbol_id(self, symbol: str) -> str:
        """Return our instrument."""
        return equity_id(symbol)

    async def run(self, put: Put) -> None:
        """Bring ticks until cancelled.

        Raises
        ------
        ConfigError
            The vendor refused the keys.
        """
        self._put = put
        stream = self._stream
        for subscribe, read in (
            (stream.subscribe_trades, trade_of), (stream.subscribe_quotes, quote_of),
            (stream.subscribe_trading_statuses, status_of),
            (stream.register_trade_corrections, correction_of), (stream.register_trade_cancels, cancel_of),
        ):  # fmt: skip
            handler = self._handler(read)
            if subscribe.__name__.startswith("register"):
                subscribe(handler)
            else:
                subscribe(handler, *self._symbols)
        try:
            await stream._run_forever()  # noqa: SLF001 - run() would begin an event loop of its own
        finally:
            await stream.close()
        if self.refusal:
            raise ConfigError("alpaca", f"{KEY}, {SECRET}", "refused", self.refusal)

    def _handler(self, read: Any) -> Any:
        async def handle(message: dict[str, Any]) -> None:
            import time

            recv_ns = time.time_ns()
            self.health.messages += 1
            self.health.last_recv_ns = recv_ns
            try:
                tick = read(message, recv_ns)
            except (KeyError, ValueError, TypeError, AttributeError) as e:
                self.health.garbage += 1
                self.health.detail = f"unreadable: {e}"[:80]
                return
            self.health.saw([tick])
            assert self._put is not None
            await self._put([tick])

        return handle

    async def connected(self) -> None:
        """Mark the hole that a connection after the first one ends."""
        import time

        if self.health.state == "connected":
            self.health.reconnects += 1
            assert self._put is not None
            await self._put([self.health.mark(s, time.time_ns(), CUT) for s in self.health.symbols])
        self.health.state = "connected"


def _kept(stream: Any, owner: AlpacaLive) -> Any:
    """Return the client's class, with a word to the owner at each connection and an end at a refusal."""

    class Kept(stream):  # type: ignore[misc]
        async def _start_ws(self) -> None:
            try:
                await super()._start_ws()
            except ValueError as e:
                owner.refusal = str(e)
                await self.stop_ws()
                raise
            await owner.connected()

    return Kept
