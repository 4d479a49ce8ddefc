"""Hours, days and sessions of a universe's markets: those in which returns are booked, and how long many take."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from processors.sessions import sessions
from schemas.instruments import load_instruments
from schemas.timeframes import SESSION

I64 = NDArray[np.int64]

HOUR_NS, DAY_NS = 3_600_000_000_000, 86_400_000_000_000
ALWAYS = "24/7"
"""Calendar of symbols that are in no list of instruments."""
_FROM_NS, _TO_NS = (int(np.datetime64(year, "ns").astype(np.int64)) for year in ("2010", "2020"))
_YEARS = 10
"""A fixed decade: the number must not depend on when or over which rows it is asked."""


def period_of(ts_ns: I64, period_ns: int) -> I64:
    """Return the end of the period that each time falls into; a time at an end belongs to the period before it."""
    return np.asarray(-(-ts_ns // period_ns) * period_ns)


def calendars_of(symbols: tuple[str, ...]) -> tuple[str, ...]:
    """Return the calendars of symbols, each once, in order of their names."""
    instruments = load_instruments()
    at = [instruments.by_symbol.get(s) for s in symbols]
    return tuple(sorted({ALWAYS if i is None else instruments.rows[i].calendar for i in at}))


@cache
def periods_a_year(calendars: tuple[str, ...], timeframe: str, period_ns: int) -> int:
    """Return how many periods a year has in which one of the markets is open: the mean of 2010 to 2019, rounded."""
    return round(len(open_periods(calendars, timeframe, period_ns, _FROM_NS, _TO_NS)) / _YEARS)


@cache
def longest_ns(calendar: str, n_sessions: int) -> int:
    """Return the longest time in which so many sessions of a calendar have closed, holidays and all."""
    closes = np.unique(sessions(calendar).session_close_ns)
    if not 0 < n_sessions < len(closes):
        return n_sessions * DAY_NS
    return int((closes[n_sessions:] - closes[:-n_sessions]).max())


def open_periods(calendars: tuple[str, ...], timeframe: str, period_ns: int, from_ns: int, to_ns: int) -> I64:
    """Return the ends of the periods, after one time and up to another, in which bars of a market may end; ascending.

    Parameters
    ----------
    calendars
        As in ``processors.sessions``.
    timeframe
        Bars of a day end with their session, others anywhere in it.

    Raises
    ------
    ConfigError
        No calendar of that name.
    """
    found = []
    for calendar in calendars:
        s = sessions(calendar)
        here = (s.close_ns > from_ns) & (s.open_ns < to_ns)
        last = period_of(s.close_ns[here], period_ns) // period_ns
        first = last if timeframe == SESSION else s.open_ns[here] // period_ns + 1
        count = last - first + 1
        # All numbers from the first to the last of each session, one session after another.
        step = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        found.append((np.repeat(first, count) + step) * period_ns)
    ends = np.unique(np.concatenate(found))
    return ends[(ends > from_ns) & (ends <= to_ns)]
