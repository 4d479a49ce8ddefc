"""The time between rows as their market counts it: hours in which it is open, or sessions, apart from closed hours.

A horizon over a weekend is no longer than one over a Tuesday; one over rows that are missing is. Called by
``horizons``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.market_time import hours_open, sessions_closed
from schemas.instruments import load_instruments
from schemas.timeframes import SESSION, TIMEFRAME_NS

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowClock:
    """Two clocks of rows by symbol and time, each from the first row of its symbol; only differences mean something.

    Parameters
    ----------
    open_ns
        Shape (n,): time with the market open. Of daily bars: sessions, each of the length of a bar.
    closed_ns
        Shape (n,): time with the market closed, 0 throughout for daily bars, which are made of it.
    """

    open_ns: I64
    closed_ns: I64

    def stretched(self, end: I64, limit_ns: float) -> Mask:
        """Return whether the market is open for the limit or longer from each row to the row at ``end``: some miss."""
        found: Mask = self.open_ns[end] - self.open_ns >= limit_ns
        return found

    def over_closed(self, end: I64) -> Mask:
        """Return whether the market closes between each row and the row at ``end``."""
        found: Mask = self.closed_ns[end] > self.closed_ns
        return found


def row_clock(ts_ns: I64, symbol: I64, symbols: Sequence[str], timeframe: str) -> RowClock:
    """Return the clocks of rows.

    From one row to the next at least a bar passes, or all the time there is, whatever the calendar says: rows in closed
    hours, such as quotes before the week opens, were made all the same. A symbol that is no instrument has no calendar,
    and its market never closes.

    Parameters
    ----------
    ts_ns, symbol
        Shape (n,): end of each bar, ascending within a symbol; position in ``symbols``, ascending.
    """
    bar_ns, known = TIMEFRAME_NS[timeframe], load_instruments()
    open_ns, closed_ns = np.zeros(len(ts_ns), np.int64), np.zeros(len(ts_ns), np.int64)
    for code, name in enumerate(symbols):
        begin, end = np.searchsorted(symbol, (code, code + 1))
        if begin == end:
            continue
        wall, own = np.diff(ts_ns[begin:end]), ts_ns[begin:end]
        row = known.by_symbol.get(name)
        if row is None:
            open_ns[begin + 1 : end] = np.cumsum(wall)
            continue
        calendar = known.rows[row].calendar
        if timeframe == SESSION:
            # A bar is a session, however long it is.
            open_ns[begin + 1 : end] = np.cumsum(np.maximum(np.diff(sessions_closed(calendar, own)), 1)) * bar_ns
            continue
        passed = np.maximum(np.diff(hours_open(calendar, own)), np.minimum(wall, bar_ns))
        open_ns[begin + 1 : end] = np.cumsum(passed)
        closed_ns[begin + 1 : end] = np.cumsum(wall - passed)
    return RowClock(open_ns, closed_ns)
