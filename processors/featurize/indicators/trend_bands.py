"""Trend: channels, stops and lines that follow the price."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators.window import F64, back, highest, lowest, ratio, tail, true_range

NONE, DOWN, UP = range(3)


@njit(forceinline=True, error_model="numpy")
def accbands(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Acceleration bands.

    Acceleration bands (Headley, 2002): averages of high and low moved out by p[1] times the bar's width, and of the
    close; window p[0], kind of average p[2].
    """
    window, kind, size, upper, lower = int(p[0]), int(p[2]), len(s) // 3, out[3], out[4]
    for i in range(len(upper)):
        both = bars[c.HIGH, i] + bars[c.LOW, i]
        width = p[1] * (bars[c.HIGH, i] - bars[c.LOW, i]) / both if both != 0.0 else 0.0
        upper[i], lower[i] = bars[c.HIGH, i] * (1.0 + width), bars[c.LOW, i] * (1.0 - width)
    r.averages(kind, upper, s, 0, window, out[0])
    r.averages(kind, bars[c.CLOSE], s, size, window, out[1])
    r.averages(kind, lower, s, 2 * size, window, out[2])


@njit(forceinline=True, error_model="numpy")
def midpoint(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Middle of the highest and lowest close of the last p[0] bars, and of the highest high and lowest low."""
    window = int(p[0])
    r.highs(ring[c.R_CLOSE], n, window, out[0])
    r.lows(ring[c.R_CLOSE], n, window, out[2])
    r.highs(ring[c.R_HIGH], n, window, out[1])
    r.lows(ring[c.R_LOW], n, window, out[3])
    for k in range(2):
        for i in range(out.shape[1]):
            out[k, i] = 0.5 * (out[k, i] + out[k + 2, i])


@njit(cache=True)
def _middle(ring: F64, n: int, window: int) -> float:
    if n + 1 < window:
        return np.nan
    return 0.5 * (highest(tail(ring[c.R_HIGH], n, window)) + lowest(tail(ring[c.R_LOW], n, window)))


@njit(cache=True, forceinline=True)
def ichimoku(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Ichimoku's lines.

    Ichimoku's lines: middles of the channels of p[0] (tenkan) and p[1] bars (kijun), their middle of p[3] bars ago
    (senkou A), the middle of p[2] bars of p[4] bars ago (senkou B), and the close of p[3] bars ago (chikou).
    """
    lag_a, lag_b = int(p[3]), int(p[4])
    y[0], y[1] = _middle(ring, n, int(p[0])), _middle(ring, n, int(p[1]))
    full = a.keep(s, 0, lag_a + 1, 0.5 * (y[0] + y[1]))
    y[2] = a.kept(s, 0, lag_a + 1, lag_a + 1)[0] if full else np.nan
    at = a.kept_size(lag_a + 1)
    full = a.keep(s, at, lag_b + 1, _middle(ring, n, int(p[2])))
    y[3] = a.kept(s, at, lag_b + 1, lag_b + 1)[0] if full else np.nan
    y[4] = back(ring[c.R_CLOSE], n, lag_a) if n >= lag_a else np.nan


@njit(cache=True, forceinline=True)
def sar(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Stop and reverse.

    Stop and reverse (Wilder, 1978): below 0 while short, as TA-Lib's SAREXT; its size; and the close over it.

    Start p[0] (0: told by the first move, above 0 long, below 0 short), offset on reverse p[1]; first factor, step and
    most of it long p[2:5] and short p[5:8]. State: side, extreme, factor, stop of the next bar.
    """
    y[0] = y[1] = y[2] = np.nan
    if n == 0:
        return
    high, low = bar[c.HIGH], bar[c.LOW]
    high_before, low_before = back(ring[c.R_HIGH], n, 1), back(ring[c.R_LOW], n, 1)
    if n == 1:
        fell = low_before - low
        short = p[0] < 0.0 or (p[0] == 0.0 and fell > 0.0 and high - high_before < fell)
        s[0] = DOWN if short else UP
        s[1] = low if short else high
        s[2] = p[5] if short else p[2]
        s[3] = abs(p[0]) if p[0] != 0.0 else (high_before if short else low_before)
        # The bar that starts it counts as its own bar before.
        high_before, low_before = high, low
    side, extreme, factor, stop = s[0], s[1], s[2], s[3]
    if side == UP and low <= stop:
        side, stop, factor = DOWN, max(extreme, high_before, high), p[5]
        stop += stop * p[1]
        out, extreme = -stop, low
        stop = max(stop + factor * (extreme - stop), high_before, high)
    elif side == DOWN and high >= stop:
        side, stop, factor = UP, min(extreme, low_before, low), p[2]
        stop -= stop * p[1]
        out, extreme = stop, high
        stop = min(stop + factor * (extreme - stop), low_before, low)
    elif side == UP:
        out = stop
        if high > extreme:
            extreme, factor = high, min(factor + p[3], p[4])
        stop = min(stop + factor * (extreme - stop), low_before, low)
    else:
        out = -stop
        if low < extreme:
            extreme, factor = low, min(factor + p[6], p[7])
        stop = max(stop + factor * (extreme - stop), high_before, high)
    s[0], s[1], s[2], s[3] = side, extreme, factor, stop
    y[0], y[1] = out, abs(out)
    y[2] = ratio(bar[c.CLOSE] - y[1], y[1])


@njit(cache=True, forceinline=True)
def supertrend(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Band that trails the price.

    Band that trails the price by p[1] average true ranges of p[0] bars, its side (1 up, -1 down), the close over it.

    p[2] is the kind of average. With p[3] 1 the first bar's range counts and the close tells the first side, as in
    LEAN; else the first true range is the second bar's and the first side is up, as in TA-Lib. State: upper and lower
    band, side, close before, then the average's.
    """
    y[0] = y[1] = y[2] = np.nan
    if n == 0 and p[3] == 0.0:
        s[3] = bar[c.CLOSE]
        return
    before = s[3] if n > 0 else bar[c.CLOSE]
    width = a.average(int(p[2]), true_range(bar[c.HIGH], bar[c.LOW], before), s, 4, int(p[0]))
    if not math.isnan(width):
        middle = 0.5 * (bar[c.HIGH] + bar[c.LOW])
        upper, lower = middle + p[1] * width, middle - p[1] * width
        if s[2] != NONE:
            upper = upper if upper < s[0] or before > s[0] else s[0]
            lower = lower if lower > s[1] or before < s[1] else s[1]
        if s[2] == UP:
            side = UP if bar[c.CLOSE] >= lower else DOWN
        elif s[2] == NONE and p[3] == 0.0:
            side = UP
        else:
            side = DOWN if bar[c.CLOSE] <= upper else UP
        s[0], s[1], s[2] = upper, lower, side
        y[0] = lower if side == UP else upper
        y[1] = 1.0 if side == UP else -1.0
        y[2] = ratio(bar[c.CLOSE] - y[0], y[0])
    s[3] = bar[c.CLOSE]
