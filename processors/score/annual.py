"""How many bars a market has in a year, to annualise a volatility a bar."""

from functools import cache

import numpy as np

from processors.sessions import sessions
from schemas.timeframes import SESSION, TIMEFRAME_NS

_FROM_NS = int(np.datetime64("2010-01-01", "ns").astype(np.int64))
_TO_NS = int(np.datetime64("2020-01-01", "ns").astype(np.int64))
_YEARS = 10
"""A fixed decade: the mean must not depend on when it is asked."""


@cache
def bars_per_year(calendar: str, tf: str) -> float:
    """Return the mean number of bars of a timeframe in a year of a calendar's sessions.

    Parameters
    ----------
    calendar
        As in ``processors.sessions``.
    tf
        One of ``TIMEFRAMES``. Bars of a day count sessions; the others lie on the clock and are clipped to the segments
        of a session, so that an hour that opens at half past is one too.

    Raises
    ------
    ConfigError
        No calendar of that name.
    """
    s = sessions(calendar)
    inside = (s.open_ns >= _FROM_NS) & (s.open_ns < _TO_NS)
    if tf == SESSION:
        return len(np.unique(s.label_ns[inside])) / _YEARS
    length = TIMEFRAME_NS[tf]
    first, end = s.open_ns[inside] // length, -(-s.close_ns[inside] // length)
    return int((end - first).sum()) / _YEARS
