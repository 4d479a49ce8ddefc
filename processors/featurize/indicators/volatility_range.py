"""Volatility from ranges: true ranges and their averages, channels and stops made of them."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators.averages import EMA, SMA, TRIMA, WILDER, WMA, average, keep, kept
from processors.featurize.indicators.window import (
    F64,
    back,
    highest,
    log_return,
    lowest,
    place,
    ratio,
    seeded_average,
    squares,
    tail,
    total,
    true_range,
)  # fmt: skip

LN_2 = math.log(2.0)


def room_of(kind: float, window: float) -> int:
    """Return a number of floats that the state of an average fits into, for one that has another behind it."""
    if kind in {EMA, WILDER}:
        return 2
    return 1 + 2 * int(window) if kind in {SMA, WMA, TRIMA} else 14 + 3 * int(window)


room = njit(cache=True)(room_of)


@njit(inline="always")
def bar_true_range(bar: F64, ring: F64, n: int, first: float) -> float:
    """Return the true range of this bar; that of the very first is its own range where ``first`` is 1, else NaN."""
    if n > 0:
        return float(true_range(bar[c.HIGH], bar[c.LOW], back(ring[c.R_CLOSE], n, 1)))
    return float(bar[c.HIGH] - bar[c.LOW]) if first == 1.0 else np.nan


@njit(cache=True, forceinline=True)
def true_range_value(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Write the true range of this bar (Wilder, 1978), and it over the close before it."""
    y[0] = bar_true_range(bar, ring, n, 0.0)
    y[1] = ratio(y[0], back(ring[c.R_CLOSE], n, 1)) if n > 0 else np.nan


@njit(cache=True, forceinline=True)
def atr_average(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Average of kind p[1] (see ``averages``) of the true range over p[0] bars, and over the close.

    p[2] is 1 where the first bar of the series counts with its own range, as LEAN has it, and 0 where it does not, as
    TA-Lib has it.
    """
    width = bar_true_range(bar, ring, n, p[2])
    y[0] = average(int(p[1]), width, s, 0, int(p[0])) if not math.isnan(width) else np.nan
    y[1] = ratio(y[0], bar[c.CLOSE])


@njit(cache=True, forceinline=True)
def keltner(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Keltner channels: p[2] average true ranges about an average of the price.

    Middle: average of kind p[3] over p[0] bars of the close (p[5] 0) or the typical price (p[5] 1). Width: average of
    kind p[4] over p[1] bars of the true range; the first bar counts with its own range, as LEAN has it. The channel
    of Keltner (1960) has simple averages of typical prices, that of Raschke exponential ones of closes. Last output:
    place of the close in the channel.
    """
    price = bar[c.CLOSE] if p[5] == 0.0 else (bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 3.0
    half = p[2] * average(int(p[4]), bar_true_range(bar, ring, n, 1.0), s, 0, int(p[1]))
    middle = average(int(p[3]), price, s, room(p[4], p[1]), int(p[0]))
    y[:4] = np.nan
    if not math.isnan(middle) and not math.isnan(half):
        y[0], y[1], y[2] = middle + half, middle, middle - half
        y[3] = place(bar[c.CLOSE], y[2], y[0])


@njit(cache=True, forceinline=True)
def chande_kroll(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Chande and Kroll's stops (1994): extremes over p[2] bars of first stops, for short and for long positions.

    A first stop is the highest high (lowest low) of p[0] bars less (plus) p[1] average true ranges of kind p[3] over
    p[0] bars, the first bar's own range counted. The stop for shorts is the highest of the former, that for longs the
    lowest of the latter.
    """
    window, stops = int(p[0]), int(p[2])
    y[:2] = np.nan
    mean = average(int(p[3]), bar_true_range(bar, ring, n, 1.0), s, 2 + 4 * stops, window)
    if math.isnan(mean):
        return
    full = keep(s, 0, stops, highest(tail(ring[c.R_HIGH], n, window)) - p[1] * mean)
    keep(s, 1 + 2 * stops, stops, lowest(tail(ring[c.R_LOW], n, window)) + p[1] * mean)
    if full:
        y[0] = highest(kept(s, 0, stops, stops))
        y[1] = lowest(kept(s, 1 + 2 * stops, stops, stops))


@njit(forceinline=True, error_model="numpy")
def average_range(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Mean of high less low over p[0] bars, and over the close."""
    for i in range(out.shape[1]):
        out[1, i] = bars[c.HIGH, i] - bars[c.LOW, i]
    r.means_of(out[1], s, 0, int(p[0]), out[0])
    for i in range(out.shape[1]):
        out[1, i] = ratio(out[0, i], bars[c.CLOSE, i])


@njit(cache=True, forceinline=True)
def chaikin_volatility(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Change over p[1] bars, percent, of the exponential average of high less low over p[0] bars (Chaikin).

    0 where the average was 0.
    """
    y[0] = np.nan
    mean = seeded_average(s, 0, bar[c.HIGH] - bar[c.LOW], int(p[0]), 2.0 / (p[0] + 1.0))
    bars = int(p[1])
    if not math.isnan(mean) and keep(s, 2, bars + 1, mean):
        before = kept(s, 2, bars + 1, bars + 1)[0]
        y[0] = 100.0 * (mean - before) / before if before > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def range_expansion(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Mass index (Dorsey, 1992): sum over p[1] bars of an average of the range over its own average.

    Both are exponential over p[0] bars; a range that never moved counts as 1.
    """
    window, bars = int(p[0]), int(p[1])
    y[0] = np.nan
    once = seeded_average(s, 0, bar[c.HIGH] - bar[c.LOW], window, 2.0 / (window + 1.0))
    if math.isnan(once):
        return
    twice = seeded_average(s, 2, once, window, 2.0 / (window + 1.0))
    if not math.isnan(twice) and keep(s, 4, bars, once / twice if twice > 0.0 else 1.0):
        y[0] = total(kept(s, 4, bars, bars))


@njit(cache=True, forceinline=True)
def range_deviation(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Deviation of one-bar log returns as ranges show it, over p[0] bars; NaN beside prices not above 0.

    With u, d, r the logs of high, low and close over the open, and o the log of the open over the close before:
    Parkinson (1980), mean of (u - d)^2 / (4 ln 2); Garman and Klass (1980), mean of (u - d)^2 / 2 - (2 ln 2 - 1) r^2;
    Rogers and Satchell (1991), mean of u (u - r) + d (d - r); Yang and Zhang (2000), sample variance of o, plus k times
    that of r, plus 1 - k times the one before, k = 0.34 / (1.34 + (m + 1) / (m - 1)) over m bars. Each is the root.
    """
    window = int(p[0])
    size = 2 * window + 1
    u, d = log_return(bar[c.OPEN], bar[c.HIGH]), log_return(bar[c.OPEN], bar[c.LOW])
    r = log_return(bar[c.OPEN], bar[c.CLOSE])
    keep(s, 0, window, (u - d) * (u - d) / (4.0 * LN_2))
    keep(s, size, window, 0.5 * (u - d) * (u - d) - (2.0 * LN_2 - 1.0) * r * r)
    keep(s, 2 * size, window, u * (u - r) + d * (d - r))
    keep(s, 3 * size, window, r)
    if n > 0:
        keep(s, 4 * size, window, log_return(back(ring[c.R_CLOSE], n, 1), bar[c.OPEN]))
    y[:4] = np.nan
    if n + 1 >= window:
        for i in range(3):
            y[i] = math.sqrt(max(total(kept(s, i * size, window, window)) / window, 0.0))
    if n >= window:
        inside, between = kept(s, 3 * size, window, window), kept(s, 4 * size, window, window)
        of_inside = squares(inside, total(inside) / window) / (window - 1.0)
        of_between = squares(between, total(between) / window) / (window - 1.0)
        k = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
        y[3] = math.sqrt(max(of_between + k * of_inside + (1.0 - k) * y[2] * y[2], 0.0))
