"""Labels: what happened after a row. The only place that looks ahead, and it says how far."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

STRETCH_MAX = 2.0
"""A horizon of h bars that takes more than this times h bar lengths on the clock crosses a weekend, a night or a hole
in the recording: it is another event than the one that is predicted, and the label is void."""


@njit(cache=True)
def forward_log_return(
    ts_ns: I64, group: I64, close: F64, tf_ns: I64, horizon_bars: I64, stretch_max: float, value: F64, end_ns: I64
) -> None:
    """Fill the log return to the h-th next row of the same group, and the event time at which it is known.

    Parameters
    ----------
    ts_ns
        Shape (n,), end of each bar, ascending within a group.
    group
        Shape (n,), ascending: equal for rows of one symbol and timeframe.
    close
        Shape (n,), positive prices.
    tf_ns, horizon_bars
        Shape (n,): length of a bar and h.
    stretch_max
        See ``STRETCH_MAX``.
    value, end_ns
        Shape (n,), filled: NaN and -1 where the group ends before, or the label is void.
    """
    n = len(ts_ns)
    for i in range(n):
        j = i + horizon_bars[i]
        value[i] = np.nan
        end_ns[i] = -1
        if j < n and group[j] == group[i] and ts_ns[j] - ts_ns[i] <= stretch_max * horizon_bars[i] * tf_ns[i]:
            value[i] = np.log(close[j] / close[i])
            end_ns[i] = ts_ns[j]
