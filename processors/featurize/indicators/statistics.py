"""Statistics: moments, extremes, ranks, regressions and correlations of windows."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import terms
from processors.featurize.indicators.binding import TWO, Kernel, window_plus
from processors.featurize.indicators.window import F64, back, squares, tail, total

LOG_LAG = np.log(np.maximum(np.arange(513), 1))
"""Logs of lags."""


@njit(forceinline=True, error_model="numpy")
def moments(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Of the last p[0] closes: sum, deviation, variance, mean distance from the mean, and the close in deviations.

    The sum of squares is divided by p[0] less p[1]: 0 for a population, 1 for a sample. Closes that are all equal are
    0 deviations from their mean.
    """
    window, x, mean = int(p[0]), ring[c.R_CLOSE], out[5]
    r.sums(terms.value, 4, window, x, x, n, mean, mean, out[0])
    for i in range(len(mean)):
        mean[i] = out[0, i] / window
    r.squares_about(x, n, window, mean, out[2])
    r.sums(terms.distance, 1, window, x, x, n, mean, mean, out[3])
    for i in range(len(mean)):
        out[2, i] /= window - p[1]
        deviation = math.sqrt(out[2, i])
        out[1, i] = deviation
        out[3, i] /= window
        out[4, i] = (bars[c.CLOSE, i] - mean[i]) / deviation if deviation > 0.0 else 0.0 * deviation


@njit(cache=True, forceinline=True)
def return_moments(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Skewness and excess kurtosis of the last p[0] one-bar log returns, population; 0 where they are all equal."""
    window = int(p[0])
    y[:2] = np.nan
    if n < window:
        return
    x = tail(ring[c.R_RETURN], n, window)
    mean = total(x) / window
    second = third = fourth = 0.0
    for i in range(window):
        off = x[i] - mean
        square = off * off
        second += square
        third += square * off
        fourth += square * square
    if math.isnan(second):
        return
    variance = second / window
    y[0] = third / window / (variance * math.sqrt(variance)) if variance > 0.0 else 0.0
    y[1] = fourth / window / (variance * variance) - 3.0 if variance > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def extremes(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Greatest and least of the last p[0] closes, their middle, and the bars since each.

    Of equal closes the newest counts, except that when one leaves the window the oldest left counts, as in TA-Lib.
    State: bars since each.
    """
    window = int(p[0])
    y[:5] = np.nan
    if n + 1 < window:
        return
    x = tail(ring[c.R_CLOSE], n, window)
    s[0], s[1] = s[0] + 1.0, s[1] + 1.0
    if n + 1 == window or s[0] >= window:
        s[0] = _bars_since(x, 1.0)
    elif bar[c.CLOSE] >= x[window - 1 - int(s[0])]:
        s[0] = 0.0
    if n + 1 == window or s[1] >= window:
        s[1] = _bars_since(x, -1.0)
    elif bar[c.CLOSE] <= x[window - 1 - int(s[1])]:
        s[1] = 0.0
    y[0], y[1] = x[window - 1 - int(s[0])], x[window - 1 - int(s[1])]
    y[2] = 0.5 * (y[0] + y[1])
    y[3], y[4] = s[0], s[1]


@njit(cache=True)
def _bars_since(x: F64, sign: float) -> float:
    """Return how far from the end the first of the greatest values stands, with sign -1 of the least."""
    at = 0
    for i in range(1, len(x)):
        if sign * x[i] > sign * x[at]:
            at = i
    return len(x) - 1.0 - at


@njit(forceinline=True, error_model="numpy")
def regression(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Least-squares line through the last p[0] closes, the time in bars.

    Its value at this bar, its slope, its value at the oldest bar, its angle in degrees, its value at the next bar, the
    share of the closes' variance that it explains (0 where they are all equal), and the deviation of the closes from
    it, divisor p[0] less 2.
    """
    window, x, base, mean = int(p[0]), ring[c.R_CLOSE], out[7], out[8]
    middle, spread = 0.5 * (window - 1.0), window * (window * window - 1.0) / 12.0
    r.lagged(x, n, window - 1, base)
    r.sums(terms.lever, 1, window, x, x, n, base, base, out[1])
    r.sums(terms.offset, 1, window, x, x, n, base, base, mean)
    for i in range(len(base)):
        out[1, i] /= spread
        mean[i] = base[i] + mean[i] / window
    r.squares_about(x, n, window, mean, out[6])
    for i in range(len(base)):
        slope, whole = out[1, i], out[6, i]
        out[0, i], out[2, i] = mean[i] + slope * middle, mean[i] - slope * middle
        out[4, i] = mean[i] + slope * (middle + 1.0)
        explained = slope * slope * spread
        share = explained / whole if whole > 0.0 else 0.0 * whole
        rest = whole - explained
        out[5, i] = min(share, 1.0)
        out[6, i] = math.sqrt((max(rest, 0.0)) / (window - 2.0)) if window > 2 else np.nan
    for i in range(len(base)):
        out[3, i] = math.degrees(math.atan(out[1, i]))


@njit(forceinline=True, error_model="numpy")
def correlation(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Correlation over p[0] bars of two rows of the ring, p[1] and p[2] (see ``layout``); 0 where one does not move."""
    window, a, b = int(p[0]), ring[int(p[1])], ring[int(p[2])]
    of_a, of_b = out[3], out[4]
    r.means(a, n, window, out[1])
    r.means(b, n, window, out[2])
    r.sums(terms.product, 1, window, a, b, n, out[1], out[2], out[0])
    r.sums(terms.square, 1, window, a, a, n, out[1], out[1], of_a)
    r.sums(terms.square, 1, window, b, b, n, out[2], out[2], of_b)
    for i in range(len(of_a)):
        size = of_a[i] * of_b[i]
        both = out[0, i] / math.sqrt(size) if size > 0.0 else 0.0 * out[0, i]
        out[0, i] = 1.0 if both > 1.0 else max(both, -1.0)


@njit(cache=True, forceinline=True)
def beta(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Slope over p[0] bars of the simple returns of row p[2] of the ring on those of row p[1]; 0 where these are equal.

    A return beside a 0 counts as 0.
    """
    window = int(p[0])
    y[0] = np.nan
    if n < window:
        return
    a, b = tail(ring[int(p[1])], n, window + 1), tail(ring[int(p[2])], n, window + 1)
    sum_a = sum_b = both = of_a = base_a = base_b = 0.0
    for i in range(window):
        move_a = (a[i + 1] - a[i]) / a[i] if a[i] != 0.0 else 0.0
        move_b = (b[i + 1] - b[i]) / b[i] if b[i] != 0.0 else 0.0
        if i == 0:
            # Moves are counted from the first one: nothing is lost where they are nearly equal.
            base_a, base_b = move_a, move_b
        move_a, move_b = move_a - base_a, move_b - base_b
        sum_a += move_a
        sum_b += move_b
        both += move_a * move_b
        of_a += move_a * move_a
    below = window * of_a - sum_a * sum_a
    y[0] = (window * both - sum_a * sum_b) / below if below > 1e-14 * window * of_a else 0.0 * below


@njit(cache=True, forceinline=True)
def percentile(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Close that p[1] percent of the last p[0] closes do not exceed, by nearest rank.

    State: the window's closes, in order of size.
    """
    window = int(p[0])
    count = min(n, window)
    if n >= window:
        leaving = back(ring[c.R_CLOSE], n, window)
        at = 0
        while at < window - 1 and s[at] != leaving:
            at += 1
        for i in range(at, window - 1):
            s[i] = s[i + 1]
        count = window - 1
    at = count
    while at > 0 and s[at - 1] > bar[c.CLOSE]:
        s[at] = s[at - 1]
        at -= 1
    s[at] = bar[c.CLOSE]
    y[0] = s[max(math.ceil(p[1] / 100.0 * window) - 1, 0)] if n + 1 >= window else np.nan


@njit(cache=True, forceinline=True)
def percent_rank(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Share of the p[0] closes before this one that are below it, percent."""
    window = int(p[0])
    y[0] = np.nan
    if n >= window:
        x, below = tail(ring[c.R_CLOSE], n - 1, window), 0
        for i in range(window):
            below += 1 if x[i] < bar[c.CLOSE] else 0
        y[0] = below / window * 100.0


@njit(cache=True, forceinline=True)
def autocorrelation(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Correlation of the last p[0] one-bar log returns with those p[1] bars earlier; 0 where they are all equal.

    About one mean, over the sum of all squares: the estimator that is never beyond 1.
    """
    window, lag = int(p[0]), int(p[1])
    y[0] = np.nan
    if n >= window:
        x = tail(ring[c.R_RETURN], n, window)
        mean, both = total(x) / window, 0.0
        for i in range(lag, window):
            both += (x[i] - mean) * (x[i - lag] - mean)
        whole = squares(x, mean)
        y[0] = both / whole if whole > 0.0 else 0.0 * whole


@njit(cache=True, forceinline=True)
def variance_ratio(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Variance of returns over p[1] bars over p[1] times that of one bar (Lo and MacKinlay, 1988), of p[0] returns.

    Both about the mean of one bar, overlapping; 1 for a random walk, and where the returns are all equal.
    """
    window, bars = int(p[0]), int(p[1])
    y[0] = np.nan
    if n < window:
        return
    x = tail(ring[c.R_RETURN], n, window)
    mean = total(x) / window
    one = squares(x, mean) / (window - 1.0)
    long, so_far = 0.0, 0.0
    for i in range(window):
        so_far += x[i]
        if i >= bars:
            so_far -= x[i - bars]
        if i + 1 >= bars:
            long += (so_far - bars * mean) * (so_far - bars * mean)
    count = bars * (window - bars + 1.0) * (1.0 - bars / window)
    if not math.isnan(one):
        y[0] = long / count / one if one > 0.0 else 1.0


@njit(cache=True, forceinline=True)
def hurst(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Hurst exponent of the last p[0] closes: slope of the log deviation of moves over k bars on log k.

    For k from 2 to p[1]. Population deviations; one of 0 counts as 1. 0.5 for a random walk, above for a trend.
    """
    window, most = int(p[0]), int(p[1])
    y[0] = np.nan
    if n + 1 < window:
        return
    x = tail(ring[c.R_CLOSE], n, window)
    sum_x = sum_xx = sum_y = sum_xy = 0.0
    for lag in range(2, most + 1):
        moves = window - lag
        mean = square = 0.0
        for i in range(moves):
            move = x[i + lag] - x[i]
            mean += move
            square += move * move
        mean = mean / moves if moves > 0 else 0.0
        variance = square / moves - mean * mean if moves > 0 else 0.0
        log_deviation = 0.5 * math.log(variance) if variance > 0.0 else 0.0
        sum_x += LOG_LAG[lag]
        sum_xx += LOG_LAG[lag] * LOG_LAG[lag]
        sum_y += log_deviation
        sum_xy += LOG_LAG[lag] * log_deviation
    lags = most - 1.0
    y[0] = (lags * sum_xy - sum_x * sum_y) / (lags * sum_xx - sum_x * sum_x)


KERNELS = {
    "moments": Kernel(
        moments, ("window", "less"), ("sum", "deviation", "variance", "mean_distance", "score"),
        n_bars=window_plus(0),
    ),
    "return_moments": Kernel(return_moments, ("window",), ("skewness", "kurtosis"), n_bars=window_plus(0)),
    "extremes": Kernel(
        extremes, ("window",), ("high", "low", "middle", "bars_since_high", "bars_since_low"), TWO, window_plus(0)
    ),
    "regression": Kernel(
        regression, ("window",), ("value", "slope", "intercept", "angle", "forecast", "explained", "deviation"),
        n_bars=window_plus(0),
    ),
    "correlation": Kernel(correlation, ("window", "first", "second"), ("value",), n_bars=window_plus(0)),
    "beta": Kernel(beta, ("window", "first", "second"), ("value",), n_bars=window_plus(1)),
    "percentile": Kernel(percentile, ("window", "percent"), ("value",), lambda p: int(p["window"]), window_plus(1)),
    "percent_rank": Kernel(percent_rank, ("window",), ("value",), n_bars=window_plus(1)),
    "autocorrelation": Kernel(autocorrelation, ("window", "lag"), ("value",), n_bars=window_plus(0)),
    "variance_ratio": Kernel(variance_ratio, ("window", "bars"), ("value",), n_bars=window_plus(0)),
    "hurst": Kernel(hurst, ("window", "lag_max"), ("value",), n_bars=window_plus(0)),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
