"""Losses from the highest value so far: how deep, and how long until it is back."""

import math

import numpy as np

from offline.statistics.moments import F64
from offline.statistics.returns import annual_return, cum_returns


def drawdown_series(returns: F64) -> F64:
    """Return how far each value is from the highest so far, the start included, a fraction <= 0, shape (n,)."""
    value = np.r_[1.0, 1.0 + cum_returns(returns)]
    peak = np.fmax.accumulate(value)
    with np.errstate(invalid="ignore"):
        return np.asarray(((value - peak) / peak)[1:])


def max_drawdown(returns: F64) -> float:
    """Return the deepest drawdown as a fraction, <= 0; NaN of no returns."""
    return math.nan if len(returns) == 0 else min(float(np.nanmin(drawdown_series(returns))), 0.0)


def calmar_ratio(returns: F64, period: str = "daily", annualization: float | None = None) -> float:
    """Return the annual return over the deepest drawdown; NaN where there is none.

    Parameters
    ----------
    returns, period, annualization
        See ``annual_return``.
    """
    deepest = max_drawdown(returns)
    if not deepest < 0.0:
        return math.nan
    found = annual_return(returns, period, annualization) / abs(deepest)
    return math.nan if math.isinf(found) else found


def recovery_days(equity: F64, days: F64 | None = None) -> int:
    """Return the longest time from a peak below which the value falls until it is reached again.

    Parameters
    ----------
    equity
        Shape (n,), value at each day, in money.
    days
        Shape (n,), days since any, ascending; one after the other where None.

    Returns
    -------
    Whole days; 0 where no drawdown is made good.

    References
    ----------
    ``CalculateDrawdownMetrics`` of LEAN.
    """
    if len(equity) < 2:
        return 0
    day = np.arange(len(equity), dtype=np.float64) if days is None else days
    # A peak is whatever is not below all before; it stands until the next one.
    at_peak = np.flatnonzero(equity >= np.maximum.accumulate(equity))
    below = np.diff(at_peak) > 1
    return int((day[at_peak[1:]] - day[at_peak[:-1]])[below].max(initial=0.0))
