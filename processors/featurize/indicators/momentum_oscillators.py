"""Momentum: places in channels, ranges against their way, and counts of bars."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import terms
from processors.featurize.indicators.window import F64, back, highest, lowest, place, tail, true_range


@njit(cache=True)
def _channel_place(bar: F64, ring: F64, n: int, window: int) -> float:
    """Return the close's place between lowest low (0) and highest high (1), the middle where they are equal."""
    return place(bar[c.CLOSE], lowest(tail(ring[c.R_LOW], n, window)), highest(tail(ring[c.R_HIGH], n, window)))


@njit(forceinline=True)
def _channel_places(bars: F64, ring: F64, n: int, window: int, high: F64, low: F64, out: F64) -> None:
    """Write the same for a span, in percent; high and low are its channel."""
    r.highs(ring[c.R_HIGH], n, window, high)
    r.lows(ring[c.R_LOW], n, window, low)
    r.places(bars[c.CLOSE], low, high, out)
    for i in range(len(out)):
        out[i] *= 100.0


@njit(forceinline=True, error_model="numpy")
def stoch(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Stochastic: place of the close in its channel, smoothed.

    Stochastic (Lane, 1984), percent: place of the close in its channel of p[0] bars, its average K of p[1], that
    one's D of p[3], and J, 3 K less 2 D; kinds p[2] and p[4]. State: halves.
    """
    _channel_places(bars, ring, n, int(p[0]), out[4], out[5], out[0])
    r.averages(int(p[2]), out[0], s, 0, int(p[1]), out[1])
    r.averages(int(p[4]), out[1], s, len(s) // 2, int(p[3]), out[2])
    for i in range(out.shape[1]):
        out[3, i] = 3.0 * out[1, i] - 2.0 * out[2, i]


@njit(forceinline=True, error_model="numpy")
def williams(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Distance of the close below the highest high of p[0] bars, in percent of their channel, negative (Williams)."""
    _channel_places(bars, ring, n, int(p[0]), out[1], out[2], out[0])
    for i in range(out.shape[1]):
        out[0, i] -= 100.0


@njit(cache=True, forceinline=True)
def premier(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Stochastic between -1 and 1.

    Place of the close in its channel of p[0] bars, averaged exponentially twice over p[1], pressed into -1 to 1
    (Leibfarth, 2008).
    """
    y[0] = np.nan
    if n + 1 >= int(p[0]):
        smooth = a.cascade(10.0 * _channel_place(bar, ring, n, int(p[0])) - 5.0, s, 0, int(p[1]), 2)
        y[0] = math.tanh(0.5 * smooth)


@njit(forceinline=True, error_model="numpy")
def cci(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Commodity channel index.

    Distance of the typical price from its mean of p[0] bars, in units of 0.015 of its mean absolute deviation
    (Lambert, 1980); 0 where nothing moved.
    """
    window, typical, mean, off = int(p[0]), out[1], out[2], out[3]
    for i in range(len(typical)):
        typical[i] = (bars[c.HIGH, i] + bars[c.LOW, i] + bars[c.CLOSE, i]) / 3.0
    r.means_of(typical, s, 0, window, mean)
    r.sums_of(terms.distance, 1, window, typical, s, 0, mean, mean, off, window, 1)
    for i in range(len(typical)):
        out[0, i] = (typical[i] - mean[i]) / (0.015 * off[i] / window) if off[i] > 0.0 else 0.0 * off[i]


@njit(forceinline=True, error_model="numpy")
def ultimate(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Ultimate oscillator.

    Ultimate oscillator (Williams, 1985), percent: the close's way up from the true low over the true range, of
    p[0], p[1] and p[2] bars, weighed 4, 2, 1. State: windows of both.
    """
    most, first = int(max(p[0], p[1], p[2])), 1 if n == 0 else 0
    at, before, way, width = a.kept_size(most), out[1], out[2], out[3]
    out[0] = np.nan
    if first == len(way):
        return
    r.lagged(ring[c.R_CLOSE], n, 1, before)
    for i in range(first, len(way)):
        way[i] = bars[c.CLOSE, i] - min(bars[c.LOW, i], before[i])
        width[i] = true_range(bars[c.HIGH, i], bars[c.LOW, i], before[i])
    way, width, up, along, whole = way[first:], width[first:], out[4, first:], out[5, first:], out[0, first:]
    whole[:] = 0.0
    for k in range(3):
        # The first sum of a bar keeps its values.
        known = 1 if k > 0 else 0
        r.sums_of(terms.value, 4, int(p[k]), way, s, 0, way, way, up, most, known)
        r.sums_of(terms.value, 4, int(p[k]), width, s, at, width, width, along, most, known)
        weight = (4.0, 2.0, 1.0)[k]
        for i in range(len(whole)):
            whole[i] += weight * (up[i] / along[i] if along[i] > 0.0 else 0.5 + 0.0 * along[i])
    for i in range(len(whole)):
        whole[i] = 100.0 * whole[i] / 7.0


@njit(cache=True, forceinline=True)
def aroon(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """How recent the extremes are.

    How long ago, in percent of p[0] bars left of them, the highest high was (100: now), the same of the lowest low
    over p[1] bars, and the difference (Chande, 1995); the later of equal ones counts.
    """
    y[:3] = np.nan
    up, down = int(p[0]), int(p[1])
    if n >= max(up, down):
        highs, lows = tail(ring[c.R_HIGH], n, up + 1), tail(ring[c.R_LOW], n, down + 1)
        # Without branches that nobody can foresee.
        top, bottom, most, least = 0, 0, highs[0], lows[0]
        for i in range(1, up + 1):
            higher = highs[i] >= most
            most, top = highs[i] if higher else most, i if higher else top
        for i in range(1, down + 1):
            lower = lows[i] <= least
            least, bottom = lows[i] if lower else least, i if lower else bottom
        y[0], y[1] = 100.0 * top / up, 100.0 * bottom / down
        y[2] = y[0] - y[1]


@njit(cache=True, forceinline=True)
def balance(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Close less open over high less low (Livshin, 2001), 0 where they are equal."""
    width = bar[c.HIGH] - bar[c.LOW]
    y[0] = (bar[c.CLOSE] - bar[c.OPEN]) / width if width > 0.0 else 0.0


@njit(forceinline=True, error_model="numpy")
def awesome(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Awesome oscillator and its acceleration.

    Average of the middle of the bar over p[0] bars less that over p[1], and that less its mean over p[2]; kind of
    average p[3] (Williams, 1995). State: thirds.
    """
    third, kind, middle, slow = len(s) // 3, int(p[3]), out[2], out[3]
    for i in range(len(middle)):
        middle[i] = 0.5 * (bars[c.HIGH, i] + bars[c.LOW, i])
    r.averages(kind, middle, s, 0, int(p[0]), out[0])
    r.averages(kind, middle, s, third, int(p[1]), slow)
    for i in range(len(middle)):
        out[0, i] -= slow[i]
    r.averages(kind, out[0], s, 2 * third, int(p[2]), out[1])
    for i in range(len(middle)):
        out[1, i] = out[0, i] - out[1, i]


@njit(forceinline=True, error_model="numpy")
def vortex(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Vortex lines.

    Way of the high from the low before, and of the low from the high before, over the true ranges of p[0] bars
    (Botes, Siepman, 2010), 1 where nothing moved, and the mean of both.
    With p[1] 1 the first bar counts: its range, and no way; as in LEAN.
    State: three windows.
    """
    window, size, up, down, width = int(p[0]), a.kept_size(int(p[0])), out[3], out[4], out[5]
    first = 1 if n == 0 and p[1] == 0.0 else 0
    out[:3] = np.nan
    if first == len(up):
        return
    r.lagged(ring[c.R_LOW], n, 1, up)
    r.lagged(ring[c.R_HIGH], n, 1, down)
    r.lagged(ring[c.R_CLOSE], n, 1, width)
    for i in range(len(up)):
        up[i], down[i] = abs(bars[c.HIGH, i] - up[i]), abs(bars[c.LOW, i] - down[i])
        width[i] = true_range(bars[c.HIGH, i], bars[c.LOW, i], width[i])
    if n == 0:
        up[0] = down[0] = 0.0
        width[0] = bars[c.HIGH, 0] - bars[c.LOW, 0]
    r.means_of(width[first:], s, 2 * size, window, out[2, first:])
    r.means_of(up[first:], s, 0, window, out[0, first:])
    r.means_of(down[first:], s, size, window, out[1, first:])
    for i in range(len(up)):
        along = out[2, i]
        out[0, i] = out[0, i] / along if along > 0.0 else 1.0 + 0.0 * along
        out[1, i] = out[1, i] / along if along > 0.0 else 1.0 + 0.0 * along
        out[2, i] = 0.5 * (out[0, i] + out[1, i])


@njit(cache=True, forceinline=True)
def fisher(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Fisher transform.

    Fisher transform of the smoothed place of the middle of the bar in its channel of p[0] bars (Ehlers, 2002).
    State: place and transform before, then the window.
    """
    y[0] = np.nan
    middle, window = 0.5 * (bar[c.HIGH] + bar[c.LOW]), int(p[0])
    if a.keep(s, 2, window, middle):
        values = a.kept(s, 2, window, window)
        low, high = lowest(values), highest(values)
        x = 0.66 * ((middle - low) / (high - low) - 0.5) + 0.67 * s[0] if high > low else 0.0
        s[0] = x
        s[1] = math.atanh(min(max(x, -0.999), 0.999)) + 0.5 * s[1]
        y[0] = s[1]


@njit(cache=True, forceinline=True)
def mass_index(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Mass index.

    Sum over p[1] bars of the exponential average of the bar's range over p[0] bars over its own (Dorsey, 1992).
    """
    twice = a.cascade(bar[c.HIGH] - bar[c.LOW], s, 0, int(p[0]), 2)
    y[0] = p[1] * a.simple(s[0] / twice if twice > 0.0 else 1.0, s, 4, int(p[1])) if not math.isnan(twice) else np.nan


@njit(cache=True, forceinline=True)
def choppiness(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Choppiness of the way.

    Logarithm of the true ranges of p[0] bars over their channel, to the base p[0], in percent (Dreiss, 1993); 100 in
    a channel without width. The first bar's range counts.
    """
    y[0] = np.nan
    before, window = back(ring[c.R_CLOSE], n, 1) if n > 0 else bar[c.CLOSE], int(p[0])
    mean = a.simple(true_range(bar[c.HIGH], bar[c.LOW], before), s, 0, window)
    if not math.isnan(mean):
        width = highest(tail(ring[c.R_HIGH], n, window)) - lowest(tail(ring[c.R_LOW], n, window))
        y[0] = 100.0 * math.log(mean * window / width) / math.log(p[0]) if width > 0.0 else 100.0


@njit(cache=True, forceinline=True)
def fractal(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Fractal turns: extremes that bars on both sides confirm.

    Whether the high of p[1] bars ago is above all of p[0] bars before and p[1] after it (1), and the low below
    (Williams, 1995).
    """
    left, right = int(p[0]), int(p[1])
    y[0] = y[1] = np.nan
    if n >= left + right:
        highs, lows = tail(ring[c.R_HIGH], n, left + right + 1), tail(ring[c.R_LOW], n, left + right + 1)
        y[0] = y[1] = 1.0
        for i in range(left + right + 1):
            if i != left:
                y[0] = y[0] if highs[left] > highs[i] else 0.0
                y[1] = y[1] if lows[left] < lows[i] else 0.0


@njit(cache=True, forceinline=True)
def zigzag(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Last turn of the zigzag.

    Price of the last turn: an extreme from which the price has come back by the share p[0], at least p[1] bars
    later; and its side, 1 for a high, -1 for a low. State: turn, side, bars since.
    """
    least, count = p[0], p[1]
    if n == 0:
        s[0], s[1], s[2] = bar[c.LOW], -1.0, 0.0
    elif s[1] < 0.0 and bar[c.HIGH] >= s[0] * (1.0 + least) and s[2] >= count:
        s[0], s[1], s[2] = bar[c.HIGH], 1.0, 0.0
    elif s[1] < 0.0 and bar[c.LOW] <= s[0]:
        s[0], s[2] = bar[c.LOW], 0.0
    elif s[1] > 0.0 and bar[c.LOW] <= s[0] * (1.0 - least) and s[2] >= count:
        s[0], s[1], s[2] = bar[c.LOW], -1.0, 0.0
    elif s[1] > 0.0 and bar[c.HIGH] >= s[0]:
        s[0], s[2] = bar[c.HIGH], 0.0
    if n > 0:
        s[2] += 1.0
    y[0], y[1] = (s[0], s[1]) if n >= int(count) else (np.nan, np.nan)
