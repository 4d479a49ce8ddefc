"""Volatility from returns: annual deviations, risk of loss, and ratios of return to risk."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators.averages import keep, kept
from processors.featurize.indicators.window import (
    F64,
    back,
    highest,
    seeded_average,
    squares,
    tail,
    total,
    window_mean,
    window_squares,
)  # fmt: skip


@njit(cache=True, forceinline=True)
def historical_volatility(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Sample deviation of the last p[0] one-bar log returns times the root of p[1], the number of bars of a year."""
    window = int(p[0])
    mean = window_mean(ring[c.R_RETURN], n, window)
    y[0] = np.nan
    if not math.isnan(mean):
        y[0] = math.sqrt(p[1] * window_squares(ring[c.R_RETURN], n, window, mean) / (window - 1))


@njit(forceinline=True, error_model="numpy")
def relative_volatility(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Relative volatility index (Dorsey, 1993): share of deviation that came with rising closes, percent.

    The population deviation of the last p[1] closes counts as up where the close rose and as down where it fell; both
    are averaged as Wilder does over p[0] bars. 50 where neither moved.
    """
    window, wilder, x, mean, squares = int(p[1]), int(p[0]), ring[c.R_CLOSE], out[1], out[2]
    r.means(x, n, window, mean)
    r.squares_about(x, n, window, mean, squares)
    first = min(max(window - 1 - n, 0), len(mean))
    out[0, :first] = np.nan
    for i in range(first, len(mean)):
        deviation = math.sqrt(squares[i] / window)
        change = bars[c.CLOSE, i] - back(x, n + i, 1)
        up = seeded_average(s, 0, deviation if change > 0.0 else 0.0, wilder, 1.0 / wilder)
        down = seeded_average(s, 2, deviation if change < 0.0 else 0.0, wilder, 1.0 / wilder)
        out[0, i] = np.nan
        if not math.isnan(up):
            out[0, i] = 100.0 * up / (up + down) if up + down > 0.0 else 50.0


@njit(cache=True, forceinline=True)
def augen_spike(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Price change in deviations (Augen, 2008): change of the close over the close before times the deviation.

    The population deviation of the p[0] log returns before this one; 0 where they did not move.
    """
    window = int(p[0])
    y[0] = np.nan
    if n >= window + 1:
        before = back(ring[c.R_CLOSE], n, 1)
        returns = tail(ring[c.R_RETURN], n - 1, window)
        one = before * math.sqrt(squares(returns, total(returns) / window) / window)
        y[0] = (bar[c.CLOSE] - before) / one if one > 0.0 else one * 0.0


@njit(cache=True, forceinline=True)
def ulcer(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Ulcer index (Martin, 1987): root mean square over p[0] bars of the drawdown, percent of the highest close.

    The highest close is that of the p[0] bars that end with the one drawn down.
    """
    window = int(p[0])
    y[0] = np.nan
    if n + 1 >= window:
        top = highest(tail(ring[c.R_CLOSE], n, window))
        drawdown = 100.0 * (bar[c.CLOSE] - top) / top if top > 0.0 else np.nan
        if keep(s, 0, window, drawdown):
            y[0] = math.sqrt(squares(kept(s, 0, window, window), 0.0) / window)


@njit(inline="always")
def _push_return(bar: F64, ring: F64, n: int, window: int, s: F64) -> bool:
    """Put the simple return of this bar into the ring at s[0]; return whether it is full."""
    if n == 0:
        return False
    before = back(ring[c.R_CLOSE], n, 1)
    return keep(s, 0, window, bar[c.CLOSE] / before - 1.0 if before > 0.0 else np.nan)


@njit(cache=True, forceinline=True)
def risk_ratios(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Mean of the last p[0] simple returns above p[1], over two kinds of risk; then the second of them.

    Sharpe (1966): over their population deviation. Sortino (1991): over the downside deviation, the root of the mean
    square of what falls short of p[1]. Ratios are NaN where the risk is 0.
    """
    window = int(p[0])
    y[:3] = np.nan
    if not _push_return(bar, ring, n, window, s):
        return
    returns = kept(s, 0, window, window)
    mean = total(returns) / window
    deviation = math.sqrt(squares(returns, mean) / window)
    short = 0.0
    for i in range(window):
        below = min(returns[i] - p[1], 0.0)
        short += below * below
    downside = math.sqrt(short / window)
    y[0] = (mean - p[1]) / deviation if deviation > 0.0 else np.nan
    y[1] = (mean - p[1]) / downside if downside > 0.0 else np.nan
    y[2] = downside + 0.0 * mean


@njit(cache=True)
def normal_quantile(q: float) -> float:
    """Return the quantile of the standard normal distribution by Newton's steps on erfc, to 1e-14.

    Starts from the rational approximation 26.2.23 of Abramowitz and Stegun (1964), which is within 4.5e-4.
    """
    tail_mass = min(q, 1.0 - q)
    if tail_mass <= 0.0:
        return math.copysign(np.inf, q - 0.5)
    t = math.sqrt(-2.0 * math.log(tail_mass))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    z = t - top / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    for _ in range(3):
        density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        z += (0.5 * math.erfc(z / math.sqrt(2.0)) - tail_mass) / density
    return -z if q < 0.5 else z


@njit(cache=True, forceinline=True)
def value_at_risk(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Return that a bar falls short of with probability 1 - p[1], were returns normal.

    With the mean and sample deviation of the last p[0] simple returns (RiskMetrics, 1996).
    """
    window = int(p[0])
    y[0] = np.nan
    if _push_return(bar, ring, n, window, s):
        returns = kept(s, 0, window, window)
        mean = total(returns) / window
        y[0] = mean + normal_quantile(1.0 - p[1]) * math.sqrt(squares(returns, mean) / (window - 1))
