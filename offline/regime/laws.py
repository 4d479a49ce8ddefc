r"""The most probable segmentation of a recorded series whose segments each follow one of three laws.

    WALK      y[t] = y[t-1] + a + noise              a walk that drifts
    AROUND    y[t] = a + b y[t-1] + noise            values about a level, or slow waves
    LINE      y[t] = a + b (t - t0) / n + noise      values about a straight line

A segment does not say which: it has the mean of the three densities, weighed by how well each has done in it. Its
numbers (a, b, the deviation of the noise) have a normal-inverse-gamma prior and are never fitted. Now and then a value
is a shock, which has any size and tells nothing of the law; how often is learned in each segment (a beta prior). So an
outlier is no change, nor are jumps that keep coming. The first value of a segment is as likely a shock as not.

The segmentation is the one with the highest posterior, over all (Fearnhead, 2006, by the recursion of Viterbi). Several
series share their changes and are independent between them. Nothing is dropped, so the time grows with the square of
the length. Hindsight: a value's segment depends on what came later.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

WALK, AROUND, LINE = range(3)
N_LAWS = 3
V_AA, V_AB, V_BB, M_A, M_B, RATE, SHAPE, LOG_WEIGHT = range(8)
"""Numbers of a law in a segment: variances of a and b in units of the noise's, their means, the inverse gamma of the
noise's variance, and the logarithm of the law's weight."""
N_NUMBERS = 8
P_SHAPE, P_DRIFT, P_LEVEL, P_SLOPE, P_SHOCKS, P_OTHERS, P_FIRST = range(7)
"""Positions in the prior: values that the noise's prior is worth, halved; precision of a drift, in noises; precisions
of a level and a line's slope, and of b around 1, in deviations of the series; shocks and other values before the first;
chance that a segment's first value is a shock."""


def fresh(scale: F64, prior: F64) -> F64:
    """Return the laws before any value, shape (n_series, 3, 8); ``scale`` has the usual noise of each series."""
    out = np.zeros((len(scale), N_LAWS, N_NUMBERS))
    noise = (scale * scale)[:, None]
    out[:, WALK, V_AA] = 1.0 / prior[P_DRIFT]
    out[:, (AROUND, LINE), V_AA] = 1.0 / (prior[P_LEVEL] * noise)
    out[:, AROUND, V_BB] = 1.0 / (prior[P_SLOPE] * noise[:, 0])
    out[:, LINE, V_BB] = 1.0 / (prior[P_LEVEL] * noise[:, 0])
    out[:, AROUND, M_B] = 1.0
    out[:, :, RATE], out[:, :, SHAPE] = prior[P_SHAPE] * noise, prior[P_SHAPE]
    out[:, :, LOG_WEIGHT] = -math.log(N_LAWS)
    return out


@njit(cache=True)
def add_to_law(law: int, y: float, lag: float, age: float, log_shock: float, log_usual: float, s: F64,
               out: F64) -> float:  # fmt: skip
    """Write a law with one more value, its weight not yet scaled; return the chance that the value was no shock.

    Parameters
    ----------
    law
        ``WALK``, ``AROUND`` or ``LINE``.
    y, lag, age
        Value, the one before it, and the age of the segment in lengths of the series.
    log_shock, log_usual
        Logarithm of the chance of a shock times its density, and of the chance of none.
    s, out
        Shape (8,): the law before, and after.
    """
    x = lag if law == AROUND else age if law == LINE else 0.0
    v_a, v_b = s[V_AA] + s[V_AB] * x, s[V_AB] + s[V_BB] * x
    spread = 1.0 + v_a + v_b * x
    d = y - s[M_A] - s[M_B] * x - (lag if law == WALK else 0.0)
    reach = 2.0 * s[RATE] * spread
    norm = math.lgamma(s[SHAPE] + 0.5) - math.lgamma(s[SHAPE]) - 0.5 * math.log(math.pi * reach)
    as_usual = log_usual + norm - (s[SHAPE] + 0.5) * math.log1p(d * d / reach)
    top = max(as_usual, log_shock)
    density = top + math.log(math.exp(as_usual - top) + math.exp(log_shock - top))
    usual = math.exp(as_usual - density)
    # A value that may have been a shock counts as the part of one that it probably was not.
    gain = usual / (1.0 + usual * (spread - 1.0))
    out[V_AA] = s[V_AA] - gain * v_a * v_a
    out[V_AB] = s[V_AB] - gain * v_a * v_b
    out[V_BB] = s[V_BB] - gain * v_b * v_b
    out[M_A] = s[M_A] + gain * d * v_a
    out[M_B] = s[M_B] + gain * d * v_b
    out[RATE] = s[RATE] + 0.5 * gain * d * d
    out[SHAPE] = s[SHAPE] + 0.5 * usual
    out[LOG_WEIGHT] = s[LOG_WEIGHT] + density
    return usual


@njit(cache=True)
def add(y: float, lag: float, age: float, chance: float, s: F64, out: F64, usual: F64) -> tuple[float, float]:
    """Write a segment with one more value of one series; return its log density, and the chance that it was a shock.

    Parameters
    ----------
    y, lag, age
        As in ``add_to_law``.
    chance
        Of a shock: a value anywhere about the one before, Cauchy with the deviation of the series, which is 1.
    s, out
        Shape (3, 8): the laws before, and after.
    usual
        Shape (3,), overwritten.
    """
    log_shock = math.log(chance) - math.log(math.pi) - math.log1p((y - lag) * (y - lag))
    top = -math.inf
    for law in range(N_LAWS):
        usual[law] = add_to_law(law, y, lag, age, log_shock, math.log1p(-chance), s[law], out[law])
        top = max(top, out[law, LOG_WEIGHT])
    total, ordinary = 0.0, 0.0
    for law in range(N_LAWS):
        weight = math.exp(out[law, LOG_WEIGHT] - top)
        total += weight
        ordinary += weight * usual[law]
    log_density = top + math.log(total)
    for law in range(N_LAWS):
        out[law, LOG_WEIGHT] -= log_density
    return log_density, 1.0 - ordinary / total


@njit(cache=True)
def grow(y: F64, lag: F64, age: float, first: bool, prior: F64, s: F64, out: F64, counts: F64, grown: F64,
         usual: F64) -> float:  # fmt: skip
    """Write a segment with one more value of each series and return the log density of them all.

    Parameters
    ----------
    y, lag
        Shape (n_series,). A missing value (NaN) is no evidence.
    age, first
        As in ``add_to_law``; and whether the values are the first of a segment.
    s, out
        Shape (n_series, 3, 8).
    counts, grown
        Shape (n_series, 2): shocks and values in the segment, before and after. A first value is not counted.
    usual
        Shape (3,), overwritten.
    """
    log_density = 0.0
    for i in range(len(y)):
        grown[i] = counts[i]
        if math.isnan(y[i]) or math.isnan(lag[i]):
            out[i] = s[i]
            continue
        shocks, values = prior[P_SHOCKS] + counts[i, 0], prior[P_SHOCKS] + prior[P_OTHERS] + counts[i, 1]
        chance = prior[P_FIRST] if first else shocks / values
        one, shock = add(y[i], lag[i], age, chance, s[i], out[i], usual)
        log_density += one
        if not first:
            grown[i, 0] += shock
            grown[i, 1] += 1.0
    return log_density


@njit(cache=True)
def segment_lengths(y: F64, hazard: float, prior: F64, start: F64, length: I64) -> None:
    """Write the length of the best segment that ends with each value, followed by a change; the last one by none.

    Parameters
    ----------
    y
        Shape (n, n_series), each of deviation 1; the first value only stands before the second.
    hazard
        Chance of a change before each value.
    prior, start
        Shape (7,), and what ``fresh`` gives.
    length
        Shape (n,), written; 0 for the first value.
    """
    n, n_series = y.shape
    laws, counts = np.empty((n + 1, n_series, N_LAWS, N_NUMBERS)), np.zeros((n + 1, n_series, 2))
    best, usual, lag = np.full(n + 1, -math.inf), np.empty(N_LAWS), y[0].copy()
    laws[0], best[0], length[0] = start, 0.0, 0
    for t in range(1, n):
        top, at = -math.inf, 0
        # The oldest first: a segment is written in the place of the one that is a value older.
        for r in range(t - 1, -1, -1):
            first = r == 0
            p = best[r] + grow(
                y[t], lag, (r + 1.0) / n, first, prior, laws[r], laws[r + 1], counts[r], counts[r + 1], usual
            )
            if p > top:
                top, at = p, r + 1
            best[r + 1] = p + math.log1p(-hazard)
        laws[0], counts[0], best[0], length[t] = start, 0.0, top + math.log(hazard), at
        for i in range(n_series):
            if not math.isnan(y[t, i]):
                lag[i] = y[t, i]
