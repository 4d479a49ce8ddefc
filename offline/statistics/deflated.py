"""The probability that a Sharpe ratio is skill: given its moments, its length, and how many were tried."""

import math

import numpy as np

from offline.statistics.moments import F64, NORMAL, deviation, kept, kurtosis, skewness
from offline.statistics.sharpe import sharpe_estimate, sharpe_of_period, variance_of_sharpe
from processors.errors import ConfigError

EULER = 0.5772156649015329
"""Of Euler and Mascheroni: the mean of the Gumbel distribution."""


def probabilistic_sharpe(sharpe: float, benchmark: float, n: int, skew: float = 0.0, kurt: float = 3.0) -> float:
    """Return the probability that the true Sharpe ratio is above a benchmark.

    Parameters
    ----------
    sharpe, benchmark
        Of a period, not annualised.
    n
        Periods, at least 2.
    skew, kurt
        Standardised moments of the returns; 0 and 3 of normal ones.

    Returns
    -------
    NaN where the moments leave no variance.

    Raises
    ------
    ConfigError
        Fewer than 2 periods.

    References
    ----------
    Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", equation 11.
    """
    if n < 2:
        raise ConfigError("sharpe", "periods", n, "at least 2")
    variance = variance_of_sharpe(sharpe, skew, kurt)
    if not variance > 0.0:
        return math.nan
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt((n - 1) / variance))


def probabilistic_sharpe_ratio(returns: F64, benchmark: float = 0.0, risk_free: float = 0.0) -> float:
    """Return ``probabilistic_sharpe`` of a series; NaN of fewer than two different returns.

    Parameters
    ----------
    returns
        Shape (n,).
    benchmark
        Sharpe ratio of a period to beat.
    risk_free
        Of a period.
    """
    x = kept(returns)
    if len(x) < 2 or x.min() == x.max():
        return math.nan
    return probabilistic_sharpe(sharpe_of_period(x, risk_free), benchmark, len(x), skewness(x), kurtosis(x))


def dependent_probabilistic_sharpe_ratio(returns: F64, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio is above a benchmark, of returns that may hang together.

    The standard error is the larger of that of independent returns with their moments and that of dependent ones:
    the second alone is too small in short series.

    Parameters
    ----------
    returns
        Shape (n,).
    benchmark
        Sharpe ratio of a period to beat.

    Returns
    -------
    NaN of fewer than two different returns.

    References
    ----------
    Lo (2002), equation 15, in the place of the variance of Bailey and Lopez de Prado (2012), equation 11.
    """
    x = kept(returns)
    if len(x) < 2 or x.min() == x.max():
        return math.nan
    error = max(sharpe_estimate(x, method=method).standard_error for method in ("moments", "hac"))
    return NORMAL.cdf((sharpe_of_period(x) - benchmark) / error) if error > 0.0 else math.nan


def expected_maximum_sharpe(n_trials: int, variance_of_trials: float) -> float:
    """Return the best Sharpe ratio to expect of trials that have no skill.

    Parameters
    ----------
    n_trials
        Independent trials, at least 1.
    variance_of_trials
        Of their Sharpe ratios.

    Raises
    ------
    ConfigError
        Fewer than 1 trial, or a negative variance.

    References
    ----------
    Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio", equation 1.
    """
    if n_trials < 1:
        raise ConfigError("sharpe", "trials", n_trials, "at least 1")
    if not variance_of_trials >= 0.0:
        raise ConfigError("sharpe", "variance of the trials", variance_of_trials, "0 or more")
    if n_trials == 1:
        return 0.0
    most = (1.0 - EULER) * NORMAL.inv_cdf(1.0 - 1.0 / n_trials) + EULER * NORMAL.inv_cdf(
        1.0 - 1.0 / (n_trials * math.e)
    )
    return math.sqrt(variance_of_trials) * most


def deflated_sharpe_ratio(returns: F64, n_trials: int, variance_of_trials: float, risk_free: float = 0.0) -> float:
    """Return the probability that the best of many trials has skill.

    Parameters
    ----------
    returns
        Shape (n,), of the trial that was chosen.
    n_trials, variance_of_trials
        See ``expected_maximum_sharpe``; Sharpe ratios of a period.
    risk_free
        Of a period.

    References
    ----------
    Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio", equation 2.
    """
    return probabilistic_sharpe_ratio(returns, expected_maximum_sharpe(n_trials, variance_of_trials), risk_free)


def minimum_track_record(
    sharpe: float, benchmark: float = 0.0, confidence: float = 0.95, skew: float = 0.0, kurt: float = 3.0
) -> float:
    """Return how many periods it takes until the probabilistic Sharpe ratio reaches the confidence.

    Parameters
    ----------
    sharpe, benchmark
        Of a period, not annualised.
    confidence
        Between 1/2 and 1.
    skew, kurt
        Standardised moments of the returns.

    Returns
    -------
    Periods, not rounded; infinite where the ratio is not above the benchmark.

    Raises
    ------
    ConfigError
        The confidence is out of range.

    References
    ----------
    Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", equation 13.
    """
    if not 0.5 <= confidence < 1.0:
        raise ConfigError("sharpe", "confidence", confidence, "from 1/2 to below 1")
    if not sharpe > benchmark:
        return math.inf
    return 1.0 + variance_of_sharpe(sharpe, skew, kurt) * (NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def probabilistic_sharpe_ratio_of_lean(returns: F64, benchmark: float = 0.0, risk_free: float = 0.0) -> float:
    """Return the probabilistic Sharpe ratio as LEAN reports it, to compare with its backtests.

    It takes unbiased moments, and puts the excess kurtosis where the paper has the kurtosis, so that it is more certain
    than ``probabilistic_sharpe_ratio``. Our own reports use that one.

    Parameters
    ----------
    returns, benchmark, risk_free
        See ``probabilistic_sharpe_ratio``.

    Returns
    -------
    0 where the moments leave no variance, or there are too few returns for them.

    References
    ----------
    ``ProbabilisticSharpeRatio`` in LEAN's ``Common/Statistics/Statistics.cs``; moments of Joanes and Gill (1998).
    """
    x = kept(returns)
    n = len(x)
    if n < 4 or x.min() == x.max():
        return 0.0
    skew = skewness(x) * math.sqrt(n * (n - 1.0)) / (n - 2.0)
    excess = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * (kurtosis(x) - 3.0) + 6.0)
    sharpe = sharpe_of_period_of_lean(x, risk_free)
    variance = variance_of_sharpe(sharpe, skew, excess)
    if variance < 0.0:
        return 0.0
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt((n - 1) / variance) if variance > 0.0 else 0.0)


def sharpe_of_period_of_lean(returns: F64, risk_free: float = 0.0) -> float:
    """Return the Sharpe ratio of a period; 0 where it has no risk."""
    spread = deviation(returns)
    return 0.0 if math.isnan(spread) or spread == 0.0 else (float(np.mean(returns)) - risk_free) / spread
