"""Platt scaling of log-odds, and how well probabilities do: log loss and the area under the ROC curve.

``calibrators`` has Platt, isotonic and beta calibration behind one interface, ``reliability`` says how honest
probabilities are: tables of bins, calibration error, Brier score.
"""

import numpy as np
from numpy.typing import NDArray

from offline.statistics.ranks import mid_ranks

F64 = NDArray[np.float64]

_STEPS_MAX = 100
_TINY = 1e-12

LOG_ODDS_MAX = 30.0
"""Beyond it a probability is 0 or 1 to a float: its logarithm would be infinite."""
SLOPE_DEVIATION = 0.5
"""Prior of the slope: normal around 0. The burden of proof is the model's: a slice of few independent rows can neither
confirm nor refute it, and then it should say little."""
INTERCEPT_DEVIATION = 0.1
"""Prior of the intercept: normal around 0, one deviation is a share of up moves of 52.5 %. A day that fell says nearly
nothing of the next one, and an unguarded intercept would bet on it."""


def sigmoid(x: F64) -> F64:
    """Return 1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def platt(raw: F64, up: F64, weight: F64) -> tuple[float, float]:
    """Return slope and intercept of calibrated log-odds: the mode of their posterior, by Newton's method.

    Parameters
    ----------
    raw
        Shape (n,), log-odds of the model.
    up
        Shape (n,), 0 or 1.
    weight
        Shape (n,), how many independent rows each stands for: one over the horizon where labels overlap.

    Returns
    -------
    A slope that is never negative: where the model points the wrong way in the calibration slice, it has nothing to
    say, and the slope is 0.

    References
    ----------
    Platt (1999), "Probabilistic outputs for support vector machines"; priors in place of his smoothed targets.
    """
    prior = np.diag([SLOPE_DEVIATION**-2, INTERCEPT_DEVIATION**-2])
    for free in (np.array([1.0, 1.0]), np.array([0.0, 1.0])):
        design = np.stack([raw, np.ones(len(raw))]) * free[:, None]
        solution = posterior_mode(design, up, weight, prior)
        if solution[0] >= 0.0:
            break
    return max(float(solution[0]), 0.0), float(solution[1])


def posterior_mode(design: F64, up: F64, weight: F64, prior: F64) -> F64:
    """Return the mode of a logistic posterior, shape (k,); strictly convex, so halved steps always arrive.

    Parameters
    ----------
    design
        Shape (k, n), what the log-odds are a sum of.
    up, weight
        See ``platt``.
    prior
        Shape (k, k), precision of the normal prior around 0, positive definite.
    """

    def loss(theta: F64) -> float:
        margin = (theta @ design) * np.where(up > 0.5, -1.0, 1.0)
        return float((weight * np.logaddexp(0.0, margin)).sum() + 0.5 * theta @ prior @ theta)

    theta = np.zeros(len(design))
    for _ in range(_STEPS_MAX):
        p = sigmoid(theta @ design)
        gradient = design @ (weight * (p - up)) + prior @ theta
        hessian = (design * (weight * p * (1.0 - p))) @ design.T + prior
        step = np.linalg.solve(hessian, gradient)
        scale, now = 1.0, loss(theta)
        while scale > _TINY and loss(theta - scale * step) > now:
            scale *= 0.5
        theta = theta - scale * step
        if float(np.abs(scale * step).max()) < 1e-10:
            break
    return theta


def log_losses(p: F64, up: F64) -> F64:
    """Return the negative log-likelihood of each row, nats."""
    p = np.clip(p, _TINY, 1.0 - _TINY)
    return np.asarray(-np.where(up > 0.5, np.log(p), np.log1p(-p)), np.float64)


def log_loss(p: F64, up: F64) -> float:
    """Return the mean negative log-likelihood, nats."""
    return float(log_losses(p, up).mean())


def auc(p: F64, up: F64) -> float:
    """Return the area under the ROC curve: the chance that an up row outranks a down row, ties half.

    Returns
    -------
    NaN where all rows are of one kind.
    """
    n_up = int((up > 0.5).sum())
    n_down = len(up) - n_up
    if n_up == 0 or n_down == 0:
        return float("nan")
    rank = mid_ranks(p)
    return float((rank[up > 0.5].sum() - n_up * (n_up + 1) / 2.0) / (n_up * n_down))
