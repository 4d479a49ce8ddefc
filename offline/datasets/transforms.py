"""Columns made of a column's own past, within a group: lags, differences, rolling z-scores and ranks.

Each value is of its row and those before; windows are summed anew, so a series cut anywhere gives the same bits. A null
anywhere in what is read makes a null. They work on the float32 columns of ``x``: whoever keeps those rows can compute
them.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

LAG, DIFFERENCE, ZSCORE, RANK = range(4)
CODES = {"lag": LAG, "difference": DIFFERENCE, "zscore": ZSCORE, "rank": RANK}


@njit(cache=True)
def transform(kind: int, x: F32, begin: I64, bars: int, out: F32) -> None:
    """Fill one column.

    Parameters
    ----------
    kind
        One of ``CODES``.
    x
        Shape (n,), rows in the order of time within each group.
    begin
        Shape (n,): position of the first row of the row's group.
    bars
        Rows back of lag and difference; rows of the window, the present one included, of zscore and rank.
    out
        Shape (n,), filled. zscore: with the deviation of a sample; null where all values are equal. rank: mean rank,
        ascending, over ``bars``, in (0, 1].
    """
    for i in range(len(x)):
        first = i - bars if kind <= DIFFERENCE else i - bars + 1
        out[i] = np.nan
        if first < begin[i]:
            continue
        if kind == LAG:
            out[i] = x[first]
        elif kind == DIFFERENCE:
            out[i] = np.float64(x[i]) - np.float64(x[first])
        elif kind == ZSCORE:
            out[i] = _zscore(x, first, i)
        else:
            out[i] = _rank(x, first, i)


@njit(cache=True)
def _zscore(x: F32, first: int, last: int) -> float:
    n = last - first + 1
    total, low, high = 0.0, np.inf, -np.inf
    for k in range(first, last + 1):
        value = np.float64(x[k])
        total += value
        low, high = min(low, value), max(high, value)
    mean = total / n
    # A null makes the sum null; an infinity has no distance from the mean.
    if not np.isfinite(mean) or not high > low:
        return np.nan
    squares = 0.0
    for k in range(first, last + 1):
        squares += (x[k] - mean) * (x[k] - mean)
    return float((x[last] - mean) / np.sqrt(squares / (n - 1)))


@njit(cache=True)
def _rank(x: F32, first: int, last: int) -> float:
    less, equal, nulls = 0, 0, 0
    for k in range(first, last + 1):
        less += x[k] < x[last]
        equal += x[k] == x[last]
        nulls += x[k] != x[k]
    return np.nan if nulls else (less + (equal + 1) / 2) / (last - first + 1)


def group_begin(group: I64) -> I64:
    """Return of each row the position of the first row of its group; groups lie together."""
    at = np.arange(len(group))
    new = np.r_[True, group[1:] != group[:-1]] if len(group) else np.empty(0, np.bool_)
    return np.maximum.accumulate(np.where(new, at, 0)) if len(group) else at
