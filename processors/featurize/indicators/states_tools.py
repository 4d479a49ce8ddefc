"""What states are made of: a value against its own past, quantiles without a window, levels with a margin."""

import math

import numpy as np
from numba import njit

from processors.featurize.indicators.window import F64

Z_MAX = 10.0
"""Farthest distance from the past, in deviations: a first move after a flat market is infinitely far."""
N_PAST = 3
"""Floats of state of ``against_past``."""
N_QUANTILE = 11
"""Floats of state of ``quantile``."""


@njit(cache=True)
def against_past(s: F64, at: int, x: float, memory: float, least: float) -> float:
    """Return how far x is from the mean of the values before it, in their deviations; then count x among them.

    The mean is the plain one of up to ``memory`` values, and an exponential one with weight 1 / memory from there on.

    Parameters
    ----------
    s, at
        State: s[at] number of values, up to memory; then their mean; then their variance.
    least
        Fewer values than this before x give NaN. A NaN x gives NaN and is not counted.
    """
    if math.isnan(x):
        return np.nan
    off = x - s[at + 1]
    z = np.nan
    if s[at] >= least:
        z = min(max(off / math.sqrt(s[at + 2]), -Z_MAX), Z_MAX) if s[at + 2] > 0.0 else Z_MAX * np.sign(off)
    s[at] = min(s[at] + 1.0, memory)
    weight = 1.0 / s[at]
    s[at + 1] += weight * off
    s[at + 2] = (1.0 - weight) * (s[at + 2] + weight * off * off)
    return float(z)


@njit(cache=True)
def quantile(s: F64, at: int, x: float, share: float) -> float:
    """Count x and return the estimated quantile of all values (the P2 algorithm, Jain and Chlamtac, 1985).

    Five markers: the least value, the quantile, the greatest, and one between each. A marker whose place is one or more
    off moves by one, its height along a parabola through its neighbours. NaN before five values.

    Parameters
    ----------
    s, at
        State: s[at] number of values, then five heights, then five places.
    share
        For example 0.95.
    """
    q, place = s[at + 1 : at + 6], s[at + 6 : at + 11]
    count = int(s[at])
    s[at] += 1.0
    if count < 5:
        i = count
        while i > 0 and q[i - 1] > x:
            q[i] = q[i - 1]
            i -= 1
        q[i] = x
        place[count] = count + 1.0
        return float(q[2]) if count == 4 else np.nan
    q[0], q[4] = min(q[0], x), max(q[4], x)
    for i in range(1, 5):
        if i == 4 or x < q[i]:
            place[i] += 1.0
    for i in range(1, 4):
        wanted = 1.0 + count * (0.5 * share * i if i < 3 else 0.5 * (1.0 + share))
        off = wanted - place[i]
        if (off >= 1.0 and place[i + 1] - place[i] > 1.0) or (off <= -1.0 and place[i - 1] - place[i] < -1.0):
            _move(q, place, i, 1.0 if off > 0.0 else -1.0)
    return float(q[2])


@njit(cache=True)
def _move(q: F64, place: F64, i: int, d: float) -> None:
    """Move marker i by one place, d = 1 or -1; in a line where the parabola would pass a neighbour."""
    left, right = place[i] - place[i - 1], place[i + 1] - place[i]
    up, down = (q[i + 1] - q[i]) / right, (q[i] - q[i - 1]) / left
    height = q[i] + d / (left + right) * ((left + d) * up + (right - d) * down)
    if not q[i - 1] < height < q[i + 1]:
        height = q[i] + d * (up if d > 0.0 else down)
    q[i] = height
    place[i] += d


@njit(cache=True)
def level(x: float, first: float, second: float, third: float) -> float:
    """Return in which of the four ranges between three ascending bounds x is: 0 below the first."""
    return float(int(x >= first) + int(x >= second) + int(x >= third))


@njit(cache=True)
def share_of(x: float, whole: float) -> float:
    """Return x / whole between 0 and 1; 1 for anything above 0 where the whole is 0, and 0 for a NaN x."""
    if not x > 0.0:
        return 0.0
    return min(x / whole, 1.0) if whole > 0.0 else 1.0
