"""Windows of a span have the bits of windows bar by bar."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from processors.featurize.batch import ring_of
from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators import terms
from processors.featurize.indicators.averages import SMA, TEMA, average_size
from processors.featurize.indicators.window import F64
from tests.featurize.series import walk

N = 203
"""No multiple of the lanes, nor of the windows."""
ROW = c.R_CLOSE
TERMS = {"square": (terms.square, 4), "rising": (terms.rising, 2), "product": (terms.product, 1)}
"""One of each number of ways; the others are held to the stream by ``test_batch``."""


def compiled(term: Any, ways: int) -> Any:
    """Return the sums of a term as a function of arrays alone."""

    @njit
    def run(window: int, x: F64, y: F64, n: int, u: F64, v: F64, out: F64) -> None:
        r.sums(term, ways, window, x, y, n, u, v, out)

    return run


@njit
def _extremes(window: int, x: F64, n: int, high: F64, low: F64) -> None:
    r.highs(x, n, window, high)
    r.lows(x, n, window, low)


@njit
def _averages(kind: int, x: F64, s: F64, window: int, out: F64) -> None:
    r.averages(kind, x, s, 0, window, out)


@pytest.mark.parametrize("name", TERMS)
def test_sums_of_a_span_are_those_of_its_bars(name: str) -> None:
    """Sums of each term over windows of many lengths, the span's own and longer ones: equal bit for bit, and right."""
    sums, ring = compiled(*TERMS[name]), ring_of(walk(N, 3))
    x, y = ring[ROW], ring[c.R_OPEN]
    u, v = np.random.default_rng(1).normal(100, 1, (2, N))
    for window in (1, 2, 3, 4, 5, 8, 14, 30, 31, 150, N, N + 1):
        whole, bars = np.full(N, -1.0), np.full(N, -1.0)
        sums(window, x, y, 0, u, v, whole)
        for i in range(N):
            sums(window, x, y, i, u[i : i + 1], v[i : i + 1], bars[i : i + 1])
        assert whole.tobytes() == bars.tobytes()
        assert np.isnan(whole).sum() == min(window - 1, N)
        for i in range(window - 1, N, 37):
            at = N + i + 1 - window
            plain = TERMS[name][0].py_func
            expected = [plain(float(k), window, x[at + k], y[at + k], u[i], v[i]) for k in range(window)]
            assert whole[i] == pytest.approx(np.sum(expected), rel=1e-11, abs=1e-8)


def test_extremes_of_a_span_are_those_of_its_bars() -> None:
    """Highest and lowest values are those of the window, over a series longer than a block."""
    n = 2 * r.BLOCK + 5
    x = ring_of(walk(n, 4))[ROW]
    for window in (1, 2, 3, 7, 8, 9, 30, 64, 100, n + 1):
        high, low = np.empty((2, n))
        _extremes(window, x, 0, high, low)
        assert np.isnan(high).sum() == np.isnan(low).sum() == min(window - 1, n)
        for i in range(window - 1, n, 13):
            last = x[n + i + 1 - window : n + i + 1]
            assert (high[i], low[i]) == (last.max(), last.min())
            one = np.empty((2, 1))
            _extremes(window, x, i, one[0], one[1])
            assert (one[0, 0], one[1, 0]) == (high[i], low[i])


@pytest.mark.parametrize("kind", [SMA, TEMA])
def test_averages_of_values_that_come_late_are_those_of_a_stream(kind: int) -> None:
    """Values that are missing at the begin are none, in a series as in a stream."""
    x = walk(N, 5)[:, c.CLOSE].copy()
    x[:9] = np.nan
    whole, bars = np.empty(N), np.empty(N)
    _averages(kind, x, np.zeros(average_size(kind, 12)), 12, whole)
    s = np.zeros(average_size(kind, 12))
    for i in range(N):
        _averages(kind, x[i : i + 1], s, 12, bars[i : i + 1])
    assert whole.tobytes() == bars.tobytes()
    assert np.isfinite(whole[-1])
