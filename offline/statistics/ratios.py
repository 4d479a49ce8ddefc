"""Reward over risk of one series."""

import math

import numpy as np

from offline.statistics.moments import F64, deviation, kept, mean, ratio
from offline.statistics.periods import periods_a_year


def sharpe_ratio(
    returns: F64, risk_free: float | F64 = 0.0, period: str = "daily", annualization: float | None = None
) -> float:
    """Return mean over standard deviation of excess returns, by year; NaN of fewer than two.

    Parameters
    ----------
    returns
        Shape (n,).
    risk_free
        Of a period: one number, or shape (n,).
    period, annualization
        See ``periods_a_year``.

    Returns
    -------
    Infinite where equal returns are not 0.
    """
    excess = returns - risk_free
    return ratio(mean(excess), deviation(excess)) * math.sqrt(periods_a_year(period, annualization))


def downside_risk(
    returns: F64, required_return: float | F64 = 0.0, period: str = "daily", annualization: float | None = None
) -> float:
    """Return the root of the mean square of what returns lack of the required one, by year; NaN of none.

    Parameters
    ----------
    returns, period, annualization
        See ``sharpe_ratio``.
    required_return
        Of a period: one number, or shape (n,).
    """
    lack = np.minimum(returns - required_return, 0.0)
    return math.sqrt(mean(lack**2)) * math.sqrt(periods_a_year(period, annualization))


def sortino_ratio(
    returns: F64,
    required_return: float | F64 = 0.0,
    period: str = "daily",
    annualization: float | None = None,
    known_downside_risk: float | None = None,
) -> float:
    """Return the mean excess over the required return over the downside risk, by year; NaN of fewer than two.

    Parameters
    ----------
    returns, required_return, period, annualization
        See ``downside_risk``.
    known_downside_risk
        That risk where it is known already.
    """
    if len(returns) < 2:
        return math.nan
    risk = known_downside_risk
    if risk is None:
        risk = downside_risk(returns, required_return, period, annualization)
    return ratio(mean(returns - required_return) * periods_a_year(period, annualization), risk)


def omega_ratio(
    returns: F64, risk_free: float | F64 = 0.0, required_return: float = 0.0, annualization: float = 252
) -> float:
    """Return the sum of gains over the sum of losses around a threshold; NaN without losses or of fewer than two.

    Parameters
    ----------
    returns
        Shape (n,).
    risk_free
        Of a period: one number, or shape (n,).
    required_return
        Of a year where ``annualization`` is not 1, compounded; above -1.
    annualization
        Periods a year.
    """
    if len(returns) < 2 or (annualization != 1 and required_return <= -1.0):
        return math.nan
    threshold = required_return if annualization == 1 else (1.0 + required_return) ** (1.0 / annualization) - 1.0
    over = kept(returns - risk_free - threshold)
    losses = -float(over[over < 0.0].sum())
    return float(over[over > 0.0].sum()) / losses if losses > 0.0 else math.nan


def stability_of_timeseries(returns: F64) -> float:
    """Return R squared of a line through the cumulated log returns; NaN of under two, or where they do not move."""
    x = kept(returns)
    if len(x) < 2:
        return math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log1p(x).cumsum()
    time = np.arange(len(log)) - (len(log) - 1) / 2.0
    away = log - log.mean()
    both = math.sqrt(float(time @ time) * float(away @ away))
    return (float(time @ away) / both) ** 2 if both > 0.0 else math.nan


def tail_ratio(returns: F64) -> float:
    """Return the size of the 95th over that of the 5th percentile; NaN of none."""
    x = kept(returns)
    if len(x) == 0:
        return math.nan
    high, low = np.percentile(x, (95, 5))
    return ratio(abs(float(high)), abs(float(low)))


def value_at_risk(returns: F64, cutoff: float = 0.05) -> float:
    """Return the quantile of the returns at the cutoff, linear between order statistics; NaN of none, or with NaN."""
    return float(np.percentile(returns, 100 * cutoff)) if len(returns) else math.nan


def conditional_value_at_risk(returns: F64, cutoff: float = 0.05) -> float:
    """Return the mean of the worst returns, the order statistic at the cutoff included; NaN of none, or with NaN."""
    if len(returns) == 0:
        return math.nan
    last = int((len(returns) - 1) * cutoff)
    return float(np.partition(returns, last)[: last + 1].mean())
