"""Vectors: several numbers that belong together, a feature each: name_0, name_1 and so on."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed, window_plus
from processors.featurize.indicators.volatility import atr, ewma_vol
from processors.featurize.indicators.window import (
    F64,
    back,
    highest,
    log_return,
    lowest,
    tail,
    window_mean,
    window_squares,
)  # fmt: skip

HORIZONS = (1, 2, 3, 5, 8, 13, 21, 34)
"""Bars, each about the sum of the two before: as dense in logarithm as whole numbers allow."""
PROFILE_BINS, PATH_POINTS = 8, 8
DAY_S, WEEK_S, MONDAY_S = 86_400.0, 604_800.0, 345_600.0
"""The first Monday began so many seconds after the epoch."""


@njit(cache=True, forceinline=True)
def return_vector(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """y[i]: log return over HORIZONS[i] bars; NaN before there are so many."""
    for i in range(len(HORIZONS)):
        y[i] = log_return(back(ring[c.R_CLOSE], n, HORIZONS[i]), bar[c.CLOSE]) if n >= HORIZONS[i] else np.nan


@njit(cache=True, forceinline=True)
def momentum_vector(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """y[i]: return over HORIZONS[i] bars in deviations of so many bars (``ewma_vol`` with p[0], p[1], of this bar).

    0 where nothing moves.
    """
    ewma_vol(bar, ring, n, p, s, y)
    vol = y[0]
    for i in range(len(HORIZONS)):
        y[i] = np.nan
        if n >= HORIZONS[i] and not math.isnan(vol):
            r = log_return(back(ring[c.R_CLOSE], n, HORIZONS[i]), bar[c.CLOSE])
            y[i] = r / (vol * math.sqrt(HORIZONS[i])) if vol > 0.0 else 0.0 * r


@njit(cache=True, forceinline=True)
def bar_shape_vector(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Shape of the bar: y[0] body, y[1] upper wick, y[2] lower wick, of the range (0 where there is none); then
    y[3] gap from the close before, y[4] range, y[5] change of the close, in average true ranges over p[0] bars.
    """  # noqa: D205 - one sentence
    atr(bar, ring, n, p, s, y)
    width = y[0]
    o, h, l, close = bar[c.OPEN], bar[c.HIGH], bar[c.LOW], bar[c.CLOSE]
    high_low = h - l
    y[0] = (close - o) / high_low if high_low > 0.0 else 0.0
    y[1] = (h - max(o, close)) / high_low if high_low > 0.0 else 0.0
    y[2] = (min(o, close) - l) / high_low if high_low > 0.0 else 0.0
    y[3:6] = np.nan
    if not math.isnan(width):
        before = back(ring[c.R_CLOSE], n, 1)
        y[3] = (o - before) / width if width > 0.0 else 0.0
        y[4] = high_low / width if width > 0.0 else 0.0
        y[5] = (close - before) / width if width > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def volume_profile(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """y[i]: share of the volume of the last p[0] bars in eighth i of their range, by typical price; lowest first.

    y[8]: place of the close in that range. NaN where no volume was published; all in the middle where nothing moved.
    """
    y[: PROFILE_BINS + 1] = np.nan
    window = int(p[0])
    if n + 1 < window:
        return
    high, low = tail(ring[c.R_HIGH], n, window), tail(ring[c.R_LOW], n, window)
    close, volume = tail(ring[c.R_CLOSE], n, window), tail(ring[c.R_VOLUME], n, window)
    top, bottom = highest(high), lowest(low)
    whole = 0.0
    for i in range(window):
        whole += volume[i]
    if whole > 0.0:
        y[: PROFILE_BINS + 1] = 0.0
        scale = PROFILE_BINS / (top - bottom) if top > bottom else 0.0
        for i in range(window):
            at = ((high[i] + low[i] + close[i]) / 3.0 - bottom) * scale if scale > 0.0 else PROFILE_BINS // 2
            y[min(max(int(at), 0), PROFILE_BINS - 1)] += volume[i]
        for i in range(PROFILE_BINS):
            y[i] /= whole
        y[PROFILE_BINS] = (bar[c.CLOSE] - bottom) / (top - bottom) if top > bottom else 0.5


@njit(cache=True, forceinline=True)
def path_vector(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Form of the last p[0] closes: eight of them, evenly apart and the last the newest, less their mean of all, over
    the population deviation of all; 0 where nothing moved.
    """  # noqa: D205 - one sentence
    window = int(p[0])
    mean = window_mean(ring[c.R_CLOSE], n, window)
    y[:PATH_POINTS] = np.nan
    if not math.isnan(mean):
        deviation = math.sqrt(window_squares(ring[c.R_CLOSE], n, window, mean) / window)
        step = window // PATH_POINTS
        for i in range(PATH_POINTS):
            off = back(ring[c.R_CLOSE], n, step * (PATH_POINTS - 1 - i)) - mean
            # A mean of equal numbers may differ from them in the last bit.
            y[i] = off / deviation if deviation > 1e-12 * abs(mean) else 0.0


@njit(cache=True, forceinline=True)
def clock_vector(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """End of the bar on the circles of the day (y[0] sine, y[1] cosine) and of the week (y[2], y[3]), UTC, from Monday.

    y[4]: 1 where the bar is the first of its session by the calendar.
    """
    day = 2.0 * math.pi * ((bar[c.END_S] % DAY_S) / DAY_S)
    week = 2.0 * math.pi * (((bar[c.END_S] - MONDAY_S) % WEEK_S) / WEEK_S)
    y[0], y[1], y[2], y[3] = math.sin(day), math.cos(day), math.sin(week), math.cos(week)
    y[4] = bar[c.OPENS_DAY]


_HORIZON_NAMES = tuple(str(i) for i in range(len(HORIZONS)))
_BARS = fixed(HORIZONS[-1] + 1)
KERNELS: dict[str, Kernel] = {
    "return_vector": Kernel(return_vector, (), _HORIZON_NAMES, n_bars=_BARS),
    "momentum_vector": Kernel(momentum_vector, ("decay", "min_returns"), _HORIZON_NAMES, fixed(3), _BARS),
    "bar_shape_vector": Kernel(bar_shape_vector, ("atr_window",), tuple("012345"), fixed(2)),
    "volume_profile": Kernel(volume_profile, ("window",), tuple("012345678"), n_bars=window_plus(0)),
    "path_vector": Kernel(path_vector, ("window",), tuple("01234567"), n_bars=window_plus(0)),
    "clock_vector": Kernel(clock_vector, (), tuple("01234")),
}
"""Indicator of the catalog -> its kernel."""
