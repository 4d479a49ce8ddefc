"""Kernels of labels: what happened after a row, and after how many bars that is known."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

STRETCH_MAX = 2.0
"""A horizon of h bars over which the market is open for this times h bar lengths, or longer, lacks rows: it is another
event than the one that is predicted, and the label is void."""
ROUNDING = 1e-9
"""Far above what rounding does to a price, far below what a barrier is away from it."""


@njit(cache=True)
def log_ratio(close: F64, later: I64, value: F64) -> None:
    """Fill the log of a later price over a row's own.

    As the score stage judges intervals: NumPy's own logarithm differs from it in the last bit on some processors.

    Parameters
    ----------
    close
        Shape (n,), positive prices.
    later
        Shape (n,): row of the later price.
    value
        Shape (n,), filled.
    """
    for i in range(len(close)):
        value[i] = np.log(close[later[i]] / close[i])


@njit(cache=True)
def forward_sharpe(group: I64, close: F64, horizon_bars: int, value: F64) -> None:
    """Fill the mean of the next h returns of a row over their deviation.

    Parameters
    ----------
    group
        Shape (n,), ascending: equal for rows of one symbol.
    close
        Shape (n,), positive prices, by time within a group.
    horizon_bars
        h, 2 or more.
    value
        Shape (n,), filled: per bar, not annualised; NaN where the group ends before, or all returns are equal.
    """
    n = len(close)
    for i in range(n):
        j = i + horizon_bars
        value[i] = np.nan
        if j < n and group[j] == group[i]:
            mean = np.log(close[j] / close[i]) / horizon_bars
            low, high, squares = np.inf, -np.inf, 0.0
            for k in range(i + 1, j + 1):
                step = np.log(close[k] / close[k - 1])
                low, high = min(low, step), max(high, step)
                squares += (step - mean) * (step - mean)
            if high > low:
                value[i] = mean / np.sqrt(squares / (horizon_bars - 1))


@njit(cache=True)
def triple_barrier(
    group: I64, close: F64, unit: F64, horizon_bars: int, up: float, down: float, sign_at_time: bool, value: F64,
    bars: I64,
) -> None:  # fmt: skip
    """Fill which barrier a close touches first, 1 above and -1 below, and after how many bars.

    Parameters
    ----------
    group, close
        As in ``forward_sharpe``.
    unit
        Shape (n,): log return that is one unit of a barrier; what is not positive voids the label.
    up, down
        Distance of the barriers in units, positive.
    sign_at_time
        Whether a row that touches none by the h-th bar has the sign of its return there; else 0.
    value, bars
        Shape (n,), filled: NaN and 0 where the group ends before a barrier is touched or h bars are through.

    References
    ----------
    Lopez de Prado (2018), "Advances in Financial Machine Learning", section 3.4.
    """
    n = len(close)
    for i in range(n):
        value[i] = np.nan
        bars[i] = 0
        if not unit[i] > 0:
            continue
        # Between these no barrier is touched, whatever the rounding: most closes need no logarithm.
        above = close[i] * np.exp(up * unit[i]) * (1.0 - ROUNDING)
        below = close[i] * np.exp(-down * unit[i]) * (1.0 + ROUNDING)
        for j in range(i + 1, min(i + horizon_bars, n - 1) + 1):
            if group[j] != group[i]:
                break
            if j < i + horizon_bars and below < close[j] < above:
                continue
            move = np.log(close[j] / close[i]) / unit[i]
            if move >= up:
                value[i] = 1.0
            elif move <= -down:
                value[i] = -1.0
            elif j == i + horizon_bars:
                value[i] = np.sign(move) if sign_at_time else 0.0
            else:
                continue
            bars[i] = j - i
            break
