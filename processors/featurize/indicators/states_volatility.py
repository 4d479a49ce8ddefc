"""Volatility regimes: low, normal, high or extreme against the series' own past."""
# One signature for all indicators, whatever each of them reads.

import math

import numpy as np
from numba import njit

from processors.featurize.indicators.binding import Kernel, fixed
from processors.featurize.indicators.states_tools import N_PAST, N_QUANTILE, against_past, level, quantile
from processors.featurize.indicators.volatility import ewma_vol
from processors.featurize.indicators.window import F64, ratio

VOL_FLOOR = 1e-8
"""Deviation of one bar below which nothing moves: its logarithm stays finite."""
LOW_Z, HIGH_Z, EXTREME_Z = -0.6744897501960817, 0.6744897501960817, 1.6448536269514722
"""Quarter, three quarters and 95 % of a normal distribution."""
N_VOL, N_REGIME, N_REGIME_V1 = 3, 4 + 4 * N_QUANTILE, 4 + N_PAST


@njit(cache=True, forceinline=True)
def vol_regime_state(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Regime by the quantiles of all volatilities so far: decay p[0] and least returns p[1] as ``ewma_vol``.

    y[0], from p[2] volatilities on: 0 low (below the quarter), 1 normal, 2 high (from three quarters), 3 extreme (from
    95 %); where all of these are one value (nothing moves), 1. y[1]: the volatility over the median one, 1 where both
    are 0. The quantiles count this bar.
    """
    ewma_vol(bar, ring, n, p, s[:N_VOL], y)
    vol = y[0]
    y[0] = y[1] = np.nan
    if math.isnan(vol):
        return
    low = quantile(s, 4, vol, 0.25)
    middle = quantile(s, 4 + N_QUANTILE, vol, 0.5)
    high = quantile(s, 4 + 2 * N_QUANTILE, vol, 0.75)
    extreme = quantile(s, 4 + 3 * N_QUANTILE, vol, 0.95)
    s[3] = min(s[3] + 1.0, p[2])
    if s[3] >= p[2]:
        y[0] = level(vol, low, high, extreme) if extreme > low else 1.0
        y[1] = ratio(vol, middle) if middle > 0.0 or vol > 0.0 else 1.0


@njit(cache=True, forceinline=True)
def vol_regime_state_v1(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Regime by the logarithm of volatility against its own past: p[0], p[1] as ``ewma_vol``.

    The past is that of p[2] bars (exponential mean and variance), from p[3] volatilities on. The bounds are those of a
    normal distribution; a state is left only when its bound is passed by p[4] deviations, so that it does not flicker.

    y[0]: 0 low, 1 normal, 2 high, 3 extreme. y[1]: share of a normal past that is lower, 0 to 1.
    """
    ewma_vol(bar, ring, n, p, s[:N_VOL], y)
    vol = y[0]
    y[0] = y[1] = np.nan
    if math.isnan(vol):
        return
    z = against_past(s, 4, math.log(max(vol, VOL_FLOOR)), p[2], p[3])
    if math.isnan(z):
        return
    # s[3] is the state plus one, 0 before the first.
    rises = level(z - p[4], LOW_Z, HIGH_Z, EXTREME_Z) + 1.0
    falls = level(z + p[4], LOW_Z, HIGH_Z, EXTREME_Z) + 1.0
    if s[3] == 0.0:
        s[3] = level(z, LOW_Z, HIGH_Z, EXTREME_Z) + 1.0
    elif rises > s[3]:
        s[3] = rises
    elif falls < s[3]:
        s[3] = falls
    y[0] = s[3] - 1.0
    y[1] = 0.5 * math.erfc(-z / math.sqrt(2.0))


_VOL = ("decay", "min_returns")
KERNELS = {
    "vol_regime_state": Kernel(vol_regime_state, (*_VOL, "min_vols"), ("state", "ratio"), fixed(N_REGIME)),
    "vol_regime_state_v1": Kernel(
        vol_regime_state_v1, (*_VOL, "memory", "min_vols", "margin"), ("state", "percentile"), fixed(N_REGIME_V1)
    ),
}
