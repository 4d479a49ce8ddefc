"""Ranks with ties: what the area under a ROC curve, importances of folds and the search for leaks are made of."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def mid_ranks(values: F64) -> F64:
    """Return the ranks from 1, ties sharing their mean, shape (n,)."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - 0.5 * (count - 1))[inverse], np.float64)
