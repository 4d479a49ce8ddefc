"""One series of bars for the tests of indicators, and averages by their definitions."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from processors.featurize.batch import bars_of, indicator_values
from processors.featurize.indicators import layout as c

Series = NDArray[np.float64]
MINUTE_S = 60.0


def walk(n: int, seed: int, step: float = 0.01) -> Series:
    """Return n bars of minutes with gaps, flat closes, quotes and volume; a session day is 100 bars, TF is 1m."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, step, n) * (rng.random(n) > 0.2))), 3)
    before = np.r_[close[:1], close[:-1]]
    opened = before * np.exp(rng.normal(0, step / 3, n) + (rng.random(n) < 0.05) * rng.normal(0, 6 * step, n))
    high = np.maximum(opened, close) * (1 + rng.random(n) * step / 2)
    low = np.minimum(opened, close) * (1 - rng.random(n) * step / 2)
    volume = np.round(np.exp(rng.normal(3, 0.4, n) + 2 * (rng.random(n) < 0.05)), 2)
    end = 1.4e9 // MINUTE_S * MINUTE_S + MINUTE_S * np.arange(1, n + 1)
    half = 1e-4 * close * np.exp(rng.normal(0, 0.5, n))
    other = {
        c.DAY: np.arange(n) // 100, c.OPENS_DAY: np.arange(n) % 100 == 0, c.TF: np.zeros(n), c.END_S: end,
        c.BID: close - half, c.ASK: close + half,
    }  # fmt: skip
    return bars_of(close, open_=opened, high=high, low=low, volume=volume, other=other)


def run(indicator: str, bars: Series, parameters: Mapping[str, float] | None = None) -> dict[str, Series]:
    """Return the outputs of an indicator; the bars stay as they are."""
    return indicator_values(indicator, parameters or {}, bars.copy())


def windows(x: Series, n: int, f: Callable[[Series], float]) -> Series:
    """Return f of the last n values, NaN before there are so many."""
    return np.array([f(x[i + 1 - n : i + 1]) if i + 1 >= n else np.nan for i in range(len(x))])


def smoothed(x: Series, n: int, weight: float) -> Series:
    """Return the exponential average of x (NaN at its begin) that starts with the mean of its first n numbers."""
    out, first = np.full(len(x), np.nan), int(np.isnan(x).sum())
    for i in range(first + n - 1, len(x)):
        out[i] = x[first : i + 1].mean() if i == first + n - 1 else weight * x[i] + (1 - weight) * out[i - 1]
    return out


def ema(x: Series, n: int) -> Series:
    """Return the exponential average over n."""
    return smoothed(x, n, 2 / (n + 1))


def true_ranges(bars: Series) -> Series:
    """Return the true range of each bar, NaN at the first."""
    before = np.r_[np.nan, bars[:-1, c.CLOSE]]
    return np.where(
        np.isnan(before), np.nan, np.fmax(bars[:, c.HIGH], before) - np.fmin(bars[:, c.LOW], before)
    )  # fmt: skip


def atr(bars: Series, n: int) -> Series:
    """Return the average true range over n."""
    return smoothed(true_ranges(bars), n, 1 / n)


def returns(bars: Series) -> Series:
    """Return the log returns of the close, NaN at the first."""
    close = bars[:, c.CLOSE]
    return np.r_[np.nan, np.log(close[1:] / close[:-1])]


def vol(bars: Series, decay: float, least: int) -> Series:
    """Return the exponential volatility with weights that sum to one, from ``least`` returns on."""
    r, out = returns(bars), np.full(len(bars), np.nan)
    for i in range(least, len(bars)):
        weights = decay ** np.arange(i - 1, -1, -1)
        out[i] = np.sqrt((weights * r[1 : i + 1] ** 2).sum() / weights.sum())
    return out


def state_of(averages: Series, width: Series, band: float) -> Series:
    """Return 1, -1 or 0 by a distance of averages and a width, NaN where one is missing."""
    state = np.where(np.abs(averages) > band * width, np.sign(averages), 0.0)
    return np.where(np.isnan(averages + width), np.nan, state)


def trend(bars: Series, fast: int, slow: int, band: float, window: int) -> Series:
    """Return the trend state of one timeframe."""
    close = bars[:, c.CLOSE]
    return state_of(ema(close, fast) - ema(close, slow), atr(bars, window), band)


def lasted(state: Series) -> Series:
    """Return for how many bars each state has lasted, this one included; NaN where there is none."""
    out = np.full(len(state), np.nan)
    for i in np.flatnonzero(~np.isnan(state)):
        out[i] = out[i - 1] + 1 if i and state[i] == state[i - 1] else 1
    return out


def past_scores(x: Series, memory: int, least: int) -> Series:
    """Return how far each value is from the mean of those before it, in deviations; weights 1 / min(count, memory)."""
    out, mean, variance, count = np.full(len(x), np.nan), 0.0, 0.0, 0
    for i in np.flatnonzero(~np.isnan(x)):
        if count >= least:
            off = x[i] - mean
            out[i] = np.clip(off / np.sqrt(variance), -10, 10) if variance > 0 else 10 * np.sign(off)
        count = min(count + 1, memory)
        weight = 1 / count
        # Variance of a mixture: the old values with 1 - weight, this one with weight.
        new = (1 - weight) * mean + weight * x[i]
        variance = (1 - weight) * (variance + (mean - new) ** 2) + weight * (x[i] - new) ** 2
        mean = new
    return out
