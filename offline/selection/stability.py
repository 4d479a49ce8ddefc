"""Whether the folds agree on which inputs matter: ranks of importance, and the sets of the most important."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from offline.selection.finding import Finding, found, refused
from offline.selection.objective import FOLDS_MIN
from offline.statistics.ranks import mid_ranks
from processors.errors import ConfigError

F64 = NDArray[np.float64]

TOP = 10
"""Inputs that people look at."""
INPUTS_MIN = 3
"""Two inputs have two orders: their agreement is a coin."""


def importance_stability(importance: F64, top: int = TOP) -> Finding:
    """Return the mean rank correlation of importances over all pairs of folds.

    Parameters
    ----------
    importance
        Shape (n_folds, n_inputs), 0 or more: ``Fitted.importance`` of each fold.
    top
        How many inputs the most important are; at most half of them, since the rest would agree by themselves.

    Returns
    -------
    1 where the folds agree, 0 where they know nothing of each other. In ``numbers``: the worst pair, and the mean and
    worst share of the top inputs that two folds have in common (Jaccard), beside that of random sets.

    Raises
    ------
    ConfigError
        A value is negative or no number.

    References
    ----------
    Kalousis, Prados and Hilario (2007), "Stability of feature selection algorithms", sections 2.1 and 2.3.
    """
    if importance.ndim != 2 or not (np.isfinite(importance).all() and (importance >= 0.0).all()):
        raise ConfigError("importance", "values", importance.shape, "a fold a row, finite and 0 or more")
    n_folds, n_inputs = importance.shape
    if n_folds < FOLDS_MIN:
        return refused(f"{n_folds} folds, at least {FOLDS_MIN} are needed")
    if n_inputs < INPUTS_MIN:
        return refused(f"{n_inputs} inputs, at least {INPUTS_MIN} are needed")
    flat = np.flatnonzero(importance.max(axis=1) == importance.min(axis=1))
    if len(flat):
        return refused(f"fold {flat[0]} finds every input equally important")
    k = min(top, n_inputs // 2)
    ranks = np.array([mid_ranks(row) for row in importance])
    # Ties at the edge go by position: the same inputs of the same importances in every fold.
    sets = [frozenset(np.argsort(-row, kind="stable")[:k].tolist()) for row in importance]
    pairs = list(combinations(range(n_folds), 2))
    rho = [float(np.corrcoef(ranks[a], ranks[b])[0, 1]) for a, b in pairs]
    jaccard = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs]
    by_chance = k / n_inputs / (2.0 - k / n_inputs)
    return found(
        float(np.mean(rho)), "mean rank correlation of importances between folds", worst=min(rho), top=k,
        jaccard=float(np.mean(jaccard)), jaccard_worst=min(jaccard), jaccard_by_chance=by_chance, n_folds=n_folds,
    )  # fmt: skip
