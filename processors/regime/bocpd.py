r"""Change points of several values together: run lengths with a normal-inverse-Wishart run each, pruned.

    growth    p(r + 1) = p(r) f(x | run r) (1 - H)        f: multivariate Student's t, the run's predictive density
    change    p(0)     = sum over r of p(r) f(x | run r) H                       (Adams and MacKay, 2007)

A run of r values x of D numbers has kappa = kappa0 + r, nu = nu0 + r, a mean m (prior mean 0) and a scatter matrix S
(prior psi * identity); with d = x - m and q = kappa / (kappa + 1)

    f(x) = Gamma((nu + 1) / 2) / Gamma((nu + 1 - D) / 2) * pi**(-D / 2) * |S / q|**(-1/2)
           * (1 + q d' S^-1 d)**(-(nu + 1) / 2)
    m   += d / (kappa + 1),    S += q d d'

(Murphy, 2007.) The scatter has all covariances, so a change of mean, of deviation or of correlation are all changes.
One value, D = 1, is the Normal-Gamma run with alpha = nu0 / 2 and beta = psi / 2.

Pruning. After each value, runs with less than ``floor`` of the mass go, and the lightest beyond ``n_max`` (of equals
the older); what is left is scaled to 1. The share dropped, delta[t], is given back.

1. On any data, the total variation between the pruned and the whole posterior is at most the mass that the forgotten
   hypotheses (a hypothesis is a set of change points) would have in the whole one.
2. Under the model's own predictive law that mass is expected to be at most the sum of delta up to t, and exceeds c with
   a chance of at most that sum over c: a hypothesis' posterior mass is a martingale, and Ville's inequality holds.

On data unlike the model a forgotten run may have deserved more. A run at ``len(norm) - 1`` grows no older: its
statistics forget at the rate that keeps its weight.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]

KAPPA, NU, PSI = range(3)
"""Positions in the prior."""


def density_norm(nu: float, n_values: int, n_run_lengths: int) -> F64:
    """Return the logarithm of what of the predictive density depends on the run length alone, shape (n_run_lengths,).

    ``nu`` is that of the prior, above ``n_values - 1``; ``n_values`` is D.
    """
    out = np.empty(n_run_lengths)
    for r in range(n_run_lengths):
        half = 0.5 * (nu + r + 1.0)
        out[r] = math.lgamma(half) - math.lgamma(half - 0.5 * n_values) - 0.5 * n_values * math.log(math.pi)
    return out


@njit(cache=True)
def log_density(x: F64, mean: F64, scatter: F64, kappa: float, nu: float, norm: float, root: F64, d: F64) -> float:
    """Return the log predictive density of a run.

    Parameters
    ----------
    x, mean, scatter
        Shape (D,), (D,), (D, D).
    kappa, nu, norm
        Of the run; ``norm`` is an element of ``density_norm``.
    root, d
        Shape (D, D) and (D,), overwritten: the Cholesky root of the scatter, and the root's inverse times x - mean.
    """
    n_values = len(x)
    q = kappa / (kappa + 1.0)
    log_determinant, square = 0.0, 0.0
    for i in range(n_values):
        d[i] = x[i] - mean[i]
        for j in range(i + 1):
            value = scatter[i, j]
            for a in range(j):
                value -= root[i, a] * root[j, a]
            if i == j:
                root[i, i] = math.sqrt(max(value, 1e-300))
            else:
                root[i, j] = value / root[j, j]
        for a in range(i):
            d[i] -= root[i, a] * d[a]
        d[i] /= root[i, i]
        log_determinant += 2.0 * math.log(root[i, i])
        square += d[i] * d[i]
    return norm - 0.5 * (log_determinant - n_values * math.log(q)) - 0.5 * (nu + 1.0) * math.log1p(q * square)


@njit(cache=True)
def grow(x: F64, kappa: float, mean: F64, scatter: F64, grown_mean: F64, grown_scatter: F64) -> None:
    """Write the statistics of a run with one more value; both may be the same arrays."""
    q = kappa / (kappa + 1.0)
    n_values = len(x)
    for i in range(n_values):
        for j in range(n_values):
            grown_scatter[i, j] = scatter[i, j] + q * (x[i] - mean[i]) * (x[j] - mean[j])
    for i in range(n_values):
        grown_mean[i] = mean[i] + (x[i] - mean[i]) / (kappa + 1.0)


@njit(cache=True)
def prune(n_runs: int, n_max: int, floor: float, length: F64, p: F64, mean: F64, scatter: F64) -> tuple[int, float]:
    """Drop the lightest runs, scale the rest to 1, and return how many are left and the share dropped.

    The youngest run always stays. Arrays as in ``step``.
    """
    dropped, kept = 0.0, 0
    n_left = n_runs
    for i in range(1, n_runs):
        if p[i] < floor:
            dropped += p[i]
            p[i] = -1.0
            n_left -= 1
    while n_left > n_max:
        lightest = -1
        for i in range(1, n_runs):
            if p[i] >= 0.0 and (lightest < 0 or p[i] <= p[lightest]):
                lightest = i
        dropped += p[lightest]
        p[lightest] = -1.0
        n_left -= 1
    total = 0.0
    for i in range(n_runs):
        if p[i] >= 0.0:
            if kept < i:
                length[kept], p[kept], mean[kept], scatter[kept] = length[i], p[i], mean[i], scatter[i]
            total += p[kept]
            kept += 1
    for i in range(kept):
        p[i] /= total
    return kept, dropped / (dropped + total)


@njit(cache=True)
def step(
    x: F64, hazard: float, prior: F64, norm: F64, n_max: int, floor: float, n_runs: int,
    length: F64, p: F64, mean: F64, scatter: F64, work: F64,
) -> tuple[int, float, float]:  # fmt: skip
    """Add one value to the posterior of the run length, in place; return number of runs, share pruned, log density.

    Parameters
    ----------
    x
        Shape (D,), finite.
    hazard
        Probability of a change before the next value, above 0 and below 1.
    prior, norm
        Shape (3,): kappa, nu, psi; and (longest run + 1,): ``density_norm``.
    n_max, floor
        Most runs kept, 2 or more, and least mass of one.
    n_runs
        Runs so far: 1 at the start, of length 0, p 1, mean 0 and the prior's scatter.
    length, p, mean, scatter
        Shape (n_max + 1,), (n_max + 1,), (n_max + 1, D), (n_max + 1, D, D): the runs, youngest first.
    work
        Shape (n_max + 1 + D, D) or more, and D + 1 columns at the least: overwritten.
    """
    n_values, longest = len(x), len(norm) - 1
    root, d = work[n_max + 1 :, :n_values], work[n_max + 1 :, n_values]
    log_f = work[: n_max + 1, 0]
    top = -math.inf
    for i in range(n_runs):
        kappa, nu = prior[KAPPA] + length[i], prior[NU] + length[i]
        log_f[i] = log_density(x, mean[i], scatter[i], kappa, nu, norm[int(length[i])], root, d)
        top = max(top, log_f[i])
    changed, total = 0.0, 0.0
    for i in range(n_runs - 1, -1, -1):
        mass = p[i] * math.exp(log_f[i] - top)
        changed += mass * hazard
        total += mass
        grow(x, prior[KAPPA] + length[i], mean[i], scatter[i], mean[i + 1], scatter[i + 1])
        p[i + 1], length[i + 1] = mass * (1.0 - hazard), length[i] + 1.0
    p[0], length[0], mean[0], scatter[0] = changed, 0.0, 0.0, 0.0
    for i in range(n_values):
        scatter[0, i, i] = prior[PSI]
    n_runs += 1
    for i in range(n_runs):
        p[i] /= total
    if length[n_runs - 1] > longest:
        n_runs = _at_the_end(n_runs, longest, prior[PSI], length, p, scatter)
    n_runs, dropped = prune(n_runs, n_max, floor, length, p, mean, scatter)
    return n_runs, dropped, math.log(total) + top


@njit(cache=True)
def _at_the_end(n_runs: int, longest: int, psi: float, length: F64, p: F64, scatter: F64) -> int:
    """Let the run beyond the longest join a run of that length, or become it; return the number of runs."""
    last = n_runs - 1
    if last > 0 and length[last - 1] == longest:
        # The younger statistics stay: they are those of the last values alone.
        p[last - 1] += p[last]
        return last
    length[last] = longest
    keep = longest / (longest + 1.0)
    for i in range(scatter.shape[1]):
        for j in range(scatter.shape[1]):
            of_prior = psi if i == j else 0.0
            scatter[last, i, j] = of_prior + keep * (scatter[last, i, j] - of_prior)
    return n_runs


@njit(cache=True)
def run_lengths(x: F64, hazard: F64, prior: F64, norm: F64, n_max: int, floor: float, best: NDArray[np.int64],
                change: F64, recent: int) -> float:  # fmt: skip
    """Run a whole series; return the sum of the shares pruned.

    Parameters
    ----------
    x, hazard
        Shape (n, D) and (n,).
    prior, norm, n_max, floor
        As in ``step``.
    best, change
        Shape (n,), written: the most probable run length but 0, which every hazard makes as likely, and the probability
        that the run is no longer than ``recent``.
    """
    n, n_values = x.shape
    length, p = np.zeros(n_max + 1), np.zeros(n_max + 1)
    mean, scatter = np.zeros((n_max + 1, n_values)), np.zeros((n_max + 1, n_values, n_values))
    work = np.empty((n_max + 1 + n_values, n_values + 1))
    p[0] = 1.0
    for i in range(n_values):
        scatter[0, i, i] = prior[PSI]
    n_runs, pruned = 1, 0.0
    for t in range(n):
        n_runs, dropped, _ = step(x[t], hazard[t], prior, norm, n_max, floor, n_runs, length, p, mean, scatter, work)
        pruned += dropped
        at = 1
        change[t] = p[0]
        for i in range(1, n_runs):
            if p[i] > p[at]:
                at = i
            if length[i] <= recent:
                change[t] += p[i]
        best[t] = int(length[at]) if n_runs > 1 else 0
    return pruned
