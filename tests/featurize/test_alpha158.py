"""The Alpha158 features against their definitions in Qlib, one after the other in data frames."""

import numpy as np
import pandas as pd
import pytest

from processors.featurize.batch import bars_of, indicator_values
from processors.featurize.indicators import layout as c
from processors.featurize.indicators.alpha158 import KERNELS
from schemas.features import bar_features

WINDOWS = (5, 10, 20, 30, 60)
TINY = 1e-12
ROWS = [f for f in bar_features() if f.indicator in KERNELS]


def frame(n, seed=0, scale=100.0):
    """Return bars of a random walk on a grid, with flat stretches, ties and bars without volume."""
    rng = np.random.default_rng(seed)
    moving = np.sin(np.arange(n) / 40) < 0.9
    close = scale * np.exp(np.cumsum(np.round(rng.normal(0, 0.02, n), 2) * moving))
    opened = close * np.exp(rng.normal(0, 0.01, n) * moving)
    return pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * (1 + 0.01 * rng.random(n) * moving),
            "low": np.minimum(opened, close) * (1 - 0.01 * rng.random(n) * moving),
            "close": close,
            "volume": rng.integers(1, 50, n) * (rng.random(n) > 0.05) * 1.0,
            "vwap": (opened + 2 * close) / 3,
        }
    )


def correlation(x, y):
    """Return the correlation of the pairs of two windows that are numbers, missing where one side is constant."""
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    if len(x) < 2 or np.ptp(x) < 1e-12 * abs(x).max() or np.ptp(y) < 1e-12 * max(abs(y).max(), 1e-300):
        return np.nan
    return np.corrcoef(x, y)[0, 1]


def rolled(w, f, *columns):
    """Return f of the last w values of columns, missing before there are so many."""
    values = [np.asarray(column, float) for column in columns]
    n = len(values[0])
    return np.array([f(*(v[i + 1 - w : i + 1] for v in values)) if i + 1 >= w else np.nan for i in range(n)])


def line(x):
    """Return slope, share of variance explained and residual of the last, of the line through 1, 2, ... and x."""
    at = np.arange(1, len(x) + 1)
    slope, base = np.polyfit(at, x, 1)
    explained = np.nan if np.ptp(x) <= 1e-12 * abs(x).max() else np.corrcoef(at, x)[0, 1] ** 2
    return slope, explained, x[-1] - (slope * at[-1] + base)


def of_bar(d):
    """Return the features of one bar."""
    o, h, l, close = d["open"], d["high"], d["low"], d["close"]
    top, bottom, width = np.maximum(o, close), np.minimum(o, close), h - l + TINY
    return {
        "kmid": (close - o) / o, "klen": (h - l) / o, "kmid2": (close - o) / width,
        "kup": (h - top) / o, "kup2": (h - top) / width, "klow": (bottom - l) / o, "klow2": (bottom - l) / width,
        "ksft": (2 * close - h - l) / o, "ksft2": (2 * close - h - l) / width,
        "open0": o / close, "high0": h / close, "low0": l / close, "vwap0": d["vwap"] / close,
    }  # fmt: skip


def of_prices(d, w):
    """Return the features of the prices of a window."""
    h, l, close = d["high"], d["low"], d["close"]
    step = close.diff()
    highest, lowest = h.rolling(w).max(), l.rolling(w).min()
    imax = rolled(w, lambda x: x.argmax() + 1, h) / w
    imin = rolled(w, lambda x: x.argmin() + 1, l) / w
    moved = step.abs().rolling(w).sum() + TINY
    rises, falls = step.clip(lower=0).rolling(w).sum(), (-step).clip(lower=0).rolling(w).sum()
    up, down = (step > 0).where(step.notna()).rolling(w).mean(), (step < 0).where(step.notna()).rolling(w).mean()
    return {
        "roc": close.shift(w) / close, "ma": close.rolling(w).mean() / close,
        "std": rolled(w, lambda x: np.std(x, ddof=1), close) / close,
        "beta": rolled(w, lambda x: line(x)[0], close) / close,
        "rsqr": rolled(w, lambda x: line(x)[1], close),
        "resi": rolled(w, lambda x: line(x)[2], close) / close,
        "max": highest / close, "min": lowest / close,
        "qtlu": close.rolling(w).quantile(0.8) / close, "qtld": close.rolling(w).quantile(0.2) / close,
        "rank": close.rolling(w).rank(pct=True),
        "rsv": (close - lowest) / (highest - lowest + TINY), "imax": imax, "imin": imin, "imxd": imax - imin,
        "cntp": up, "cntn": down, "cntd": up - down,
        "sump": rises / moved, "sumn": falls / moved, "sumd": (rises - falls) / moved,
    }  # fmt: skip


def of_volumes(d, w):
    """Return the features of the volumes of a window."""
    close, v = d["close"], d["volume"]
    change, step = close / close.shift(), v.diff()
    with np.errstate(divide="ignore", invalid="ignore"):
        change_of_volume = np.log(np.asarray(v / v.shift()) + 1)
    full = np.arange(len(v)) >= w
    moved = (change - 1).abs() * v
    steps = step.abs().rolling(w).sum() + TINY
    rises, falls = step.clip(lower=0).rolling(w).sum(), (-step).clip(lower=0).rolling(w).sum()
    spread = rolled(w, lambda x: np.std(x, ddof=1) / (np.mean(x) + TINY), moved)
    return {
        "corr": rolled(w, correlation, close, np.log(v + 1)),
        "cord": np.where(full, rolled(w, correlation, change, change_of_volume), np.nan),
        "vma": v.rolling(w).mean() / (v + TINY),
        "vstd": rolled(w, lambda x: np.std(x, ddof=1), v) / (v + TINY),
        "wvma": np.where(full, spread, np.nan),
        "vsump": rises / steps, "vsumn": falls / steps, "vsumd": (rises - falls) / steps,
    }  # fmt: skip


def expected(d):
    """Return all 158 features by name."""
    out = {f"alpha158_{name}": values for name, values in of_bar(d).items()}
    for w in WINDOWS:
        for name, values in (of_prices(d, w) | of_volumes(d, w)).items():
            out[f"alpha158_{name}_{w}"] = values
    return {name: np.asarray(values, float) for name, values in out.items()}


def ours(d):
    """Return the value of every row of the catalog."""
    bars = bars_of(
        d["close"], open_=d["open"], high=d["high"], low=d["low"], volume=d["volume"], other={c.VWAP: d["vwap"]}
    )
    runs = {(f.indicator, tuple(f.numbers.items())) for f in ROWS}
    found = {run: indicator_values(run[0], dict(run[1]), bars) for run in runs}
    return {f.name: found[f.indicator, tuple(f.numbers.items())][f.output] for f in ROWS}


def test_the_catalog_has_the_158_features():
    """The rows are the 158 names of Qlib's handler, no more and no fewer."""
    assert {f.name for f in ROWS} == expected(frame(3)).keys()
    assert len(ROWS) == 158


@pytest.mark.parametrize(("seed", "scale"), [(0, 100.0), (1, 1e-5), (2, 60_000.0)])
def test_every_feature_equals_its_definition(seed, scale):
    """Every feature equals its formula in plain data frames, missing values included, at any level of prices."""
    d = frame(700, seed, scale)
    got = ours(d)
    for name, values in expected(d).items():
        # Windows of frames carry running sums: what is left of them where nothing moves, and the tiny denominators
        # of flat windows, are no values.
        loose = 1e-4 if scale < 1e-3 and name.split("_")[1] in {"kmid2", "kup2", "klow2", "ksft2", "rsv"} else 1e-8
        np.testing.assert_allclose(got[name], values, 1e-7, loose, err_msg=name)


def test_each_feature_begins_where_its_row_says():
    """The first value is at the bar that the row's warmup_bars tells, and is the last to be missing."""
    d = frame(120)
    d["volume"] = np.arange(120.0) % 7 + 1
    d["close"] *= np.exp(0.001 * np.arange(120) ** 1.5)
    d["high"], d["low"] = d[["open", "close"]].max(axis=1), d[["open", "close"]].min(axis=1)
    got = ours(d)
    for f in ROWS:
        assert np.flatnonzero(~np.isnan(got[f.name]))[0] + 1 == f.warmup_bars, f.name
        assert not np.isnan(got[f.name][f.warmup_bars :]).any(), f.name


def test_a_flat_market_leaves_only_fits_and_correlations_missing():
    """Where nothing moves, prices over the close are 1 and what moves is 0; a line or a correlation has no fit."""
    d = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "vwap"), np.full(80, 1.1)))
    d["volume"] = 0.0
    got = ours(d)
    for name, values in got.items():
        kind = name.split("_")[1]
        if kind in {"rsqr", "corr", "cord"}:
            assert np.isnan(values).all(), name
        elif kind not in {"rank", "imax", "imin"}:
            assert min(abs(values[-1]), abs(values[-1] - 1)) < 1e-9, name
    assert got["alpha158_rank_20"][-1] == (20 + 1) / 2 / 20
    assert got["alpha158_imax_20"][-1] == got["alpha158_imin_20"][-1] == 1 / 20


def test_without_volume_the_prices_have_all_their_features():
    """An instrument whose volumes are unknown lacks nothing but what is made of volume."""
    d = frame(120)
    d["volume"], d["vwap"] = np.nan, np.nan
    got = ours(d)
    optional = {f.name for f in ROWS if f.missing_policy == "optional"}
    missing = {name for name, values in got.items() if np.isnan(values).all()}
    assert missing == {name for name in optional if "rsqr" not in name}


def test_prices_not_above_zero_divide_nothing():
    """A price below 0 leaves out what is divided by it, and harms no later window without it."""
    d = frame(200)
    d.loc[100, ["open", "high", "low", "close", "vwap"]] = [-30.0, -29.0, -38.0, -37.63, -33.0]
    got, plain = ours(d), ours(frame(200))
    for name in ("alpha158_kmid", "alpha158_high0", "alpha158_ma_20", "alpha158_max_5"):
        assert np.isnan(got[name][100]), name
    for name, values in got.items():
        np.testing.assert_array_equal(values[162:], plain[name][162:], err_msg=name)
