"""Price: the shape of one bar and its quotes, prices made of a bar's prices, swings and pivots."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import TWO, Kernel, fixed
from processors.featurize.indicators.window import F64, back, log_return, place, ratio, tail

NONE, HIGH_PIVOT, LOW_PIVOT, BOTH_PIVOTS = 0.0, 1.0, -1.0, 2.0
"""What a bar forms, the one that lies in the middle of the window: as LEAN counts it."""


@njit(cache=True, forceinline=True)
def bar_shape(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Place of the close within the bar, and the range over the close."""
    y[0] = place(bar[c.CLOSE], bar[c.LOW], bar[c.HIGH])
    y[1] = ratio(bar[c.HIGH] - bar[c.LOW], bar[c.CLOSE])


@njit(cache=True, forceinline=True)
def spread(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Quoted spread at the close, basis points of the mid; NaN for a missing, crossed or infinite quote."""
    mid = 0.5 * (bar[c.BID] + bar[c.ASK])
    y[0] = 1e4 * (bar[c.ASK] - bar[c.BID]) / mid if bar[c.ASK] >= bar[c.BID] and 0.0 < mid < np.inf else np.nan


@njit(cache=True, forceinline=True)
def transforms(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Mean of all four prices; of high and low; of high, low and close; of these with the close counted twice."""
    y[0] = (bar[c.OPEN] + bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 4.0
    y[1] = (bar[c.HIGH] + bar[c.LOW]) / 2.0
    y[2] = (bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 3.0
    y[3] = (bar[c.HIGH] + bar[c.LOW] + 2.0 * bar[c.CLOSE]) / 4.0


@njit(cache=True, forceinline=True)
def heikin_ashi(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Heikin-Ashi bar: the close is the mean of all four prices, the open lies midway of the one before.

    High and low enclose open and close as well. The first opens midway of its own open and close.
    """
    y[3] = (bar[c.OPEN] + bar[c.HIGH] + bar[c.LOW] + bar[c.CLOSE]) / 4.0
    y[0] = 0.5 * (s[0] + s[1]) if n > 0 else 0.5 * (bar[c.OPEN] + bar[c.CLOSE])
    y[1], y[2] = max(bar[c.HIGH], y[0], y[3]), min(bar[c.LOW], y[0], y[3])
    s[0], s[1] = y[0], y[3]


@njit(cache=True, forceinline=True)
def pivots(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Pivots that this bar confirms, and the last confirmed prices of a high and of a low one.

    A high pivot is a high above those of the p[0] bars on each side, a low one a low below those of p[1] bars; with
    p[2] 0 equal ones do not hinder it. First output: 1 high, -1 low, 2 both, 0 none.
    """
    found_high = found_low = False
    if n >= 2 * int(p[0]):
        found_high = _stands_out(tail(ring[c.R_HIGH], n, 2 * int(p[0]) + 1), 1.0, p[2])
    if n >= 2 * int(p[1]):
        found_low = _stands_out(tail(ring[c.R_LOW], n, 2 * int(p[1]) + 1), -1.0, p[2])
    if found_high:
        s[0], s[2] = back(ring[c.R_HIGH], n, int(p[0])), 1.0
    if found_low:
        s[1], s[3] = back(ring[c.R_LOW], n, int(p[1])), 1.0
    y[0] = np.nan
    if n >= 2 * int(p[0]) and n >= 2 * int(p[1]):
        y[0] = (
            BOTH_PIVOTS if found_high and found_low else HIGH_PIVOT if found_high else LOW_PIVOT if found_low else NONE
        )
    y[1] = s[0] if s[2] == 1.0 else np.nan
    y[2] = s[1] if s[3] == 1.0 else np.nan


@njit(cache=True)
def _stands_out(x: F64, sign: float, strict: float) -> bool:
    """Return whether the middle of x is above all others, with sign -1 below them."""
    side = len(x) // 2
    for i in range(len(x)):
        less = sign * (x[side] - x[i])
        if i != side and (less < 0.0 or (less == 0.0 and strict == 1.0)):
            return False
    return True


@njit(cache=True, forceinline=True)
def swing(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Swing index (Wilder, 1978) and its sum; the limit move is p[0] plus p[1] times the close before.

    0 where nothing moved or the limit is 0.
    """
    y[:2] = np.nan
    if n == 0:
        return
    o, close = back(ring[c.R_OPEN], n, 1), back(ring[c.R_CLOSE], n, 1)
    to_high, to_low, width = abs(bar[c.HIGH] - close), abs(bar[c.LOW] - close), bar[c.HIGH] - bar[c.LOW]
    body = 0.25 * abs(close - o)
    if to_high >= to_low and to_high >= width:
        r = to_high - 0.5 * to_low + body
    elif to_low >= width:
        r = to_low - 0.5 * to_high + body
    else:
        r = width + body
    moved = bar[c.CLOSE] - close + 0.5 * (bar[c.CLOSE] - bar[c.OPEN]) + 0.25 * (close - o)
    limit = abs(p[0]) + p[1] * abs(close)
    y[0] = 50.0 * moved / r * max(to_high, to_low) / limit if r > 0.0 and limit > 0.0 else 0.0
    s[0] += y[0]
    y[1] = s[0]


@njit(cache=True, forceinline=True)
def open_gap(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Log return from the close before to the open, and from the open to the close."""
    y[0] = log_return(back(ring[c.R_CLOSE], n, 1), bar[c.OPEN]) if n > 0 else np.nan
    y[1] = log_return(bar[c.OPEN], bar[c.CLOSE])


KERNELS = {
    "bar_shape": Kernel(bar_shape, (), ("close_position", "range_ratio")),
    "spread": Kernel(spread, (), ("value",)),
    "price_transforms": Kernel(transforms, (), ("average", "median", "typical", "weighted")),
    "heikin_ashi": Kernel(heikin_ashi, (), ("open", "high", "low", "close"), TWO),
    "pivots": Kernel(
        pivots, ("high_side", "low_side", "strict"), ("value", "last_high", "last_low"), fixed(4),
        lambda p: 2 * int(max(p["high_side"], p["low_side"])) + 1,
    ),
    "swing": Kernel(swing, ("limit", "limit_ratio"), ("value", "total"), fixed(1)),
    "open_gap": Kernel(open_gap, (), ("value", "inside")),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
