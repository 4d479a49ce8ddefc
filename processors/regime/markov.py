r"""The filter of a Markov chain that is not seen: Hamilton's recursion, with as many lagged regimes as wanted.

    predicted  P(s[t], s[t-1], ..., s[t-p] | past)  =  P(s[t] | s[t-1]) * sum over s[t-p-1] of the joint one step before
    filtered   P(s[t], ..., s[t-p] | past and y[t]) ~  predicted * f(y[t] | s[t], ..., s[t-p], past)

Hamilton (Econometrica 57, 1989). A joint state is one number: s[t] * k**p + s[t-1] * k**(p-1) + ... + s[t-p]. The
densities come as logarithms, and each step subtracts the largest: no density is too small. Transition matrices have
the regime now in the row and the regime before in the column; a stack of them, one a step, makes the chain
time-varying (Filardo, 1994).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@njit(cache=True)
def posterior_step(log_density: F64, p: F64) -> float:
    """Weigh probabilities by densities, in place; return the log density of the value.

    Parameters
    ----------
    log_density
        Shape (n,): log density of the value under each state; -inf where it is impossible.
    p
        Shape (n,): probabilities before the value, replaced by those after it. Left as they are where the value is
        impossible under every state: then the result is -inf.
    """
    top = -math.inf
    for i in range(len(p)):
        if p[i] > 0.0 and log_density[i] > top:
            top = log_density[i]
    if top == -math.inf:
        return -math.inf
    total = 0.0
    for i in range(len(p)):
        total += p[i] * math.exp(min(log_density[i] - top, 0.0))
    for i in range(len(p)):
        p[i] *= math.exp(min(log_density[i] - top, 0.0)) / total
    return math.log(total) + top


@njit(cache=True)
def predict_joint(transition: F64, joint: F64, out: F64) -> None:
    """Write the joint probabilities one step on.

    Parameters
    ----------
    transition
        Shape (k, k): probability of the row's regime after the column's.
    joint, out
        Shape (k**(p + 1),) with p of 1 or more.
    """
    k = len(transition)
    n_rest = len(joint) // k
    n_older = n_rest // k
    for rest in range(n_rest):
        mass = 0.0
        for oldest in range(k):
            mass += joint[rest * k + oldest]
        before = rest // n_older
        for now in range(k):
            out[now * n_rest + rest] = transition[now, before] * mass


@njit(cache=True)
def first_joint(transitions: F64, initial: F64, n_lags: int, out: F64) -> None:
    """Write the joint probabilities of the n_lags + 1 regimes before the first value.

    Parameters
    ----------
    transitions
        Shape (1 or n_lags and more, k, k): the first n_lags lead from the first of these regimes to the last.
    initial
        Shape (k,): probabilities of the first.
    out
        Shape (k**(n_lags + 1),), written.
    """
    k = len(initial)
    for state in range(len(out)):
        # The last digit is the oldest regime.
        rest, before = state // k, state % k
        p = initial[before]
        for lag in range(n_lags):
            now = rest % k
            p *= transitions[min(lag, len(transitions) - 1), now, before]
            rest, before = rest // k, now
        out[state] = p


@njit(cache=True)
def hamilton_filter(
    log_density: F64, transitions: F64, joint: F64, predicted: F64, filtered: F64, log_likelihood: F64
) -> None:
    """Run the filter over a series.

    Parameters
    ----------
    log_density
        Shape (n, k**(p + 1)), p of 1 or more.
    transitions
        Shape (1, k, k), or (n, k, k) with the matrix into each step.
    joint
        Shape (k**(p + 1),): joint probabilities before the first value; left as those after the last one.
    predicted, filtered, log_likelihood
        Shape (n, k**(p + 1)) twice and (n,), written.
    """
    for t in range(len(log_density)):
        predict_joint(transitions[min(t, len(transitions) - 1)], joint, predicted[t])
        joint[:] = predicted[t]
        log_likelihood[t] = posterior_step(log_density[t], joint)
        filtered[t] = joint
