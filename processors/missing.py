"""Which rows are whole: the one rule of the missing policies, as a function of arrays, NaN for null.

``warmup``: null until the window is full, and the row is not warm before. ``optional``: null where the instrument has
no such data; no part of warm. Nothing is ever put in the place of a null. Featurize says with it whether a row is warm,
which score and training go by, and the feature service whether one is by its pack.
"""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


def is_warm(values: F64, required: Mask | I64) -> Mask:
    """Return which rows have every feature whose window must be full.

    Parameters
    ----------
    values
        Shape (n_features, n_rows).
    required
        The features of the policy ``warmup``: a mask of shape (n_features,), or their positions.
    """
    return np.asarray(~np.isnan(values[required]).any(axis=0), np.bool_)
