r"""The regime of a series, one return at a time: Bayesian online change-point detection and a label made from it.

The run length is the number of returns since the last change. Its posterior (Adams and MacKay, 2007) is kept with the
Normal-Gamma statistics of each run, so that a new return costs one pass over the run lengths:

    growth    p(r + 1) = p(r) f(x | run r) (1 - H)          f: Student's t, the run's predictive density
    change    p(0)     = sum over r of p(r) f(x | run r) H
    H         = min(H_max, max(H_min, c * sigma_dR))        hazard, known before x

Returns are standardised by the long-run exponential deviation sigma of the returns before. sigma_dR is the exponential
deviation of the changes of the return, dR = R[t] - R[t-1], over sqrt(2) * sigma: independent returns of deviation sigma
give 1, so it has no unit, c is the hazard of an ordinary bar, and a market that starts to jerk raises its own hazard.

Run lengths end at M - 1. What would grow beyond joins the last one, whose statistics are those of the last M - 1
returns: no mass is lost, and the run forgets what is older.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

(HAZARD_SCALE, HAZARD_MIN, HAZARD_MAX, SLOW_DECAY, FAST_DECAY, RETURNS_MIN, OBSERVATIONS_MIN, X_MAX, KAPPA, ALPHA, BETA,
 RECENT, LOG_VOL_STRESS, CHANGE_STRESS, T_TREND, VOL_GAIN, CHANGE_GAIN, T_GAIN) = range(18)  # fmt: skip
"""Positions in the array of parameters: see ``config.RegimeConfig.parameters``."""
N_PARAMETERS = 18

SLOW, SLOW_WEIGHT, FAST, FAST_WEIGHT, PREVIOUS, N_RETURNS, N_OBSERVATIONS, LONGEST = range(8)
"""Positions in the scalar state: exponential sums of squared returns and of squared changes with their weights, the
last return (NaN for none), returns and standardised returns seen (counted no further than needed), longest run."""
N_SCALARS = 8

TREND, MEANREV, STRESS, CHANGE_PROB, RUN_LENGTH, HAZARD = range(6)
"""Positions in the output: three probabilities, then as in the schema. The first three are the labels too."""
N_OUT = 6


def student_norm(kappa: float, alpha: float, n_run_lengths: int) -> F64:
    """Return the part of the predictive density that depends on the run length alone, shape (n_run_lengths,)."""
    out = np.empty(n_run_lengths)
    for r in range(n_run_lengths):
        a, k = alpha + 0.5 * r, kappa + r
        out[r] = math.exp(math.lgamma(a + 0.5) - math.lgamma(a)) / math.sqrt(2.0 * math.pi * (k + 1.0) / k)
    return out


@njit(cache=True)
def run_length_step(x: float, hazard: float, prior: F64, norm: F64, p: F64, mean: F64, beta: F64, longest: int) -> int:
    """Add one value to the posterior of the run length, in place; return the longest run that has mass.

    Parameters
    ----------
    x, hazard
        The value, and the probability of a change before the next one, above 0 and below 1.
    prior
        Shape (3,): kappa, alpha, beta of the Normal-Gamma prior; its mean is 0.
    norm
        Shape (M,), ``student_norm``.
    p, mean, beta
        Shape (M,): probability and statistics of each run length. At the start p[0] is 1 and beta[0] the prior's.
    """
    changed, total, beyond = 0.0, 0.0, 0.0
    end = len(p) - 1
    for r in range(longest, -1, -1):
        kappa = prior[0] + r
        d = x - mean[r]
        # Density of Student's t with 2 alpha degrees of freedom and scale^2 beta (kappa + 1) / (alpha kappa).
        reach = 2.0 * beta[r] * (kappa + 1.0) / kappa
        density = norm[r] / math.sqrt(beta[r]) * (1.0 + d * d / reach) ** -(prior[1] + 0.5 * r + 0.5)
        grown = p[r] * density
        changed += grown * hazard
        grown *= 1.0 - hazard
        total += grown
        if r == end:
            beyond = grown
        else:
            p[r + 1] = grown + (beyond if r + 1 == end else 0.0)
            mean[r + 1] = mean[r] + d / (kappa + 1.0)
            beta[r + 1] = beta[r] + kappa * d * d / (2.0 * (kappa + 1.0))
    p[0], mean[0], beta[0] = changed, 0.0, prior[2]
    longest = min(longest + 1, end)
    for r in range(longest + 1):
        p[r] /= total + changed
    return longest


@njit(cache=True)
def adaptive_hazard(c: F64, s: F64) -> float:
    """Return H before the next return; that of an ordinary bar until there are enough returns."""
    agitation = 1.0
    if s[N_RETURNS] >= c[RETURNS_MIN] and s[SLOW] > 0.0 and s[FAST_WEIGHT] > 0.0:
        agitation = math.sqrt(s[FAST] / s[FAST_WEIGHT] / (2.0 * s[SLOW] / s[SLOW_WEIGHT]))
    return float(min(c[HAZARD_MAX], max(c[HAZARD_MIN], c[HAZARD_SCALE] * agitation)))


@njit(cache=True)
def standardised(r: float, c: F64, s: F64) -> float:
    """Return r over the long-run deviation of the returns before it, at most X_MAX in size."""
    sigma = math.sqrt(s[SLOW] / s[SLOW_WEIGHT])
    # Also right where nothing moved so far: then any move is as large as can be.
    if abs(r) < c[X_MAX] * sigma:
        return r / sigma
    return math.copysign(c[X_MAX], r) if r != 0.0 else 0.0


@njit(cache=True)
def learn_scale(r: float, c: F64, s: F64) -> None:
    """Add a return to the exponential deviations of returns and of their changes; both are about a mean of 0."""
    s[SLOW] = c[SLOW_DECAY] * s[SLOW] + (1.0 - c[SLOW_DECAY]) * r * r
    s[SLOW_WEIGHT] = c[SLOW_DECAY] * s[SLOW_WEIGHT] + (1.0 - c[SLOW_DECAY])
    change = r - s[PREVIOUS]
    if not math.isnan(change):
        s[FAST] = c[FAST_DECAY] * s[FAST] + (1.0 - c[FAST_DECAY]) * change * change
        s[FAST_WEIGHT] = c[FAST_DECAY] * s[FAST_WEIGHT] + (1.0 - c[FAST_DECAY])
    s[N_RETURNS] = min(s[N_RETURNS] + 1.0, c[RETURNS_MIN])


@njit(cache=True)
def soften(c: F64, variance: float, t: float, recent: float, y: F64) -> None:
    """Write the three probabilities: see ``probabilities``."""
    trend = c[T_GAIN] * (abs(t) - c[T_TREND])
    stress = max(
        c[VOL_GAIN] * (0.5 * math.log(variance) - c[LOG_VOL_STRESS]), c[CHANGE_GAIN] * (recent - c[CHANGE_STRESS])
    )
    top = max(trend, stress, 0.0)
    e_trend, e_meanrev, e_stress = math.exp(trend - top), math.exp(-top), math.exp(stress - top)
    total = e_trend + e_meanrev + e_stress
    y[TREND], y[MEANREV], y[STRESS] = e_trend / total, e_meanrev / total, e_stress / total


@njit(cache=True)
def probabilities(c: F64, p: F64, mean: F64, beta: F64, longest: int, y: F64) -> None:
    """Write the outputs but the hazard from the posterior of the run length.

    With v and t the posterior means of a run's variance (long-run variance is 1) and of the t-statistic of its mean,
    and q the probability of a change within the recent bars, the probabilities are the softmax of

        trend    T_GAIN * (|t| - T_TREND)
        meanrev  0
        stress   max(VOL_GAIN * (log(v) / 2 - LOG_VOL_STRESS), CHANGE_GAIN * (q - CHANGE_STRESS))
    """
    variance, t, recent, length = 0.0, 0.0, 0.0, 0.0
    for r in range(longest + 1):
        of_run = beta[r] / (c[ALPHA] + 0.5 * r)
        variance += p[r] * of_run
        t += p[r] * mean[r] / math.sqrt(of_run / (c[KAPPA] + r))
        length += p[r] * r
        if r <= c[RECENT]:
            recent += p[r]
    soften(c, variance, t, recent, y)
    # Rounding may carry a sum of probabilities past 1.
    y[CHANGE_PROB], y[RUN_LENGTH] = min(recent, 1.0), length


@njit(cache=True)
def step(r: float, c: F64, norm: F64, s: F64, p: F64, mean: F64, beta: F64, y: F64) -> bool:
    """Add one log return to a series, write its regime, and return whether it is warm.

    A missing return (NaN) changes nothing but what counts as the return before. Until the series is warm the three
    probabilities are equal and the other outputs are those of the prior.

    Parameters
    ----------
    r
        Log return of the bar.
    c, norm
        Shape (N_PARAMETERS,) and (M,).
    s, p, mean, beta
        State: shape (N_SCALARS,), and (M,) each.
    y
        Shape (N_OUT,), written.
    """
    y[HAZARD] = adaptive_hazard(c, s)
    if not math.isnan(r):
        if s[N_RETURNS] >= c[RETURNS_MIN]:
            x = standardised(r, c, s)
            s[LONGEST] = run_length_step(x, y[HAZARD], c[KAPPA : BETA + 1], norm, p, mean, beta, int(s[LONGEST]))
            s[N_OBSERVATIONS] = min(s[N_OBSERVATIONS] + 1.0, c[OBSERVATIONS_MIN])
        learn_scale(r, c, s)
    s[PREVIOUS] = r
    probabilities(c, p, mean, beta, int(s[LONGEST]), y)
    warm = s[N_OBSERVATIONS] >= c[OBSERVATIONS_MIN]
    if not warm:
        y[TREND] = y[MEANREV] = y[STRESS] = 1.0 / 3.0
    return bool(warm)


@njit(cache=True)
def label(y: F64) -> int:
    """Return the most probable regime; among equals meanrev before stress before trend, the claim of least."""
    best = MEANREV
    if y[STRESS] > y[best]:
        best = STRESS
    if y[TREND] > y[best]:
        best = TREND
    return best


@njit(cache=True)
def label_all(out: F64, labels: I64) -> None:
    """Write the label of each row of outputs, shape (n, N_OUT) and (n,)."""
    for i in range(len(out)):
        labels[i] = label(out[i])


@njit(cache=True)
def run(
    slots: NDArray[np.int32], ts_ns: I64, returns: F64, c: F64, norm: F64,
    last_ts_ns: I64, s: F64, p: F64, mean: F64, beta: F64, dirty: NDArray[np.uint8],
    out: F64, labels: I64, warm: I64, late: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Run ``step`` over a batch of rows of many series.

    Parameters
    ----------
    slots, ts_ns, returns
        Shape (n,): series, end of the bar, log return or NaN.
    last_ts_ns, s, p, mean, beta, dirty
        State by slot: shape (n_slots,), (n_slots, N_SCALARS), (n_slots, M) three times, (n_slots,).
    out, labels, warm, late
        Shape (n, N_OUT) and (n,), written. A row that is not after the one before of its series is late: it gets no
        regime and changes nothing.
    """
    for i in range(len(slots)):
        slot = slots[i]
        if ts_ns[i] <= last_ts_ns[slot]:
            late[i] = 1
            continue
        last_ts_ns[slot] = ts_ns[i]
        warm[i] = step(returns[i], c, norm, s[slot], p[slot], mean[slot], beta[slot], out[i])
        labels[i] = label(out[i])
        dirty[slot] = 1
