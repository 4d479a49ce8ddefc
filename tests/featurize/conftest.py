"""Bars for the tests of featurize, and a plain oracle of every feature."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from processors.featurize.config import FeaturizeConfig
from processors.featurize.stage import Featurize
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

MINUTE_NS = 60_000_000_000
START_NS = pd.Timestamp("2014-05-07").value
"""A Wednesday: midnight UTC opens a session of the 24/7 calendar."""

MakeBars = Callable[..., Columns]


def make_bars(
    n: int,
    seed: int = 0,
    *,
    symbol: str = "BTC-USD:CRYPTO",
    tf: str = "1m",
    tf_ns: int = MINUTE_NS,
    start_ns: int = START_NS,
) -> Columns:
    """Return n bars of a random walk with gaps, flat stretches and two-sided quotes; no two fields alike."""
    rng = np.random.default_rng(seed)
    bars = Columns.empty(layout_of(load_registry().current("bars.v1").schema), n)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n) * (rng.random(n) > 0.1)))
    opened = close * np.exp(rng.normal(0, 0.004, n))
    skipped = np.cumsum(rng.random(n) < 0.05)
    bars["ts_start"] = start_ns + (np.arange(n) + skipped) * tf_ns
    bars["ts"] = bars["ts_start"] + tf_ns  # type: ignore[operator]
    bars["symbol_id"], bars["tf"] = STRINGS.code(symbol), STRINGS.code(tf)
    bars["o"], bars["c"] = opened, close
    bars["h"] = np.maximum(opened, close) * (1 + rng.random(n) * 0.005)
    bars["l"] = np.minimum(opened, close) * (1 - rng.random(n) * 0.005)
    bars["v"] = rng.integers(1, 1000, n) / 8
    bars["vwap"] = (opened + close) / 2
    bars["n_trades"] = rng.integers(1, 99, n)
    bars["bid"], bars["ask"] = close * (1 - rng.random(n) * 1e-4), close * (1 + rng.random(n) * 1e-4)
    bars["quality.stale"], bars["quality.gap"] = rng.random(n) < 0.3, rng.random(n) < 0.2
    bars["quality.outlier_frac"], bars["quality.n_src"] = rng.random(n), 1 + 2 * rng.random(n)
    bars["quality.lat_ms"] = rng.normal(5, 9, n)
    bars["raw_offset"] = 1000 + 7 * np.arange(n)
    return bars


@pytest.fixture(name="make_bars", scope="session")
def _make_bars() -> MakeBars:
    return make_bars


@pytest.fixture(scope="session")
def stage() -> Featurize:
    """Return the stage with its defaults."""
    return Featurize(FeaturizeConfig())


Series = NDArray[np.float64]


def _windows(x: Series, n: int, f: Callable[[Series], float]) -> Series:
    return np.array([f(x[i + 1 - n : i + 1]) if i + 1 >= n else np.nan for i in range(len(x))])


def _smoothed(x: Series, n: int, weight: float) -> Series:
    """Return the exponential average of x (NaN at its begin) that starts with the mean of its first n numbers."""
    out, first = np.full(len(x), np.nan), int(np.isnan(x).sum())
    for i in range(first + n - 1, len(x)):
        out[i] = x[first : i + 1].mean() if i == first + n - 1 else weight * x[i] + (1 - weight) * out[i - 1]
    return out


def _daily_share(volume: Series, day: Series, *, first_is_whole: bool) -> Series:
    out, names = np.full(len(volume), np.nan), list(dict.fromkeys(day))
    for i in range(len(volume)):
        before = [d for d in names[: names.index(day[i])] if first_is_whole or d != names[0]][-20:]
        if before:
            out[i] = volume[i] / np.mean([volume[day == d].sum() for d in before])
    return out


def oracle(bars: Columns, day: Series, *, first_is_whole: bool) -> dict[str, Series]:
    """Return every feature of bars of one series, each by its definition over the whole history."""
    o, h, l, c, v, bid, ask = (np.asarray(bars[k], np.float64) for k in ("o", "h", "l", "c", "v", "bid", "ask"))
    assert len(o) > 60
    r = np.r_[np.nan, np.log(c[1:] / c[:-1])]
    move = np.r_[np.nan, c[1:] - c[:-1]]
    before = np.r_[np.nan, c[:-1]]
    ranges = np.where(np.isnan(before), np.nan, np.maximum(h - l, np.maximum(abs(h - before), abs(l - before))))
    up, down = (_smoothed(np.where(np.isnan(move), np.nan, np.maximum(s * move, 0)), 14, 1 / 14) for s in (1, -1))
    atr = _smoothed(ranges, 14, 1 / 14)
    slow, fast = _smoothed(c, 26, 2 / 27), np.full(len(c), np.nan)
    fast[25] = c[14:26].mean()
    for i in range(26, len(c)):
        fast[i] = 2 / 13 * c[i] + 11 / 13 * fast[i - 1]
    macd = fast - slow
    signal = _smoothed(macd, 9, 0.2)
    mean, sd = _windows(c, 20, np.mean), _windows(c, 20, np.std)
    high, low = _windows(h, 20, np.max), _windows(l, 20, np.min)
    out = {f"log_return_{k}": np.r_[np.full(k, np.nan), np.log(c[k:] / c[:-k])] for k in (1, 5, 20)}
    for k in (10, 20, 50):
        out[f"ema_{k}_value"] = _smoothed(c, k, 2 / (k + 1))
        out[f"ema_{k}_ratio"] = c / out[f"ema_{k}_value"] - 1
    squares = pd.Series(r**2).ewm(alpha=0.06, adjust=True).mean().to_numpy()
    return out | {
        "roll_mean_20": _windows(r, 20, np.mean),
        "roll_std_20": _windows(r, 20, lambda w: float(np.std(w, ddof=1))),
        "ewma_vol_value": np.where(np.arange(len(c)) >= 20, np.sqrt(squares), np.nan),
        "rsi_14_value": 100 - 100 / (1 + up / down),
        "atr_14_value": atr,
        "atr_14_ratio": atr / c,
        "macd_12_26_9_value": macd,
        "macd_12_26_9_signal": signal,
        "macd_12_26_9_hist": macd - signal,
        "macd_12_26_9_ratio": macd / c,
        "donchian_20_high": high,
        "donchian_20_low": low,
        "donchian_20_position": (c - low) / (high - low),
        "bollinger_20_2_upper": mean + 2 * sd,
        "bollinger_20_2_lower": mean - 2 * sd,
        "bollinger_20_2_pct_b": (c - mean + 2 * sd) / (4 * sd),
        "bollinger_20_2_bandwidth": 4 * sd / mean,
        "bar_close_position": (c - l) / (h - l),
        "bar_range_ratio": (h - l) / c,
        "volume_ratio_20": v / _windows(v, 20, np.mean),
        "spread_bp_value": 1e4 * (ask - bid) / ((ask + bid) / 2),
        "adv_share_value": _daily_share(v, day, first_is_whole=first_is_whole),
    }


@pytest.fixture(name="oracle")
def _oracle() -> Callable[..., dict[str, Series]]:
    return oracle
