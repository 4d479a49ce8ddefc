"""Prices into returns, and returns compounded, by year and by calendar period."""

import math

import numpy as np
import pandas as pd

from offline.statistics.moments import F64, deviation
from offline.statistics.periods import periods_a_year
from processors.errors import ConfigError

CALENDAR = {"weekly": ("isoyear", "week"), "monthly": ("year", "month"), "quarterly": ("year", "quarter"),
            "yearly": ("year",)}  # fmt: skip


def simple_returns(prices: F64) -> F64:
    """Return p[t] / p[t-1] - 1, shape (n - 1,); infinite after a price of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.diff(prices) / prices[:-1], np.float64)


def cum_returns(returns: F64, starting_value: float = 0.0) -> F64:
    """Return the compounded return up to each period, shape (n,), a missing one counted as 0.

    Parameters
    ----------
    returns
        Shape (n,).
    starting_value
        Where it is not 0, the value of that much money is returned instead.
    """
    grown = np.cumprod(1.0 + np.nan_to_num(returns, nan=0.0, posinf=np.inf, neginf=-np.inf))
    return np.asarray(grown * starting_value if starting_value else grown - 1.0, np.float64)


def cum_returns_final(returns: F64, starting_value: float = 0.0) -> float:
    """Return the compounded return over all periods, see ``cum_returns``; NaN of none."""
    if len(returns) == 0:
        return math.nan
    grown = float(np.nanprod(1.0 + returns))
    return grown * starting_value if starting_value else grown - 1.0


def aggregate_returns(returns: F64, days: pd.DatetimeIndex, convert_to: str) -> F64:
    """Return compounded returns by calendar period, in the order of time.

    Parameters
    ----------
    returns, days
        Shape (n,): returns and their days, ascending.
    convert_to
        ``weekly`` (weeks of ISO 8601), ``monthly``, ``quarterly`` or ``yearly``.

    Raises
    ------
    ConfigError
        There is no such period.

    Notes
    -----
    The days around New Year are one week here. The source groups by calendar year and ISO week, and so takes the last
    days of December for week 1 of the year that ends.
    """
    if convert_to not in CALENDAR:
        raise ConfigError("statistics", "convert_to", convert_to, f"one of {', '.join(CALENDAR)}")
    iso = days.isocalendar()
    parts = {"isoyear": iso["year"].to_numpy(), "week": iso["week"].to_numpy(), "year": days.year.to_numpy(),
             "quarter": days.quarter.to_numpy(), "month": days.month.to_numpy()}  # fmt: skip
    key = np.stack([np.asarray(parts[name], np.int64) for name in CALENDAR[convert_to]])
    if len(returns) == 0:
        return np.empty(0)
    new = np.r_[True, (np.diff(key, axis=1) != 0).any(axis=0)]
    groups = np.split(returns, np.flatnonzero(new)[1:])
    return np.array([cum_returns_final(group) for group in groups])


def annual_return(returns: F64, period: str = "daily", annualization: float | None = None) -> float:
    """Return the compound annual growth rate; NaN of no returns, or where everything is lost more than once.

    Parameters
    ----------
    returns
        Shape (n,); a missing one counts as a period.
    period, annualization
        See ``periods_a_year``.

    Raises
    ------
    ConfigError
        There is no such period.
    """
    years = len(returns) / periods_a_year(period, annualization)
    if len(returns) == 0:
        return math.nan
    grown = cum_returns_final(returns, 1.0)
    with np.errstate(over="ignore"):
        return float(np.power(np.float64(grown), 1.0 / years)) - 1.0 if grown >= 0.0 else math.nan


cagr = annual_return


def annual_volatility(
    returns: F64, period: str = "daily", alpha: float = 2.0, annualization: float | None = None
) -> float:
    """Return the standard deviation of a year; NaN of fewer than two returns.

    Parameters
    ----------
    returns
        Shape (n,).
    alpha
        Stability exponent: deviations grow with time to the power of 1 / alpha, 2 for independent returns.
    period, annualization
        See ``periods_a_year``.
    """
    return deviation(returns) * math.pow(periods_a_year(period, annualization), 1.0 / alpha)
