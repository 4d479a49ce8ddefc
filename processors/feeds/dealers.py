"""Quotes of FX and CFD dealers: one row a two-sided quote of one vendor, without sizes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.feeds import port
from processors.feeds.port import Rows
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS

DAY_START_NS = {"FXCM": 5 * 3_600_000_000_000}
"""Vendor -> when its day files begin after midnight UTC: FXCM's clock stands at UTC-05 all year. Others at midnight."""

METALS = frozenset({"XAU", "XAG", "XPT", "XPD"})


def symbol_id(symbol: str) -> str:
    """Return ``EURUSD:FX`` for a pair of currencies, ``XAUUSD:CFD`` for all else."""
    is_pair = len(symbol) == 6 and symbol.isalpha() and symbol[:3] not in METALS
    return f"{symbol}:{'FX' if is_pair else 'CFD'}"


@dataclass(frozen=True, slots=True)
class DealerQuotes:
    """Columns ts, symbol, vendor, seq, bid, ask. The vendor is the venue."""

    name: str = "FX and CFD quotes by vendor"
    columns: frozenset[str] = frozenset({"ts", "symbol", "vendor", "seq", "bid", "ask"})
    foreign: frozenset[str] = frozenset()
    times: tuple[str, ...] = ("ts",)

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:  # noqa: ARG002 - the port's
        """Return quotes; seq is the line in the vendor's file of the day (see ``port.line_numbers``)."""
        ticks = port.raw_ticks(rows.num_rows)
        ts = port.times(rows, "ts")
        vendors, at = port.texts(rows, "vendor")
        ticks["symbol_id"] = port.codes(rows, "symbol", symbol_id)
        ticks["vendor"] = np.array([STRINGS.code(v) for v in vendors], np.int64)[at]
        ticks["kind"] = port.kind_index("quote")
        ticks["ts_event"] = ticks["ts_recv"] = ts
        ticks["bid"] = port.numbers(rows, "bid")
        ticks["ask"] = port.numbers(rows, "ask")
        day_start = np.array([DAY_START_NS.get(v, 0) for v in vendors], np.int64)[at]
        ticks["seq"] = port.line_numbers(ts, port.integers(rows, "seq"), day_start, 0)
        return ticks
