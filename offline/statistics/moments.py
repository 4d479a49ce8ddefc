"""Moments of a sample with holes, and the standard normal."""

import math
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]

NORMAL = NormalDist()


def kept(values: F64) -> F64:
    """Return the values that are numbers."""
    return values[~np.isnan(values)]


def mean(values: F64) -> float:
    """Return the mean of the values that are numbers; NaN of none."""
    x = kept(values)
    return float(x.mean()) if len(x) else math.nan


def deviation(values: F64) -> float:
    """Return the sample standard deviation (n - 1) of the values that are numbers; NaN of fewer than two.

    Of equal values it is 0, whatever the rounding of their mean.
    """
    x = kept(values)
    if len(x) < 2:
        return math.nan
    return 0.0 if x.min() == x.max() else float(x.std(ddof=1))


def ratio(numerator: float, denominator: float) -> float:
    """Return a quotient as arrays divide: infinite over 0, NaN of 0 over 0."""
    if denominator == 0.0:
        return math.nan if numerator == 0.0 or math.isnan(numerator) else math.copysign(math.inf, numerator)
    return numerator / denominator


def skewness(values: F64) -> float:
    """Return the third standardised moment of the sample, 0 of a normal one; NaN of fewer than two different values."""
    return _standardised(values, 3)


def kurtosis(values: F64) -> float:
    """Return the fourth standardised moment of the sample, 3 of a normal one; NaN of under two different values."""
    return _standardised(values, 4)


def _standardised(values: F64, power: int) -> float:
    x = kept(values)
    if len(x) < 2 or x.min() == x.max():
        return math.nan
    away = x - x.mean()
    return float((away**power).mean() / (away**2).mean() ** (power / 2))
