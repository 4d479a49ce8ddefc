"""Trend states: of one timeframe, and of all timeframes of a symbol as of what closed before."""
# One signature for all indicators, whatever each of them reads.

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed
from processors.featurize.indicators.volatility import atr
from processors.featurize.indicators.window import F64, seeded_average
from schemas.timeframes import TIMEFRAMES

N_TREND = 6
N_TF = len(TIMEFRAMES)
KEPT = c.SHARED
"""First shared column of the trend states: for each timeframe its newest and the one before, 4 * end in seconds + code
(1 down, 2 none, 3 up), 0 before the first."""
_DOWN, _UP = 1, 3


@njit(cache=True, forceinline=True)
def trend_state(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Trend by two exponential averages of the close: fast p[0], slow p[1], band p[2], window of the true range p[3].

    y[0]: 1 up, -1 down, 0 where the averages are no more than p[2] average true ranges apart. y[1]: their distance in
    average true ranges, 0 where nothing moves.
    """
    fast = seeded_average(s, 0, bar[c.CLOSE], int(p[0]), 2.0 / (p[0] + 1.0))
    slow = seeded_average(s, 2, bar[c.CLOSE], int(p[1]), 2.0 / (p[1] + 1.0))
    atr(bar, ring, n, p[3:4], s[4:6], y)
    width = y[0]
    y[0] = y[1] = np.nan
    if not math.isnan(fast - slow + width):
        y[1] = (fast - slow) / width if width > 0.0 else 0.0
        y[0] = np.sign(y[1]) if abs(y[1]) > p[2] else 0.0


@njit(cache=True)
def _as_of(newest: float, before: float, end_s: float) -> float:
    """Return the state that closed before ``end_s`` of two packed ones, NaN for none."""
    packed = newest if newest // 4.0 < end_s else before
    return packed % 4.0 - 2.0 if packed > 0.0 and packed // 4.0 < end_s else np.nan


@njit(cache=True, forceinline=True)
def trend_state_mtf(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Trend state of all timeframes together: p[0] to p[3] as ``trend_state``, p[4] least mean that is a trend.

    The bar's own state counts with this bar; that of another timeframe as of its last bar that ended before this one
    did. Bars that end at the same instant do not see each other, so their order in the topic does not matter.

    y[0]: 1 up, -1 down, 0 none of them: sign of the mean state where that is p[4] or more. y[1]: the mean, over the
    timeframes whose state is known. y[2]: their number. From y[3] on the state of each timeframe, NaN where unknown.
    One row of parameters: the kept states are of the symbol, not of an indicator.
    """
    trend_state(bar, ring, n, p, s, y)
    own, end = y[0], bar[c.END_S]
    tf = int(bar[c.TF]) if bar[c.TF] >= 0.0 else 0
    y[: 3 + N_TF] = np.nan
    if math.isnan(own):
        return
    total = known = 0.0
    for i in range(N_TF):
        at = KEPT + 2 * i
        y[3 + i] = own if i == tf else _as_of(bar[at], bar[at + 1], end)
        if not math.isnan(y[3 + i]):
            total += y[3 + i]
            known += 1.0
    y[1], y[2] = total / known, known
    y[0] = np.sign(total) if abs(y[1]) >= p[4] else 0.0
    if end > 0.0:
        bar[KEPT + 2 * tf + 1] = bar[KEPT + 2 * tf]
        bar[KEPT + 2 * tf] = 4.0 * math.floor(end) + own + 2.0


_TREND = ("fast", "slow", "band", "atr_window")
KERNELS = {
    "trend_state": Kernel(trend_state, _TREND, ("state", "strength"), fixed(N_TREND)),
    "trend_state_mtf": Kernel(
        trend_state_mtf, (*_TREND, "agreement"),
        ("state", "score", "known", *(f"tf_{name}" for name in TIMEFRAMES)), fixed(N_TREND),
        shares=True,
    ),
}  # fmt: skip
