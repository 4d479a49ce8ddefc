"""Value at risk and expected shortfall by a generalised Pareto distribution of the losses beyond a threshold."""

import math
import sys
from typing import NamedTuple

import numpy as np

from offline.statistics.moments import F64
from offline.statistics.nelder_mead import nelder_mead

THRESHOLD_FIRST = 0.2
"""Losses as fractions: a loss of 20 % a period is where a tail surely begins."""
THRESHOLD_MIN = 1e-9
"""The threshold is halved down to here."""


class TailRisk(NamedTuple):
    """Threshold, scale and shape of the tail, and the loss that is exceeded with the probability, and its mean beyond.

    All 0 where no tail is found.
    """

    threshold: float = 0.0
    scale: float = 0.0
    shape: float = 0.0
    value_at_risk: float = 0.0
    expected_shortfall: float = 0.0


def gpd_risk_estimates(returns: F64, probability: float = 0.01) -> TailRisk:
    """Return the tail of the losses, with the largest halved threshold at which one with a heavy shape fits.

    Parameters
    ----------
    returns
        Shape (n,).
    probability
        Of a loss beyond the value at risk.

    References
    ----------
    McNeil and Frey (2000), "Estimation of tail-related risk measures", as empyrical computes it: the share of losses
    beyond the threshold is that among losses, not among returns.
    """
    if len(returns) < 3:
        return TailRisk()
    losses = -returns[returns < 0]
    threshold = THRESHOLD_FIRST
    while threshold > THRESHOLD_MIN:
        beyond = losses[losses >= threshold]
        if len(beyond):
            found = nelder_mead(lambda p, x=beyond: _minus_log_likelihood(p[0], p[1], x), np.ones(2))  # type: ignore[misc]
            scale, shape = float(found.at[0]), float(found.at[1])
            if found.converged and shape > 0.0:
                share = len(losses) / len(beyond) * probability
                at_risk = threshold + scale / shape * (share**-shape - 1.0)
                if at_risk > 0.0:
                    return TailRisk(threshold, scale, shape, at_risk, _shortfall(at_risk, threshold, scale, shape))
        threshold /= 2.0
    return TailRisk()


def _shortfall(at_risk: float, threshold: float, scale: float, shape: float) -> float:
    """Return the mean loss beyond the value at risk; 0 where the shape is 1, which has none."""
    if shape == 1.0:
        return 0.0
    return at_risk / (1.0 - shape) + (scale - shape * threshold) / (1.0 - shape)


def _minus_log_likelihood(scale: float, shape: float, losses: F64) -> float:
    """Return minus the log-likelihood as empyrical has it: losses themselves, not what exceeds the threshold."""
    if shape != 0.0:
        if scale == 0.0 or shape / scale < 0.0 or scale < 0.0:
            return sys.float_info.max
        return float(len(losses) * math.log(scale) + (1.0 / shape + 1.0) * np.log(shape / scale * losses + 1.0).sum())
    if scale < 0.0:
        return sys.float_info.max
    return float(len(losses) * math.log(scale) + losses.sum() / scale) if scale > 0.0 else math.inf
