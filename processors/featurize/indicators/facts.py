"""Facts: what was known of issuer, dated events, the market's fear, rates and the portfolio at the bar's end."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed
from processors.featurize.indicators.states_tools import level
from processors.featurize.indicators.window import F64, ratio

NONE, BEFORE, INSIDE, AFTER = 0.0, 1.0, 2.0, 3.0
GOOD = (0.15, 0.40, -2.0, -0.10, 0.20)
"""Return on equity, gross margin, leverage, accruals and growth that count as fully good or, where below 0, bad: about
the outer quarters of large listed companies."""
CALM_VIX, NORMAL_VIX, HIGH_VIX = 15.0, 20.0, 30.0
"""Levels that practitioners call calm, normal and high; the mean since 1990 is between 19 and 20."""
MINUTE_S = 60.0


@njit(cache=True, forceinline=True)
def quality(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Quality of the issuer as known: y[0] return on equity, y[1] gross margin, y[2] leverage, y[3] accruals, y[4]
    growth of earnings, and y[5] their score, the mean over the known of each over its ``GOOD``, -1 to 1.
    """  # noqa: D205 - one sentence
    total = known = 0.0
    for i in range(len(GOOD)):
        y[i] = bar[c.RETURN_ON_EQUITY + i]
        if not math.isnan(y[i]):
            total += min(max(y[i] / GOOD[i], -1.0), 1.0)
            known += 1.0
    y[5] = ratio(total, known)


@njit(cache=True, forceinline=True)
def event_window_state(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Place among dated events: p[0] minutes before one, p[1] from its time on, p[2] after that.

    y[0]: 0 none near, 1 before the next, 2 inside the last, 3 after it; inside counts before before, before before
    after. y[1]: minutes to the next. y[2]: minutes since the last. y[3]: weight of the nearer one where the state is
    not 0, else 0. NaN where nothing is known.
    """
    to_next = (bar[c.NEXT_EVENT_S] - bar[c.END_S]) / MINUTE_S
    since_last = (bar[c.END_S] - bar[c.LAST_EVENT_S]) / MINUTE_S
    y[1], y[2] = to_next, since_last
    y[0] = y[3] = np.nan
    if math.isnan(to_next) and math.isnan(since_last):
        return
    y[0] = NONE
    if since_last < p[1]:
        y[0] = INSIDE
    elif to_next <= p[0]:
        y[0] = BEFORE
    elif since_last < p[1] + p[2]:
        y[0] = AFTER
    y[3] = bar[c.EVENT_WEIGHT] if y[0] != NONE else 0.0


@njit(cache=True, forceinline=True)
def vix(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volatility index as known: y[0] its level, y[1] 0 calm (below 15), 1 normal, 2 high (from 20), 3 extreme (30).

    y[2]: the level over its value before the last change, less one; 0 before one. State: value, value before.
    """
    now = bar[c.VIX]
    y[:3] = np.nan
    if not math.isnan(now):
        if s[0] != now:
            s[1] = s[0] if s[0] > 0.0 else now
            s[0] = now
        y[0], y[1] = now, level(now, CALM_VIX, NORMAL_VIX, HIGH_VIX)
        y[2] = ratio(now - s[1], s[1])


@njit(cache=True, forceinline=True)
def risk_budget_util_v1(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Share of the risk budget that is used, as known: y[0]; y[1]: 0 below p[0], 1 near its limit, 2 at 1 and above."""
    y[0] = bar[c.RISK_BUDGET_UTIL]
    y[1] = float(int(y[0] >= p[0]) + int(y[0] >= 1.0)) if not math.isnan(y[0]) else np.nan


@njit(cache=True, forceinline=True)
def rates(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Interest rates as known, fractions a year: y[0] policy rate in force, y[1] yield of 3 months, y[2] of 10 years.

    y[3]: slope of the curve, the yield of 10 years less that of 3 months.
    """
    y[0], y[1], y[2] = bar[c.POLICY_RATE], bar[c.YIELD_3M], bar[c.YIELD_10Y]
    y[3] = y[2] - y[1]


KERNELS: dict[str, Kernel] = {
    "quality": Kernel(
        quality, (), ("return_on_equity", "gross_margin", "leverage", "accruals", "earnings_growth", "score")
    ),
    "event_window_state": Kernel(
        event_window_state, ("before", "inside", "after"), ("state", "minutes_to", "minutes_since", "weight")
    ),
    "vix": Kernel(vix, (), ("level", "state", "change"), fixed(2)),
    "risk_budget_util_v1": Kernel(risk_budget_util_v1, ("near",), ("value", "state")),
    "rates": Kernel(rates, (), ("policy", "short", "long", "slope")),
}
"""Indicator of the catalog -> its kernel."""
