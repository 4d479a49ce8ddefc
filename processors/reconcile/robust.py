"""Robust location and scale of a few values: the lower weighted median and the MAD.

Called by ``consensus``, ``precision`` and ``volume``.

Arrays are scratch space of fixed size: the first n values count, in ascending order.
"""

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import kernel

F64 = NDArray[np.float64]

MAD_OF_UNIT_NORMAL = 0.6744897501960817
"""Quantile 0.75 of the standard normal: MAD / this estimates its deviation."""


@kernel
def insert(columns: F64, n_rows: int, n: int, value: float) -> int:
    """Put a value among the ascending ones of the first row, and return its place; ties keep their order.

    Insertion: a handful of values.

    Parameters
    ----------
    columns
        Shape (>= n_rows, > n): the first n values of the first row are ascending. What is below those that make room
        moves along; what is below the value is for the caller to fill.
    """
    at = n
    while at > 0 and columns[0, at - 1] > value:
        for row in range(n_rows):
            columns[row, at] = columns[row, at - 1]
        at -= 1
    columns[0, at] = value
    return at


@kernel
def lower_weighted_median(x: F64, w: F64, n: int) -> float:
    """Return the smallest value whose cumulated weight reaches half of the total; NaN if n is 0.

    Parameters
    ----------
    x
        Shape (>= n,), ascending.
    w
        Shape (>= n,), weights, at least one positive.
    """
    total = 0.0
    for i in range(n):
        total += w[i]
    cumulated = 0.0
    for i in range(n):
        cumulated += w[i]
        # Halves that are equal but for rounding are equal: which sums came first must not decide.
        if 2.0 * cumulated >= total * (1.0 - 1e-12):
            return float(x[i])
    return np.nan


@kernel
def median(x: F64, n: int) -> float:
    """Return the median of ascending values, the mean of the middle two if n is even; NaN if n is 0."""
    if n == 0:
        return np.nan
    return float(0.5 * (x[(n - 1) // 2] + x[n // 2]))


@kernel
def mad_normal(x: F64, n: int) -> float:
    """Return the median distance from the median over that of the unit normal; NaN if n is 0.

    The distances are met in ascending order by walking outwards from the median, so that nothing is sorted again.

    Parameters
    ----------
    x
        Shape (>= n,), ascending.
    """
    if n == 0:
        return np.nan
    centre = median(x, n)
    left = (n - 1) // 2
    right = left + 1
    distance = before = 0.0
    for _ in range(n // 2 + 1):
        before = distance
        if right >= n or (left >= 0 and centre - x[left] <= x[right] - centre):
            distance = centre - x[left]
            left -= 1
        else:
            distance = x[right] - centre
            right += 1
    if n % 2 == 0:
        distance = 0.5 * (before + distance)
    return distance / MAD_OF_UNIT_NORMAL
