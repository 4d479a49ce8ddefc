"""Momentum: the strength of moves up against moves down."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import terms
from processors.featurize.indicators.window import F64, back, highest, lowest, seeded_average


@njit(cache=True)
def share(up: float, down: float) -> float:
    """Return the share of up in both, in percent, 50 where both are 0."""
    return 100.0 * up / (up + down) if up + down > 0.0 else 50.0


@njit(cache=True, forceinline=True)
def rsi(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Relative strength index over p[0] bars (Wilder, 1978), 50 where nothing moved."""
    y[0] = np.nan
    if n > 0:
        y[0] = _wilder_strength(bar[c.CLOSE] - back(ring[c.R_CLOSE], n, 1), s, 0, int(p[0]))


@njit(cache=True)
def _wilder_strength(change: float, s: F64, at: int, window: int) -> float:
    """Return the relative strength after a change; state is four floats."""
    up = seeded_average(s, at, max(change, 0.0), window, 1.0 / window)
    down = seeded_average(s, at + 2, max(-change, 0.0), window, 1.0 / window)
    return share(up, down) if not math.isnan(up) else np.nan


@njit(forceinline=True, error_model="numpy")
def relative_strength(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Strength of averages of any kind.

    Averages of kind p[1] of moves up and down over p[0] bars: the share of up in percent (relative strength), and
    the difference in percent of the sum (Chande's momentum). State: halves.
    """
    half, kind, window, up, down = len(s) // 2, int(p[1]), int(p[0]), out[2], out[3]
    r.lagged(ring[c.R_CLOSE], n, 1, up)
    for i in range(len(up)):
        change = bars[c.CLOSE, i] - up[i]
        # The first bar has not moved: NaN.
        up[i] = max(change, 0.0)
        down[i] = 0.0 if change > 0.0 else -change
    r.averages(kind, up, s, 0, window, out[0])
    r.averages(kind, down, s, half, window, out[1])
    for i in range(len(up)):
        # Kinds that overshoot give negative averages.
        more, less = max(out[0, i], 0.0), max(out[1, i], 0.0)
        out[0, i] = 100.0 * more / (more + less) if more + less > 0.0 else 50.0 + 0.0 * more
        out[1, i] = 2.0 * out[0, i] - 100.0


@njit(cache=True, forceinline=True)
def stoch_rsi(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Stochastic of the relative strength.

    Place of the relative strength over p[0] bars between its least and most of p[1] values, in percent, averaged
    over p[2] (kind p[3]), and that over p[4] (kind p[5]) (Chande, Kroll, 1994).

    State: four floats of the strength, its window, and halves of the rest.
    """
    y[0] = y[1] = np.nan
    window = int(p[1])
    at = 4 + a.kept_size(window)
    half = (len(s) - at) // 2
    if n > 0:
        strength = _wilder_strength(bar[c.CLOSE] - back(ring[c.R_CLOSE], n, 1), s, 0, int(p[0]))
        if not math.isnan(strength) and a.keep(s, 4, window, strength):
            values = a.kept(s, 4, window, window)
            low, high = lowest(values), highest(values)
            place = 100.0 * (strength - low) / (high - low) if high > low else 50.0
            y[0] = a.average(int(p[3]), place, s, at, int(p[2]))
            if not math.isnan(y[0]):
                y[1] = a.average(int(p[5]), y[0], s, at + half, int(p[4]))


@njit(cache=True, forceinline=True)
def connors(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Connors' strength.

    Mean of the relative strength over p[0] bars, that of the length of the run over p[1] bars, and the percent rank
    of the last change among the p[2] before it (Connors, 2012).

    The change of the first bar is 0. With p[3] 1 the rank is 0 at the bar that fills its window, as in LEAN; with 0 the
    value starts a bar later. State: two strengths, the run, the changes.
    """
    y[0] = np.nan
    window = int(p[2])
    if n == 0:
        a.keep(s, 9, window, 0.0)
        return
    before = back(ring[c.R_CLOSE], n, 1)
    change = bar[c.CLOSE] - before
    run = s[8]
    if (run > 0.0 and change < 0.0) or (run < 0.0 and change > 0.0):
        run = 0.0
    run += (change > 0.0) - (change < 0.0)
    price = _wilder_strength(change, s, 0, int(p[0]))
    streak = _wilder_strength(run - s[8], s, 4, int(p[1]))
    s[8] = run
    moved = change / before if before != 0.0 else 0.0
    rank = 0.0 if p[3] == 1.0 and n + 1 == window else np.nan
    if n >= window:
        rank = 0.0
        values = a.kept(s, 9, window, window)
        for i in range(window):
            rank += values[i] < moved
        rank *= 100.0 / window
    a.keep(s, 9, window, moved)
    y[0] = (price + streak + rank) / 3.0


@njit(cache=True, forceinline=True)
def derivative(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Oscillator of the smoothed relative strength.

    Relative strength over p[0] bars, exponentially averaged over p[1] and p[2] bars, less its mean of p[3]
    (Brown, 1999).
    """
    y[0] = np.nan
    if n > 0:
        strength = _wilder_strength(bar[c.CLOSE] - back(ring[c.R_CLOSE], n, 1), s, 0, int(p[0]))
        if not math.isnan(strength):
            once = a.exponential(strength, s, 4, int(p[1]))
            twice = a.exponential(once, s, 6, int(p[2])) if not math.isnan(once) else np.nan
            y[0] = twice - a.simple(twice, s, 8, int(p[3])) if not math.isnan(twice) else np.nan


@njit(forceinline=True, error_model="numpy")
def mfi(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Money flow.

    Money flow (Quong, Soudack, 1989): share, in percent, of the money of bars with a higher typical price in that of
    all that moved, of the last p[0] bars; NaN without volume. State: windows of both.
    """
    window, before, first = int(p[0]), s[0], 1 if n == 0 else 0
    up, down, of_up, of_down = out[1], out[2], out[3], out[4]
    for i in range(len(up)):
        typical = (bars[c.HIGH, i] + bars[c.LOW, i] + bars[c.CLOSE, i]) / 3.0
        money = typical * bars[c.VOLUME, i]
        up[i], down[i] = money if typical > before else 0.0, money if typical < before else 0.0
        before = typical
    s[0], out[0] = before, np.nan
    if first < len(up):
        r.means_of(up[first:], s, 1, window, of_up[first:])
        r.means_of(down[first:], s, 1 + a.kept_size(window), window, of_down[first:])
        for i in range(first, len(up)):
            both = of_up[i] + of_down[i]
            out[0, i] = 100.0 * of_up[i] / both if both > 0.0 else np.nan


@njit(forceinline=True, error_model="numpy")
def imi(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Share, in percent, of the way up from open to close in all ways of the last p[0] bars, 50 where none moved."""
    window, opens, closes, down = int(p[0]), ring[c.R_OPEN], ring[c.R_CLOSE], out[1]
    r.sums(terms.rise, 1, window, closes, opens, n, down, down, out[0])
    r.sums(terms.rise, 1, window, opens, closes, n, down, down, down)
    for i in range(len(down)):
        both = out[0, i] + down[i]
        out[0, i] = 100.0 * out[0, i] / both if both > 0.0 else 50.0 + 0.0 * both


@njit(cache=True, forceinline=True)
def demarker(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """DeMarker.

    Share of averages of kind p[1] over p[0] bars: highs above the high before, in those and lows below the low
    before (DeMark, 1994); the first bar has neither. State: halves.
    """
    up = max(bar[c.HIGH] - back(ring[c.R_HIGH], n, 1), 0.0) if n > 0 else 0.0
    down = max(back(ring[c.R_LOW], n, 1) - bar[c.LOW], 0.0) if n > 0 else 0.0
    kind, half = int(p[1]), len(s) // 2
    above, below = a.average(kind, up, s, 0, int(p[0])), a.average(kind, down, s, half, int(p[0]))
    y[0] = np.nan
    if not math.isnan(above):
        y[0] = above / (above + below) if above + below > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def vigor(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Relative vigor.

    Relative vigor (Ehlers, 2002): close less open over high less low, each weighed 1, 2, 2, 1 over four bars and
    averaged over p[0], kind p[1]; and its own four-bar mean, of this value and the three before. State: halves behind
    three values.
    """
    y[0] = y[1] = np.nan
    if n < 3:
        return
    moved = width = 0.0
    for k in range(4):
        weight = (2.0 if 0 < k < 3 else 1.0) / 6.0
        moved += weight * (back(ring[c.R_CLOSE], n, k) - back(ring[c.R_OPEN], n, k))
        width += weight * (back(ring[c.R_HIGH], n, k) - back(ring[c.R_LOW], n, k))
    kind, half = int(p[1]), (len(s) - 4) // 2
    moved = a.average(kind, moved, s, 4, int(p[0]))
    width = a.average(kind, width, s, 4 + half, int(p[0]))
    if math.isnan(moved):
        return
    y[0] = moved / width if width != 0.0 else 0.0
    if s[3] >= 3.0:
        y[1] = (y[0] + 2.0 * (s[0] + s[1]) + s[2]) / 6.0
    s[2], s[1], s[0] = s[1], s[0], y[0]
    s[3] = min(s[3] + 1.0, 3.0)
