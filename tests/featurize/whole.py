"""Bars by column for tests that compute indicators over whole arrays, and how such are compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.featurize.indicators import layout as c
from tests.featurize.series import walk

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of a walk: as indicators take them, and by column."""

    table: Series
    open: Series
    high: Series
    low: Series
    close: Series
    volume: Series


def whole(n: int, seed: int) -> Bars:
    """Return n bars of a walk by column; they have a traded price and a number of trades."""
    table = walk(n, seed)
    rng = np.random.default_rng(seed + 1)
    table[:, c.VWAP] = table[:, [c.HIGH, c.LOW, c.CLOSE]].mean(1)
    table[:, c.N_TRADES] = rng.integers(1, 50, n)
    return Bars(table, *(table[:, column].copy() for column in (c.OPEN, c.HIGH, c.LOW, c.CLOSE, c.VOLUME)))


def windows(x: Series, n: int) -> Series:
    """Return the last n values at each bar from the first full window on, shape (bars, n)."""
    return np.lib.stride_tricks.sliding_window_view(x, n)


def tail_of(values: Series, expected: Series, near: float = 1e-10) -> None:
    """Assert that values are missing before the expected ones, and equal to them from there on."""
    first = len(values) - len(expected)
    assert np.isnan(values[:first]).all()
    np.testing.assert_allclose(values[first:], expected, near, 1e-12)
