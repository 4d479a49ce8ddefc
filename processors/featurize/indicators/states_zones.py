"""Support and resistance: zones of prices at which the market turned, from confirmed turning points only."""
# One signature for all indicators, whatever each of them reads.

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, Numbers, fixed
from processors.featurize.indicators.volatility import atr
from processors.featurize.indicators.window import F64, back, ratio

ZONES_MAX = 12
"""Zones kept of one series; the weakest gives way. More than are of use: outputs are of the two nearest."""
_PRICE, _TOUCHES, _STRENGTH, _LAST = range(4)
_FIRST = 3
N_ZONES = _FIRST + 4 * ZONES_MAX


@njit(cache=True)
def turned(series: F64, n: int, wing: int, sign: float) -> bool:
    """Return whether bar n - wing is a turning point: above all ``wing`` bars before it and none after it is higher.

    It is known only now, ``wing`` bars later. ``sign`` is 1 for a high, -1 for a low. In a flat market nothing turns.
    """
    if n < 2 * wing:
        return False
    x = sign * back(series, n, wing)
    for k in range(1, wing + 1):
        if sign * back(series, n, wing + k) >= x or sign * back(series, n, wing - k) > x:
            return False
    return True


@njit(cache=True)
def _add(s: F64, n: int, price: float, width: float, half_life: float) -> None:
    """Put a turning point into the nearest zone within ``width``, or into a new one."""
    count = int(s[2])
    nearest, distance, weakest, least = -1, width, 0, np.inf
    for i in range(count):
        zone = s[_FIRST + 4 * i : _FIRST + 4 * i + 4]
        off = abs(zone[_PRICE] - price)
        if off <= distance:
            nearest, distance = i, off
        strength = zone[_STRENGTH] * 0.5 ** ((n - zone[_LAST]) / half_life)
        if strength < least:
            weakest, least = i, strength
    if nearest < 0:
        nearest = count if count < ZONES_MAX else weakest
        s[_FIRST + 4 * nearest : _FIRST + 4 * nearest + 4] = 0.0
        s[2] = min(count + 1.0, ZONES_MAX)
    zone = s[_FIRST + 4 * nearest : _FIRST + 4 * nearest + 4]
    zone[_STRENGTH] = zone[_STRENGTH] * 0.5 ** ((n - zone[_LAST]) / half_life) + 1.0
    zone[_TOUCHES] += 1.0
    zone[_PRICE] += (price - zone[_PRICE]) / zone[_TOUCHES]
    zone[_LAST] = n


@njit(cache=True, forceinline=True)
def sr_zone_v1(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Nearest zones below and above the close: wing p[0], width p[1] in average true ranges over p[2], half-life p[3].

    A zone is the mean price of its turning points; each joins the nearest zone within the width that holds at the bar
    that confirms it. Its strength is the number of them, each halved every p[3] bars.

    y[0], y[1]: distance down to the support (the highest zone not above the close) and up to the resistance, fraction
    of the close. y[2], y[3]: their numbers of turning points. y[4], y[5]: their strengths. NaN where there is none.
    y[6]: number of zones, y[7]: 1 where the close is within the width of one, both from the first true range on.
    """
    atr(bar, ring, n, p[2:3], s[:2], y)
    width = p[1] * y[0]
    y[:8] = np.nan
    if math.isnan(width):
        return
    wing = int(p[0])
    if turned(ring[c.R_HIGH], n, wing, 1.0):
        _add(s, n, back(ring[c.R_HIGH], n, wing), width, p[3])
    if turned(ring[c.R_LOW], n, wing, -1.0):
        _add(s, n, back(ring[c.R_LOW], n, wing), width, p[3])
    close, below, above = bar[c.CLOSE], -1, -1
    y[6], y[7] = s[2], 0.0
    for i in range(int(s[2])):
        price = s[_FIRST + 4 * i + _PRICE]
        if abs(price - close) <= width:
            y[7] = 1.0
        if price <= close and (below < 0 or price > s[_FIRST + 4 * below]):
            below = i
        if price > close and (above < 0 or price < s[_FIRST + 4 * above]):
            above = i
    for side, i in ((0, below), (1, above)):
        if i >= 0:
            zone = s[_FIRST + 4 * i : _FIRST + 4 * i + 4]
            y[side] = ratio(abs(close - zone[_PRICE]), close)
            y[2 + side] = zone[_TOUCHES]
            y[4 + side] = zone[_STRENGTH] * 0.5 ** ((n - zone[_LAST]) / p[3])


def _bars(p: Numbers) -> int:
    return 2 * int(p["wing"]) + 1


KERNELS = {
    "sr_zone_v1": Kernel(
        sr_zone_v1, ("wing", "width", "atr_window", "half_life"),
        ("support_distance", "resistance_distance", "support_touches", "resistance_touches", "support_strength",
         "resistance_strength", "zones", "in_zone"), fixed(N_ZONES), _bars,
    ),
}  # fmt: skip
