"""Microstructure from bars: costs of trading, order flow, variance within a window, sizes of trades."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.averages import keep, kept, kept_size
from processors.featurize.indicators.binding import Kernel, window_plus
from processors.featurize.indicators.window import (
    F64,
    back,
    ratio,
    seeded_average,
    squares,
    tail,
    total,
    window_mean,
)  # fmt: skip
from schemas.timeframes import TIMEFRAME_NS

TIMEFRAME_HOURS = np.array([ns / 3.6e12 for ns in TIMEFRAME_NS.values()])
"""Hours of a bar by the timeframe's position."""
MILLION = 1e6


@njit(cache=True)
def _log(x: float) -> float:
    """Return the logarithm, NaN where x is not above 0."""
    return math.log(x) if x > 0.0 else np.nan


@njit(cache=True, forceinline=True)
def corwin_schultz(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Spread as a fraction of the price from highs and lows (Corwin and Schultz, 2012), mean over p[0] pairs of bars.

    With b the sum of the squared log ranges of two bars and g the squared log range of both together,
    a = (sqrt(2 b) - sqrt(b)) / (3 - 2 sqrt(2)) - sqrt(g / (3 - 2 sqrt(2))), the spread is 2 (e^a - 1) / (1 + e^a), and
    0 where that is below. A gap from the close before the bar is taken out of the bar first.
    """
    y[0] = np.nan
    if n == 0:
        return
    high_before, low_before = back(ring[c.R_HIGH], n, 1), back(ring[c.R_LOW], n, 1)
    close = back(ring[c.R_CLOSE], n, 1)
    gap = max(bar[c.LOW] - close, 0.0) + min(bar[c.HIGH] - close, 0.0)
    high, low = bar[c.HIGH] - gap, bar[c.LOW] - gap
    one, two = _log(high) - _log(low), _log(high_before) - _log(low_before)
    both = _log(max(high, high_before)) - _log(min(low, low_before))
    part = 3.0 - 2.0 * math.sqrt(2.0)
    b = one * one + two * two
    a = (math.sqrt(2.0 * b) - math.sqrt(b)) / part - math.sqrt(both * both / part)
    # tanh(a / 2) is the ratio, and keeps the digits of a small a.
    width = 2.0 * math.tanh(0.5 * a)
    window = int(p[0])
    # Half of itself and its size: 0 below 0, and NaN stays.
    if keep(s, 0, window, 0.5 * (width + abs(width))):
        y[0] = total(kept(s, 0, window, window)) / window


@njit(cache=True, forceinline=True)
def roll(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Spread as a fraction of the price from the bounce of closes (Roll, 1984), of the last p[0] log returns.

    Twice the root of minus the covariance of a return with the one before it; 0 where that covariance is above 0.
    """
    window = int(p[0])
    y[0] = np.nan
    if n >= window:
        x, both = tail(ring[c.R_RETURN], n, window), 0.0
        mean = total(x) / window
        for i in range(1, window):
            both += (x[i] - mean) * (x[i - 1] - mean)
        both /= window - 1.0
        y[0] = 2.0 * math.sqrt(-both) if both < 0.0 else 0.0 * both


@njit(cache=True, forceinline=True)
def abdi_ranaldo(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Spread as a fraction of the price from close, high and low (Abdi and Ranaldo, 2017), mean of p[0] pairs of bars.

    With c the log close of a bar, m and m' the middles of log high and low of it and of the bar after it: the root of
    4 (c - m) (c - m'), 0 where that is below 0.
    """
    y[0] = np.nan
    if n == 0:
        return
    close = _log(back(ring[c.R_CLOSE], n, 1))
    middle = 0.5 * (_log(back(ring[c.R_HIGH], n, 1)) + _log(back(ring[c.R_LOW], n, 1)))
    after = 0.5 * (_log(bar[c.HIGH]) + _log(bar[c.LOW]))
    square = 4.0 * (close - middle) * (close - after)
    window = int(p[0])
    if keep(s, 0, window, 0.0 if square < 0.0 else math.sqrt(square)):
        y[0] = total(kept(s, 0, window, window)) / window


@njit(cache=True, forceinline=True)
def amihud(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Illiquidity (Amihud, 2002): |log return| over money traded, per million, mean of the last p[0] bars traded in."""
    y[0] = np.nan
    if n == 0:
        return
    window, money = int(p[0]), bar[c.VOLUME] * bar[c.CLOSE]
    if money > 0.0:
        keep(s, 0, window, MILLION * abs(back(ring[c.R_RETURN], n, 0)) / money)
    if s[0] >= window:
        y[0] = total(kept(s, 0, window, window)) / window


@njit(cache=True, forceinline=True)
def kyle(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Price impact (Kyle, 1985): slope of the last p[0] log returns on signed money traded, per million.

    The sign is that of the close's move, the last one's where it did not move. 0 where nothing was traded.
    State: last sign, then the signed money.
    """
    y[0] = np.nan
    if n == 0:
        return
    window, move = int(p[0]), back(ring[c.R_RETURN], n, 0)
    if move != 0.0 and not math.isnan(move):
        s[0] = np.sign(move)
    if not keep(s, 1, window, s[0] * bar[c.VOLUME] * bar[c.CLOSE]):
        return
    x, r = kept(s, 1, window, window), tail(ring[c.R_RETURN], n, window)
    mean_x, mean_r = total(x) / window, total(r) / window
    both = 0.0
    for i in range(window):
        both += (x[i] - mean_x) * (r[i] - mean_r)
    whole = squares(x, mean_x)
    y[0] = MILLION * both / whole if whole > 0.0 else 0.0 * both


@njit(cache=True, forceinline=True)
def order_flow(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Order-flow imbalance by bulk volume classification (Easley, Lopez de Prado and O'Hara, 2012), over p[0] bars.

    The share of a bar's volume that was bought is the normal distribution of its log return over the sample deviation
    of the last p[1] returns. Outputs: bought less sold over the volume; the sum of its sizes by bar over the volume
    (VPIN, with bars for buckets). 0 where nothing was traded.
    """
    y[:2] = np.nan
    window, of_deviation = int(p[0]), int(p[1])
    mean = window_mean(ring[c.R_RETURN], n, of_deviation) if n >= of_deviation else np.nan
    if math.isnan(mean):
        return
    deviation = math.sqrt(squares(tail(ring[c.R_RETURN], n, of_deviation), mean) / (of_deviation - 1.0))
    # Twice the distribution less one is the share bought less the share sold.
    share = math.erf(back(ring[c.R_RETURN], n, 0) / deviation / math.sqrt(2.0)) if deviation > 0.0 else 0.0
    full = keep(s, 0, window, share * bar[c.VOLUME])
    keep(s, 1 + 2 * window, window, bar[c.VOLUME])
    if full:
        signed, volume = kept(s, 0, window, window), total(kept(s, 1 + 2 * window, window, window))
        sizes = 0.0
        for i in range(window):
            sizes += abs(signed[i])
        y[0] = total(signed) / volume if volume > 0.0 else 0.0
        y[1] = sizes / volume if volume > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def realised_variance(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Sum of the last p[0] squared log returns, its part without jumps, and the share of jumps.

    Bipower variation (Barndorff-Nielsen and Shephard, 2004): pi / 2 times the sum of |r| |r before|, times
    p[0] / (p[0] - 1). The share of jumps is 1 less the one over the other, 0 where that is below or nothing moved.
    """
    window = int(p[0])
    y[:3] = np.nan
    if n < window:
        return
    x, pairs = tail(ring[c.R_RETURN], n, window), 0.0
    for i in range(1, window):
        pairs += abs(x[i]) * abs(x[i - 1])
    y[0] = squares(x, 0.0)
    y[1] = 0.5 * math.pi * pairs * window / (window - 1.0)
    if not math.isnan(y[0]):
        y[2] = max(1.0 - y[1] / y[0], 0.0) if y[0] > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def vix_proxy(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Deviation of a year in points of a volatility index: 100 times the root of a mean of squared returns.

    An exponential mean, decay p[0], from p[1] returns on (RiskMetrics, 1996), times the bars of a year: p[2] sessions
    of p[3] hours, and one bar a session where the timeframe is the session. For another calendar it is off by a
    constant factor.
    """
    r = back(ring[c.R_RETURN], n, 0)
    if not math.isnan(r):
        s[0] = p[0] * s[0] + (1.0 - p[0]) * r * r
        s[1] = p[0] * s[1] + (1.0 - p[0])
        s[2] = min(s[2] + 1.0, p[1])
    y[0] = np.nan
    if s[2] >= p[1] and not math.isnan(bar[c.TF]):
        bars_a_year = p[2] * max(p[3] / TIMEFRAME_HOURS[int(bar[c.TF])], 1.0)
        y[0] = 100.0 * math.sqrt(s[0] / s[1] * bars_a_year)


@njit(cache=True, forceinline=True)
def trade_size(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume over the number of trades, and that over its mean of the last p[0] bars with trades."""
    window = int(p[0])
    y[:2] = np.nan
    if not bar[c.N_TRADES] > 0.0:
        return
    y[0] = bar[c.VOLUME] / bar[c.N_TRADES]
    if keep(s, 0, window, y[0]):
        y[1] = ratio(y[0] * window, total(kept(s, 0, window, window)))


@njit(cache=True, forceinline=True)
def trades_ratio(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Count of trades over its mean of the last p[0] bars that have one."""
    window = int(p[0])
    y[0] = np.nan
    if not math.isnan(bar[c.N_TRADES]) and keep(s, 0, window, bar[c.N_TRADES]):
        y[0] = ratio(bar[c.N_TRADES] * window, total(kept(s, 0, window, window)))


@njit(cache=True, forceinline=True)
def vwap_deviation(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Close over the bar's volume-weighted price less one, and the exponential average of that over p[0] such bars."""
    y[0] = ratio(bar[c.CLOSE] - bar[c.VWAP], bar[c.VWAP])
    y[1] = np.nan
    if not math.isnan(y[0]):
        y[1] = seeded_average(s, 0, y[0], int(p[0]), 2.0 / (p[0] + 1.0))


def _kept(p: dict[str, float]) -> int:
    return kept_size(int(p["window"]))


KERNELS = {
    "corwin_schultz": Kernel(corwin_schultz, ("window",), ("value",), _kept),
    "roll_spread": Kernel(roll, ("window",), ("value",), n_bars=window_plus(0)),
    "abdi_ranaldo": Kernel(abdi_ranaldo, ("window",), ("value",), _kept),
    "amihud": Kernel(amihud, ("window",), ("value",), _kept),
    "kyle": Kernel(kyle, ("window",), ("value",), lambda p: 1 + _kept(p), window_plus(0)),
    "order_flow": Kernel(
        order_flow, ("window", "deviation_window"), ("imbalance", "toxicity"), lambda p: 2 * _kept(p),
        lambda p: int(p["deviation_window"]),
    ),
    "realised_variance": Kernel(
        realised_variance, ("window",), ("value", "bipower", "jump_share"), n_bars=window_plus(0)
    ),
    "vix_proxy": Kernel(vix_proxy, ("decay", "min_returns", "sessions", "hours"), ("value",), lambda _: 3),
    "trade_size": Kernel(trade_size, ("window",), ("value", "ratio"), _kept),
    "trades_ratio": Kernel(trades_ratio, ("window",), ("value",), _kept),
    "vwap_deviation": Kernel(vwap_deviation, ("window",), ("value", "average"), lambda _: 2),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
