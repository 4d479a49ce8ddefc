"""The nearest values that never fall: the kernel of isotonic calibration."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@njit(cache=True)
def pool_adjacent_violators(value: F64, weight: F64) -> F64:
    """Return the never falling values with the least weighted squared distance from the given ones, shape (n,).

    Parameters
    ----------
    value, weight
        Shape (n,); weights are positive.

    References
    ----------
    Ayer, Brunk, Ewing, Reid and Silverman (1955), "An Empirical Distribution Function for Sampling with Incomplete
    Information".
    """
    n = len(value)
    level, mass, begin = np.empty(n), np.empty(n), np.empty(n, np.int64)
    top = 0
    for i in range(n):
        level[top], mass[top], begin[top] = value[i], weight[i], i
        top += 1
        # A block that is not above the one before it is joined with it.
        while top > 1 and level[top - 2] >= level[top - 1]:
            joined = mass[top - 2] + mass[top - 1]
            level[top - 2] = (mass[top - 2] * level[top - 2] + mass[top - 1] * level[top - 1]) / joined
            mass[top - 2] = joined
            top -= 1
    found = np.empty(n)
    for block in range(top):
        end = begin[block + 1] if block + 1 < top else n
        found[begin[block] : end] = level[block]
    return found
