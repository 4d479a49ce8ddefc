"""Trend: directional movement (Wilder, 1978) and differences of two averages."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import numpy as np
from numba import njit

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators.window import F64, back, ratio, seeded_average, true_range, window_mean


@njit(forceinline=True, error_model="numpy")
def dmi(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Directional movement.

    Directional movement over p[0] bars: up and down movement, up and down indicator, DX, ADX and ADXR.

    Movement is smoothed as Wilder's sum: of p[0] - 1 moves, then less a part of itself plus the next, as in TA-Lib.
    With p[1] 1 its first sum is of p[0] moves, and equal moves count as up, as in LEAN. State: the three sums,
    number of moves, ADX and its number,
    then a window of ADX.
    """
    window, equal = int(p[0]), p[1] == 1.0
    first = window if equal else window - 1
    rose, fell, wide, moves = s[0], s[1], s[2], s[3]
    for i in range(out.shape[1]):
        up = down = width = 0.0
        if n + i > 0:
            up = bars[c.HIGH, i] - back(ring[c.R_HIGH], n + i, 1)
            down = back(ring[c.R_LOW], n + i, 1) - bars[c.LOW, i]
            width = true_range(bars[c.HIGH, i], bars[c.LOW, i], back(ring[c.R_CLOSE], n + i, 1))
            part = 1.0 / window if moves >= first else 0.0
            rose += (up if (up > 0.0) & ((up > down) | (equal & (up == down))) else 0.0) - part * rose
            fell += (down if (down > up) & (down > 0.0) else 0.0) - part * fell
            wide += width - part * wide
            moves = min(moves + 1.0, float(window))
        ready = n + i > 0 and moves >= window
        shown = n + i > 0 and moves >= window - 1
        out[0, i], out[1, i] = rose if shown else np.nan, fell if shown else np.nan
        out[2, i] = (100.0 * rose / wide if wide > 0.0 else 0.0) if ready else np.nan
        out[3, i] = (100.0 * fell / wide if wide > 0.0 else 0.0) if ready else np.nan
    s[0], s[1], s[2], s[3] = rose, fell, wide, moves
    for i in range(out.shape[1]):
        both = out[2, i] + out[3, i]
        out[4, i] = 100.0 * abs(out[2, i] - out[3, i]) / both if both > 0.0 else 0.0 * both
    r.averages(a.WILDER, out[4], s, 4, window, out[5])
    r.lagged_of(out[5], s, 6, window, out[6])
    for i in range(out.shape[1]):
        out[6, i] = 0.5 * (out[5, i] + out[6, i])


@njit(cache=True, forceinline=True)
def macd(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Difference of two exponential averages, its own average and the rest; fast p[0], slow p[1], signal p[2].

    As in TA-Lib, the fast average starts together with the slow one, with the mean of the window that ends there.
    """
    _macd(bar, ring, n, p, s, y, 2.0 / (p[0] + 1.0), 2.0 / (p[1] + 1.0))


@njit(cache=True, forceinline=True)
def macd_fixed(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Difference of averages with the weights that the first MACD had: 0.15 and 0.075 (Appel, 1979)."""
    _macd(bar, ring, n, p, s, y, 0.15, 0.075)


@njit(cache=True)
def _macd(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64, fast: float, slow: float) -> None:
    y[0] = y[1] = np.nan
    if n + 1 == int(p[1]):
        s[0] = window_mean(ring[c.R_CLOSE], n, int(p[0]))
        s[1] = window_mean(ring[c.R_CLOSE], n, int(p[1]))
    elif n + 1 > int(p[1]):
        s[0] += fast * (bar[c.CLOSE] - s[0])
        s[1] += slow * (bar[c.CLOSE] - s[1])
    if n + 1 >= int(p[1]):
        y[0] = s[0] - s[1]
        y[1] = seeded_average(s, 2, y[0], int(p[2]), 2.0 / (p[2] + 1.0))
    y[2] = y[0] - y[1]
    y[3] = ratio(y[0], bar[c.CLOSE])


@njit(forceinline=True, error_model="numpy")
def price_oscillator(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Difference of two averages of any kind.

    Average of p[0] closes less that of p[1], that in percent of the latter, the average of p[2] differences, and
    the rest; kinds p[3], p[4], p[5].

    With p[6] 0 each average starts with the first close; with 1 the fast one starts later, so that both have their
    first value at once, as in MACD. State: thirds of the fast one, the slow one and the signal.
    """
    fast_kind, slow_kind, third, closes = int(p[3]), int(p[4]), len(s) // 3, bars[c.CLOSE]
    fast, slow = out[4], out[5]
    wait = a.lookback(slow_kind, int(p[1])) - a.lookback(fast_kind, int(p[0])) if p[6] == 1.0 else 0
    first = min(max(wait - n, 0), len(closes))
    fast[:first] = np.nan
    if first < len(closes):
        r.averages(fast_kind, closes[first:], s, 0, int(p[0]), fast[first:])
    r.averages(slow_kind, closes, s, third, int(p[1]), slow)
    for i in range(len(closes)):
        out[0, i] = fast[i] - slow[i]
        out[1, i] = 100.0 * out[0, i] / slow[i] if slow[i] != 0.0 else 0.0 * fast[i]
    r.averages(int(p[5]), out[0], s, 2 * third, int(p[2]), out[2])
    for i in range(len(closes)):
        out[3, i] = out[0, i] - out[2, i]
