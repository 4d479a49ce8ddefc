"""Stress: of prices (volatility, drawdown, gap, range) and of liquidity (spread, price impact, volume)."""
# One signature for all indicators, whatever each of them reads.

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed, window_plus
from processors.featurize.indicators.price import spread
from processors.featurize.indicators.states_tools import N_PAST, against_past, level, share_of
from processors.featurize.indicators.states_volatility import N_VOL, VOL_FLOOR
from processors.featurize.indicators.volatility import atr, ewma_vol
from processors.featurize.indicators.window import F64, back, highest, log_return, tail, true_range, window_mean

Z_STRESS = 3.0
"""Deviations above the past at which a part counts in full."""
GAP_VOLS, RANGE_ATRS = 4.0, 3.0
"""Deviations of a gap, and average true ranges of a bar beyond the first, that count in full."""
ELEVATED, STRESSED, CRISIS = 0.25, 0.5, 0.75
SPREAD_FLOOR_BP, IMPACT_FLOOR = 1e-3, 1e-18
"""Below them a spread or an impact is as good as none: their logarithms stay finite."""
N_STRESS, N_LIQUIDITY = N_VOL + 2 + N_PAST, 3 * N_PAST


@njit(cache=True)
def two_largest(a: float, b: float, c_: float, d: float) -> float:
    """Return the mean of the two largest of four numbers: one sign of stress alone is no crisis."""
    low, high = min(a, b), max(a, b)
    other_low, other_high = min(c_, d), max(c_, d)
    return 0.5 * (max(high, other_high) + max(min(high, other_high), low, other_low))


@njit(cache=True, forceinline=True)
def stress_state_v1(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Stress of prices: p[0], p[1] as ``ewma_vol``, window of drawdown and true range p[2], p[3] memory, p[4] least.

    Parts, each from 0 to 1: logarithm of volatility against its past of p[3] bars (three deviations above it are 1);
    close below the highest of the last p[2] closes, over three deviations of so many bars; gap between the close before
    and the open over four deviations; true range beyond its average over three averages. Deviations are those of the
    bar before, so a bar is not measured by itself.

    y[0]: 0 calm, 1 elevated (score from 0.25), 2 stressed (0.5), 3 crisis (0.75). y[1]: score, mean of the two largest
    parts. y[2] to y[5]: the parts.
    """
    y[:6] = np.nan
    vol_before = math.sqrt(s[0] / s[1]) if s[1] > 0.0 else np.nan
    ewma_vol(bar, ring, n, p, s[:N_VOL], y)
    vol = y[0]
    before = back(ring[c.R_CLOSE], n, 1) if n > 0 else np.nan
    at = N_VOL
    atr_before = s[at] if s[at + 1] >= p[2] else np.nan
    atr(bar, ring, n, p[2:3], s[at : at + 2], y)
    y[0] = y[1] = np.nan
    if math.isnan(vol):
        return
    z = against_past(s, at + 2, math.log(max(vol, VOL_FLOOR)), p[3], p[4])
    if math.isnan(z) or math.isnan(atr_before):
        return
    window = int(p[2])
    peak = highest(tail(ring[c.R_CLOSE], n, window))
    y[2] = share_of(z, Z_STRESS)
    y[3] = share_of(log_return(bar[c.CLOSE], peak), 3.0 * vol_before * math.sqrt(p[2]))
    y[4] = share_of(abs(log_return(before, bar[c.OPEN])), GAP_VOLS * vol_before)
    y[5] = share_of(true_range(bar[c.HIGH], bar[c.LOW], before) - atr_before, RANGE_ATRS * atr_before)
    y[1] = two_largest(y[2], y[3], y[4], y[5])
    y[0] = level(y[1], ELEVATED, STRESSED, CRISIS)


@njit(cache=True)
def _impact(ring: F64, n: int, window: int) -> float:
    """Return the mean of |return| over money traded, over the last bars that have both (Amihud, 2002), NaN for none."""
    total, count = 0.0, 0
    for k in range(window):
        r, money = back(ring[c.R_RETURN], n, k), back(ring[c.R_CLOSE], n, k) * back(ring[c.R_VOLUME], n, k)
        if money > 0.0 and not math.isnan(r):
            total += abs(r) / money
            count += 1
    return total / count if count > 0 else np.nan


@njit(cache=True, forceinline=True)
def liq_stress_v1(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Stress of liquidity: window p[0] of impact and volume, past of p[1] bars, from p[2] values on.

    Parts, each from 0 to 1, three deviations from the past being 1: logarithm of the quoted spread above it; logarithm
    of the mean price impact over p[0] bars (Amihud) above it; mean of log(1 + volume) over p[0] bars below it. A part
    without quotes or volume is missing.

    y[0]: 0 calm, 1 elevated (score from 0.25), 2 stressed (0.5), 3 crisis (0.75). y[1]: score, mean of the two largest
    parts, or the only one; NaN where all are missing. y[2] to y[4]: the parts.
    """
    spread(bar, ring, n, p, s, y)
    quoted = math.log(max(y[0], SPREAD_FLOOR_BP)) if not math.isnan(y[0]) else np.nan
    window = int(p[0])
    impact = volume = np.nan
    # The first bar has no return.
    if n >= window:
        impact = _impact(ring, n, window)
        volume = window_mean(ring[c.R_LOG_VOLUME], n, window)
    y[2] = against_past(s, 0, quoted, p[1], p[2])
    y[3] = against_past(s, N_PAST, math.log(max(impact, IMPACT_FLOOR)) if impact >= 0.0 else np.nan, p[1], p[2])
    y[4] = -against_past(s, 2 * N_PAST, volume if volume > 0.0 else np.nan, p[1], p[2])
    known, largest, second = 0, 0.0, 0.0
    for i in range(2, 5):
        if not math.isnan(y[i]):
            y[i] = share_of(y[i], Z_STRESS)
            known += 1
            second = max(second, min(largest, y[i]))
            largest = max(largest, y[i])
    y[0] = y[1] = np.nan
    if known > 0:
        y[1] = 0.5 * (largest + second) if known > 1 else largest
        y[0] = level(y[1], ELEVATED, STRESSED, CRISIS)


KERNELS = {
    "stress_state_v1": Kernel(
        stress_state_v1, ("decay", "min_returns", "window", "memory", "min_vols"),
        ("state", "score", "volatility", "drawdown", "gap", "range"), fixed(N_STRESS), window_plus(0),
    ),
    "liq_stress_v1": Kernel(
        liq_stress_v1, ("window", "memory", "min_values"),
        ("state", "score", "spread", "impact", "volume"), fixed(N_LIQUIDITY), window_plus(1),
    ),
}  # fmt: skip
