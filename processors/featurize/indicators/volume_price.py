"""Volume by price and by time: volume-weighted prices, profiles, volume against what is usual."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators import rolling as r
from processors.featurize.indicators.averages import keep, kept
from processors.featurize.indicators.volatility_range import room
from processors.featurize.indicators.window import (
    F64,
    back,
    highest,
    lowest,
    ratio,
    tail,
    total,
    window_mean,
    window_squares,
)  # fmt: skip

TYPICAL, OF_FOUR, LAST, TRADED = range(4)
"""Prices that volume is weighted with: (high + low + close) / 3; (open + high + low + close) / 4, as LEAN's rolling
one; the close; the bar's own volume-weighted price."""


@njit(inline="always")
def price_of(bar: F64, kind: float) -> float:
    """Return a price of the bar by its kind."""
    if kind == TYPICAL:
        return float((bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 3.0)
    if kind == OF_FOUR:
        return float((bar[c.OPEN] + bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 4.0)
    return float(bar[c.CLOSE] if kind == LAST else bar[c.VWAP])


@njit(cache=True, forceinline=True)
def rolling_vwap(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume-weighted mean of prices of kind p[1] over p[0] bars, and the close over it less one.

    A bar without volume has no weight, whatever its price; NaN where the whole window has none.
    """
    window = int(p[0])
    y[:2] = np.nan
    if keep(s, 0, window, bar[c.VOLUME] * price_of(bar, p[1]) if bar[c.VOLUME] > 0.0 else 0.0):
        y[0] = ratio(total(kept(s, 0, window, window)), total(tail(ring[c.R_VOLUME], n, window)))
        y[1] = ratio(bar[c.CLOSE] - y[0], y[0])


@njit(cache=True, forceinline=True)
def session_vwap(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume-weighted mean of typical prices since the session began, and the close over it less one.

    p[0] is 1 for the session of the bar and 0 for all bars of the series as one. Before any volume it is the typical
    price.
    """
    if n == 0 or (p[0] == 1.0 and bar[c.DAY] != s[0]):
        s[0], s[1], s[2] = bar[c.DAY], 0.0, 0.0
    price = price_of(bar, TYPICAL)
    s[1] += price * bar[c.VOLUME]
    s[2] += bar[c.VOLUME]
    y[0] = s[1] / s[2] if s[2] > 0.0 else price
    y[1] = ratio(bar[c.CLOSE] - y[0], y[0])


@njit(cache=True, forceinline=True)
def facilitation(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Market facilitation index (Williams, 1995): high less low over volume, 0 without volume."""
    y[0] = (bar[c.HIGH] - bar[c.LOW]) / bar[c.VOLUME] if bar[c.VOLUME] > 0.0 else 0.0


@njit(forceinline=True, error_model="numpy")
def volume_oscillator(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Volume averaged over p[0] bars over that over p[1] bars less one, percent; averages of kind p[2] (``averages``).

    0 where the slow one is 0.
    """
    slow = out[1]
    r.averages(int(p[2]), bars[c.VOLUME], s, 0, int(p[0]), out[0])
    r.averages(int(p[2]), bars[c.VOLUME], s, room(p[2], p[0]), int(p[1]), slow)
    for i in range(len(slow)):
        out[0, i] = 100.0 * (out[0, i] - slow[i]) / slow[i] if slow[i] != 0.0 else 0.0 * out[0, i]


@njit(forceinline=True, error_model="numpy")
def relative_volume(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    """Volume over the mean volume of the p[0] bars before this one."""
    window = int(p[0])
    first = min(max(window - n, 0), out.shape[1])
    out[0, :first] = np.nan
    if first < out.shape[1]:
        r.means(ring[c.R_VOLUME], n + first - 1, window, out[0, first:])
    for i in range(out.shape[1]):
        out[0, i] = ratio(bars[c.VOLUME, i], out[0, i])


@njit(cache=True, forceinline=True)
def volume_score(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Deviations of log(1 + volume) from its mean over the last p[0] bars, population; 0 where it did not move."""
    window = int(p[0])
    y[0] = np.nan
    if n + 1 >= window:
        mean = window_mean(ring[c.R_LOG_VOLUME], n, window)
        one = math.sqrt(window_squares(ring[c.R_LOG_VOLUME], n, window, mean) / window)
        y[0] = (back(ring[c.R_LOG_VOLUME], n, 0) - mean) / one if one > 0.0 else 0.0


@njit(cache=True, forceinline=True)
def relative_day_volume(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume of the session day so far over its mean at this time of the day over the last p[0] days.

    The time of the day is cut into p[1] slots of UTC, and the volume of a day at a slot is that of its bars up to the
    slot's end; a day without a bar in the slot does not count. NaN before p[0] days are over, and where none of them
    has a bar in this slot.

    State: day, its volume so far, number of days over (up to p[0]), the day's place; then by place and slot the volume
    up to that slot, -1 for none.
    """
    days, slots = int(p[0]), int(p[1])
    if n == 0:
        s[4:] = -1.0
        s[0] = bar[c.DAY]
    if bar[c.DAY] != s[0]:
        s[0], s[1] = bar[c.DAY], 0.0
        s[2] = min(s[2] + 1.0, days)
        s[3] = (s[3] + 1.0) % (days + 1)
        s[4 + int(s[3]) * slots : 4 + (int(s[3]) + 1) * slots] = -1.0
    s[1] += bar[c.VOLUME]
    # The slot that the bar ends in; one that ends with the slot belongs to it.
    slot = math.ceil((bar[c.END_S] % 86400.0) / 86400.0 * slots) - 1
    slot = slot if slot >= 0 else slots - 1
    s[4 + int(s[3]) * slots + slot] = s[1]
    y[0] = np.nan
    if s[2] < days:
        return
    usual, count = 0.0, 0
    for k in range(1, days + 1):
        seen = s[4 + (int(s[3]) + k) % (days + 1) * slots + slot]
        if seen >= 0.0:
            usual += seen
            count += 1
    y[0] = ratio(s[1] * count, usual)


@njit(cache=True)
def _levels(closes: F64, volumes: F64, p: F64, prices: F64, weights: F64) -> int:
    """Fill in the levels of a profile, lowest first, with their weights, and return their number.

    Levels are multiples of p[2], a price rounded up to one; where p[2] is 0, p[3] equal parts of the closes' range.
    """
    low = lowest(closes) if p[2] == 0.0 else 0.0
    per_tick = ratio(p[3], highest(closes) - low) if p[2] == 0.0 else 1.0 / p[2]
    count = 0
    for i in range(len(closes)):
        # A price that is a multiple but for the last place of its double is that multiple.
        level = math.ceil((closes[i] - low) * per_tick - 1e-7) if per_tick > 0.0 else 0.0
        price = low + level / per_tick if per_tick > 0.0 else low
        weight = volumes[i] if p[4] == 1.0 else 1.0
        at = count
        while at > 0 and prices[at - 1] > price:
            at -= 1
        if at > 0 and prices[at - 1] == price:
            weights[at - 1] += weight
            continue
        for k in range(count, at, -1):
            prices[k], weights[k] = prices[k - 1], weights[k - 1]
        prices[at], weights[at] = price, weight
        count += 1
    return count


@njit(cache=True, forceinline=True)
def profile(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Market profile (Steidlmayer) of the closes of the last p[0] bars, by volume (p[4] 1) or by bars (p[4] 0).

    Levels as p[2] and p[3] say, see ``_levels``. Outputs: price and weight of the point of control, the level of most
    weight, of equal ones that nearest the middle; highest and lowest level; p[1] times the whole weight; upper and
    lower end of the value area, levels about the point of control taken in turn from the heavier side until their
    weight is above that; last the close over the point of control less one. NaN where nothing was traded.

    State: no memory, room for the levels.
    """
    window = int(p[0])
    y[:8] = np.nan
    if n + 1 < window:
        return
    prices, weights = s[:window], s[window : 2 * window]
    count = _levels(tail(ring[c.R_CLOSE], n, window), tail(ring[c.R_VOLUME], n, window), p, prices, weights)
    whole = total(weights[:count])
    if whole <= 0.0:
        return
    middle, most = (count - 1) // 2, 0
    for i in range(count):
        nearer = abs(middle - i) < abs(middle - most)
        if weights[i] > weights[most] or (weights[i] == weights[most] and nearer):
            most = i
    low = high = most
    inside, wanted = weights[most], p[1] * whole
    while inside <= wanted and (low > 0 or high < count - 1):
        below = weights[low - 1] if low > 0 else 0.0
        above = weights[high + 1] if high < count - 1 else 0.0
        if high == count - 1 or (low > 0 and (above == 0.0 or below > above)):
            low -= 1
            inside += below
        else:
            high += 1
            inside += above
    y[0], y[1], y[2], y[3] = prices[most], weights[most], prices[count - 1], prices[0]
    y[4], y[5], y[6] = wanted, prices[high], prices[low]
    y[7] = ratio(bar[c.CLOSE] - y[0], y[0])
