"""What only the future tells: smoothed probabilities and the likeliest path. For research.

The smoother is Kim's (Journal of Econometrics 60, 1994) on joint regimes, which is exact as long as no density looks
further back than the joint state. The backward pass of a plain chain is the same thing with unscaled numbers.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.regime.markov import F64


@njit(cache=True)
def kim_smoother(transitions: F64, predicted: F64, filtered: F64, out: F64) -> None:
    """Write the joint probabilities given the whole series.

    Parameters
    ----------
    transitions
        As in ``markov.hamilton_filter``.
    predicted, filtered, out
        Shape (n, k**(p + 1)).
    """
    n, size = filtered.shape
    k = transitions.shape[1]
    n_rest = size // k
    out[n - 1] = filtered[n - 1]
    for t in range(n - 2, -1, -1):
        matrix = transitions[min(t + 1, len(transitions) - 1)]
        for rest in range(n_rest):
            now = rest * k // n_rest
            weight = 0.0
            for following in range(k):
                after = following * n_rest + rest
                if predicted[t + 1, after] > 0.0:
                    weight += matrix[following, now] * out[t + 1, after] / predicted[t + 1, after]
            for oldest in range(k):
                out[t, rest * k + oldest] = filtered[t, rest * k + oldest] * weight


@njit(cache=True)
def forward(start: F64, chain: F64, density: F64) -> F64:
    """Return the joint densities of the values so far and each state, unscaled, shape (n, k).

    Parameters
    ----------
    start
        Shape (k,): probabilities of the first state.
    chain
        Shape (k, k): probability of the column's state after the row's.
    density
        Shape (n, k): density of each value under each state.
    """
    out = np.zeros_like(density)
    for t in range(len(density)):
        for j in range(len(start)):
            mass = start[j]
            if t > 0:
                mass = 0.0
                for i in range(len(start)):
                    mass += out[t - 1, i] * chain[i, j]
            out[t, j] = mass * density[t, j]
    return out


@njit(cache=True)
def backward(chain: F64, density: F64) -> F64:
    """Return the densities of the values yet to come given each state, unscaled, shape (n, k); see ``forward``."""
    out = np.ones_like(density)
    for t in range(len(density) - 2, -1, -1):
        for i in range(density.shape[1]):
            mass = 0.0
            for j in range(density.shape[1]):
                mass += chain[i, j] * density[t + 1, j] * out[t + 1, j]
            out[t, i] = mass
    return out


@njit(cache=True)
def viterbi(start: F64, chain: F64, log_density: F64) -> tuple[NDArray[np.int64], float]:
    """Return the likeliest path of states, shape (n,), and its log density together with the values.

    Of equally likely paths the one with the lower state at the latest difference. ``log_density`` has shape (n, k).
    """
    n, k = log_density.shape
    best, came = np.log(start) + log_density[0], np.zeros((n, k), np.int64)
    for t in range(1, n):
        now = np.empty(k)
        for j in range(k):
            top = -np.inf
            for i in range(k):
                value = best[i] + np.log(chain[i, j])
                if value > top:
                    top, came[t, j] = value, i
            now[j] = top + log_density[t, j]
        best = now
    path = np.zeros(n, np.int64)
    path[n - 1] = np.argmax(best)
    for t in range(n - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
    return path, best.max()
