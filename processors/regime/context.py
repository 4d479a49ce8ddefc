"""What one bar tells about its regime, in numbers without unit, each from this bar and the ones before.

    X   return over the long-run deviation of the returns before
    V   log of the bar's range (or of the size of its return, where that is more) less its long-run mean, in deviations
    C   x[t] x[t-1] / sqrt((1 + x[t]^2)(1 + x[t-1]^2)): the sign of the lag-one correlation, bounded by 1
    M   exponential mean of the returns X before this bar, scaled to unit deviation where they are independent

and, with this bar: log of the fast over the long-run deviation, exponential mean of C, and M of the next bar.

The logarithm of a range is nearly normal and tells volatility about five times as well as a squared return does
(Alizadeh, Brandt and Diebold, Journal of Finance 57, 2002).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]

(SLOW_DECAY, FAST_DECAY, RETURNS_MIN, X_MAX, V_MAX, RANGE_MIN) = range(6)
"""Positions in the parameters: decays per bar, returns before anything is told, bounds of X and V, and the least range
in long-run deviations, below which all ranges are one."""
N_PARAMETERS = 6

(SLOW, SLOW_WEIGHT, FAST, FAST_WEIGHT, MOMENTUM, PREVIOUS, CORRELATION, CORRELATION_WEIGHT, RANGE, RANGE_SQUARE,
 RANGE_WEIGHT, N_RETURNS) = range(12)  # fmt: skip
"""Positions in the state: exponential sums with their weights, and the X before (NaN for none)."""
N_STATE = 12

X, V, C, M, LOG_VOL, AUTOCORRELATION, MOMENTUM_NOW = range(7)
"""Positions in what a bar tells."""
N_TOLD = 7


@njit(cache=True)
def observe(r: float, price_range: float, c: F64, s: F64, y: F64) -> bool:
    """Add one bar, write what it tells, and return whether X, V and M are there; C is NaN after a gap.

    Parameters
    ----------
    r
        Log return, NaN for none: the bar then tells nothing and only ends the run of neighbours.
    price_range
        High less low over the close; NaN or 0 where it is not known.
    c, s, y
        Shape (N_PARAMETERS,), (N_STATE,) and (N_TOLD,): parameters, state, and what is told, written.
    """
    if math.isnan(r):
        s[PREVIOUS] = math.nan
        y[X], y[V], y[C] = math.nan, math.nan, math.nan
        return False
    ready = bool(s[N_RETURNS] >= c[RETURNS_MIN])
    sigma = math.sqrt(s[SLOW] / s[SLOW_WEIGHT]) if s[SLOW_WEIGHT] > 0.0 else 0.0
    # A range of NaN is smaller than nothing here.
    size = abs(r)
    size = max(size, price_range)
    size = max(size, c[RANGE_MIN] * sigma)
    log_range = math.log(size) if size > 0.0 else math.nan
    if ready:
        _tell(r, sigma, log_range, c, s, y)
    _learn(r, log_range, c, s)
    return ready


@njit(cache=True)
def _tell(r: float, sigma: float, log_range: float, c: F64, s: F64, y: F64) -> None:
    """Write what the bar tells, and add its X to the fast means."""
    keep = c[FAST_DECAY]
    x = 0.0
    if abs(r) < c[X_MAX] * sigma:
        x = r / sigma
    elif r != 0.0:
        x = math.copysign(c[X_MAX], r)
    y[X], y[V], y[C] = x, 0.0, math.nan
    if not math.isnan(log_range):
        mean = s[RANGE] / s[RANGE_WEIGHT] if s[RANGE_WEIGHT] > 0.0 else log_range
        variance = s[RANGE_SQUARE] / s[RANGE_WEIGHT] - mean * mean if s[RANGE_WEIGHT] > 0.0 else 0.0
        # Ranges that never differed so far tell no deviation; a hundredth is finer than any tick makes them.
        y[V] = min(max((log_range - mean) / math.sqrt(max(variance, 1e-4)), -c[V_MAX]), c[V_MAX])
    # The variance of an exponential mean of independent values of variance 1.
    unit = math.sqrt((1.0 + keep) / (1.0 - keep))
    y[M] = s[MOMENTUM] * unit
    if not math.isnan(s[PREVIOUS]):
        y[C] = x * s[PREVIOUS] / math.sqrt((1.0 + x * x) * (1.0 + s[PREVIOUS] * s[PREVIOUS]))
        s[CORRELATION] = keep * s[CORRELATION] + (1.0 - keep) * y[C]
        s[CORRELATION_WEIGHT] = keep * s[CORRELATION_WEIGHT] + (1.0 - keep)
    s[MOMENTUM] = keep * s[MOMENTUM] + (1.0 - keep) * x
    s[FAST] = keep * s[FAST] + (1.0 - keep) * x * x
    s[FAST_WEIGHT] = keep * s[FAST_WEIGHT] + (1.0 - keep)
    s[PREVIOUS] = x
    y[MOMENTUM_NOW] = s[MOMENTUM] * unit
    y[LOG_VOL] = 0.5 * math.log(max(s[FAST] / s[FAST_WEIGHT], 1e-4))
    y[AUTOCORRELATION] = s[CORRELATION] / s[CORRELATION_WEIGHT] if s[CORRELATION_WEIGHT] > 0.0 else 0.0


@njit(cache=True)
def _learn(r: float, log_range: float, c: F64, s: F64) -> None:
    """Add the bar to the long-run scales."""
    keep = c[SLOW_DECAY]
    s[SLOW] = keep * s[SLOW] + (1.0 - keep) * r * r
    s[SLOW_WEIGHT] = keep * s[SLOW_WEIGHT] + (1.0 - keep)
    if not math.isnan(log_range):
        s[RANGE] = keep * s[RANGE] + (1.0 - keep) * log_range
        s[RANGE_SQUARE] = keep * s[RANGE_SQUARE] + (1.0 - keep) * log_range * log_range
        s[RANGE_WEIGHT] = keep * s[RANGE_WEIGHT] + (1.0 - keep)
    s[N_RETURNS] = min(s[N_RETURNS] + 1.0, c[RETURNS_MIN])


@njit(cache=True)
def run(
    slots: NDArray[np.int32], returns: F64, ranges: F64, c: F64, state: F64, told: F64, ready: NDArray[np.uint8]
) -> None:
    """Run ``observe`` over a batch of rows of many series.

    Parameters
    ----------
    slots, returns, ranges
        Shape (n,): series, log return and range of the bar.
    c, state
        Shape (N_PARAMETERS,); state by slot, (n_slots, N_STATE).
    told, ready
        Shape (n, N_TOLD) and (n,): what ``observe`` writes and returns.
    """
    for i in range(len(slots)):
        ready[i] = observe(returns[i], ranges[i], c, state[slots[i]], told[i])
