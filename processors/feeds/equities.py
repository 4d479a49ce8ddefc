"""US equity ticks by exchange: trades, and quotes of which each row is one side of one exchange's best price.

Each exchange is a source: vendor ALGOSEEK, venue its letter. Rows that look alike are separate prints more often than
not, so every row is published under its own number. There are no rows that withdraw a quote: how long a quote holds
is decided downstream.
"""

from dataclasses import dataclass
from typing import Any

from processors.feeds import port
from processors.feeds.port import Rows
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS

VENDOR = "ALGOSEEK"

DAY_START_NS = 5 * 3_600_000_000_000
"""The day files are those of New York; no market there prints in the hour by which summer time would move this."""


def _stamped(rows: Rows, conditions: str, stream: int) -> Columns:
    ticks = port.raw_ticks(rows.num_rows)
    ts = port.times(rows, "ts")
    ticks["symbol_id"] = port.codes(rows, "symbol", "{}:US".format)
    ticks["vendor"] = STRINGS.code(VENDOR)
    ticks["venue"] = port.codes(rows, "exchange")
    ticks["ts_event"] = ticks["ts_recv"] = ts
    ticks["seq"] = port.line_numbers(ts, port.integers(rows, "seq"), DAY_START_NS, stream)
    ticks["conditions"] = port.marked(port.codes(rows, conditions), port.flags(rows, "suspicious"))
    return ticks


@dataclass(frozen=True, slots=True)
class EquityTrades:
    """Columns ts, symbol, seq, price, size, exchange, sale_cond, suspicious."""

    name: str = "equity trades by exchange"
    columns: frozenset[str] = frozenset({"ts", "symbol", "seq", "price", "size", "exchange", "sale_cond", "suspicious"})
    foreign: frozenset[str] = frozenset({"side"})
    times: tuple[str, ...] = ("ts",)

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:  # noqa: ARG002 - the port's
        """Return trades; seq is the line in the day's file of trades (see ``port.line_numbers``)."""
        ticks = _stamped(rows, "sale_cond", 1)
        ticks["kind"] = port.kind_index("trade")
        ticks["price"] = port.numbers(rows, "price")
        ticks["size"] = port.numbers(rows, "size")
        return ticks


@dataclass(frozen=True, slots=True)
class EquityQuotes:
    """Columns ts, symbol, seq, side (bid or ask), price, size, exchange, quote_cond, suspicious."""

    name: str = "one-sided equity quotes by exchange"
    columns: frozenset[str] = frozenset(
        {"ts", "symbol", "seq", "side", "price", "size", "exchange", "quote_cond", "suspicious"}
    )
    foreign: frozenset[str] = frozenset()
    times: tuple[str, ...] = ("ts",)

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:  # noqa: ARG002 - the port's
        """Return quotes with one side null; seq is the line in the day's file of quotes."""
        ticks = _stamped(rows, "quote_cond", 0)
        ticks["kind"] = port.kind_index("quote")
        price, size = port.numbers(rows, "price"), port.numbers(rows, "size")
        sides, at = port.texts(rows, "side")
        for side in ("bid", "ask"):
            mine = at == (sides.index(side) if side in sides else -1)
            ticks[side][mine] = price[mine]
            ticks[f"{side}_size"][mine] = size[mine]
        return ticks
