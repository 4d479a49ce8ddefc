"""The time of a market: how long it has been open, and how many of its sessions have closed.

Called by the labels (``offline.datasets.clock``) and by the score stage, which judges intervals by the same clock.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from processors.sessions import sessions

I64 = NDArray[np.int64]


def hours_open(calendar: str, ts_ns: I64) -> I64:
    """Return how long a market has been open from the first session of its calendar to each time, nanoseconds."""
    known = sessions(calendar)
    at = np.searchsorted(known.open_ns, ts_ns, side="right") - 1
    inside = np.minimum(ts_ns, known.close_ns[at]) - known.open_ns[at]
    found: I64 = np.where(at < 0, 0, _open_before(calendar)[at] + inside)
    return found


def sessions_closed(calendar: str, ts_ns: I64) -> I64:
    """Return how many sessions of a calendar have closed by each time."""
    found: I64 = np.searchsorted(_closes(calendar), ts_ns, side="right").astype(np.int64)
    return found


@cache
def _open_before(calendar: str) -> I64:
    known = sessions(calendar)
    found: I64 = np.r_[0, np.cumsum(known.close_ns - known.open_ns)]
    return found


@cache
def _closes(calendar: str) -> I64:
    return np.unique(sessions(calendar).session_close_ns)
