"""Events: what happens at this bar and not at the one before; 0 where nothing does."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed, window_plus
from processors.featurize.indicators.momentum_strength import rsi
from processors.featurize.indicators.states_trend import N_TREND, trend_state
from processors.featurize.indicators.states_volatility import N_REGIME_V1, N_VOL, vol_regime_state_v1
from processors.featurize.indicators.volatility import atr, ewma_vol
from processors.featurize.indicators.window import (
    F64,
    back,
    highest,
    log_return,
    lowest,
    ratio,
    seeded_average,
    tail,
    total,
    true_range,
    window_mean,
    window_squares,
)  # fmt: skip


@njit(cache=True, forceinline=True)
def breakout(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Close outside the highs and lows of the p[0] bars before: y[0] 1 above, -1 below; y[1] how far, of the level."""
    y[0] = y[1] = np.nan
    window = int(p[0])
    if n >= window:
        before = tail(ring[c.R_HIGH], n, window + 1)[:window]
        high = highest(before)
        low = lowest(tail(ring[c.R_LOW], n, window + 1)[:window])
        close = bar[c.CLOSE]
        y[0] = y[1] = 0.0
        if close > high:
            y[0], y[1] = 1.0, ratio(close - high, abs(high))
        elif close < low:
            y[0], y[1] = -1.0, ratio(close - low, abs(low))


@njit(cache=True, forceinline=True)
def average_cross(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Cross of the exponential averages over p[0] and p[1] bars: y[0] is 1 where the first passes upward, -1 downward.

    State after the averages: side of the last bar on which they differed, so that a touch alone is no cross.
    """
    fast = seeded_average(s, 0, bar[c.CLOSE], int(p[0]), 2.0 / (p[0] + 1.0))
    slow = seeded_average(s, 2, bar[c.CLOSE], int(p[1]), 2.0 / (p[1] + 1.0))
    y[0] = np.nan
    if not math.isnan(fast - slow):
        side = np.sign(fast - slow)
        y[0] = side if side * s[4] < 0.0 else 0.0
        if side != 0.0:
            s[4] = side


@njit(cache=True, forceinline=True)
def rsi_cross(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Return of the strength index over p[0] bars: y[0] is 1 where it comes back over p[1], -1 where under p[2]."""
    rsi(bar, ring, n, p, s[:4], y)
    now = y[0]
    if not math.isnan(now):
        # s[4] is the index of the bar before plus one, 0 before the first.
        before = s[4] - 1.0
        y[0] = 0.0
        if s[4] > 0.0 and before < p[1] <= now:
            y[0] = 1.0
        elif s[4] > 0.0 and before > p[2] >= now:
            y[0] = -1.0
        s[4] = now + 1.0


@njit(cache=True, forceinline=True)
def gap(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Open away from the close before by p[2] deviations (``ewma_vol`` with p[0], p[1], of the bar before) or more.

    y[0]: 1 upward, -1 downward. y[1]: log of the open over the close before, 0 without an event. y[2]: 1 where the bar
    traded back to the close before, 0 where it did not or nothing happened.
    """
    y[:3] = np.nan
    vol = math.sqrt(s[0] / s[1]) if s[2] >= p[1] else np.nan
    ewma_vol(bar, ring, n, p, s[:N_VOL], y)
    y[0] = np.nan
    if not math.isnan(vol):
        before = back(ring[c.R_CLOSE], n, 1)
        jump = log_return(before, bar[c.OPEN])
        y[:3] = 0.0
        if abs(jump) >= p[2] * vol and jump != 0.0:
            y[0], y[1] = np.sign(jump), jump
            y[2] = 1.0 if bar[c.LOW] <= before <= bar[c.HIGH] else 0.0


@njit(cache=True, forceinline=True)
def new_extreme(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Mark a new high (1) or low (-1), 2 for both at once: y[0] of all bars of the series, y[1] of the session day.

    State: high and low of all bars, day, its high and low. The first bar of all, and of a day, is no event.
    """
    high, low = bar[c.HIGH], bar[c.LOW]
    y[0] = _beyond(high, low, s[0], s[1]) if n > 0 else np.nan
    s[0], s[1] = (max(s[0], high), min(s[1], low)) if n > 0 else (high, low)
    if n == 0 or bar[c.DAY] != s[2]:
        y[1] = 0.0 if n > 0 else np.nan
        s[2], s[3], s[4] = bar[c.DAY], high, low
    else:
        y[1] = _beyond(high, low, s[3], s[4])
        s[3], s[4] = max(s[3], high), min(s[4], low)


@njit(cache=True)
def _beyond(high: float, low: float, highest_before: float, lowest_before: float) -> float:
    """Return 1 for a higher high, -1 for a lower low, 2 for both, 0 for none."""
    if high > highest_before:
        return 2.0 if low < lowest_before else 1.0
    return -1.0 if low < lowest_before else 0.0


@njit(cache=True, forceinline=True)
def volume_spike(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume of p[1] times the mean of the p[0] bars before, or more: y[0] is 1 with a rising close, -1 else.

    NaN where no volume was published in these bars.
    """
    y[0] = np.nan
    window = int(p[0])
    if n >= window:
        mean = total(tail(ring[c.R_VOLUME], n, window + 1)[:window]) / window
        if mean > 0.0:
            rose = bar[c.CLOSE] >= back(ring[c.R_CLOSE], n, 1)
            y[0] = (1.0 if rose else -1.0) if bar[c.VOLUME] >= p[1] * mean else 0.0


@njit(cache=True, forceinline=True)
def squeezed(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> float:
    """Return 1 where bands of p[1] deviations over p[0] closes lie within p[2] average ranges of their mean, else 0.

    NaN before there are both. State: the average true range. y[0] is scratch; y[1] is left with the mean.
    """
    atr(bar, ring, n, p, s[:2], y)
    width = y[0]
    mean = y[1] = window_mean(ring[c.R_CLOSE], n, int(p[0]))
    if math.isnan(width) or math.isnan(mean):
        return np.nan
    deviation = math.sqrt(window_squares(ring[c.R_CLOSE], n, int(p[0]), mean) / p[0])
    return 1.0 if p[1] * deviation < p[2] * width else 0.0


@njit(cache=True, forceinline=True)
def squeeze(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Squeeze of ``squeezed``: y[0] is 1 in it, y[1] is 1 or -1 at the bar that leaves it, by the side of the mean.

    State after the range: whether the bar before was in it.
    """
    now = squeezed(bar, ring, n, p, s, y)
    mean = y[1]
    y[0] = y[1] = np.nan
    if not math.isnan(now):
        y[0] = now
        y[1] = (1.0 if bar[c.CLOSE] >= mean else -1.0) if s[2] == 1.0 and now == 0.0 else 0.0
        s[2] = now


@njit(cache=True, forceinline=True)
def wide_range(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Bar with a true range of p[1] averages of p[0] bars before, or more: y[0] is 1 with a rising close, -1 else."""
    average = s[0] if s[1] >= p[0] else np.nan
    atr(bar, ring, n, p, s, y)
    y[0] = np.nan
    if not math.isnan(average):
        before = back(ring[c.R_CLOSE], n, 1)
        width = true_range(bar[c.HIGH], bar[c.LOW], before)
        y[0] = (1.0 if bar[c.CLOSE] >= before else -1.0) if width >= p[1] * average and width > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def trend_change(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Change of ``trend_state`` (p as there): y[0] is the new state less the one before, -2 to 2; 0 at the first."""
    trend_state(bar, ring, n, p, s[:N_TREND], y)
    y[0] = _change(s, N_TREND, y[0])


@njit(cache=True, forceinline=True)
def vol_regime_change(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Change of ``vol_regime_state_v1`` (p as there): y[0] is the new state less the one before, -3 to 3."""
    vol_regime_state_v1(bar, ring, n, p, s[:N_REGIME_V1], y)
    y[0] = _change(s, N_REGIME_V1, y[0])


@njit(cache=True)
def _change(s: F64, at: int, state: float) -> float:
    """Return a state less the one before; s[at] is the one before, s[at + 1] whether there is one."""
    if math.isnan(state):
        return np.nan
    change = state - s[at] if s[at + 1] == 1.0 else 0.0
    s[at], s[at + 1] = state, 1.0
    return float(change)


_TREND = ("fast", "slow", "band", "atr_window")
KERNELS: dict[str, Kernel] = {
    "breakout": Kernel(breakout, ("window",), ("event", "extent"), n_bars=window_plus(1)),
    "average_cross": Kernel(average_cross, ("fast", "slow"), ("event",), fixed(5)),
    "rsi_cross": Kernel(rsi_cross, ("window", "low", "high"), ("event",), fixed(5)),
    "gap": Kernel(gap, ("decay", "min_returns", "min_vols"), ("event", "extent", "filled"), fixed(N_VOL)),
    "new_extreme": Kernel(new_extreme, (), ("event", "day_event"), fixed(5)),
    "volume_spike": Kernel(volume_spike, ("window", "times"), ("event",), n_bars=window_plus(1)),
    "squeeze": Kernel(squeeze, ("window", "width", "ranges"), ("on", "release"), fixed(3), window_plus(0)),
    "wide_range": Kernel(wide_range, ("window", "times"), ("event",), fixed(2)),
    "trend_change": Kernel(trend_change, _TREND, ("event",), fixed(N_TREND + 2)),
    "vol_regime_change": Kernel(
        vol_regime_change, ("decay", "min_returns", "memory", "min_vols", "margin"), ("event",), fixed(N_REGIME_V1 + 2)
    ),
}
"""Indicator of the catalog -> its kernel."""
