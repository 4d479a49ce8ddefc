"""Candlestick patterns against TA-Lib itself."""

import numpy as np
import pytest
import talib
from numpy.typing import NDArray
from talib import abstract

from processors.featurize.batch import bars_of, indicator_values
from processors.featurize.indicators.patterns import KERNELS
from schemas.features import bar_features

Series = NDArray[np.float64]
Prices = tuple[Series, Series, Series, Series]
ROWS = {f.indicator: f for f in bar_features() if f.indicator in KERNELS}


def priced(rng: np.random.Generator, steps: Series, gaps: Series, wick: float, bare: float) -> Prices:
    """Return open, high, low and close of bodies with gaps before them; a share of the shadows is none."""
    n = len(steps)
    close = 1000 + np.cumsum(steps + gaps)
    opened = close - steps
    up, down = (wick * rng.exponential(1, n) * (rng.random(n) >= bare) for _ in range(2))
    return opened, np.maximum(opened, close) + up, np.minimum(opened, close) - down, close


def random_walk(rng: np.random.Generator, n: int) -> Prices:
    """Return bodies of all sizes, few gaps."""
    gaps = rng.normal(0, 0.1, n) * (rng.random(n) < 0.3)
    return priced(rng, rng.normal(0, 1, n) * rng.lognormal(0, 0.8, n), gaps, 0.5, 0.4)


def trending(rng: np.random.Generator, n: int) -> Prices:
    """Return long runs up and down."""
    steps = rng.normal(0, 0.5, n) + np.sin(np.arange(n) / 30)
    return priced(rng, steps, rng.normal(0, 0.1, n), 0.2, 0.5)


def flat(rng: np.random.Generator, n: int) -> Prices:
    """Return a few prices over and over, whole stretches of them all equal."""
    still = np.sin(np.arange(n) / 25) > 0.8
    steps = np.where(still, 0.0, rng.integers(-2, 3, n))
    return priced(rng, steps, np.where(still, 0.0, rng.integers(-1, 2, n)), 0.0, 1.0)


def gappy(rng: np.random.Generator, n: int) -> Prices:
    """Return long, short and no bodies in runs of one colour, bars apart, many without shadows: rare patterns."""
    side = np.where(np.cumsum(rng.random(n) < 0.45) % 2, 1, -1)
    size = rng.choice([0.0, 0.3, 1.0, 4.0], n, p=[0.15, 0.3, 0.25, 0.3]) * rng.lognormal(0, 0.2, n)
    gaps = rng.choice([-3.0, -0.5, 0.0, 0.5, 3.0], n) * rng.random(n)
    return priced(rng, side * size, gaps, 0.3, 0.6)


def shaded(rng: np.random.Generator, n: int) -> Prices:
    """Return runs of one colour with long shadows on half of the sides: rare patterns too."""
    side = np.where(np.cumsum(rng.random(n) < 0.3) % 2, 1, -1)
    steps = side * rng.lognormal(-0.5, 1, n)
    return priced(rng, steps, -0.5 * steps + rng.normal(0, 0.7, n), 1.5, 0.5)


def ticked(prices: Prices, tick: float) -> Prices:
    """Return prices on a grid: bodies and shadows then often equal their mean exactly."""
    o, h, l, c = (np.round(np.round(x / tick) * tick, 6) for x in prices)
    return o, h, l, c


KINDS = (random_walk, trending, flat, gappy, shaded)
SERIES = {
    f"{kind.__name__}{f'_tick_{tick}' if tick else ''}": ticked(made, tick) if tick else made
    for kind in KINDS
    for made in (kind(np.random.default_rng(7), 60_000 if kind in {gappy, shaded} else 6_000),)
    for tick in (0.0, 0.05, 0.25)
}


def ours(name: str, prices: Prices, **numbers: float) -> Series:
    """Return our pattern over prices."""
    o, h, l, c = prices
    return indicator_values(name, numbers, bars_of(c, open_=o, high=h, low=l))["event"]


def theirs(name: str, prices: Prices, **numbers: float) -> Series:
    """Return TA-Lib's pattern over prices, missing before its lookback."""
    function = abstract.Function(name.upper(), **numbers)
    values = getattr(talib, name.upper())(*prices, **numbers).astype(float)
    values[: function.lookback] = np.nan
    return values


@pytest.mark.parametrize("series", SERIES)
def test_every_pattern_equals_ta_libs(series: str) -> None:
    """All 61 patterns, with the parameters of their rows, are TA-Lib's bar by bar, missing ones included."""
    assert len(ROWS) == 61
    for name, row in ROWS.items():
        numbers = row.numbers
        np.testing.assert_array_equal(
            ours(name, SERIES[series], **numbers), theirs(name, SERIES[series], **numbers), err_msg=name
        )


def test_every_pattern_fires_in_every_way_it_can() -> None:
    """Over these series each pattern reaches both ends of the range that its row gives: none is compared by zeros."""
    for name, row in ROWS.items():
        found = np.concatenate([theirs(name, prices, **row.numbers) for prices in SERIES.values()])
        low, high = (float(x) for x in row.range.strip("[]").split(","))
        assert (np.nanmin(found), np.nanmax(found)) == (low, high), name


@pytest.mark.parametrize("penetration", [0.0, 0.1, 0.75, 1.5])
def test_penetration_is_ta_libs(penetration: float) -> None:
    """The seven patterns with a penetration are TA-Lib's with any of it."""
    names = [name for name, kernel in KERNELS.items() if kernel.parameters]
    assert len(names) == 7
    for name in names:
        for prices in (SERIES["gappy"], SERIES["gappy_tick_0.25"]):
            expected = theirs(name, prices, penetration=penetration)
            np.testing.assert_array_equal(ours(name, prices, penetration=penetration), expected, err_msg=name)


@pytest.mark.parametrize("start", [1, 38, 777])
def test_a_pattern_depends_on_no_bar_before_its_window(start: int) -> None:
    """A series that starts later gives the same patterns as soon as it gives one."""
    whole = tuple(x[:3_000] for x in SERIES["gappy"])
    later = tuple(x[start:] for x in whole)
    for name, row in ROWS.items():
        expected = ours(name, whole, **row.numbers)[start:]
        got = ours(name, later, **row.numbers)
        assert np.flatnonzero(~np.isnan(got))[0] == row.warmup_bars - 1, name
        np.testing.assert_array_equal(got[row.warmup_bars - 1 :], expected[row.warmup_bars - 1 :], err_msg=name)
