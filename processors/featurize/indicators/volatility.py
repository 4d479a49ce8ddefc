"""Volatility: deviations, ranges, channels and bands."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math
from collections.abc import Callable

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import volatility_range as ranges
from processors.featurize.indicators import volatility_return as returns
from processors.featurize.indicators.averages import average, average_size, kept_size
from processors.featurize.indicators.binding import Kernel, Numbers, fixed, window_plus
from processors.featurize.indicators.window import (
    F64,
    back,
    place,
    ratio,
    seeded_average,
    true_range,
    window_mean,
    window_squares,
)  # fmt: skip


@njit(cache=True, forceinline=True)
def roll_return(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Mean and sample deviation of the last p[0] one-bar log returns."""
    window = int(p[0])
    y[0] = window_mean(ring[c.R_RETURN], n, window)
    y[1] = (
        math.sqrt(window_squares(ring[c.R_RETURN], n, window, y[0]) / (window - 1)) if not math.isnan(y[0]) else np.nan
    )


@njit(cache=True, forceinline=True)
def ewma_vol(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Root of the exponential mean of squared returns, decay p[0], from p[1] returns on (RiskMetrics, 1996).

    The weights are divided by their sum, so the first return is no seed that outweighs the others.
    """
    r = back(ring[c.R_RETURN], n, 0)
    if not math.isnan(r):
        s[0] = p[0] * s[0] + (1.0 - p[0]) * r * r
        s[1] = p[0] * s[1] + (1.0 - p[0])
        s[2] = min(s[2] + 1.0, p[1])
    y[0] = math.sqrt(s[0] / s[1]) if s[2] >= p[1] else np.nan


@njit(cache=True, forceinline=True)
def atr(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Average true range over p[0] bars (Wilder, 1978), and over the close."""
    y[0] = np.nan
    if n > 0:
        width = true_range(bar[c.HIGH], bar[c.LOW], back(ring[c.R_CLOSE], n, 1))
        y[0] = seeded_average(s, 0, width, int(p[0]), 1.0 / p[0])
    y[1] = ratio(y[0], bar[c.CLOSE])


@njit(forceinline=True, error_model="numpy")
def donchian(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Highest high and lowest low of the last p[0] bars, this one included, and the close's place between them."""
    r.highs(ring[c.R_HIGH], n, int(p[0]), out[0])
    r.lows(ring[c.R_LOW], n, int(p[0]), out[1])
    r.places(bars[c.CLOSE], out[1], out[0], out[2])


@njit(forceinline=True, error_model="numpy")
def bollinger(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Bands of p[1] population deviations about the mean of the last p[0] closes (Bollinger, 2001)."""
    mean, squares = out[4], out[5]
    r.means(ring[c.R_CLOSE], n, int(p[0]), mean)
    r.squares_about(ring[c.R_CLOSE], n, int(p[0]), mean, squares)
    for i in range(len(mean)):
        half = p[1] * math.sqrt(squares[i] / p[0])
        out[0, i], out[1, i] = mean[i] + half, mean[i] - half
        out[3, i] = ratio(2.0 * half, mean[i])
    r.places(bars[c.CLOSE], out[1], out[0], out[2])


@njit(cache=True, forceinline=True)
def bands(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Bands of p[1] deviations above and p[2] below an average of kind p[3] of the last p[0] closes.

    Deviations are population ones about the plain mean, whatever the kind. Outputs: upper, middle, lower, place of the
    close between them.
    """
    window = int(p[0])
    middle = average(int(p[3]), bar[c.CLOSE], s, 0, window)
    y[:4] = np.nan
    if n + 1 >= window and not math.isnan(middle):
        mean = window_mean(ring[c.R_CLOSE], n, window)
        deviation = math.sqrt(window_squares(ring[c.R_CLOSE], n, window, mean) / window)
        y[0], y[1], y[2] = middle + p[1] * deviation, middle, middle - p[2] * deviation
        y[3] = place(bar[c.CLOSE], y[2], y[0])


@njit(forceinline=True, error_model="numpy")
def channel(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Highest high of p[0] bars, lowest low of p[1] bars, and their middle (Donchian)."""
    r.highs(ring[c.R_HIGH], n, int(p[0]), out[0])
    r.lows(ring[c.R_LOW], n, int(p[1]), out[2])
    for i in range(out.shape[1]):
        out[1, i] = 0.5 * (out[0, i] + out[2, i])
        if math.isnan(out[1, i]):
            out[0, i] = out[2, i] = np.nan


def _kept(name: str, more: int = 0) -> Callable[[Numbers], int]:
    """Return the state of values kept over a window, and some more."""
    return lambda p: more + kept_size(int(p[name]))


KERNELS = {
    "roll_return": Kernel(roll_return, ("window",), ("mean", "std"), n_bars=window_plus(0)),
    "ewma_vol": Kernel(ewma_vol, ("decay", "min_returns"), ("value",), fixed(3)),
    "atr": Kernel(atr, ("window",), ("value", "ratio"), fixed(2)),
    "donchian": Kernel(donchian, ("window",), ("high", "low", "position"), n_bars=window_plus(0)),
    "bollinger": Kernel(
        bollinger, ("window", "width"), ("upper", "lower", "pct_b", "bandwidth"), n_bars=window_plus(0)
    ),
    "bands": Kernel(
        bands, ("window", "up", "down", "kind"), ("upper", "middle", "lower", "position"),
        lambda p: average_size(p["kind"], p["window"]), window_plus(0),
    ),
    "channel": Kernel(
        channel, ("upper_window", "lower_window"), ("upper", "middle", "lower"),
        n_bars=lambda p: int(max(p["upper_window"], p["lower_window"])),
    ),
    "true_range": Kernel(ranges.true_range_value, (), ("value", "ratio")),
    "atr_average": Kernel(
        ranges.atr_average, ("window", "kind", "first"), ("value", "ratio"),
        lambda p: average_size(p["kind"], p["window"]),
    ),
    "keltner": Kernel(
        ranges.keltner, ("window", "atr_window", "width", "kind", "atr_kind", "typical"),
        ("upper", "middle", "lower", "position"),
        lambda p: ranges.room_of(p["atr_kind"], p["atr_window"]) + average_size(p["kind"], p["window"]),
    ),
    "chande_kroll": Kernel(
        ranges.chande_kroll, ("atr_window", "width", "window", "kind"), ("short_stop", "long_stop"),
        lambda p: 2 + 4 * int(p["window"]) + average_size(p["kind"], p["atr_window"]), lambda p: int(p["atr_window"]),
    ),
    "average_range": Kernel(ranges.average_range, ("window",), ("value", "ratio"), _kept("window")),
    "chaikin_volatility": Kernel(
        ranges.chaikin_volatility, ("window", "bars"), ("value",), lambda p: 2 + kept_size(int(p["bars"]) + 1)
    ),
    "range_expansion": Kernel(ranges.range_expansion, ("window", "bars"), ("value",), _kept("bars", 4)),
    "range_deviation": Kernel(
        ranges.range_deviation, ("window",), ("parkinson", "garman_klass", "rogers_satchell", "yang_zhang"),
        lambda p: 5 * kept_size(int(p["window"])),
    ),
    "historical_volatility": Kernel(
        returns.historical_volatility, ("window", "bars_per_year"), ("value",), n_bars=window_plus(0)
    ),
    "relative_volatility": Kernel(
        returns.relative_volatility, ("window", "deviation_window"), ("value",), fixed(4),
        lambda p: max(int(p["deviation_window"]), 2),
    ),
    "augen_spike": Kernel(returns.augen_spike, ("window",), ("value",), n_bars=window_plus(1)),
    "ulcer": Kernel(returns.ulcer, ("window",), ("value",), _kept("window"), window_plus(0)),
    "risk_ratios": Kernel(
        returns.risk_ratios, ("window", "target"), ("sharpe", "sortino", "downside"), _kept("window")
    ),
    "value_at_risk": Kernel(returns.value_at_risk, ("window", "confidence"), ("value",), _kept("window")),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
