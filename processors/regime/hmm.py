r"""A hidden Markov model of three regimes, filtered as the bars come; its parameters learn from the past alone.

    x[t] | regime s  ~  Normal(phi_s m[t], sigma_s^2)       m: the momentum before the bar, see ``context``

    trend    phi > 0: what moved moves on
    meanrev  phi < 0: what moved comes back
    stress   sigma at least STRESS_RATIO times that of the others

The filter is the forward recursion, p[t](j) ~ b_j(x[t]) * sum over i of p[t-1](i) A(i, j), scaled at each step with the
densities as logarithms. After each bar the parameters are those of exponential sums weighted by the filtered
probabilities (online EM without the smoothing half: Cappe, 2011, drops it likewise for the simplest case), drawn to a
prior worth PRIOR_BARS bars and held to the three meanings above, so that no two regimes change names. With ADAPT 0 the
parameters stay the prior's.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.regime.context import M, X
from processors.regime.markov import posterior_step

F64 = NDArray[np.float64]

TREND, MEANREV, STRESS = range(3)
N_REGIMES = 3

(ADAPT, DECAY, PRIOR_BARS, STAY, STRESS_RATIO, PHI_MIN, PHI_TREND, PHI_MEANREV, PHI_STRESS, SIGMA_TREND, SIGMA_MEANREV,
 SIGMA_STRESS) = range(12)  # fmt: skip
"""Positions in the parameters."""
N_PARAMETERS = 12

WEIGHT, MM, XM, XX = range(4)
"""Columns of the exponential sums of a regime: of its probability, and of that times m^2, x m and x^2."""
N_SUMS = 4 + N_REGIMES
"""The last three columns are the expected transitions into each regime."""


@njit(cache=True)
def model(c: F64, sums: F64, phi: F64, sigma: F64, chain: F64) -> None:
    """Write the parameters that prior and sums make: shape (3,), (3,) and (3, 3).

    Parameters
    ----------
    c, sums
        Shape (N_PARAMETERS,) and (3, N_SUMS).
    """
    n = c[PRIOR_BARS]
    for s in range(N_REGIMES):
        phi[s] = (n * c[PHI_TREND + s] + sums[s, XM]) / (n + sums[s, MM])
    phi[TREND] = max(phi[TREND], c[PHI_MIN])
    phi[MEANREV] = min(phi[MEANREV], -c[PHI_MIN])
    for s in range(N_REGIMES):
        residual = sums[s, XX] - 2.0 * phi[s] * sums[s, XM] + phi[s] * phi[s] * sums[s, MM]
        prior = c[SIGMA_TREND + s]
        sigma[s] = math.sqrt((n * prior * prior + max(residual, 0.0)) / (n + sums[s, WEIGHT]))
    sigma[STRESS] = max(sigma[STRESS], c[STRESS_RATIO] * max(sigma[TREND], sigma[MEANREV]))
    for i in range(N_REGIMES):
        total = n
        for j in range(N_REGIMES):
            total += sums[i, 4 + j]
        for j in range(N_REGIMES):
            before = c[STAY] if i == j else (1.0 - c[STAY]) / (N_REGIMES - 1)
            chain[i, j] = (n * before + sums[i, 4 + j]) / total


@njit(cache=True)
def forward_step(log_density: F64, chain: F64, p: F64, before: F64) -> float:
    """Take filtered probabilities one value on, in place; return the log density of the value.

    Parameters
    ----------
    log_density, p, before
        Shape (k,); ``before`` gets the probabilities of before.
    chain
        Shape (k, k): probability of the column's regime after the row's.
    """
    for i in range(len(p)):
        before[i] = p[i]
    for j in range(len(p)):
        p[j] = 0.0
        for i in range(len(p)):
            p[j] += before[i] * chain[i, j]
    return posterior_step(log_density, p)


@njit(cache=True)
def log_normal(x: float, mean: float, sigma: float) -> float:
    """Return the log density of a normal law."""
    z = (x - mean) / sigma
    return -0.5 * (math.log(2.0 * math.pi) + z * z) - math.log(sigma)


@njit(cache=True)
def step(x: float, m: float, c: F64, p: F64, sums: F64, work: F64) -> float:
    """Add one bar; return the log density of its return.

    Parameters
    ----------
    x, m
        Return and momentum before it, finite.
    c
        Shape (N_PARAMETERS,).
    p, sums
        State, shape (3,) and (3, N_SUMS).
    work
        Shape (8, 3), overwritten.
    """
    phi, sigma, log_density, before, chain = work[0], work[1], work[2], work[3], work[4:7]
    model(c, sums, phi, sigma, chain)
    for s in range(N_REGIMES):
        log_density[s] = log_normal(x, phi[s] * m, sigma[s])
    found = forward_step(log_density, chain, p, before)
    if c[ADAPT] > 0.0:
        _learn(x, m, c[DECAY], p, before, log_density, chain, sums, found)
    return found


@njit(cache=True)
def _learn(
    x: float, m: float, decay: float, p: F64, before: F64, log_density: F64, chain: F64, sums: F64, found: float
) -> None:
    """Add the bar to the sums, each regime with its filtered probability; the sums forget."""
    for i in range(N_REGIMES):
        for column in range(N_SUMS):
            sums[i, column] *= decay
        sums[i, WEIGHT] += p[i]
        sums[i, MM] += p[i] * m * m
        sums[i, XM] += p[i] * x * m
        sums[i, XX] += p[i] * x * x
        for j in range(N_REGIMES):
            sums[i, 4 + j] += before[i] * chain[i, j] * math.exp(log_density[j] - found)


@njit(cache=True)
def run(slots: NDArray[np.int32], ready: NDArray[np.uint8], told: F64, c: F64, p: F64, sums: F64, out: F64) -> None:
    """Run ``step`` over a batch of rows of many series.

    Parameters
    ----------
    slots, ready, told
        Shape (n,) twice and (n, context.N_TOLD): series, whether the bar tells anything, and what.
    c, p, sums
        Shape (N_PARAMETERS,); state by slot, (n_slots, 3) and (n_slots, 3, N_SUMS).
    out
        Shape (n, 3), written: filtered probabilities; those of before where the bar tells nothing.
    """
    work = np.empty((8, N_REGIMES))
    for i in range(len(slots)):
        at = slots[i]
        if ready[i]:
            step(told[i, X], told[i, M], c, p[at], sums[at], work)
        out[i] = p[at]
