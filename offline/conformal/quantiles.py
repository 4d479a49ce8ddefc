"""The order statistic that bounds a new score with a given probability."""

import math

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError

F64 = NDArray[np.float64]

ROUNDING = 1e-9
"""Levels are decimals that a float does not hold: 0.9 times 30 is to be 27, and not a little more."""


def check_confidence(confidence: float) -> float:
    """Return the confidence.

    Raises
    ------
    ConfigError
        It is not between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError("conformal", "confidence", confidence, "between 0 and 1")
    return confidence


def rank(level: float, n: int) -> int:
    """Return which of n ascending scores bounds one more with probability ``level``; n + 1 where none does."""
    return min(max(math.ceil(level * (n + 1) - ROUNDING), 0), n + 1)


def upper(scores: F64, level: float) -> F64:
    """Return the bound that a new score is not above with probability ``level``, along the last axis.

    Parameters
    ----------
    scores
        Shape (..., n); NaN stands for no score, in whole columns.
    level
        From 0 to 1.

    Returns
    -------
    Shape (...): infinite where there are too few scores for the level; the smallest score at level 0.

    References
    ----------
    Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World"; Lei et al. (2018), section 2.
    """
    known = scores[..., ~np.isnan(scores).reshape(-1, scores.shape[-1]).any(axis=0)]
    n = known.shape[-1]
    k = rank(level, n)
    if k > n:
        return np.full(scores.shape[:-1], np.inf)
    at = max(k - 1, 0)
    return np.asarray(np.partition(known, at, axis=-1)[..., at])


def lower(scores: F64, level: float) -> F64:
    """Return the bound that a new score is below with probability ``level`` at most: ``upper`` turned over."""
    return -upper(-scores, 1.0 - level)


def narrowest(scores: F64, alpha: float) -> float:
    """Return how much of alpha is to lie below, so that the two bounds are as near as can be.

    Parameters
    ----------
    scores
        Shape (n,), signed.
    alpha
        Probability outside, both sides together.

    Returns
    -------
    Half of it where there are too few scores to bound both sides.

    References
    ----------
    Xu and Xie (2021), "Conformal prediction interval for dynamic time-series", algorithm 1, line 10.
    """
    known = scores[~np.isnan(scores)]
    below = np.linspace(alpha / (len(scores) + 1), alpha, num=len(scores))
    # A share that no score bounds on one of the sides is infinitely wide, whatever the quantiles say.
    least = 1.0 / (len(known) + 1.0) - ROUNDING
    below = below[(below >= least) & (alpha - below >= least)]
    if len(below) == 0:
        return alpha / 2.0
    high = np.quantile(known, np.minimum(1.0 - alpha + below, 1.0), method="higher")
    low = np.quantile(known, below, method="lower")
    return float(below[np.argmin(high - low)])
