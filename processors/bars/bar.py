"""One bar: its interval and its algebra, ``clear`` (prepare), ``add`` (update), ``merge``, ``final_values`` (end).

A bar is a record with the fields of ``stage.BAR``.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.runtime.compiled import kernel
from processors.times import LONG_AGO, SECOND_NS

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Row = Any
"""One record of such an array: mypy does not see its fields."""


@njit(inline="always")
def segment(cal: I64, begin: int, end: int, ts: int) -> int:
    """Return the last segment of cal[:, begin:end] that opens at or before ``ts``, ``begin - 1`` if none does."""
    low, high = begin, end
    while low < high:
        middle = (low + high) >> 1
        if cal[0, middle] <= ts:
            low = middle + 1
        else:
            high = middle
    return low - 1


@njit(inline="always")
def grid(ts: int) -> int:
    """Return the first full second at or after ``ts``."""
    return -(-ts // SECOND_NS) * SECOND_NS


@kernel
def interval(tf_ns: int, ts: int, open_ns: int, close_ns: int) -> tuple[int, int]:
    """Return start and end of the interval of ``ts``: a multiple of the timeframe, clipped to the segment."""
    start = ts - ts % tf_ns
    return max(start, open_ns), min(start + tf_ns, close_ns)


@njit(inline="always")
def clear(bar: Row, start: int, end: int) -> None:
    """Make a bar empty."""
    bar.start, bar.end, bar.seen = start, end, LONG_AGO
    bar.n, bar.n_cut, bar.n_src, bar.revision = 0, 0, 0, 0
    bar.v, bar.pv, bar.sum_p, bar.lat_ms = 0.0, 0.0, 0.0, 0.0
    bar.quote_ts, bar.bid, bar.ask = LONG_AGO, math.nan, math.nan
    bar.stale, bar.gap = 0, 0


@kernel
def empty_sums(bar: Row) -> None:
    """Take all price-forming ticks out of a bar; its prices stay until the next one."""
    bar.n, bar.n_src = 0, 0
    bar.v, bar.pv, bar.sum_p, bar.lat_ms = 0.0, 0.0, 0.0, 0.0


@njit(inline="always")
def add(bar: Row, ts: int, price: float, size: float, n_src: int, lat_ms: float) -> None:
    """Add one price-forming tick. Open and close go by event time; of equal times the first opens, the last closes."""
    if bar.n == 0:
        bar.o, bar.h, bar.l, bar.c = price, price, price, price
        bar.o_ts, bar.c_ts = ts, ts
    else:
        if ts < bar.o_ts:
            bar.o, bar.o_ts = price, ts
        if ts >= bar.c_ts:
            bar.c, bar.c_ts = price, ts
        bar.h = max(bar.h, price)
        bar.l = min(bar.l, price)
    bar.n += 1
    bar.n_src += n_src
    bar.sum_p += price
    bar.lat_ms += lat_ms
    if size > 0:  # NaN where the source publishes none
        bar.v += size
        bar.pv += price * size


@njit(inline="always")
def has_side(bid: float, ask: float) -> bool:
    """Return whether a quote says anything of the market: one of a minute that others have told has neither side."""
    return not (math.isnan(bid) and math.isnan(ask))


@kernel
def merge(bar: Row, minute: Row) -> None:
    """Add a closed minute, later than all that the bar holds."""
    if minute.n > 0:
        if bar.n == 0:
            bar.o, bar.o_ts, bar.h, bar.l = minute.o, minute.o_ts, minute.h, minute.l
        bar.h = max(bar.h, minute.h)
        bar.l = min(bar.l, minute.l)
        bar.c, bar.c_ts = minute.c, minute.c_ts
    bar.n += minute.n
    bar.n_cut += minute.n_cut
    bar.n_src += minute.n_src
    bar.sum_p += minute.sum_p
    bar.lat_ms += minute.lat_ms
    bar.v += minute.v
    bar.pv += minute.pv


@kernel
def final_values(bars: Rows, out: F64) -> None:
    """Fill VWAP, share of cut ticks, mean sources and mean latency (ms) of each bar; out has shape (4, n_bars).

    The VWAP of a bar without sizes is the mean of its prices; rounding never takes it out of [low, high]. A bar whose
    trades were all taken back has its last close, and no sources.
    """
    n, v, low, high, n_cut = bars["n"], bars["v"], bars["l"], bars["h"], bars["n_cut"]
    for i in range(len(bars)):
        if n[i] == 0:
            out[0, i], out[1, i], out[2, i], out[3, i] = bars["c"][i], np.sign(n_cut[i]), 0.0, 0.0
            continue
        vwap = bars["pv"][i] / v[i] if v[i] > 0 else bars["sum_p"][i] / n[i]
        out[0, i] = min(max(vwap, low[i]), high[i])
        out[1, i] = n_cut[i] / (n[i] + n_cut[i])
        out[2, i] = bars["n_src"][i] / n[i]
        out[3, i] = bars["lat_ms"][i] / n[i]
