"""Robust location and scale of a sample: of research, features and reports, where a sample is more than a few vendors.

The stage's own kernels (``processors.reconcile.robust``) are used where they say the same. Every function takes the
values in any order, leaves them as they are, and returns NaN of none; NaN among the values is an error of the caller.

Called by the conformance check ``robust``, and by research.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from processors.reconcile.robust import MAD_OF_UNIT_NORMAL
from processors.reconcile.robust import lower_weighted_median as _lower_weighted_median
from processors.reconcile.robust import mad_normal as _mad_normal
from processors.reconcile.robust import median as _median

F64: TypeAlias = NDArray[np.float64]

IQR_OF_UNIT_NORMAL = 2.0 * MAD_OF_UNIT_NORMAL
"""Distance of the quartiles of the standard normal."""
QN_OF_UNIT_NORMAL = 0.4506241100243562
"""sqrt(2) times quantile 5/8 of the standard normal: the quarter of |x - y| of two of them (Rousseeuw, Croux 1993)."""
TIE = 4.0 * float(np.finfo(np.float64).eps)
"""Share of the total weight by which a half may be off and still be a half: sums of weights are rounded."""


class Estimate(NamedTuple):
    """Location and scale, in the unit of the values."""

    location: float
    scale: float


def _sorted(values: ArrayLike) -> F64:
    return np.sort(np.asarray(values, np.float64).ravel())


def median(values: ArrayLike) -> float:
    """Return the median, the mean of the middle two where there are two."""
    x = _sorted(values)
    return float(_median(x, len(x)))


def mad(values: ArrayLike, *, normal: bool = True) -> float:
    """Return the median distance from the median; ``normal`` puts it over that of the unit normal."""
    x = _sorted(values)
    scale = float(_mad_normal(x, len(x)))
    return scale if normal else scale * MAD_OF_UNIT_NORMAL


def iqr(values: ArrayLike, *, normal: bool = True) -> float:
    """Return the distance of the quartiles (linear between order statistics), over that of the unit normal."""
    x = _sorted(values)
    if not len(x):
        return math.nan
    low, high = np.quantile(x, (0.25, 0.75))
    return float(high - low) / (IQR_OF_UNIT_NORMAL if normal else 1.0)


def _by_value(values: ArrayLike, weights: ArrayLike) -> tuple[F64, F64]:
    x, w = np.asarray(values, np.float64).ravel(), np.asarray(weights, np.float64).ravel()
    order = np.argsort(x, kind="stable")
    return np.ascontiguousarray(x[order]), np.ascontiguousarray(w[order])


def lower_weighted_median(values: ArrayLike, weights: ArrayLike) -> float:
    """Return the smallest value whose cumulated weight reaches half of the total; weights are not negative."""
    x, w = _by_value(values, weights)
    return float(_lower_weighted_median(x, w, len(x)))


def averaged_weighted_median(values: ArrayLike, weights: ArrayLike) -> float:
    """Return the mean of the lower and the upper weighted median: they differ where a half is met exactly."""
    x, w = _by_value(values, weights)
    x, w = x[w > 0], w[w > 0]
    if not len(x):
        return math.nan
    cumulated = np.cumsum(w)
    half = 0.5 * cumulated[-1]
    i = int(np.searchsorted(cumulated, half * (1.0 - TIE)))
    is_tie = cumulated[i] <= half * (1.0 + TIE)
    return float(0.5 * (x[i] + x[min(i + 1, len(x) - 1)])) if is_tie else float(x[i])


@njit(cache=True)
def _place(x: F64, i: int, distance: float, after_equal: bool) -> int:
    """Return the first place after i whose value is so far from x[i], or further; ``after_equal`` only further."""
    low, high = i + 1, len(x)
    while low < high:
        middle = (low + high) // 2
        d = x[middle] - x[i]
        if d < distance or (after_equal and d == distance):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _middle_distance(x: F64, low: NDArray[np.int64], high: NDArray[np.int64]) -> float:
    """Return the median of the middles of what is left of the rows, each weighted by how much that is."""
    n = len(x)
    middle, weight = np.full(n, np.inf), np.zeros(n)
    for i in range(n):
        if high[i] > low[i]:
            middle[i], weight[i] = x[(low[i] + high[i]) // 2] - x[i], high[i] - low[i]
    half, cumulated, found = 0.5 * weight.sum(), 0.0, np.inf
    for i in np.argsort(middle):
        cumulated += weight[i]
        found = middle[i]
        if cumulated >= half:
            break
    return float(found)


@njit(cache=True)
def _kth_distance(x: F64, k: int) -> float:
    """Return the k-th least distance, from 1, of two of the ascending values, in O(n) memory.

    Each value has a row of ascending distances to those after it. What is left of a row lies between two bounds; the
    weighted median of the middles throws out a quarter of it in each round (Johnson, Mizoguchi 1978).
    """
    n = len(x)
    low, high = np.arange(1, n + 1), np.full(n, n, np.int64)
    while True:
        pivot = _middle_distance(x, low, high)
        n_below = n_upto = 0
        for i in range(n):
            n_below += _place(x, i, pivot, False) - i - 1
            n_upto += _place(x, i, pivot, True) - i - 1
        if n_below < k <= n_upto:
            return float(pivot)
        for i in range(n):
            if k <= n_below:
                high[i] = max(low[i], min(high[i], _place(x, i, pivot, False)))
            else:
                low[i] = min(high[i], max(low[i], _place(x, i, pivot, True)))


def qn(values: ArrayLike, *, normal: bool = True) -> float:
    """Return Qn: about the first quartile of the distances of all pairs, over that of the unit normal.

    Half of the values may be anything, and of Gaussian ones it wastes less than the MAD (82 % efficiency, not 37 %).
    P. J. Rousseeuw, C. Croux, "Alternatives to the Median Absolute Deviation", JASA 88 (1993), without the factor for
    small samples. 0 of a single value.
    """
    x = _sorted(values)
    if not len(x):
        return math.nan
    if len(x) == 1:
        return 0.0
    h = len(x) // 2 + 1
    distance = float(_kth_distance(x, h * (h - 1) // 2))
    return distance / (QN_OF_UNIT_NORMAL if normal else 1.0)


Weight: TypeAlias = Callable[[F64], F64]
"""Standardised residuals, shape (n,), to weights in [0, 1]."""


def huber_weight(c: float = 1.5) -> Weight:
    """Return Huber's weights: 1 to c, c / |u| beyond."""
    return lambda u: np.minimum(1.0, c / np.maximum(np.abs(u), c))


def hampel_weight(a: float = 2.0, b: float = 4.0, c: float = 8.0) -> Weight:
    """Return Hampel's weights: psi rises to a, is level to b, falls to 0 at c, where an outlier counts no more."""

    def weight(u: F64) -> F64:
        z = np.abs(u)
        falling = a * (c - z) / ((c - b) * np.maximum(z, a))
        level = a / np.maximum(z, a)
        return np.where(z <= a, 1.0, np.where(z <= b, level, np.where(z <= c, falling, 0.0)))

    return weight


@dataclass(frozen=True, slots=True)
class Joint:
    """Location and scale of a sample, solved together.

    Parameters
    ----------
    c
        Distance, in scales, beyond which a value is left out of the scale (Huber's proposal 2).
    weight
        What the location is weighted with; Huber's with the same c by default.
    tolerance
        Relative change of location and scale below which they have settled.
    rounds_max
        Most rounds.
    """

    c: float = 1.5
    weight: Weight | None = None
    tolerance: float = 1e-8
    rounds_max: int = 500

    def of(self, values: ArrayLike) -> Estimate:
        """Return both; started from median and MAD, and those where the MAD is 0.

        P. J. Huber, Robust Statistics (1981), 6.4 and 6.7; the scale is consistent for Gaussian values.
        """
        x = _sorted(values)
        location, scale = median(x), mad(x)
        if not scale > 0.0 or len(x) < 2:
            return Estimate(location, scale)
        weight = self.weight or huber_weight(self.c)
        inside = math.erf(self.c / math.sqrt(2.0))
        density = math.exp(-0.5 * self.c**2) / math.sqrt(2.0 * math.pi)
        gamma = inside + self.c**2 * (1.0 - inside) - 2.0 * self.c * density
        for _ in range(self.rounds_max):
            moved = self._located(x, location, scale, weight)
            near = np.abs(x - location) <= self.c * scale
            squares = float(np.sum((x[near] - moved) ** 2))
            expected = (len(x) - 1) * gamma - (len(x) - int(near.sum())) * self.c**2
            # More outliers than the equation has room for: it has no solution but the start's.
            if not expected > 0.0:
                return Estimate(moved, scale)
            widened = math.sqrt(squares / expected)
            settled = abs(widened - scale) <= self.tolerance * widened
            settled &= abs(moved - location) <= self.tolerance * widened
            location, scale = moved, widened
            if settled or scale == 0.0:
                break
        return Estimate(location, scale)

    def _located(self, x: F64, location: float, scale: float, weight: Weight) -> float:
        """Return the weighted location at a given scale, by re-weighting until it settles."""
        for _ in range(self.rounds_max):
            w = weight((x - location) / scale)
            total = float(w.sum())
            if not total > 0.0:
                return location
            moved = float(w @ x) / total
            if abs(moved - location) <= self.tolerance * scale:
                return moved
            location = moved
        return location


def huber(values: ArrayLike, c: float = 1.5) -> Estimate:
    """Return location and scale of Huber's proposal 2."""
    return Joint(c).of(values)


def hampel(values: ArrayLike, a: float = 2.0, b: float = 4.0, c: float = 8.0) -> Estimate:
    """Return Hampel's location, and the scale of Huber's proposal 2 around it."""
    return Joint(weight=hampel_weight(a, b, c)).of(values)
