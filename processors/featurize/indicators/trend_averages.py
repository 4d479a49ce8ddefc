"""Trend: moving averages, mostly of the close, and the close over each less one."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import terms
from processors.featurize.indicators.window import F64, back, highest, lowest, ratio, tail

RING_MAX = 64
"""Longest window that is read from the ring: the ring is for all indicators, and longer ones keep their own closes."""


@njit(cache=True, forceinline=True)
def over(bar: F64, y: F64) -> None:
    """Set y[1] to the close over the average y[0], less one."""
    y[1] = ratio(bar[c.CLOSE] - y[0], y[0])


@njit(cache=True, forceinline=True, error_model="numpy")
def over_all(bars: F64, out: F64) -> None:
    """Do the same for a span."""
    for i in range(out.shape[1]):
        out[1, i] = ratio(bars[c.CLOSE, i] - out[0, i], out[0, i])


@njit(forceinline=True, error_model="numpy")
def rising_means(x: F64, n: int, window: int, out: F64) -> None:
    """Write the means of a row of the ring with weights that rise by one from the oldest."""
    r.sums(terms.rising, 2, window, x, x, n, out, out, out)
    for i in range(len(out)):
        out[i] = 2.0 * out[i] / (window * (window + 1.0))


@njit(cache=True, forceinline=True)
def ema(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Exponential average of the close over p[0] bars, and the close over it less one."""
    y[0] = a.exponential(bar[c.CLOSE], s, 0, int(p[0]))
    over(bar, y)


@njit(forceinline=True, error_model="numpy")
def sma(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Mean of the last p[0] closes, and the close over it less one."""
    window = int(p[0])
    if window <= RING_MAX:
        r.means(ring[c.R_CLOSE], n, window, out[0])
    else:
        r.means_of(bars[c.CLOSE], s, 0, window, out[0])
    over_all(bars, out)


@njit(forceinline=True, error_model="numpy")
def wma(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Mean of the last p[0] closes with weights that rise by one from the oldest, and the close over it less one."""
    rising_means(ring[c.R_CLOSE], n, int(p[0]), out[0])
    over_all(bars, out)


@njit(cache=True, forceinline=True)
def dema(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Double exponential average of the close over p[0] bars (Mulloy, 1994), and the close over it less one."""
    twice = a.cascade(bar[c.CLOSE], s, 0, int(p[0]), 2)
    y[0] = 2.0 * s[0] - twice
    over(bar, y)


@njit(cache=True, forceinline=True)
def tema(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Triple exponential average of the close over p[0] bars (Mulloy, 1994), and the close over it less one."""
    thrice = a.cascade(bar[c.CLOSE], s, 0, int(p[0]), 3)
    y[0] = 3.0 * s[0] - 3.0 * s[2] + thrice
    over(bar, y)


@njit(cache=True, forceinline=True)
def t3(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """T3 of the close over p[0] bars with volume factor p[1] (Tillson, 1998), and the close over it less one."""
    y[0] = a.tillson(bar[c.CLOSE], s, 0, int(p[0]), p[1])
    over(bar, y)


@njit(forceinline=True, error_model="numpy")
def trima(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Mean of the last p[0] closes with weights that rise to the middle and fall, and the close over it less one."""
    window = int(p[0])
    half = (window + 1) // 2
    weights = half * half if window % 2 == 1 else half * (half + 1.0)
    r.sums(terms.triangle, 1, window, ring[c.R_CLOSE], ring[c.R_CLOSE], n, out[0], out[0], out[0])
    for i in range(len(out[0])):
        out[0, i] /= weights
    over_all(bars, out)


@njit(forceinline=True, error_model="numpy")
def kama(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Kaufman's adaptive average of the close, and the close over it less one; window p[0], fast p[1], slow p[2]."""
    window = int(p[0])
    r.efficiencies(ring[c.R_CLOSE], n, window, out[1], out[0])
    least, average = 2.0 / (p[2] + 1.0), s[0]
    span = 2.0 / (p[1] + 1.0) - least
    for i in range(len(out[0])):
        if n + i < window:
            average = bars[c.CLOSE, i]
        else:
            weight = out[0, i] * span + least
            average += weight * weight * (bars[c.CLOSE, i] - average)
            out[0, i] = average
    s[0] = average
    over_all(bars, out)


@njit(cache=True, forceinline=True)
def wilder(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Wilder's average of the close, weight 1 / p[0], seeded with a plain mean, and the close over it less one."""
    y[0] = a.average(a.WILDER, bar[c.CLOSE], s, 0, int(p[0]))
    over(bar, y)


@njit(forceinline=True, error_model="numpy")
def hull(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Hull's average of the close and the close over it less one; window p[0], short window p[1], last window p[2].

    Libraries differ in how they round half the window and its root, so both are given.
    """
    window, root = int(p[0]), int(p[2])
    rising_means(ring[c.R_CLOSE], n, int(p[1]), out[1])
    rising_means(ring[c.R_CLOSE], n, window, out[2])
    for i in range(len(out[0])):
        out[1, i] = 2.0 * out[1, i] - out[2, i]
    first = min(max(window - 1 - n, 0), len(out[0]))
    out[0, :first] = np.nan
    if first < len(out[0]):
        r.sums_of(terms.rising, 2, root, out[1, first:], s, 0, out[1, first:], out[1, first:], out[0, first:])
    for i in range(first, len(out[0])):
        out[0, i] = 2.0 * out[0, i] / (root * (root + 1.0))
    over_all(bars, out)


@njit(cache=True, forceinline=True)
def zlema(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Exponential average over p[0] bars of the close plus its move over p[1] bars, and the close over it less one."""
    y[0] = np.nan
    lag = int(p[1])
    if n >= lag:
        moved = bar[c.CLOSE] + (bar[c.CLOSE] - back(ring[c.R_CLOSE], n, lag))
        y[0] = a.exponential(moved, s, 0, int(p[0]))
    over(bar, y)


@njit(cache=True, forceinline=True)
def alma(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Arnaud Legoux's average of the last p[0] closes, and the close over it less one; sigma p[1], offset p[2]."""
    y[0] = a.arnaud_legoux(bar[c.CLOSE], s, 0, int(p[0]), p[1], p[2])
    over(bar, y)


@njit(cache=True, forceinline=True)
def mcginley(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """McGinley's dynamic average of the close over p[0] bars, and the close over it less one."""
    y[0] = a.mcginley(bar[c.CLOSE], s, 0, int(p[0]))
    over(bar, y)


@njit(cache=True, forceinline=True)
def vidya(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Chande's variable average over p[0] bars, and the close over it less one.

    Its weight is that of the exponential average times the momentum of Wilder's averages of up and down moves; it
    starts at the close before its first value.
    """
    y[0] = np.nan
    if n > 0:
        change = bar[c.CLOSE] - back(ring[c.R_CLOSE], n, 1)
        up = a.average(a.WILDER, max(change, 0.0), s, 1, int(p[0]))
        down = a.average(a.WILDER, max(-change, 0.0), s, 3, int(p[0]))
        if not math.isnan(up):
            strength = abs(up - down) / (up + down) if up + down > 0.0 else 0.0
            s[0] += 2.0 / (p[0] + 1.0) * strength * (bar[c.CLOSE] - s[0])
            y[0] = s[0]
    if math.isnan(y[0]):
        s[0] = bar[c.CLOSE]
    over(bar, y)


@njit(cache=True, forceinline=True)
def frama(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Fractal adaptive average of the middle of the bar, and the close over it less one (Ehlers, 2005).

    Window p[0], even; the slowest it gets is an exponential average of p[1] bars. It starts at the middle of the bar
    that fills the window.
    """
    window, middle = int(p[0]), 0.5 * (bar[c.HIGH] + bar[c.LOW])
    y[0] = np.nan
    if n + 1 >= window:
        if n + 1 == window:
            s[0] = middle
        else:
            highs, lows, half = tail(ring[c.R_HIGH], n, window), tail(ring[c.R_LOW], n, window), window // 2
            newer = (highest(highs[half:]) - lowest(lows[half:])) / half
            older = (highest(highs[:half]) - lowest(lows[:half])) / half
            whole = (highest(highs) - lowest(lows)) / window
            size = math.log((newer + older) / whole) / math.log(2.0) if newer + older > 0.0 and whole > 0.0 else 0.0
            weight = math.exp(math.log(2.0 / (1.0 + p[1])) * (size - 1.0))
            s[0] += min(max(weight, 0.01), 1.0) * (middle - s[0])
        y[0] = s[0]
    over(bar, y)


@njit(forceinline=True, error_model="numpy")
def vwma(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Mean of the last p[0] closes weighted by volume, and the close over it less one; NaN without volume."""
    window = int(p[0])
    r.sums(terms.weight, 1, window, ring[c.R_CLOSE], ring[c.R_VOLUME], n, out[0], out[0], out[0])
    r.sums(terms.value, 4, window, ring[c.R_VOLUME], ring[c.R_VOLUME], n, out[1], out[1], out[1])
    for i in range(len(out[0])):
        out[0, i] = ratio(out[0, i], out[1, i])
    over_all(bars, out)


@njit(forceinline=True, error_model="numpy")
def relative_average(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Mean of 3 p[0] closes less that of 2 p[0] plus that of p[0], and the close over it less one."""
    window = int(p[0])
    for k in range(3):
        r.means(ring[c.R_CLOSE], n, (3 - k) * window, out[k])
    for i in range(len(out[0])):
        out[0, i] = out[0, i] - out[1, i] + out[2, i]
    over_all(bars, out)


@njit(cache=True, forceinline=True)
def swiss_knife(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Ehlers' two-pole filters of the close over p[0] bars, from bar p[0] on (Ehlers, 2006); of LEAN the band pass.

    p[2] names the filter: 0 Gauss, 1 Butterworth, 2 high pass, 3 high pass of two poles, 4 LEAN's band pass of width
    p[1]. Ehlers' own weighs the two outputs before by cos(2 pi / p[0]) (1 + alpha) and -alpha; LEAN by
    -cos(2 pi / p[0]) (1 - alpha) and alpha, so that at 20 bars and width 0.1 all periods up to 40 bars pass alike, at
    0.03. The known answers are LEAN's.
    State: the two closes before, the two outputs before, and the six coefficients.
    """
    k = s[4:10]
    if n == 0:
        _swiss_coefficients(p[0], p[1], int(p[2]), k)
        s[0] = s[1] = bar[c.CLOSE]
    out = k[0] * (bar[c.CLOSE] * k[1] + k[2] * s[0] + k[3] * s[1]) + k[4] * s[2] + k[5] * s[3]
    s[1], s[0] = s[0], bar[c.CLOSE]
    s[3], s[2] = s[2], out
    y[0] = out if n + 1 >= int(p[0]) else np.nan


@njit(cache=True)
def _swiss_coefficients(window: float, delta: float, tool: int, k: F64) -> None:
    """Set the gain, the weights of three closes, and the weights of two outputs."""
    turn = 2.0 * math.pi / window
    beta = 2.415 * (1.0 - math.cos(turn))
    alpha = -beta + math.sqrt(beta * beta + 2.0 * beta)
    k[0], k[1], k[2], k[3], k[4], k[5] = alpha * alpha, 1.0, 0.0, 0.0, 2.0 * (1.0 - alpha), -((1.0 - alpha) ** 2)
    if tool == 1:
        k[0], k[2], k[3] = alpha * alpha / 4.0, 2.0, 1.0
    elif tool == 2:
        alpha = (math.cos(turn) + math.sin(turn) - 1.0) / math.cos(turn)
        k[0], k[2], k[4], k[5] = (1.0 + alpha) / 2.0, -1.0, 1.0 - alpha, 0.0
    elif tool == 3:
        k[0], k[2], k[3] = (1.0 + alpha) ** 2 / 4.0, -2.0, 1.0
    elif tool == 4:
        gamma = 1.0 / math.cos(2.0 * turn * delta)
        alpha = gamma - math.sqrt(gamma * gamma - 1.0)
        k[0], k[3], k[4], k[5] = (1.0 - alpha) / 2.0, -1.0, -math.cos(turn) * (1.0 - alpha), alpha
