"""What indicators are made of: windows of the ring, seeded averages, safe ratios."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@njit(cache=True, inline="always")
def tail(series: F64, n: int, count: int) -> F64:
    """Return the last ``count`` values of a row of the ring, oldest first: a view.

    Parameters
    ----------
    series
        Shape (2 W,): each value stands at n mod W and W further on.
    n
        Number of the newest bar, from 0; at least ``count - 1``.
    count
        At most W.
    """
    half = len(series) // 2
    # A division takes longer than most windows.
    end = (n if n < half else n % half) + half + 1
    return series[end - count : end]


@njit(cache=True, inline="always")
def back(series: F64, n: int, bars: int) -> float:
    """Return the value of ``bars`` bars ago, 0 for this one; there must have been so many."""
    half = len(series) // 2
    return series[(n if n < half else n % half) + half - bars]  # type: ignore[no-any-return]


@njit(cache=True, forceinline=True, error_model="numpy")
def ratio(x: float, y: float) -> float:
    """Return x / y, NaN where y is not above 0."""
    return x / y if y > 0.0 else np.nan


@njit(cache=True, forceinline=True, error_model="numpy")
def place(x: float, low: float, high: float) -> float:
    """Return where x lies between low (0) and high (1), the middle where they are equal."""
    return (x - low) / (high - low) if high > low else 0.5


@njit(cache=True, forceinline=True)
def log_return(before: float, now: float) -> float:
    """Return the log return, NaN where a price is not above 0."""
    return math.log(now / before) if before > 0.0 and now > 0.0 else np.nan


@njit(cache=True, forceinline=True)
def total(x: F64) -> float:
    """Return the sum, in four lanes: a processor adds them at once, and the order is the same on each."""
    a = b = c = d = 0.0
    whole = len(x) - len(x) % 4
    for i in range(0, whole, 4):
        a += x[i]
        b += x[i + 1]
        c += x[i + 2]
        d += x[i + 3]
    for i in range(whole, len(x)):
        a += x[i]
    return (a + b) + (c + d)


@njit(cache=True, forceinline=True)
def squares(x: F64, centre: float) -> float:
    """Return the sum of squared deviations from a centre, in four lanes."""
    a = b = c = d = 0.0
    whole = len(x) - len(x) % 4
    for i in range(0, whole, 4):
        a += (x[i] - centre) * (x[i] - centre)
        b += (x[i + 1] - centre) * (x[i + 1] - centre)
        c += (x[i + 2] - centre) * (x[i + 2] - centre)
        d += (x[i + 3] - centre) * (x[i + 3] - centre)
    for i in range(whole, len(x)):
        a += (x[i] - centre) * (x[i] - centre)
    return (a + b) + (c + d)


@njit(cache=True, forceinline=True)
def window_mean(series: F64, n: int, window: int) -> float:
    """Return the mean of the last ``window`` values, NaN before they are there or where one of them is missing."""
    return total(tail(series, n, window)) / window if n + 1 >= window else np.nan


@njit(cache=True, forceinline=True)
def window_squares(series: F64, n: int, window: int, mean: float) -> float:
    """Return the sum of squared deviations of the last ``window`` values from their mean: the second of two passes."""
    return squares(tail(series, n, window), mean)


@njit(cache=True, forceinline=True)
def higher(a: float, b: float) -> float:
    """Return the higher one, of equal ones the first."""
    return max(a, b)


@njit(cache=True, forceinline=True)
def lower(a: float, b: float) -> float:
    """Return the lower one, of equal ones the first."""
    return min(a, b)


@njit(cache=True, forceinline=True)
def highest(x: F64) -> float:
    """Return the greatest value."""
    most = x[0]
    for i in range(1, len(x)):
        most = higher(most, x[i])
    return float(most)


@njit(cache=True, forceinline=True)
def lowest(x: F64) -> float:
    """Return the least value."""
    least = x[0]
    for i in range(1, len(x)):
        least = lower(least, x[i])
    return float(least)


@njit(cache=True, forceinline=True)
def seeded_average(s: F64, at: int, x: float, window: int, weight: float) -> float:
    """Return the exponential average after x, NaN before ``window`` values; its seed is their mean.

    State is s[at] (sum, then average) and s[at + 1] (number of values, up to ``window``).
    """
    if s[at + 1] < window:
        s[at] += x
        s[at + 1] += 1.0
        if s[at + 1] < window:
            return np.nan
        s[at] /= window
    else:
        s[at] += weight * (x - s[at])
    return float(s[at])


@njit(cache=True, forceinline=True)
def true_range(high: float, low: float, close_before: float) -> float:
    """Return the true range (Wilder, 1978)."""
    return max(high, close_before) - min(low, close_before)
