"""Momentum: states that are counted from bar to bar."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import layout as c
from processors.featurize.indicators.window import (
    F64,
    back,
    highest,
    lowest,
    tail,
    true_range,
    window_mean,
    window_squares,
)  # fmt: skip

NONE, BUY_SETUP, SELL_SETUP, BUY_COUNTDOWN, SELL_COUNTDOWN, BUY_PERFECT, SELL_PERFECT = range(7)
"""Phases of the sequential, with LEAN's numbers."""
SETUP_BARS, COUNTDOWN_BARS = 9.0, 13.0


@njit(cache=True, forceinline=True)
def squeeze_momentum(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Whether Bollinger's bands (window p[0], width p[1]) lie within Keltner's channel (p[2], p[3]): 1, else -1.

    The channel lies about the exponential average of the typical price, in mean true ranges; the first bar's range
    counts, as in LEAN. State: the average, then the ranges.
    """
    y[0] = np.nan
    window, channel = int(p[0]), int(p[2])
    before = back(ring[c.R_CLOSE], n, 1) if n > 0 else bar[c.CLOSE]
    middle = a.exponential((bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 3.0, s, 0, channel)
    width = p[3] * a.simple(true_range(bar[c.HIGH], bar[c.LOW], before), s, 2, channel)
    mean = window_mean(ring[c.R_CLOSE], n, window)
    if not (math.isnan(mean) or math.isnan(width)):
        band = p[1] * math.sqrt(window_squares(ring[c.R_CLOSE], n, window, mean) / window)
        y[0] = 1.0 if middle + width > mean + band and middle - width < mean - band else -1.0


@njit(cache=True, forceinline=True)
def sequential(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """DeMark's sequential.

    DeMark's sequential: phase of this bar (see ``NONE`` and on), bars of the setup, bars of the countdown; both
    counts below 0 on the buy side.

    A setup starts where the close crosses that of four bars ago and counts nine bars beyond theirs; the countdown
    behind it counts 13 closes beyond the extreme of two bars ago, and ends early beyond the setup's other end. State:
    phase, counts, that end.
    """
    y[:3] = np.nan
    if n < 5:
        return
    closes = ring[c.R_CLOSE]
    now, four = back(closes, n, 0), back(closes, n, 4)
    phase, out = int(s[0]), NONE
    if phase == NONE:
        before, five = back(closes, n, 1), back(closes, n, 5)
        s[1] = s[2] = 0.0
        if before > five and now < four:
            phase = out = BUY_SETUP
            s[1] = 1.0
        elif before < five and now > four:
            phase = out = SELL_SETUP
            s[1] = 1.0
    elif phase in (BUY_SETUP, SELL_SETUP):
        phase, out = _setup(ring, n, phase, now, four, s)
    else:
        phase, out = _countdown(ring, n, phase, now, s)
    s[0] = phase
    # The bar that ends a countdown still counts to it.
    last = out if phase == NONE else phase
    side = -1.0 if last in (BUY_SETUP, BUY_COUNTDOWN) else 1.0
    y[0], y[1], y[2] = out, side * s[1], side * s[2]


@njit(cache=True)
def _setup(ring: F64, n: int, phase: int, now: float, four: float, s: F64) -> tuple[int, int]:
    """Return the phase behind this bar of a setup and the bar's own."""
    buys = phase == BUY_SETUP
    if not (now < four if buys else now > four):
        s[1] = 0.0
        return NONE, NONE
    s[1] += 1.0
    if s[1] < SETUP_BARS:
        return phase, phase
    # The nine bars before this one, as far as they are there.
    bars = min(n, 9)
    if buys:
        lows = ring[c.R_LOW]
        s[3] = highest(tail(ring[c.R_HIGH], n, bars + 1)[:bars])
        s[2] = 1.0 if now < back(lows, n, 2) else 0.0
        least = min(back(lows, n, 3), back(lows, n, 2))
        return BUY_COUNTDOWN, BUY_PERFECT if min(back(lows, n, 1), back(lows, n, 0)) < least else BUY_SETUP
    highs = ring[c.R_HIGH]
    s[3] = lowest(tail(ring[c.R_LOW], n, bars + 1)[:bars])
    s[2] = 1.0 if now > back(highs, n, 2) else 0.0
    most = max(back(highs, n, 3), back(highs, n, 2))
    return SELL_COUNTDOWN, SELL_PERFECT if max(back(highs, n, 1), back(highs, n, 0)) > most else SELL_SETUP


@njit(cache=True)
def _countdown(ring: F64, n: int, phase: int, now: float, s: F64) -> tuple[int, int]:
    """Return the phase behind this bar of a countdown and the bar's own."""
    buys = phase == BUY_COUNTDOWN
    if now <= back(ring[c.R_LOW], n, 2) if buys else now >= back(ring[c.R_HIGH], n, 2):
        s[2] += 1.0
        return NONE if s[2] == COUNTDOWN_BARS else phase, phase
    return NONE if (now > s[3] if buys else now < s[3]) else phase, NONE
