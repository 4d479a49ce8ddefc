"""Moving averages of any series, one value after the other: what indicators are smoothed with.

Each keeps its state in a part of its indicator's: ``s`` from ``at`` on, zeros before the first value. It gives NaN
until its window is full.

Kinds have TA-Lib's numbers (its 7, 10 and 11 are no averages of a window); from 14 on ours.
"""
# A branch for each kind.
# ruff: noqa: PLR0911, PLR0912

import math

import numpy as np
from numba import njit

from processors.featurize.indicators.window import F64, seeded_average, total

SMA, EMA, WMA, DEMA, TEMA, TRIMA, KAMA = range(7)
T3, HULL = 8, 9
ZLEMA, WILDER, ALMA, MCGINLEY = range(12, 16)

KAMA_FAST, KAMA_SLOW, T3_FACTOR, ALMA_SIGMA, ALMA_OFFSET = 2.0, 30.0, 0.7, 6.0, 0.85
"""What kinds with more parameters than a window have where only a window is given: as TA-Lib and LEAN."""


@njit(cache=True, forceinline=True)
def kept_size(window: int) -> int:
    """Return the floats of state that ``keep`` needs."""
    return 1 + 2 * window


@njit(cache=True)
def lookback(kind: int, window: int) -> int:
    """Return the number of values before an average's first one."""
    if kind == DEMA:
        return 2 * (window - 1)
    if kind == TEMA:
        return 3 * (window - 1)
    if kind == KAMA:
        return window
    if kind == T3:
        return 6 * (window - 1)
    if kind == HULL:
        return window - 1 + max(int(math.sqrt(window)), 1) - 1
    if kind == ZLEMA:
        return window - 1 + (window - 1) // 2
    return window - 1


def average_size(kind: float, window: float) -> int:
    """Return the floats of state that an average needs."""
    n = int(window)
    hull = kept_size(n) + kept_size(max(int(math.sqrt(n)), 1))
    sizes = {
        SMA: kept_size(n), EMA: 2, WMA: kept_size(n), DEMA: 4, TEMA: 6, TRIMA: kept_size(n), KAMA: 1 + kept_size(n + 1),
        T3: 12, HULL: hull, ZLEMA: 2 + kept_size((n - 1) // 2 + 1), WILDER: 2, ALMA: kept_size(n) + n, MCGINLEY: 2,
    }  # fmt: skip
    return sizes[int(kind)]


@njit(cache=True, forceinline=True)
def keep(s: F64, at: int, window: int, x: float) -> bool:
    """Keep x among the last ``window`` values and return whether there are so many.

    State is s[at], where the next value goes (counted on over a second round, so that it tells a full window), and
    twice the window behind it: each value stands twice, so that the last ones are always one slice.
    """
    n = int(s[at])
    i = n - window if n >= window else n
    s[at + 1 + i] = x
    s[at + 1 + i + window] = x
    s[at] = n + 1.0 if n + 1 < 2 * window else float(window)
    return n + 1 >= window


@njit(cache=True, forceinline=True)
def kept(s: F64, at: int, window: int, count: int) -> F64:
    """Return the last ``count`` of the values that ``keep`` has, oldest first: a view."""
    n = int(s[at]) - 1
    i = n - window if n >= window else n
    end = at + 2 + i + window
    return s[end - count : end]


@njit(cache=True, forceinline=True)
def weighted(x: F64) -> float:
    """Return the mean with weights that rise by one from the oldest, in two lanes."""
    a = b = 0.0
    whole = len(x) - len(x) % 2
    for i in range(0, whole, 2):
        a += (i + 1.0) * x[i]
        b += (i + 2.0) * x[i + 1]
    if whole < len(x):
        a += len(x) * x[whole]
    return 2.0 * (a + b) / (len(x) * (len(x) + 1.0))


@njit(cache=True)
def triangular(x: F64) -> float:
    """Return the mean with weights that rise by one to the middle and fall again."""
    out = 0.0
    n = len(x)
    for i in range(n):
        out += min(i + 1.0, float(n - i)) * x[i]
    half = (n + 1) // 2
    return out / (half * half if n % 2 == 1 else half * (half + 1.0))


@njit(cache=True, forceinline=True)
def efficiency(x: F64) -> float:
    """Return the way between the ends over the way along (Kaufman, 1995), 1 where nothing moved."""
    along = 0.0
    for i in range(1, len(x)):
        along += abs(x[i] - x[i - 1])
    return min(abs(x[-1] - x[0]) / along, 1.0) if along > 0.0 else 1.0


@njit(cache=True, forceinline=True)
def simple(x: float, s: F64, at: int, window: int) -> float:
    """Return the mean of the last values."""
    return total(kept(s, at, window, window)) / window if keep(s, at, window, x) else np.nan


@njit(cache=True, forceinline=True)
def exponential(x: float, s: F64, at: int, window: int) -> float:
    """Return the exponential average; its seed is the mean of its first window."""
    return seeded_average(s, at, x, window, 2.0 / (window + 1.0))


@njit(cache=True, forceinline=True)
def linear(x: float, s: F64, at: int, window: int) -> float:
    """Return the mean with linear weights."""
    return weighted(kept(s, at, window, window)) if keep(s, at, window, x) else np.nan


@njit(cache=True, forceinline=True)
def cascade(x: float, s: F64, at: int, window: int, depth: int) -> float:
    """Return the exponential average of the exponential average, ``depth`` of them; state is two floats each."""
    for i in range(depth):
        x = exponential(x, s, at + 2 * i, window)
        if math.isnan(x):
            return np.nan
    return x


@njit(cache=True)
def tillson(x: float, s: F64, at: int, window: int, v: float) -> float:
    """Return the T3 average with volume factor v (Tillson, 1998)."""
    if math.isnan(cascade(x, s, at, window, 6)):
        return np.nan
    c = s[at : at + 12]
    return float(
        -(v**3) * c[10] + 3 * v * v * (1 + v) * c[8] - 3 * v * (1 + v) * (1 + v) * c[6] + (1 + v) ** 3 * c[4]
    )  # fmt: skip


@njit(cache=True)
def adaptive(x: float, s: F64, at: int, window: int, fast: float, slow: float) -> float:
    """Return Kaufman's adaptive average, between the weights of exponential ones of ``fast`` and ``slow`` bars.

    Its seed is the value before its first window is full.
    """
    full = keep(s, at + 1, window + 1, x)
    if not full:
        s[at] = x
        return np.nan
    least = 2.0 / (slow + 1.0)
    weight = efficiency(kept(s, at + 1, window + 1, window + 1)) * (2.0 / (fast + 1.0) - least) + least
    s[at] += weight * weight * (x - s[at])
    return float(s[at])


@njit(cache=True)
def hull(x: float, s: F64, at: int, window: int, half: int, root: int) -> float:
    """Return Hull's average: linear over ``root`` values of twice the linear one over ``half`` less that of all."""
    if not keep(s, at, window, x):
        return np.nan
    rest = 2.0 * weighted(kept(s, at, window, half)) - weighted(kept(s, at, window, window))
    return linear(rest, s, at + 1 + 2 * window, root)


@njit(cache=True)
def zero_lag(x: float, s: F64, at: int, window: int, lag: int) -> float:
    """Return the exponential average of the value plus what it has moved over ``lag`` values."""
    if not keep(s, at + 2, lag + 1, x):
        return np.nan
    return exponential(x + (x - kept(s, at + 2, lag + 1, lag + 1)[0]), s, at, window)


@njit(cache=True)
def arnaud_legoux(x: float, s: F64, at: int, window: int, sigma: float, offset: float) -> float:
    """Return the mean with Gaussian weights about a place of the window, rounded down to a value of it."""
    weights = s[at + 1 + 2 * window : at + 1 + 3 * window]
    if weights[0] == 0.0:
        centre, width = math.floor(offset * (window - 1)), window / sigma
        for i in range(window):
            weights[i] = math.exp(-((i - centre) ** 2) / (2.0 * width * width))
        weights /= total(weights)
    if not keep(s, at, window, x):
        return np.nan
    out, values = 0.0, kept(s, at, window, window)
    for i in range(window):
        out += weights[i] * values[i]
    return out


@njit(cache=True)
def mcginley(x: float, s: F64, at: int, window: int) -> float:
    """Return McGinley's dynamic average: slower above itself, faster below; its seed is the mean of its window.

    A step goes to the value at most: after a fall to less than half (an unadjusted split) the formula would go past it,
    each time farther, until it divides by 0.
    """
    if s[at + 1] < window:
        return seeded_average(s, at, x, window, 0.0)
    if s[at] != 0.0 and x != 0.0:
        s[at] += (x - s[at]) / max(window * (x / s[at]) ** 4, 1.0)
    return float(s[at])


@njit(cache=True)
def average(kind: int, x: float, s: F64, at: int, window: int) -> float:
    """Return an average of any kind after x; its state has ``average_size`` floats."""
    if kind == SMA:
        return simple(x, s, at, window)
    if kind == EMA:
        return exponential(x, s, at, window)
    if kind == WILDER:
        return seeded_average(s, at, x, window, 1.0 / window)
    if kind == WMA:
        return linear(x, s, at, window)
    if kind == DEMA:
        twice = cascade(x, s, at, window, 2)
        return float(2.0 * s[at] - twice)
    if kind == TEMA:
        thrice = cascade(x, s, at, window, 3)
        return float(3.0 * s[at] - 3.0 * s[at + 2] + thrice)
    if kind == TRIMA:
        return triangular(kept(s, at, window, window)) if keep(s, at, window, x) else np.nan
    if kind == KAMA:
        return adaptive(x, s, at, window, KAMA_FAST, KAMA_SLOW)
    if kind == T3:
        return tillson(x, s, at, window, T3_FACTOR)
    if kind == HULL:
        return hull(x, s, at, window, max(window // 2, 1), max(int(math.sqrt(window)), 1))
    if kind == ZLEMA:
        return zero_lag(x, s, at, window, (window - 1) // 2)
    if kind == ALMA:
        return arnaud_legoux(x, s, at, window, ALMA_SIGMA, ALMA_OFFSET)
    if kind == MCGINLEY:
        return mcginley(x, s, at, window)
    return np.nan
