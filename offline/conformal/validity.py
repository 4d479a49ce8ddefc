"""How strange a row is beside those of the past, and the rows that are too strange to be predicted.

The score stage gives every signal the value of ``p_values``, and the gate ``low_validity`` where ``valid`` is false: by
the scores that ``thinned`` leaves of the calibration.
"""

import numpy as np
from numpy.typing import NDArray

from offline.conformal.quantiles import F64
from processors.errors import ConfigError
from processors.score.validity import p_values_of


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
    return p_values_of(np.sort(scores), new)


def thinned(scores: F64, most: int) -> F64:
    """Return at most so many of the scores, ascending, by which no row has a smaller p-value than by all of them.

    Of n scores the k-th that is left is that of rank ceil(k (n + 1) / (most + 1)). Its p-values are valid as those of
    all are, and at most 1 / (most + 1) + 1 / (n + 1) above them.

    Parameters
    ----------
    scores
        Shape (n,), in any order.
    most
        1 or more.
    """
    ascending, n = np.sort(scores), len(scores)
    if n <= most:
        return ascending
    # In whole numbers: a rank that a float rounds down would promise too much.
    rank = -(-np.arange(1, most + 1) * (n + 1) // (most + 1))
    return ascending[rank - 1]


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
