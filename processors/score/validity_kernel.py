"""How strange a row is beside those that a model was trained on, as a number and as a conformal p-value."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@njit(cache=True)
def strangeness(x: F32, centre: F64, scale: F64, out: F64) -> None:
    """Fill the mean square of each row's distance from the centre, in scales, over the inputs that are not null.

    Parameters
    ----------
    x
        Shape (n, n_inputs).
    centre, scale
        Shape (n_inputs,); an input of scale 0 never moved in training, and is left out.
    out
        Shape (n,), filled; 0 where every input is null, infinite where one is.
    """
    for i in range(x.shape[0]):
        total, n = 0.0, 0
        for j in range(x.shape[1]):
            if scale[j] > 0.0 and not math.isnan(x[i, j]):
                z = (np.float64(x[i, j]) - centre[j]) / scale[j]
                total += z * z
                n += 1
        out[i] = total / n if n > 0 else 0.0


@njit(cache=True)
def conformal_p(ascending: F64, new: F64, out: F64) -> None:
    """Fill the chance that one like those of the past is as strange: (1 + #{a_i >= a}) / (n + 1).

    Parameters
    ----------
    ascending
        Shape (n,): strangeness of calibration rows.
    new, out
        Shape (m,).

    References
    ----------
    Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World", section 2.2.
    """
    n = len(ascending)
    for i in range(len(new)):
        out[i] = (1.0 + (n - np.searchsorted(ascending, new[i]))) / (n + 1.0)
