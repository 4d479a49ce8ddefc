"""Returns beside those of a benchmark; both of shape (n,), of the same periods."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from offline.statistics.moments import F64, deviation, mean, ratio
from offline.statistics.periods import periods_a_year
from offline.statistics.returns import annual_return

VARIANCE_MIN = 1e-30
"""A benchmark that varies less does not move."""


class AlphaBeta(NamedTuple):
    """Return of a year that the benchmark does not explain, and how much of the benchmark's return is taken."""

    alpha: float
    beta: float


class Batting(NamedTuple):
    """Share of periods better than the benchmark: of all, of those where it did not fall, of those where it fell."""

    all: float
    up_market: float
    down_market: float


def beta(returns: F64, factor_returns: F64, risk_free: float = 0.0) -> float:  # noqa: ARG001 - as alpha is asked
    """Return the slope of returns over those of the benchmark; NaN where that one does not move or has fewer than two.

    Parameters
    ----------
    returns, factor_returns
        Shape (n,); periods that lack one are left out.
    risk_free
        Constant, and so without a part in a slope.
    """
    if len(returns) < 1 or len(factor_returns) < 2:
        return math.nan
    there = ~np.isnan(returns) & ~np.isnan(factor_returns)
    x, y = factor_returns[there], returns[there]
    if len(x) == 0:
        return math.nan
    away = x - x.mean()
    variance = float((away**2).mean())
    return float((away * y).mean()) / variance if variance >= VARIANCE_MIN else math.nan


def alpha(
    returns: F64,
    factor_returns: F64,
    risk_free: float = 0.0,
    period: str = "daily",
    annualization: float | None = None,
    known_beta: float | None = None,
) -> float:
    """Return the mean return that the benchmark does not explain, compounded over a year; NaN of fewer than two.

    Parameters
    ----------
    returns, factor_returns
        Shape (n,).
    risk_free
        Of a period.
    period, annualization
        See ``periods_a_year``.
    known_beta
        The slope where it is known already.
    """
    if len(returns) < 2:
        return math.nan
    slope = beta(returns, factor_returns) if known_beta is None else known_beta
    unexplained = mean((returns - risk_free) - slope * (factor_returns - risk_free))
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.power(np.float64(1.0 + unexplained), periods_a_year(period, annualization))) - 1.0


def alpha_beta(
    returns: F64,
    factor_returns: F64,
    risk_free: float = 0.0,
    period: str = "daily",
    annualization: float | None = None,
) -> AlphaBeta:
    """Return ``alpha`` and ``beta``."""
    slope = beta(returns, factor_returns)
    return AlphaBeta(alpha(returns, factor_returns, risk_free, period, annualization, slope), slope)


def up_alpha_beta(
    returns: F64, factor_returns: F64, risk_free: float = 0.0, period: str = "daily", annualization: float | None = None
) -> AlphaBeta:
    """Return ``alpha_beta`` of the periods in which the benchmark rose."""
    up = factor_returns > 0
    return alpha_beta(returns[up], factor_returns[up], risk_free, period, annualization)


def down_alpha_beta(
    returns: F64, factor_returns: F64, risk_free: float = 0.0, period: str = "daily", annualization: float | None = None
) -> AlphaBeta:
    """Return ``alpha_beta`` of the periods in which the benchmark fell."""
    down = factor_returns < 0
    return alpha_beta(returns[down], factor_returns[down], risk_free, period, annualization)


def excess_sharpe(returns: F64, factor_returns: float | F64) -> float:
    """Return the information ratio of a period: mean over deviation of what exceeds the benchmark; NaN of under two."""
    if len(returns) < 2:
        return math.nan
    active = returns - factor_returns
    error = deviation(active)
    return ratio(mean(active), 0.0 if math.isnan(error) else error)


def capture(returns: F64, factor_returns: F64, period: str = "daily", annualization: float | None = None) -> float:
    """Return the annual return over that of the benchmark; NaN of none."""
    return ratio(annual_return(returns, period, annualization), annual_return(factor_returns, period, annualization))


def up_capture(returns: F64, factor_returns: F64, period: str = "daily", annualization: float | None = None) -> float:
    """Return ``capture`` over the periods in which the benchmark rose."""
    up = factor_returns > 0
    return capture(returns[up], factor_returns[up], period, annualization)


def down_capture(returns: F64, factor_returns: F64, period: str = "daily", annualization: float | None = None) -> float:
    """Return ``capture`` over the periods in which the benchmark fell."""
    down = factor_returns < 0
    return capture(returns[down], factor_returns[down], period, annualization)


def up_down_capture(
    returns: F64, factor_returns: F64, period: str = "daily", annualization: float | None = None
) -> float:
    """Return ``up_capture`` over ``down_capture``."""
    return ratio(
        up_capture(returns, factor_returns, period, annualization),
        down_capture(returns, factor_returns, period, annualization),
    )


def batting_average(returns: F64, factor_returns: F64) -> Batting:
    """Return the shares of periods that beat the benchmark; NaN of none."""
    better = returns - factor_returns > 0

    def share(of: NDArray[np.bool_]) -> float:
        return float(of.mean()) if len(of) else math.nan

    return Batting(share(better), share(better[factor_returns >= 0.0]), share(better[factor_returns < 0.0]))


def beta_fragility_heuristic(returns: F64, factor_returns: F64) -> float:
    """Return how much the mean of the returns at both ends of the benchmark's exceeds that in its middle.

    Parameters
    ----------
    returns, factor_returns
        Shape (n,); periods that lack one are left out.

    Returns
    -------
    Negative where losses grow faster than the benchmark's; NaN of fewer than three.

    References
    ----------
    Taleb, Canetti, Kinda, Loukoianova and Schmieder (2012), "A New Heuristic Measure of Fragility and Tail Risks".
    """
    if len(returns) < 3 or len(factor_returns) < 3:
        return math.nan
    there = np.flatnonzero(~np.isnan(returns) & ~np.isnan(factor_returns))
    if len(there) == 0:
        return math.nan
    order = there[np.argsort(factor_returns[there], kind="stable")]
    start, middle, end = (int(order[i]) for i in (0, min(round(len(order) / 2), len(order) - 1), len(order) - 1))
    reach = factor_returns[end] - factor_returns[start]
    at_start = at_end = 0.5
    if reach != 0.0:
        at_start = float((factor_returns[middle] - factor_returns[start]) / reach)
        at_end = float((factor_returns[end] - factor_returns[middle]) / reach)
    return float(at_start * returns[start] + at_end * returns[end] - returns[middle])
