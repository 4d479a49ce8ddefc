"""Scaling and filling of nulls, fitted on the training rows, computed inside the graph.

x, NaN where null -> clip to mean +- 5 sd -> (x - mean) / sd -> null is 0; one more variable: the share of nulls
"""

from typing import Any

import numpy as np

from offline.models.deep.ops import F32, Ops, Params

CLIP_SDS = 5.0
"""Beyond five deviations only the sign is news: no row, however wild, drives the network further."""
TAIL = 0.005
"""Share of each tail that the mean and deviation do not see: one broken print must not set the scale."""
ROWS_MAX = 200_000
"""Rows that the numbers are taken from; more move the mean by a thousandth of a deviation."""


def fit_scaling(rows: F32) -> Params:
    """Return the numbers of the scaling.

    Parameters
    ----------
    rows
        Shape (m, n_inputs), NaN where null.

    Returns
    -------
    ``scale.mean``, ``scale.inverse`` (of the deviation; 0 for an input that does not move), ``scale.low`` and
    ``scale.high``, each of shape (n_inputs,).
    """
    rows = rows[:: max(1, -(-len(rows) // ROWS_MAX))].astype(np.float64)
    n_inputs = rows.shape[1]
    mean, sd = np.zeros(n_inputs), np.zeros(n_inputs)
    for j in range(n_inputs):
        values = rows[:, j]
        # An infinity has its place in the order but no number to average.
        values = np.sort(values[np.isfinite(values)])
        if not len(values):
            continue
        cut = int(TAIL * len(values))
        inner = np.clip(values, values[cut], values[len(values) - 1 - cut])
        mean[j], sd[j] = inner.mean(), inner.std()
        if sd[j] <= 1e-7 * max(abs(mean[j]), 1e-30):
            sd[j] = 0.0
    center = mean.astype(np.float32)
    inverse = np.divide(1.0, sd, out=np.zeros(n_inputs), where=sd > 0)
    # A deviation so small that its inverse is no float32 is none.
    inverse[inverse > 1e30] = 0.0
    return {
        "scale.mean": center,
        "scale.inverse": inverse.astype(np.float32),
        "scale.low": (center - CLIP_SDS * sd).astype(np.float32),
        "scale.high": (center + CLIP_SDS * sd).astype(np.float32),
    }


def scaled(f: Ops, x: Any, n_inputs: int) -> Any:
    """Return the variables that a network reads.

    Parameters
    ----------
    x
        Shape (n, L, n_inputs), gold rows as they are.

    Returns
    -------
    Shape (n, L, n_inputs + 1): the last is the share of nulls of each row.
    """
    null = f.is_nan(x)
    # The mean becomes exactly 0: a null stands where nothing is known.
    filled = f.where(null, f.param("scale.mean"), x)
    inside = f.minimum(f.maximum(filled, f.param("scale.low")), f.param("scale.high"))
    values = f.mul(f.sub(inside, f.param("scale.mean")), f.param("scale.inverse"))
    share = f.matmul(f.as_float(null), f.const(np.full((n_inputs, 1), 1.0 / n_inputs, np.float32)))
    return f.concat([values, share], 2)
