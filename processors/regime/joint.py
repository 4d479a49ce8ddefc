"""The regime from return, volatility and correlation together: ``bocpd`` on what ``context`` tells of a bar.

A change of any of the three, or of how they move together, is a change. The label is made as in ``kernel``, of the mean
and the variance of the return within the run.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.regime import bocpd
from processors.regime import kernel as k
from processors.regime.context import C, V, X

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

N_VALUES = 3
"""Return, log range and lag-one correlation."""
UNIT_CORRELATION = 1.0 / 0.3443
"""Makes the deviation of C one where returns are independent and normal: it is the mean of x^2 / (1 + x^2)."""


@njit(cache=True)
def probabilities(c: F64, prior: F64, n_runs: int, length: F64, p: F64, mean: F64, scatter: F64, y: F64) -> None:
    """Write the outputs but the hazard; see ``kernel.probabilities``, with the return's part of each run.

    Parameters
    ----------
    c
        Parameters of ``kernel``.
    prior, n_runs, length, p, mean, scatter
        As in ``bocpd.step``.
    y
        Shape (kernel.N_OUT,), written.
    """
    variance, t, recent, run_length = 0.0, 0.0, 0.0, 0.0
    for i in range(n_runs):
        of_run = scatter[i, 0, 0] / (prior[bocpd.NU] + length[i] - N_VALUES + 1.0)
        variance += p[i] * of_run
        t += p[i] * mean[i, 0] / math.sqrt(of_run / (prior[bocpd.KAPPA] + length[i]))
        run_length += p[i] * length[i]
        if length[i] <= c[k.RECENT]:
            recent += p[i]
    k.soften(c, variance, t, recent, y)
    y[k.CHANGE_PROB], y[k.RUN_LENGTH] = min(recent, 1.0), run_length


@njit(cache=True)
def run(
    slots: NDArray[np.int32], ready: NDArray[np.uint8], told: F64, c: F64, prior: F64, norm: F64, n_max: int,
    floor: float, n_runs: I64, length: F64, p: F64, mean: F64, scatter: F64, pruned: F64, out: F64,
) -> None:  # fmt: skip
    """Run the change points over a batch of rows of many series.

    Parameters
    ----------
    slots, ready, told
        Shape (n,) twice and (n, context.N_TOLD). A bar whose correlation is missing (the first after a gap) is no
        observation.
    c, prior, norm, n_max, floor
        See ``probabilities`` and ``bocpd.step``.
    n_runs, length, p, mean, scatter, pruned
        State by slot: the runs, and the sum of the shares pruned.
    out
        Shape (n, kernel.N_OUT): its hazard is read, the rest is written.
    """
    x = np.empty(N_VALUES)
    work = np.empty((n_max + 1 + N_VALUES, N_VALUES + 1))
    for i in range(len(slots)):
        at = slots[i]
        if ready[i] and not math.isnan(told[i, C]):
            x[0], x[1], x[2] = told[i, X], told[i, V], told[i, C] * UNIT_CORRELATION
            n_runs[at], dropped, _ = bocpd.step(
                x, out[i, k.HAZARD], prior, norm, n_max, floor, n_runs[at], length[at], p[at], mean[at], scatter[at],
                work,
            )  # fmt: skip
            pruned[at] += dropped
        probabilities(c, prior, n_runs[at], length[at], p[at], mean[at], scatter[at], out[i])
