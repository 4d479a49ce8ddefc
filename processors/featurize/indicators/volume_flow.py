"""Volume by direction: how much was traded on the way up and on the way down."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import terms
from processors.featurize.indicators.averages import average, simple
from processors.featurize.indicators.window import F64, back, seeded_average

FIRST_INDEX = 1000.0
"""Where volume indices start (Fosback, 1976)."""


@njit(inline="always")
def money_flow(bar: F64) -> float:
    """Return the volume times twice the place of the close within the bar, less one; 0 for a bar without range."""
    width = bar[c.HIGH] - bar[c.LOW]
    if width <= 0.0:
        return 0.0
    return float(bar[c.VOLUME] * ((bar[c.CLOSE] - bar[c.LOW]) - (bar[c.HIGH] - bar[c.CLOSE])) / width)


@njit(cache=True, forceinline=True)
def accumulation(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Accumulation and distribution (Chaikin): sum of money flows since the first bar."""
    s[0] += money_flow(bar)
    y[0] = s[0]


@njit(cache=True, forceinline=True)
def chaikin_oscillator(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Chaikin's oscillator: accumulation averaged over p[0] bars, exponential, less the same over p[1] bars.

    p[2] says where averages start: 0 with the first value, as TA-Lib has it, 1 with the mean of their first window, as
    LEAN has it.
    """
    s[0] += money_flow(bar)
    y[0] = np.nan
    if p[2] == 1.0:
        fast = seeded_average(s, 1, s[0], int(p[0]), 2.0 / (p[0] + 1.0))
        slow = seeded_average(s, 3, s[0], int(p[1]), 2.0 / (p[1] + 1.0))
        y[0] = fast - slow
        return
    s[1] = s[0] if n == 0 else s[1] + 2.0 / (p[0] + 1.0) * (s[0] - s[1])
    s[3] = s[0] if n == 0 else s[3] + 2.0 / (p[1] + 1.0) * (s[0] - s[3])
    if n + 1 >= max(p[0], p[1]):
        y[0] = s[1] - s[3]


@njit(forceinline=True, error_model="numpy")
def chaikin_money_flow(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Chaikin's money flow: money flows of the last p[0] bars over their volume; 0 where nothing was traded."""
    window, flow, volume = int(p[0]), out[1], out[2]
    for i in range(len(flow)):
        width = bars[c.HIGH, i] - bars[c.LOW, i]
        place = (bars[c.CLOSE, i] - bars[c.LOW, i]) - (bars[c.HIGH, i] - bars[c.CLOSE, i])
        flow[i] = bars[c.VOLUME, i] * place / width if width > 0.0 else 0.0
    r.sums_of(terms.value, 4, window, flow, s, 0, flow, flow, out[0])
    r.sums_of(terms.value, 4, window, bars[c.VOLUME], s, 1 + 2 * window, flow, flow, volume)
    for i in range(len(flow)):
        out[0, i] = out[0, i] / volume[i] if volume[i] > 0.0 else 0.0 * volume[i]


@njit(forceinline=True, error_model="numpy")
def on_balance(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Volume on balance (Granville, 1963), the first bar's and on, and its average of kind p[1] over p[0] bars."""
    before, balance = out[2], s[0]
    r.lagged(ring[c.R_CLOSE], n, 1, before)
    for i in range(len(before)):
        change, volume = bars[c.CLOSE, i] - before[i], bars[c.VOLUME, i]
        moved = volume if change > 0.0 else -volume if change < 0.0 else 0.0
        balance += volume if n + i == 0 else moved
        out[0, i] = balance
    s[0] = balance
    r.averages(int(p[1]), out[0], s, 1, int(p[0]), out[1])


@njit(cache=True, forceinline=True)
def klinger(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Klinger's oscillator (1997): volume force averaged over p[0] bars, less that over p[1]; its average over p[2].

    The trend is up where high + low + close rose. The range so far of a trend starts with that of the bar before it.
    Force: volume times |2 (range / range so far - 1)| times 100, below 0 in a downward trend. Averages are exponential
    and start with the mean of their first window. A range so far of 0 is taken as 1e-8, as LEAN has it.
    """
    y[:2] = np.nan
    price, width = bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE], bar[c.HIGH] - bar[c.LOW]
    before, width_before, trend_before = s[0], s[1], s[2]
    s[0], s[1] = price, width
    if n == 0:
        return
    s[2] = 1.0 if price > before else -1.0
    if n == 1:
        return
    s[3] = width + (width_before if s[3] == 0.0 or s[2] != trend_before else s[3])
    force = bar[c.VOLUME] * abs(2.0 * (width / max(s[3], 1e-8) - 1.0)) * s[2] * 100.0
    fast = seeded_average(s, 4, force, int(p[0]), 2.0 / (p[0] + 1.0))
    slow = seeded_average(s, 6, force, int(p[1]), 2.0 / (p[1] + 1.0))
    y[0] = fast - slow
    if not math.isnan(y[0]):
        y[1] = seeded_average(s, 8, y[0], int(p[2]), 2.0 / (p[2] + 1.0))


@njit(cache=True, forceinline=True)
def ease_of_movement(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Ease of movement (Arms): mean over p[0] bars of the move of the bar's middle times range over volume.

    Volume counts in units of p[1]. A bar without range or volume counts as 0, and the next one moves from the bar
    before it; the first bar has not moved.
    """
    middle, width = 0.5 * (bar[c.HIGH] + bar[c.LOW]), bar[c.HIGH] - bar[c.LOW]
    moved = middle - s[0] if n > 0 else 0.0
    ease = 0.0
    if n == 0 or (bar[c.VOLUME] > 0.0 and width > 0.0):
        s[0] = middle
    if bar[c.VOLUME] > 0.0 and width > 0.0:
        ease = moved * width * p[1] / bar[c.VOLUME]
    y[0] = simple(ease, s, 1, int(p[0]))


@njit(cache=True, forceinline=True)
def force_index(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Elder's force index (1993): average of kind p[1] over p[0] bars of the close's move times the volume."""
    y[0] = np.nan
    if n > 0:
        force = (bar[c.CLOSE] - back(ring[c.R_CLOSE], n, 1)) * bar[c.VOLUME]
        y[0] = average(int(p[1]), force, s, 0, int(p[0]))


@njit(cache=True, forceinline=True)
def volume_indices(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Two indices of returns on bars of falling and of rising volume (Dysart; Fosback, 1976), and price volume trend.

    The indices start at 1000 and hold where the volume did not fall (rise); the trend sums returns times volume.
    """
    if n == 0:
        s[0] = s[1] = FIRST_INDEX
    else:
        before, volume = back(ring[c.R_CLOSE], n, 1), back(ring[c.R_VOLUME], n, 1)
        change = (bar[c.CLOSE] - before) / before if before != 0.0 else 0.0
        if bar[c.VOLUME] < volume:
            s[0] += s[0] * change
        elif bar[c.VOLUME] > volume:
            s[1] += s[1] * change
        s[2] += change * bar[c.VOLUME]
    y[0], y[1], y[2] = s[0], s[1], s[2]
