"""Factors of corporate actions over arrays. ``factors`` and ``views`` call it."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PREVIOUS_CLOSE = 0
EX_CLOSE = 1


@njit(cache=True)
def event_factor(convention: int, value_out: float, shares_after: float, reference: float) -> float:
    """Return what a price before the action is multiplied by.

    Parameters
    ----------
    convention
        ``PREVIOUS_CLOSE``: reference is the close before the ex-date, value_out a share held before.
        ``EX_CLOSE``: reference is the close of the ex-date, value_out a share held after.
    value_out
        Cash or value that leaves the share, price units.
    shares_after
        Shares after for each before.
    reference
        Raw close, price units; NaN where there is none.

    Returns
    -------
    Dimensionless. 0 or less where more leaves the share than it was worth, NaN without a reference that is needed.
    """
    if value_out == 0.0:
        return 1.0 / shares_after
    if convention == PREVIOUS_CLOSE:
        return (1.0 - value_out / reference) / shares_after
    return reference / (reference + value_out) / shares_after


@njit(cache=True)
def cumulate(day: I64, ex_day: I64, factor: F64, use: NDArray[np.bool_], out: F64) -> None:
    """Set out[i] to the product of the factors in use whose ex-day lies after the row's day.

    Parameters
    ----------
    day
        Shape (n,): days since the epoch, ascending.
    ex_day, factor, use
        Shape (m,): ascending ex-days, dimensionless factors, and whether each counts.
    out
        Shape (n,): dimensionless.
    """
    product = 1.0
    j = len(ex_day) - 1
    for i in range(len(day) - 1, -1, -1):
        while j >= 0 and ex_day[j] > day[i]:
            if use[j]:
                product *= factor[j]
            j -= 1
        out[i] = product


@njit(cache=True)
def log_returns(
    day: I64, known_ns: I64, close: F64, ex_day: I64, factor: F64, factor_known_ns: I64, until_ns: I64, out: F64
) -> None:
    """Set out[i] to the log return from row i-1 to row i, adjusted by what was known at row i.

    A factor counts where its ex-day is after the day of row i-1 and not after that of row i, and row i lies in
    [known, until) of it. The first row has no return: NaN.

    Parameters
    ----------
    day, known_ns, close
        Shape (n,): day of the row (ascending), when the row was known (ns), raw close.
    ex_day, factor, factor_known_ns, until_ns
        Shape (m,): ascending ex-days and the factors with the time in which they stand.
    out
        Shape (n,): natural logarithm.
    """
    j = 0
    for i in range(len(day)):
        if i == 0:
            out[i] = math.nan
            continue
        while j < len(ex_day) and ex_day[j] <= day[i - 1]:
            j += 1
        product = 1.0
        k = j
        while k < len(ex_day) and ex_day[k] <= day[i]:
            if factor_known_ns[k] <= known_ns[i] < until_ns[k]:
                product *= factor[k]
            k += 1
        out[i] = math.log(close[i] / (close[i - 1] * product))
