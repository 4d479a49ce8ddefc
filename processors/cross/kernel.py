"""The numbers of the cross-section: ranks, market return, alpha, beta, correlation, breadth.

Called by ``barrier`` for each closed barrier, and by the conformance checks for whole series.

Capital asset pricing model (Sharpe 1964, Jensen 1968), risk-free rate 0: ``r = alpha + beta * market + rest``.
McClellan (1969): difference of two exponential means, of 19 and 39 values, of advances less declines, and its sum.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@njit(cache=True)
def capm(own: F64, market: F64, first: int) -> tuple[float, float, float, float]:
    """Return alpha, beta and correlation of a window of returns, and the deviation of the own ones.

    Parameters
    ----------
    own, market
        Shape (n,), n at least 2: simple returns of the same intervals, a ring.
    first
        Place of the oldest one. Sums run in the order of time, so that equal pasts are equal to the last bit.

    Returns
    -------
    Alpha per interval; beta; correlation, -1 to 1; standard deviation of ``own`` (n - 1 in the denominator). The first
    three are NaN where the market did not move, the correlation also where the own price did not.
    """
    n = len(own)
    mean_own = 0.0
    mean_market = 0.0
    for i in range(first, first + n):
        mean_own += own[i % n]
        mean_market += market[i % n]
    mean_own /= n
    mean_market /= n
    own_2 = 0.0
    market_2 = 0.0
    both = 0.0
    for i in range(first, first + n):
        a = own[i % n] - mean_own
        b = market[i % n] - mean_market
        own_2 += a * a
        market_2 += b * b
        both += a * b
    deviation = math.sqrt(own_2 / (n - 1))
    if market_2 <= 0.0:
        return math.nan, math.nan, math.nan, deviation
    beta = both / market_2
    correlation = math.nan
    if own_2 > 0.0:
        # Rounding must not make a perfect one more than perfect.
        correlation = max(-1.0, min(1.0, both / math.sqrt(own_2 * market_2)))
    return mean_own - beta * mean_market, beta, correlation, deviation


@njit(cache=True)
def percentile_ranks(values: F64, out: F64) -> int:
    """Fill ``out`` with the rank of each value over the number of values; equal values share the mean of their ranks.

    Parameters
    ----------
    values
        Shape (n,); NaN for one that has no rank.
    out
        Shape (n,): above 0, at most 1, 1 for the single largest; NaN for NaN.

    Returns
    -------
    The number of values that have a rank.
    """
    order = np.argsort(values)
    n = len(values)
    while n > 0 and math.isnan(values[order[n - 1]]):
        n -= 1
        out[order[n]] = math.nan
    begin = 0
    while begin < n:
        end = begin + 1
        while end < n and values[order[end]] == values[order[begin]]:
            end += 1
        # Ranks begin + 1 to end.
        rank = 0.5 * (begin + 1 + end) / n
        for i in range(begin, end):
            out[order[i]] = rank
        begin = end
    return n


@njit(cache=True)
def mcclellan_step(row: NDArray[np.void], net: float, fast: int, slow: int) -> float:
    """Take in one interval's net advances and return the oscillator, NaN before ``slow`` intervals.

    Parameters
    ----------
    row
        Shape (1,), ``n``, ``fast``, ``slow`` and ``summation``; updated. Each mean begins as the plain mean of its
        first values; the summation counts oscillators from the first.
    net
        Advances less declines, of whatever unit.
    fast, slow
        Periods: weights 2 / (period + 1).
    """
    state = row[0]
    state.n += 1
    if state.n <= fast:
        state.fast += (net - state.fast) / state.n
    else:
        state.fast += (net - state.fast) * 2.0 / (fast + 1)
    if state.n <= slow:
        state.slow += (net - state.slow) / state.n
    else:
        state.slow += (net - state.slow) * 2.0 / (slow + 1)
    if state.n < slow:
        return math.nan
    state.summation += state.fast - state.slow
    return float(state.fast - state.slow)


MCCLELLAN = np.dtype([("n", "<i8"), ("fast", "<f8"), ("slow", "<f8"), ("summation", "<f8")])


def mcclellan_series(net: F64, fast: int = 19, slow: int = 39) -> tuple[F64, F64]:
    """Return oscillator and summation index of a series of net advances, shape (n,) each.

    Parameters
    ----------
    net
        Advances less declines of each interval, shape (n,).

    Returns
    -------
    NaN before interval ``slow``. The index is a running sum: it has no level of its own, and begins with the first
    oscillator.
    """
    row = np.zeros(1, MCCLELLAN).view(np.recarray)
    oscillator = np.array([mcclellan_step(row, float(x), fast, slow) for x in net])
    return oscillator, np.where(np.isnan(oscillator), np.nan, np.nancumsum(oscillator))


def beta_series(target: F64, reference: F64, period: int) -> F64:
    """Return the beta of each interval: of the last ``period`` simple returns, NaN before there are so many.

    Parameters
    ----------
    target, reference
        Closes of the same intervals, shape (n,).
    period
        Returns in the window, at least 2.
    """
    return _capm_series(target, reference, period)[1]


def alpha_series(target: F64, reference: F64, period: int, risk_free: float = 0.0) -> F64:
    """Return Jensen's alpha of each interval, per interval; the same window as ``beta_series``.

    Parameters
    ----------
    risk_free
        Rate per interval.
    """
    alpha, beta = _capm_series(target, reference, period)
    return alpha - risk_free * (1.0 - beta)


def _capm_series(target: F64, reference: F64, period: int) -> tuple[F64, F64]:
    own, market = target[1:] / target[:-1] - 1.0, reference[1:] / reference[:-1] - 1.0
    alpha, beta = np.full(len(target), np.nan), np.full(len(target), np.nan)
    for end in range(period, len(own) + 1):
        window = slice(end - period, end)
        alpha[end], beta[end], _, _ = capm(own[window].copy(), market[window].copy(), 0)
    return alpha, beta
