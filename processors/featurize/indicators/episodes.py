"""Episodes: how long something has lasted and how far it went."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed, window_plus
from processors.featurize.indicators.events import squeezed
from processors.featurize.indicators.states_trend import N_TREND, trend_state
from processors.featurize.indicators.states_volatility import N_REGIME_V1, vol_regime_state_v1
from processors.featurize.indicators.window import F64, back, log_return, ratio, tail, window_mean

_CLOCK, _STATE, _BEGAN, _FROM = range(4)
N_EPISODE = 4
"""Floats of state of ``_episode``."""


@njit(cache=True)
def _episode(s: F64, at: int, state: float, close_before: float, n: int) -> float:
    """Return the bars that a state has lasted, this one included; s[at + 3] is the close before its first bar.

    State: whether there was one, the state, number of its first bar, the close before that.
    """
    if s[at + _CLOCK] == 0.0 or state != s[at + _STATE]:
        s[at + _CLOCK], s[at + _STATE], s[at + _BEGAN], s[at + _FROM] = 1.0, state, n, close_before
    return float(n - s[at + _BEGAN] + 1.0)


@njit(cache=True, forceinline=True)
def run(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Run of closes in one direction: y[0] its bars (negative downward), y[1] the log return over it.

    A close equal to the one before ends a run: 0 and 0.
    """
    y[0] = y[1] = np.nan
    if n > 0:
        before = back(ring[c.R_CLOSE], n, 1)
        direction = np.sign(bar[c.CLOSE] - before)
        bars = _episode(s, 0, direction, before, n)
        y[0] = direction * bars
        y[1] = log_return(s[_FROM], bar[c.CLOSE]) if direction != 0.0 else 0.0


@njit(cache=True, forceinline=True)
def drawdown(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Depth below the highest close of all bars: y[0] now, y[1] the deepest since then, y[2] bars since then.

    Depths are fractions from 0 to 1, more below a price of 0. State: the highest close, number of its bar, the deepest
    depth. At an equal close the count begins anew.
    """
    close = bar[c.CLOSE]
    if n == 0 or close >= s[0]:
        s[0], s[1], s[2] = close, n, 0.0
    # Where nothing was ever above 0 there is no fraction.
    y[0] = ratio(s[0] - close, s[0])
    s[2] = max(s[2], y[0]) if not math.isnan(y[0]) else s[2]
    y[1] = s[2] if s[0] > 0.0 else np.nan
    y[2] = n - s[1]


@njit(cache=True, forceinline=True)
def since_extreme(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Bars since the highest high (y[0]) and the lowest low (y[1]) of the last p[0] bars; the later of equal ones."""
    y[0] = y[1] = np.nan
    window = int(p[0])
    if n + 1 >= window:
        high, low = tail(ring[c.R_HIGH], n, window), tail(ring[c.R_LOW], n, window)
        at_high = at_low = 0
        for i in range(1, window):
            if high[i] >= high[at_high]:
                at_high = i
            if low[i] <= low[at_low]:
                at_low = i
        y[0], y[1] = window - 1.0 - at_high, window - 1.0 - at_low


@njit(cache=True, forceinline=True)
def trend_episode(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Episode of ``trend_state`` (p as there): y[0] its bars, y[1] the log return since the close before its first."""
    trend_state(bar, ring, n, p, s[:N_TREND], y)
    state = y[0]
    y[0] = y[1] = np.nan
    if not math.isnan(state):
        y[0] = _episode(s, N_TREND, state, back(ring[c.R_CLOSE], n, 1), n)
        y[1] = log_return(s[N_TREND + _FROM], bar[c.CLOSE])


@njit(cache=True, forceinline=True)
def vol_regime_episode(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Episode of ``vol_regime_state_v1`` (p as there): y[0] its bars."""
    vol_regime_state_v1(bar, ring, n, p, s[:N_REGIME_V1], y)
    y[0] = _episode(s, N_REGIME_V1, y[0], back(ring[c.R_CLOSE], n, 1), n) if not math.isnan(y[0]) else np.nan


@njit(cache=True, forceinline=True)
def squeeze_episode(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Squeeze (p as the event): y[0] bars it has lasted, 0 outside of one; y[1] log return since the close before."""
    now = squeezed(bar, ring, n, p, s[:2], y)
    y[0] = y[1] = np.nan
    if not math.isnan(now):
        bars = _episode(s, 2, now, back(ring[c.R_CLOSE], n, 1), n)
        y[0] = now * bars
        y[1] = log_return(s[2 + _FROM], bar[c.CLOSE]) if now == 1.0 else 0.0


@njit(cache=True, forceinline=True)
def side_of_average(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Bars that the close has been above (positive) or below the mean of p[0] closes; 0 where it is equal to it."""
    mean = window_mean(ring[c.R_CLOSE], n, int(p[0]))
    y[0] = np.nan
    if not math.isnan(mean):
        side = np.sign(bar[c.CLOSE] - mean)
        y[0] = side * _episode(s, 0, side, mean, n)


@njit(cache=True, forceinline=True)
def session_episode(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Session day so far: y[0] its bars, y[1] log return since its open, y[2] place of the close in its range.

    A day counts from its first bar that is there. State: day, its bars, open, high, low.
    """
    if n == 0 or bar[c.DAY] != s[0]:
        s[0], s[1], s[2], s[3], s[4] = bar[c.DAY], 0.0, bar[c.OPEN], bar[c.HIGH], bar[c.LOW]
    s[1] += 1.0
    s[3], s[4] = max(s[3], bar[c.HIGH]), min(s[4], bar[c.LOW])
    y[0] = s[1]
    y[1] = log_return(s[2], bar[c.CLOSE])
    y[2] = (bar[c.CLOSE] - s[4]) / (s[3] - s[4]) if s[3] > s[4] else 0.5


KERNELS: dict[str, Kernel] = {
    "run": Kernel(run, (), ("bars", "extent"), fixed(N_EPISODE)),
    "drawdown": Kernel(drawdown, (), ("depth", "deepest", "bars"), fixed(3)),
    "since_extreme": Kernel(since_extreme, ("window",), ("high", "low"), n_bars=window_plus(0)),
    "trend_episode": Kernel(
        trend_episode, ("fast", "slow", "band", "atr_window"), ("bars", "extent"), fixed(N_TREND + N_EPISODE)
    ),
    "vol_regime_episode": Kernel(
        vol_regime_episode, ("decay", "min_returns", "memory", "min_vols", "margin"), ("bars",),
        fixed(N_REGIME_V1 + N_EPISODE),
    ),
    "squeeze_episode": Kernel(
        squeeze_episode, ("window", "width", "ranges"), ("bars", "extent"), fixed(2 + N_EPISODE), window_plus(0)
    ),
    "side_of_average": Kernel(side_of_average, ("window",), ("bars",), fixed(N_EPISODE), window_plus(0)),
    "session_episode": Kernel(session_episode, (), ("bars", "extent", "position"), fixed(5)),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
