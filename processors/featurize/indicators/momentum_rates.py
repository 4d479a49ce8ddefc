"""Momentum: how far the price went, over windows, smoothed, and against its way."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import terms
from processors.featurize.indicators.window import F64, back, highest, log_return, lowest, tail


@njit(cache=True, forceinline=True)
def returns(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Log return over p[0] bars."""
    bars = int(p[0])
    y[0] = log_return(back(ring[c.R_CLOSE], n, bars), bar[c.CLOSE]) if n >= bars else np.nan


@njit(cache=True)
def _change(ring: F64, n: int, bars: int) -> float:
    """Return the change of the close over some bars as a fraction, 0 from a price of 0, NaN before there is one."""
    if n < bars:
        return np.nan
    before = back(ring[c.R_CLOSE], n, bars)
    return (back(ring[c.R_CLOSE], n, 0) - before) / before if before != 0.0 else 0.0


@njit(forceinline=True, error_model="numpy")
def rate(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Change of the close over p[0] bars: in price, and in percent of the close then."""
    before = out[2]
    r.lagged(ring[c.R_CLOSE], n, int(p[0]), before)
    for i in range(len(before)):
        out[0, i] = bars[c.CLOSE, i] - before[i]
        out[1, i] = 100.0 * (out[0, i] / before[i]) if before[i] != 0.0 else 0.0


@njit(cache=True, forceinline=True)
def trix(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Change over one bar, in percent, of the exponential average of p[0] bars taken three times (Hutson, 1983).

    State: the averages, and the last one of the bar before.
    """
    before = s[6]
    now = a.cascade(bar[c.CLOSE], s, 0, int(p[0]), 3)
    y[0] = 100.0 * (now - before) / before if before != 0.0 and not math.isnan(now) else np.nan
    s[6] = 0.0 if math.isnan(now) else now


@njit(cache=True, forceinline=True)
def tsi(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Write the true strength.

    True strength (Blau, 1991): one-bar changes smoothed over p[0] and again over p[1] bars, in percent of their
    sizes smoothed alike, and its exponential average over p[2] bars.
    """
    y[0] = y[1] = np.nan
    if n > 0:
        change = bar[c.CLOSE] - back(ring[c.R_CLOSE], n, 1)
        moved = _twice(change, s, 0, int(p[0]), int(p[1]))
        along = _twice(abs(change), s, 4, int(p[0]), int(p[1]))
        if not math.isnan(moved):
            y[0] = 100.0 * moved / along if along > 0.0 else 0.0
            y[1] = a.exponential(y[0], s, 8, int(p[2]))


@njit(cache=True)
def _twice(x: float, s: F64, at: int, first: int, second: int) -> float:
    """Return the exponential average over ``second`` values of that over ``first``; state is four floats."""
    once = a.exponential(x, s, at, first)
    return a.exponential(once, s, at + 2, second) if not math.isnan(once) else np.nan


@njit(forceinline=True, error_model="numpy")
def smi(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Stochastic momentum.

    Stochastic momentum (Blau, 1993): the close less the middle of the last p[0] bars, smoothed over p[1] and again
    over p[2] bars, in percent of half their width smoothed alike, and its exponential average over p[3] bars.
    """
    window, high, low = int(p[0]), out[2], out[3]
    r.highs(ring[c.R_HIGH], n, window, high)
    r.lows(ring[c.R_LOW], n, window, low)
    for i in range(len(high)):
        out[0, i] = out[1, i] = np.nan
        if n + i + 1 >= window:
            place = _twice(bars[c.CLOSE, i] - 0.5 * (high[i] + low[i]), s, 0, int(p[1]), int(p[2]))
            width = _twice(high[i] - low[i], s, 4, int(p[1]), int(p[2]))
            if not math.isnan(place):
                out[0, i] = 200.0 * place / width if width > 0.0 else 0.0
                out[1, i] = a.exponential(out[0, i], s, 8, int(p[3]))


@njit(cache=True, forceinline=True)
def coppock(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Linearly weighted mean over p[2] bars of the percent changes over p[0] and p[1] bars together (Coppock, 1965)."""
    both = 100.0 * (_change(ring, n, int(p[0])) + _change(ring, n, int(p[1])))
    y[0] = a.linear(both, s, 0, int(p[2])) if not math.isnan(both) else np.nan


@njit(cache=True, forceinline=True)
def know_sure_thing(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Know sure thing.

    Averages of the percent changes over p[0:4] bars, of p[4:8] values, weighed 1 to 4, and their own average of p[8]
    values (Pring, 1992); p[9] is the kind of average. State: fifths.
    """
    fifth, kind = len(s) // 5, int(p[9])
    out = 0.0
    for i in range(4):
        change = 100.0 * _change(ring, n, int(p[i]))
        smooth = a.average(kind, change, s, i * fifth, int(p[4 + i])) if not math.isnan(change) else np.nan
        out += (i + 1.0) * smooth
    y[0] = out
    y[1] = a.average(kind, out, s, 4 * fifth, int(p[8])) if not math.isnan(out) else np.nan


@njit(forceinline=True, error_model="numpy")
def detrended(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Close of p[1] bars ago less the mean of the last p[0] closes."""
    r.lagged(ring[c.R_CLOSE], n, int(p[1]), out[0])
    r.means(ring[c.R_CLOSE], n, int(p[0]), out[1])
    for i in range(out.shape[1]):
        out[0, i] -= out[1, i]


@njit(forceinline=True, error_model="numpy")
def efficiency(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Kaufman's efficiency over p[0] bars, and the width of the closes over the way along them (White, 1991)."""
    window, x, along, low = int(p[0]), ring[c.R_CLOSE], out[2], out[3]
    r.efficiencies(x, n, window, along, out[0])
    r.highs(x, n, window, out[1])
    r.lows(x, n, window, low)
    for i in range(len(along)):
        out[1, i] = (out[1, i] - low[i]) / along[i] if along[i] > 0.0 else 0.0 * along[i]


@njit(forceinline=True, error_model="numpy")
def forecast(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Close less what a straight line through the p[0] closes before it forecast, in percent of the close."""
    window, x, mean, slope, zero = int(p[0]), ring[c.R_CLOSE], out[1], out[2], out[3]
    middle, scale = 0.5 * (window - 1.0), 12.0 / (window * (window * window - 1.0))
    first = min(max(window - n, 0), len(mean))
    zero[:] = 0.0
    mean[:first] = slope[:first] = np.nan
    if first < len(mean):
        r.sums(terms.part, 1, window, x, x, n + first - 1, zero[first:], zero[first:], mean[first:])
        r.sums(terms.lever, 1, window, x, x, n + first - 1, zero[first:], zero[first:], slope[first:])
    for i in range(len(mean)):
        line, close = mean[i] + slope[i] * scale * (window - middle), bars[c.CLOSE, i]
        out[0, i] = 100.0 * (close - line) / close if close != 0.0 else 0.0 * line


@njit(cache=True, forceinline=True)
def momersion(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Share of bars that go on.

    Share of bars that went on in the direction before, in percent of those that moved twice; of the last p[0] pairs
    of moves, from p[1] pairs on; 50 where half or more did not move (Alvarez, 2015).
    """
    y[0] = np.nan
    pairs = min(n - 1, int(p[0]))
    if n - 1 >= int(p[1]):
        on, turned, still = 0, 0, 0
        closes = tail(ring[c.R_CLOSE], n, pairs + 2)
        for i in range(pairs):
            product = (closes[i + 1] - closes[i]) * (closes[i + 2] - closes[i + 1])
            on += product > 0.0
            turned += product < 0.0
            still += product == 0.0
        y[0] = 100.0 * on / (on + turned) if 2 * still < pairs else 50.0


@njit(cache=True, forceinline=True)
def accumulation_wad(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Williams' accumulation.

    Williams' accumulation: sum of the close's way up from the true low, and down from the true high, from the first
    bar on.
    """
    if n > 0:
        before = back(ring[c.R_CLOSE], n, 1)
        if bar[c.CLOSE] > before:
            s[0] += bar[c.CLOSE] - min(bar[c.LOW], before)
        elif bar[c.CLOSE] < before:
            s[0] += bar[c.CLOSE] - max(bar[c.HIGH], before)
    y[0] = s[0]


@njit(cache=True, forceinline=True)
def elder_ray(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """High, and low, less the exponential average of p[0] closes (Elder, 1989)."""
    mean = a.exponential(bar[c.CLOSE], s, 0, int(p[0]))
    y[0], y[1] = bar[c.HIGH] - mean, bar[c.LOW] - mean


@njit(forceinline=True, error_model="numpy")
def qstick(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Mean of close less open over p[0] bars (Chande, 1994)."""
    r.means(ring[c.R_CLOSE], n, int(p[0]), out[0])
    r.means(ring[c.R_OPEN], n, int(p[0]), out[1])
    for i in range(out.shape[1]):
        out[0, i] -= out[1, i]


@njit(cache=True, forceinline=True)
def schaff(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Trend cycle.

    Trend cycle (Schaff, 1999): place of the difference of averages of p[1] and p[2] closes in its channel of p[0]
    values, smoothed over 3, its place in its own channel, smoothed again; kind of average p[3]. State: sixths.
    """
    cycle, kind, sixth = int(p[0]), int(p[3]), len(s) // 6
    y[0] = np.nan
    fast = a.average(kind, bar[c.CLOSE], s, 0, int(p[1]))
    slow = a.average(kind, bar[c.CLOSE], s, sixth, int(p[2]))
    if math.isnan(fast - slow):
        return
    once = _smoothed_place(fast - slow, s, 2 * sixth, 3 * sixth, cycle, kind)
    if not math.isnan(once):
        y[0] = _smoothed_place(once, s, 4 * sixth, 5 * sixth, cycle, kind)


@njit(cache=True)
def _smoothed_place(x: float, s: F64, at: int, smooth_at: int, window: int, kind: int) -> float:
    """Return the average over 3 of the place of x, in percent, between the least and most of the last values."""
    if not a.keep(s, at, window, x):
        return np.nan
    values = a.kept(s, at, window, window)
    low, high = lowest(values), highest(values)
    return a.average(kind, 100.0 * (x - low) / (high - low) if high > low else 0.0, s, smooth_at, 3)


@njit(cache=True, forceinline=True)
def wave_trend(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Wave trend.

    Exponential average over p[1] bars of the typical price's distance from its own over p[0] bars, in units of 0.015
    of that distance's average, and the mean of the last p[2].
    """
    y[0] = y[1] = np.nan
    typical = (bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 3.0
    mean = a.exponential(typical, s, 0, int(p[0]))
    if math.isnan(mean):
        return
    size = 0.015 * a.exponential(abs(typical - mean), s, 2, int(p[0]))
    if not math.isnan(size):
        y[0] = a.exponential((typical - mean) / size if size > 0.0 else 0.0, s, 4, int(p[1]))
        if not math.isnan(y[0]):
            y[1] = a.simple(y[0], s, 6, int(p[2]))
