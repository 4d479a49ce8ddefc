"""The Sharpe ratio with its standard error: how sure one may be of it."""

import math
from typing import NamedTuple

import numpy as np

from offline.statistics.moments import F64, NORMAL, deviation, kept, kurtosis, mean, ratio, skewness
from processors.errors import ConfigError

METHODS = ("normal", "moments", "hac")


class SharpeEstimate(NamedTuple):
    """Sharpe ratio of a period, its standard error, and the confidence interval."""

    value: float
    standard_error: float
    low: float
    high: float


def sharpe_of_period(returns: F64, risk_free: float | F64 = 0.0) -> float:
    """Return mean over sample deviation of excess returns of one period; NaN of fewer than two."""
    excess = returns - risk_free
    return ratio(mean(excess), deviation(excess))


def sharpe_estimate(
    returns: F64, confidence: float = 0.95, method: str = "hac", lags: int | None = None
) -> SharpeEstimate:
    """Return the Sharpe ratio of a period with its asymptotic standard error and interval.

    Parameters
    ----------
    returns
        Shape (n,), excess returns.
    confidence
        Of the two-sided interval, between 0 and 1.
    method
        ``normal``: independent and normal, (1 + SR^2 / 2) / n. ``moments``: independent, with skewness and kurtosis as
        they are. ``hac``: dependent too, by the long-run variance of the estimator's influence.
    lags
        Of ``hac``; 4 (n / 100)^(2/9) where None.

    Raises
    ------
    ConfigError
        Another method, or a confidence or lag out of range.

    References
    ----------
    Lo (2002), "The Statistics of Sharpe Ratios", equations 8 and 15; Mertens (2002); Newey and West (1987, 1994).
    """
    if method not in METHODS:
        raise ConfigError("sharpe", "method", method, f"one of {', '.join(METHODS)}")
    if not 0.0 < confidence < 1.0:
        raise ConfigError("sharpe", "confidence", confidence, "between 0 and 1")
    x = kept(returns)
    value = sharpe_of_period(x)
    if not math.isfinite(value):
        return SharpeEstimate(value, math.nan, math.nan, math.nan)
    if method == "normal":
        variance = 1.0 + 0.5 * value**2
    elif method == "moments":
        variance = variance_of_sharpe(value, skewness(x), kurtosis(x))
    else:
        chosen = lags_of(len(x)) if lags is None else lags
        variance = long_run_variance(influence(x), chosen)
    error = math.sqrt(max(variance, 0.0) / len(x))
    reach = NORMAL.inv_cdf(0.5 + confidence / 2.0) * error
    return SharpeEstimate(value, error, value - reach, value + reach)


def variance_of_sharpe(sharpe: float, skew: float, kurt: float) -> float:
    """Return n times the variance of the Sharpe ratio of independent returns.

    Parameters
    ----------
    sharpe
        Of a period.
    skew, kurt
        Standardised moments; 0 and 3 of normal returns.

    References
    ----------
    Mertens (2002), "Comments on variance of the IID estimator in Lo (2002)".
    """
    return 1.0 - skew * sharpe + (kurt - 1.0) / 4.0 * sharpe**2


def influence(returns: F64) -> F64:
    """Return how much each return moves the Sharpe ratio, times n, shape (n,): its mean is 0.

    References
    ----------
    Lo (2002), appendix A: the delta method for mean over root of variance.
    """
    away = returns - returns.mean()
    sigma = math.sqrt(float((away**2).mean()))
    sharpe = float(returns.mean()) / sigma
    return np.asarray(away / sigma - 0.5 * sharpe * (away**2 / sigma**2 - 1.0))


def lags_of(n: int) -> int:
    """Return how many lags n returns can tell of.

    References
    ----------
    Newey and West (1994), "Automatic Lag Selection in Covariance Matrix Estimation": the rule of thumb.
    """
    return int(4.0 * (n / 100.0) ** (2.0 / 9.0))


def long_run_variance(values: F64, lags: int) -> float:
    """Return n times the variance of the mean of a dependent series around 0; weights fall linearly over the lags.

    Raises
    ------
    ConfigError
        The number of lags is below 0.

    References
    ----------
    Newey and West (1987), "A Simple, Positive Semi-Definite, Heteroskedasticity and Autocorrelation Consistent ...".
    """
    if lags < 0:
        raise ConfigError("sharpe", "lags", lags, "0 or more")
    n = len(values)
    total = float(values @ values) / n
    for lag in range(1, min(lags, n - 1) + 1):
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * float(values[lag:] @ values[:-lag]) / n
    return total


def autocorrelations(returns: F64, lags: int) -> F64:
    """Return the autocorrelations of lags 1 to ``lags``, shape (lags,); 0 from lag n on, NaN of equal returns."""
    away = returns - returns.mean()
    total = float(away @ away)
    if total == 0.0:
        return np.full(lags, math.nan)
    return np.array([float(away[lag:] @ away[:-lag]) / total if lag < len(away) else 0.0 for lag in range(1, lags + 1)])


def annualised_sharpe(
    returns: F64, periods: int = 252, *, autocorrelated: bool = True, lags: int | None = None
) -> float:
    """Return the Sharpe ratio of ``periods`` periods together.

    Autocorrelations of a sample add up to -1/2 over all its lags, whatever the series: were all of ``periods`` taken,
    a year of independent returns would look twice as good as it was.

    Parameters
    ----------
    returns
        Shape (n,), excess returns of a period.
    periods
        At least 1.
    autocorrelated
        Whether the sum of dependent returns is taken for what it is; else the root of the periods.
    lags
        How far returns depend on those before, fewer than ``periods``; ``lags_of`` if None.

    Returns
    -------
    NaN where the autocorrelations leave the sum no variance.

    Raises
    ------
    ConfigError
        Fewer than 1 period, or lags below 0.

    References
    ----------
    Lo (2002), equations 17 and 18.
    """
    if periods < 1:
        raise ConfigError("sharpe", "periods", periods, "at least 1")
    if lags is not None and lags < 0:
        raise ConfigError("sharpe", "lags", lags, "0 or more")
    x = kept(returns)
    value = sharpe_of_period(x)
    if not autocorrelated or periods == 1:
        return value * math.sqrt(periods)
    n_lags = min(periods - 1, lags_of(len(x)) if lags is None else lags)
    left = periods - np.arange(1, n_lags + 1)
    spread = periods + 2.0 * float(left @ autocorrelations(x, n_lags))
    return value * periods / math.sqrt(spread) if spread > 0.0 else math.nan
