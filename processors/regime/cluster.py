"""Which of a few typical situations a bar is like: the nearest of K prototypes, learned one bar at a time.

A situation is (log of fast over long-run volatility, momentum, lag-one correlation, change probability), each over a
scale of its own. The prototypes begin at the same named places in every series, so a number means the same everywhere:

    0 calm    1 up    2 down    3 choppy    4 turbulent    5 break

and the nearest moves to the bar by 1 / (prior + times it won), never by less than ``rate_min``: sequential k-means
(MacQueen, 1967) with a start that needs no chance. A bar is told its cluster before the cluster learns from it.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]

START: F64 = np.array([
    (-0.4, 0.0, 0.0, 0.05), (0.0, 1.5, 0.1, 0.05), (0.0, -1.5, 0.1, 0.05),
    (0.0, 0.0, -0.3, 0.05), (0.6, 0.0, 0.0, 0.15), (0.3, 0.0, 0.0, 0.8),
])  # fmt: skip
"""Shape (K, 4): where the prototypes begin."""
SCALE: F64 = np.array([0.4, 1.0, 0.2, 0.3])
"""Of each number: about its deviation over recorded minutes."""
N_CLUSTERS, N_NUMBERS = START.shape


@njit(cache=True)
def nearest(z: F64, prototypes: F64, scale: F64) -> int:
    """Return the number of the nearest prototype, the lowest of equals; shapes (n,), (K, n), (n,)."""
    best, least = 0, np.inf
    for i in range(len(prototypes)):
        square = 0.0
        for j in range(len(z)):
            d = (z[j] - prototypes[i, j]) / scale[j]
            square += d * d
        if square < least:
            best, least = i, square
    return best


@njit(cache=True)
def step(z: F64, prior: float, rate_min: float, prototypes: F64, won: F64, scale: F64) -> int:
    """Return the cluster of a situation, then let its prototype learn.

    Parameters
    ----------
    z, scale
        Shape (N_NUMBERS,).
    prior, rate_min
        What the start is worth, in bars; least share of the way that a prototype moves.
    prototypes, won
        State, shape (K, N_NUMBERS) and (K,).
    """
    at = nearest(z, prototypes, scale)
    won[at] += 1.0
    rate = max(1.0 / (prior + won[at]), rate_min)
    for j in range(len(z)):
        prototypes[at, j] += rate * (z[j] - prototypes[at, j])
    return at


@njit(cache=True)
def run(
    slots: NDArray[np.int32], ready: NDArray[np.uint8], z: F64, prior: float, rate_min: float, scale: F64,
    prototypes: F64, won: F64, out: NDArray[np.int64],
) -> None:  # fmt: skip
    """Run ``step`` over a batch of rows of many series.

    Parameters
    ----------
    slots, ready, z
        Shape (n,) twice and (n, N_NUMBERS): series, whether the bar has a situation, and the situation.
    prototypes, won
        State by slot: shape (n_slots, K, N_NUMBERS) and (n_slots, K).
    out
        Shape (n,), written where the bar has a situation.
    """
    for i in range(len(slots)):
        if ready[i]:
            at = slots[i]
            out[i] = step(z[i], prior, rate_min, prototypes[at], won[at], scale)
