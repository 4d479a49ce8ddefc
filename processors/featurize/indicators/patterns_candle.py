"""What candlestick patterns are made of: the parts of a candle, and what TA-Lib calls long, short, near and equal.

A pattern is a function of the ring ``b`` and the place ``i`` of the newest bar in its rows; ``i - 1`` is one bar ago.
A candle is measured against the mean of the bars before it, never against itself. TA-Lib carries those means along as
running sums; here they are summed anew, so that a value depends on no bar outside its window. Both are exact, and so
equal to the last bit, as long as the ranges of ten bars together stay below the price: differences of nearby prices
have no rounding, and their sums need no more digits than a price has.

Conditions are joined by ``&`` and ``|``, not by ``and`` and ``or``: none of them waits for another, so a series is
looked through several bars at a time. An index is unsigned because one below 0 would count from the end, and whether it
is would have to be looked at each time.

A direction is 1.0 for up or white and -1.0 for down or black, as in TA-Lib: a close that equals the open is white.
"""

import numpy as np
from numba import njit

from processors.featurize.indicators.layout import R_CLOSE, R_HIGH, R_LOW, R_OPEN
from processors.featurize.indicators.window import F64

UP, DOWN = 1.0, -1.0


@njit(cache=True, forceinline=True)
def opening(b: F64, i: int) -> float:
    """Return the open of bar i."""
    return b[R_OPEN, np.uint64(i)]  # type: ignore[no-any-return]


@njit(cache=True, forceinline=True)
def high(b: F64, i: int) -> float:
    """Return the high of bar i."""
    return b[R_HIGH, np.uint64(i)]  # type: ignore[no-any-return]


@njit(cache=True, forceinline=True)
def low(b: F64, i: int) -> float:
    """Return the low of bar i."""
    return b[R_LOW, np.uint64(i)]  # type: ignore[no-any-return]


@njit(cache=True, forceinline=True)
def close(b: F64, i: int) -> float:
    """Return the close of bar i."""
    return b[R_CLOSE, np.uint64(i)]  # type: ignore[no-any-return]


@njit(cache=True, forceinline=True)
def color(b: F64, i: int) -> float:
    """Return the direction of a candle."""
    return UP if close(b, i) >= opening(b, i) else DOWN


@njit(cache=True, forceinline=True)
def body(b: F64, i: int) -> float:
    """Return the length of the real body."""
    return float(abs(close(b, i) - opening(b, i)))


@njit(cache=True, forceinline=True)
def top(b: F64, i: int) -> float:
    """Return the upper end of the real body."""
    return float(max(opening(b, i), close(b, i)))


@njit(cache=True, forceinline=True)
def bottom(b: F64, i: int) -> float:
    """Return the lower end of the real body."""
    return float(min(opening(b, i), close(b, i)))


@njit(cache=True, forceinline=True)
def shadow(b: F64, i: int, side: float) -> float:
    """Return the length of the upper (1.0) or lower (-1.0) shadow."""
    return float(high(b, i) - top(b, i) if side > 0.0 else bottom(b, i) - low(b, i))


@njit(cache=True, forceinline=True)
def mean_range(b: F64, i: int, bars: int) -> float:
    """Return the mean range from low to high of so many bars before i, oldest first."""
    total = 0.0
    for k in range(bars):
        total += high(b, i - bars + k) - low(b, i - bars + k)
    return total / bars


@njit(cache=True, forceinline=True)
def mean_body(b: F64, i: int) -> float:
    """Return the mean real body of the 10 bars before i: TA-Lib's measure of a long and of a short body."""
    total = 0.0
    for k in range(10):
        total += body(b, i - 10 + k)
    return total / 10


@njit(cache=True, forceinline=True)
def mean_shadow(b: F64, i: int) -> float:
    """Return the mean shadow of the 10 bars before i, both sides of each counted."""
    total = 0.0
    for k in range(10):
        total += shadow(b, i - 10 + k, UP) + shadow(b, i - 10 + k, DOWN)
    return total / 10 / 2.0


@njit(cache=True, forceinline=True)
def near(b: F64, i: int) -> float:
    """Return the distance that counts as near to bar i."""
    return 0.2 * mean_range(b, i, 5)


@njit(cache=True, forceinline=True)
def far(b: F64, i: int) -> float:
    """Return the distance that counts as far from bar i."""
    return 0.6 * mean_range(b, i, 5)


@njit(cache=True, forceinline=True)
def equal(b: F64, i: int, x: float, y: float) -> bool:
    """Return whether x equals y of bar i, as far as prices do."""
    most = 0.05 * mean_range(b, i, 5)
    return (x <= y + most) & (x >= y - most)


@njit(cache=True, forceinline=True)
def is_long(b: F64, i: int) -> bool:
    """Return whether the body is longer than usual. TA-Lib has a setting for long and one for short: they are equal."""
    return body(b, i) > mean_body(b, i)


@njit(cache=True, forceinline=True)
def is_short(b: F64, i: int) -> bool:
    """Return whether the body is shorter than usual."""
    return body(b, i) < mean_body(b, i)


@njit(cache=True, forceinline=True)
def is_doji_by(b: F64, i: int, j: int) -> bool:
    """Return whether the body of bar i is next to nothing, measured against the bars before j."""
    return body(b, i) <= 0.1 * mean_range(b, j, 10)


@njit(cache=True, forceinline=True)
def is_doji(b: F64, i: int) -> bool:
    """Return whether open and close are next to equal."""
    return is_doji_by(b, i, i)


@njit(cache=True, forceinline=True)
def bare(b: F64, i: int, side: float) -> bool:
    """Return whether the shadow of a side is very short."""
    return shadow(b, i, side) < 0.1 * mean_range(b, i, 10)


@njit(cache=True, forceinline=True)
def shaded(b: F64, i: int, side: float) -> bool:
    """Return whether the shadow of a side is there: longer than very short."""
    return shadow(b, i, side) > 0.1 * mean_range(b, i, 10)


@njit(cache=True, forceinline=True)
def is_marubozu(b: F64, i: int) -> bool:
    """Return whether the candle is a long body without shadows."""
    return is_long(b, i) & is_bare(b, i)


@njit(cache=True, forceinline=True)
def is_bare(b: F64, i: int) -> bool:
    """Return whether both shadows are very short."""
    return bare(b, i, UP) & bare(b, i, DOWN)


@njit(cache=True, forceinline=True)
def body_gap(b: F64, i: int, j: int, side: float) -> bool:
    """Return whether the body of bar i lies beyond that of bar j, above (1.0) or below (-1.0)."""
    return bottom(b, i) > top(b, j) if side > 0.0 else top(b, i) < bottom(b, j)


@njit(cache=True, forceinline=True)
def candle_gap(b: F64, i: int, j: int, side: float) -> bool:
    """Return whether all of bar i lies beyond bar j, above (1.0) or below (-1.0)."""
    return bool(low(b, i) > high(b, j) if side > 0.0 else high(b, i) < low(b, j))


@njit(cache=True, forceinline=True)
def inside_body(b: F64, j: int, x: float) -> bool:
    """Return whether x lies within the body of bar j, its ends excluded."""
    return (bottom(b, j) < x) & (x < top(b, j))


@njit(cache=True, forceinline=True)
def same_color(b: F64, i: int, bars: int, side: float) -> bool:
    """Return whether the last ``bars`` candles up to bar i all have a direction."""
    same = True
    for k in range(bars):
        same &= color(b, i - k) == side
    return same


@njit(cache=True, forceinline=True)
def closes_on(b: F64, i: int, side: float) -> bool:
    """Return whether each of the last three closes lies beyond the one before."""
    return bool((side * close(b, i) > side * close(b, i - 1)) & (side * close(b, i - 1) > side * close(b, i - 2)))
