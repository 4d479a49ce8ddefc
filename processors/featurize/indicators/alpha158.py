"""Alpha158: the features of Qlib's handler of that name (Microsoft, Qlib, ``qlib.contrib.data.loader``).

The formulas are Qlib's, its small number in denominators included. Three things differ. A value is missing until its
window is full, where Qlib gives one from the first bar. Sums are made anew from the window, so a window that never
moves has a deviation of exactly 0; a correlation or a fit is missing there, where Qlib asks for a deviation above
2e-5 in the units of the price, which would leave out all windows of a cheap instrument. Over a price that is not above
0 nothing is divided.
"""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, window_plus
from processors.featurize.indicators.window import F64, ratio, squares, tail, total

TINY = 1e-12
"""Qlib adds it to denominators that can be 0."""
CONSTANT = 1e-12
"""Deviation over the mean below which a window counts as constant: rounding leaves that much."""


@njit(cache=True, forceinline=True)
def bar_shape(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Parts of the candle over its open and over its range, and the other prices over the close."""
    o, h, l, close = bar[c.OPEN], bar[c.HIGH], bar[c.LOW], bar[c.CLOSE]
    width = h - l + TINY
    parts = (close - o, h - max(o, close), min(o, close) - l, 2.0 * close - h - l)
    y[0], y[1], y[2] = ratio(parts[0], o), ratio(h - l, o), parts[0] / width
    for k in range(1, 4):
        y[2 * k + 1], y[2 * k + 2] = ratio(parts[k], o), parts[k] / width
    y[9], y[10], y[11], y[12] = ratio(o, close), ratio(h, close), ratio(l, close), ratio(bar[c.VWAP], close)


@njit(cache=True)
def ordered(x: F64) -> F64:
    """Return a sorted copy, by insertion: over so few values that is twice as fast as a sort that divides them."""
    out = x.copy()
    for i in range(1, len(out)):
        value, j = out[i], i - 1
        while j >= 0 and out[j] > value:
            out[j + 1] = out[j]
            j -= 1
        out[j + 1] = value
    return out


@njit(cache=True)
def quantile(x: F64, share: float) -> float:
    """Return a quantile of sorted values, on the line between the two about it."""
    at = share * (len(x) - 1)
    below = min(int(at), len(x) - 2)
    return float(x[below] + (at - below) * (x[below + 1] - x[below]))


@njit(cache=True)
def rank(x: F64) -> float:
    """Return the rank of the last value among all, ties at their middle, over their number."""
    below = equal = 0
    for i in range(len(x)):
        below += x[i] < x[-1]
        equal += x[i] == x[-1]
    return (below + 0.5 * (equal + 1)) / len(x)


@njit(cache=True, forceinline=True)
def level(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Close p[0] bars ago, mean, deviation, fit of a line, quantiles and rank of the last p[0] closes."""
    window = int(p[0])
    y[:9] = np.nan
    if n + 1 < window:
        return
    x, close = tail(ring[c.R_CLOSE], n, window), bar[c.CLOSE]
    if n >= window:
        y[0] = ratio(tail(ring[c.R_CLOSE], n, window + 1)[0], close)
    mean = total(x) / window
    spread, cross, middle = squares(x, mean), 0.0, 0.5 * (window - 1)
    for i in range(window):
        cross += (i - middle) * (x[i] - mean)
    steps = window * (window * window - 1.0) / 12.0
    y[1] = ratio(mean, close)
    y[2] = ratio(math.sqrt(spread / (window - 1)), close)
    y[3] = ratio(cross / steps, close)
    if not is_constant(spread, mean, window):
        y[4] = min(cross * cross / (steps * spread), 1.0)
    y[5] = ratio(close - mean - cross / steps * middle, close)
    by_size = ordered(x)
    y[6], y[7] = ratio(quantile(by_size, 0.8), close), ratio(quantile(by_size, 0.2), close)
    y[8] = rank(x)


@njit(cache=True)
def is_constant(spread: float, mean: float, count: int) -> bool:
    """Return whether values of a sum of squared deviations and a mean are all equal, up to rounding."""
    return math.sqrt(spread / count) <= CONSTANT * abs(mean)


@njit(cache=True, forceinline=True)
def extremes(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Highest high and lowest low of the last p[0] bars, the close's place between them, and where they stand."""
    window = int(p[0])
    y[:6] = np.nan
    if n + 1 < window:
        return
    high, low, close = tail(ring[c.R_HIGH], n, window), tail(ring[c.R_LOW], n, window), bar[c.CLOSE]
    top = bottom = 0
    for i in range(1, window):
        if high[i] > high[top]:
            top = i
        if low[i] < low[bottom]:
            bottom = i
    y[0], y[1] = ratio(high[top], close), ratio(low[bottom], close)
    y[2] = (close - low[bottom]) / (high[top] - low[bottom] + TINY)
    y[3], y[4], y[5] = (top + 1.0) / window, (bottom + 1.0) / window, (top - bottom) / window


@njit(cache=True)
def gains(x: F64, y: F64, at: int) -> None:
    """Write the rises, the falls and their difference over the sum of both, for the steps between values."""
    up = down = 0.0
    for i in range(1, len(x)):
        step = x[i] - x[i - 1]
        up += max(step, 0.0)
        down += max(-step, 0.0)
    both = up + down + TINY
    y[at], y[at + 1], y[at + 2] = up / both, down / both, (up - down) / both


@njit(cache=True, forceinline=True)
def moves(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Shares of rising and of falling bars among the last p[0], and of rises and falls in what they moved."""
    window = int(p[0])
    y[:6] = np.nan
    if n < window:
        return
    x = tail(ring[c.R_CLOSE], n, window + 1)
    rising = falling = 0
    for i in range(1, window + 1):
        rising += x[i] > x[i - 1]
        falling += x[i] < x[i - 1]
    y[0], y[1] = rising / window, falling / window
    y[2] = y[0] - y[1]
    gains(x, y, 3)


@njit(cache=True)
def correlation(x: F64, y: F64) -> float:
    """Return the correlation of the pairs that are numbers; NaN where one side is constant."""
    count, x_mean, y_mean = 0, 0.0, 0.0
    for i in range(len(x)):
        if math.isfinite(x[i]) and math.isfinite(y[i]):
            count += 1
            x_mean += x[i]
            y_mean += y[i]
    if count < 2:
        return np.nan
    x_mean, y_mean = x_mean / count, y_mean / count
    xx = yy = xy = 0.0
    for i in range(len(x)):
        if math.isfinite(x[i]) and math.isfinite(y[i]):
            xx += (x[i] - x_mean) * (x[i] - x_mean)
            yy += (y[i] - y_mean) * (y[i] - y_mean)
            xy += (x[i] - x_mean) * (y[i] - y_mean)
    if is_constant(xx, x_mean, count) or is_constant(yy, y_mean, count):
        return np.nan
    return max(-1.0, min(1.0, xy / math.sqrt(xx * yy)))


@njit(cache=True, forceinline=True)
def volume(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Correlation of close and log volume over the last p[0] bars; mean and deviation of volume over this volume."""
    window = int(p[0])
    y[:3] = np.nan
    if n + 1 < window:
        return
    y[0] = correlation(tail(ring[c.R_CLOSE], n, window), tail(ring[c.R_LOG_VOLUME], n, window))
    v, now = tail(ring[c.R_VOLUME], n, window), bar[c.VOLUME] + TINY
    mean = total(v) / window
    y[1], y[2] = mean / now, math.sqrt(squares(v, mean) / (window - 1)) / now


@njit(cache=True, error_model="numpy")
def volume_moves(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Correlation of moves and volume changes over the last p[0] bars, spread of return times volume, volume rises.

    A bar after one without volume has no change of volume and is left out of the correlation.
    """
    window = int(p[0])
    y[:5] = np.nan
    if n < window:
        return
    x, v = tail(ring[c.R_CLOSE], n, window + 1), tail(ring[c.R_VOLUME], n, window + 1)
    change, change_of_volume, moved = np.empty(window), np.empty(window), np.empty(window)
    for i in range(window):
        change[i] = x[i + 1] / x[i]
        change_of_volume[i] = math.log(v[i + 1] / v[i] + 1.0)
        moved[i] = abs(change[i] - 1.0) * v[i + 1]
    y[0] = correlation(change, change_of_volume)
    mean = total(moved) / window
    y[1] = math.sqrt(squares(moved, mean) / (window - 1)) / (mean + TINY)
    gains(v, y, 2)


_WINDOW, _BARS = ("window",), window_plus(1)
KERNELS = {
    "alpha158_bar": Kernel(
        bar_shape,
        (),
        (
            "kmid", "klen", "kmid2", "kup", "kup2", "klow", "klow2", "ksft", "ksft2",
            "open0", "high0", "low0", "vwap0",
        ),
    ),
    "alpha158_level": Kernel(
        level, _WINDOW, ("roc", "ma", "std", "beta", "rsqr", "resi", "qtlu", "qtld", "rank"), n_bars=_BARS
    ),
    "alpha158_extremes": Kernel(extremes, _WINDOW, ("max", "min", "rsv", "imax", "imin", "imxd"), n_bars=_BARS),
    "alpha158_moves": Kernel(moves, _WINDOW, ("cntp", "cntn", "cntd", "sump", "sumn", "sumd"), n_bars=_BARS),
    "alpha158_volume": Kernel(volume, _WINDOW, ("corr", "vma", "vstd"), n_bars=_BARS),
    "alpha158_volume_moves": Kernel(
        volume_moves, _WINDOW, ("cord", "wvma", "vsump", "vsumn", "vsumd"), n_bars=_BARS
    ),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
