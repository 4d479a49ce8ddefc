"""Curve: the first three contracts of a futures root, by last trade, as known before the bar's end."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel
from processors.featurize.indicators.window import F64, log_return, ratio


@njit(cache=True)
def slope_of(x1: float, x2: float, x3: float, y1: float, y2: float, y3: float) -> float:
    """Return the slope of the least-squares line through three points, NaN where they are above each other."""
    mean_x, mean_y = (x1 + x2 + x3) / 3.0, (y1 + y2 + y3) / 3.0
    both = (x1 - mean_x) * (y1 - mean_y) + (x2 - mean_x) * (y2 - mean_y) + (x3 - mean_x) * (y3 - mean_y)
    return ratio(both, (x1 - mean_x) ** 2 + (x2 - mean_x) ** 2 + (x3 - mean_x) ** 2)


@njit(cache=True, forceinline=True)
def curve(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Form of the curve by its first three contracts; NaN where a price that it needs is missing or not above 0.

    y[0] slope: of log price over years to last trade, through three points. y[1] carry: log(F1 / F2) a year between
    their last trades, above 0 where the near one is dearer. y[2] F1 - F2 and y[3] F2 - F3, price units. y[4] butterfly,
    F1 - 2 F2 + F3. y[5] roll yield: F1 / F2 - 1 a year. y[6], y[7]: log(F1 / F2), log(F2 / F3). y[8]: 1 contango
    (each later one is dearer), -1 backwardation, 0 neither. y[9]: years to the last trade of the first.
    """
    f1, f2, f3 = bar[c.F1], bar[c.F2], bar[c.F3]
    t1, t2, t3 = bar[c.F1_YEARS], bar[c.F2_YEARS], bar[c.F3_YEARS]
    y[6], y[7] = log_return(f2, f1), log_return(f3, f2)
    y[0] = slope_of(t1, t2, t3, 0.0, -y[6], -y[6] - y[7])
    y[1] = ratio(y[6], t2 - t1)
    y[2], y[3], y[4] = f1 - f2, f2 - f3, f1 - 2.0 * f2 + f3
    y[5] = ratio(math.expm1(y[6]), t2 - t1)
    y[8] = np.nan
    if not math.isnan(y[4]):
        y[8] = 1.0 if f1 < f2 < f3 else -1.0 if f1 > f2 > f3 else 0.0
    y[9] = t1


KERNELS: dict[str, Kernel] = {
    "curve": Kernel(
        curve, (),
        ("slope", "carry", "f1f2", "f2f3", "butterfly", "roll_yield", "f1f2_log", "f2f3_log", "state", "f1_years"),
    ),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
