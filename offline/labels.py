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


@njit(cache=True)
def forward_sharpe(
    ts_ns: I64, group: I64, close: F64, tf_ns: int, horizon_bars: int, stretch_max: float, value: F64, end_ns: I64
) -> None:
    """Fill the mean of the next h returns of a row over their deviation, and when it is known.

    Parameters
    ----------
    tf_ns, horizon_bars
        Length of a bar, and h, 2 or more. The others as in ``forward_log_return``.
    value, end_ns
        Shape (n,), filled: per bar, not annualised; NaN and -1 where there is none, or all returns are equal.
    """
    n = len(ts_ns)
    for i in range(n):
        j = i + horizon_bars
        value[i] = np.nan
        end_ns[i] = -1
        if j < n and group[j] == group[i] and ts_ns[j] - ts_ns[i] <= stretch_max * horizon_bars * tf_ns:
            mean = np.log(close[j] / close[i]) / horizon_bars
            low, high, squares = np.inf, -np.inf, 0.0
            for k in range(i + 1, j + 1):
                step = np.log(close[k] / close[k - 1])
                low, high = min(low, step), max(high, step)
                squares += (step - mean) * (step - mean)
            if high > low:
                value[i] = mean / np.sqrt(squares / (horizon_bars - 1))
                end_ns[i] = ts_ns[j]


@njit(cache=True)
def triple_barrier(
    ts_ns: I64, group: I64, close: F64, unit: F64, tf_ns: int, horizon_bars: int, stretch_max: float, up: float,
    down: float, sign_at_time: bool, value: F64, end_ns: I64,
) -> None:  # fmt: skip
    """Fill which barrier a close touches first, 1 above and -1 below, and when it does.

    Parameters
    ----------
    unit
        Shape (n,): log return that is one unit of a barrier; what is not positive voids the label.
    up, down
        Distance of the barriers in units, positive.
    sign_at_time
        Whether a row that touches none by the h-th bar has the sign of its return there; else 0.
    value, end_ns
        Shape (n,), filled: NaN and -1 where the group ends, or more time passes than ``stretch_max`` allows, before a
        barrier is touched or h bars are through.

    References
    ----------
    Lopez de Prado (2018), "Advances in Financial Machine Learning", section 3.4.
    """
    n = len(ts_ns)
    for i in range(n):
        value[i] = np.nan
        end_ns[i] = -1
        if not unit[i] > 0:
            continue
        for j in range(i + 1, min(i + horizon_bars, n - 1) + 1):
            if group[j] != group[i] or ts_ns[j] - ts_ns[i] > stretch_max * horizon_bars * tf_ns:
                break
            move = np.log(close[j] / close[i]) / unit[i]
            if move >= up:
                value[i] = 1.0
            elif move <= -down:
                value[i] = -1.0
            elif j == i + horizon_bars:
                value[i] = np.sign(move) if sign_at_time else 0.0
            else:
                continue
            end_ns[i] = ts_ns[j]
            break
