"""Search in trading segments: the part of ``sessions`` that kernels call, without the calendars and pandas."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def segment_at(open_ns: NDArray[np.int64], close_ns: NDArray[np.int64], ts_ns: int) -> int:
    """Return the segment that holds an instant, -1 where no session is open.

    Parameters
    ----------
    open_ns, close_ns
        Shape (n_segments,), ascending and free of overlap, as in ``processors.sessions.Sessions``.
    ts_ns
        Nanoseconds since the epoch. The open is inside, the close is not.
    """
    at = int(np.searchsorted(open_ns, ts_ns, side="right")) - 1
    return at if at >= 0 and ts_ns < close_ns[at] else -1
