"""How strange a row is beside those of the past, and the rows that are too strange to be predicted."""

import numpy as np
from numpy.typing import NDArray

from offline.conformal.quantiles import F64
from processors.errors import ConfigError


def p_values(scores: F64, new: F64) -> F64:
    """Return of each new row the chance that one like those of the past is as strange: (1 + #{a_i >= a}) / (n + 1).

    Parameters
    ----------
    scores
        Shape (n,): strangeness of calibration rows, larger is stranger.
    new
        Shape (m,).

    Returns
    -------
    Shape (m,), from 1 / (n + 1) to 1; at most a share p of exchangeable rows has a value of p or less.

    References
    ----------
    Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World", section 2.2.
    """
    ascending = np.sort(scores)
    as_strange = len(ascending) - np.searchsorted(ascending, new, side="left")
    return np.asarray((1.0 + as_strange) / (len(ascending) + 1.0), np.float64)


def valid(scores: F64, new: F64, p_min: float = 0.05) -> NDArray[np.bool_]:
    """Return which new rows are like enough to those of the past: the others are to have no signal.

    Parameters
    ----------
    scores, new
        See ``p_values``.
    p_min
        Rows of a lower value are left out: as large a share of ordinary rows goes with them, at most.

    Raises
    ------
    ConfigError
        The bound is no probability, or one that too few calibration rows can ever be below.
    """
    if not 0.0 <= p_min < 1.0:
        raise ConfigError("conformal", "p_min", p_min, "from 0 to below 1")
    if 0.0 < p_min <= 1.0 / (len(scores) + 1.0):
        least = int(np.ceil(1.0 / p_min))
        raise ConfigError("conformal", "calibration rows", len(scores), f"at least {least} for a bound of {p_min}")
    return np.asarray(p_values(scores, new) >= p_min)
