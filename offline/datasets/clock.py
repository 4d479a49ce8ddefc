"""The time between rows as their market counts it: hours in which it is open, or sessions, apart from closed hours.

A horizon over a weekend is no longer than one over a Tuesday; one over rows that are missing is. Called by
``labelling``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.sessions import sessions
from schemas.instruments import load_instruments
from schemas.timeframes import SESSION, TIMEFRAME_NS

I64 = NDArray[np.int64]


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


def hours_open(calendar: str, ts_ns: I64) -> I64:
    """Return how long a market has been open from the first session of its calendar to each time, nanoseconds."""
    known = sessions(calendar)
    before = np.r_[0, np.cumsum(known.close_ns - known.open_ns)]
    at = np.searchsorted(known.open_ns, ts_ns, side="right") - 1
    inside = np.minimum(ts_ns, known.close_ns[at]) - known.open_ns[at]
    found: I64 = np.where(at < 0, 0, before[at] + inside)
    return found


def sessions_closed(calendar: str, ts_ns: I64) -> I64:
    """Return how many sessions of a calendar have closed by each time."""
    found: I64 = np.searchsorted(np.unique(sessions(calendar).session_close_ns), ts_ns, side="right").astype(np.int64)
    return found
