"""Bars of one second: made of ticks, and the minutes and longer bars made of them. Called by ``aggregate``.

    ticks -> seconds (kept, one row a second)  -> minutes -> closing: 1m, 5m, 15m, 1h, 1d

A minute of the stage adds its ticks one by one, and binary sums depend on their order. So a second holds, besides its
own sums, those of its minute up to its last tick: the totals of the minute's newest second are the sums of the stage,
bit for bit.
"""

import math

import numpy as np
from numpy.typing import NDArray

from processors.bars.bar import Row, add, clear, has_side, interval, merge, segment
from processors.bars.closing import bars_due, close_at
from processors.kinds import QUOTE, TRADE
from processors.runtime.compiled import Int, kernel
from processors.times import LONG_AGO, MINUTE_NS, N_TF

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Rows = NDArray[np.void]


@kernel
def add_ticks(
    kind: I64, ts_event: I64, ts_recv: I64, watermark: I64, price: F64, size: F64, bid: F64, ask: F64, n_src: I64,
    outlier: I64, raw_offset: I64, second: I64, minute: I64, minute_end: I64, basis: I64, lateness_ns: int,
    seconds: Rows, minutes: Rows,
) -> Int:  # fmt: skip
    """Add the ticks of one partition, in the order of the log, to their seconds.

    Parameters
    ----------
    kind, ts_event, ts_recv, watermark, price, size, bid, ask, n_src, outlier, raw_offset
        Shape (n,), columns of the consensus ticks.
    second, minute, minute_end
        Shape (n,): rows of the tick in the two tables, -1 where it is outside the sessions or no tick; end of its
        minute.
    basis
        Shape (n,), price basis of its instrument (0 trade, 1 quote).
    lateness_ns
        As of the bars stage.
    seconds, minutes
        Written; empty bars at first.

    Returns
    -------
    The number of price-forming ticks that came after the watermark had closed their minute: they are in their seconds,
    and a quote among them is not the quote at the close, as in a revision of the stage.
    """
    now, late = LONG_AGO, 0
    for i in range(len(kind)):
        now = max(now, watermark[i] - lateness_ns)
        if second[i] < 0:
            continue
        bar, total, ts = seconds[second[i]], minutes[minute[i]], ts_event[i]
        is_closed = minute_end[i] <= now
        if outlier[i] != 0:
            if not is_closed and kind[i] == (TRADE if basis[i] == 0 else QUOTE):
                bar.n_cut += 1
            continue
        forms = kind[i] == TRADE if basis[i] == 0 else (kind[i] == QUOTE and not math.isnan(price[i]))
        if forms and not (kind[i] == TRADE and size[i] == 0):
            lat_ms = (ts_recv[i] - ts) / 1e6
            add(bar, ts, price[i], size[i], n_src[i], lat_ms)
            add(total, ts, price[i], size[i], n_src[i], lat_ms)
            bar.n_total, bar.v_total, bar.pv_total = total.n, total.v, total.pv
            bar.sum_p_total, bar.lat_ms_total = total.sum_p, total.lat_ms
            bar.raw_offset = max(bar.raw_offset, raw_offset[i])
            late += is_closed
        if is_closed:
            continue
        bar.seen = max(bar.seen, ts)
        if kind[i] == QUOTE and ts >= bar.quote_ts and has_side(bid[i], ask[i]):
            bar.bid, bar.ask, bar.quote_ts = bid[i], ask[i], ts
    return late


@kernel
def merge_second(minute: Row, second: Row) -> None:
    """Add a second to its minute, later than all that the minute holds."""
    merge(minute, second)
    minute.gap |= second.gap
    minute.seen = max(minute.seen, second.seen)
    if second.quote_ts > LONG_AGO:
        minute.bid, minute.ask, minute.quote_ts = second.bid, second.ask, second.quote_ts


@kernel
def _close_until(
    t_max: int, live: Row, kept: Row, stale_ns: I64, cal: I64, begin: int, end: int, slot: int, raw_offset: int,
    out_bar: Rows, out_place: I64, pos: I64,
) -> None:  # fmt: skip
    """Close every open interval that ends at or before ``t_max``, in order."""
    t = bars_due(live, kept)
    while t <= t_max:
        for tf in range(N_TF):
            close_at(t, tf, live, kept, stale_ns, cal, begin, end, slot, raw_offset, out_bar, out_place, pos)
        t = bars_due(live, kept)


@kernel
def bars_of(
    seconds: Rows, until: int, live: Row, kept: Row, stale_ns: I64, cal: I64, begin: int, end: int, slot: int,
    out_bar: Rows, out_place: I64, pos: I64,
) -> None:  # fmt: skip
    """Make the bars of one symbol from its seconds, by the closing rules of the stage.

    Parameters
    ----------
    seconds
        Ascending, at least one a second in which anything came.
    until
        Time of the clock, nanoseconds: what ends later stays open and is not published.
    live, kept
        Fresh rows of the tables of the stage.
    stale_ns, cal, begin, end
        Thresholds of its asset class; its calendar, ``cal[:, begin:end]``.
    slot, out_bar, out_place, pos
        Output, as in ``kernel.run``.
    """
    i, raw_offset = 0, 0
    while i < len(seconds):
        seg = segment(cal, begin, end, seconds[i].start)
        start, stop = interval(MINUTE_NS, seconds[i].start, cal[0, seg], cal[1, seg])
        _close_until(
            min(start, until), live, kept, stale_ns, cal, begin, end, slot, raw_offset, out_bar, out_place, pos
        )
        if stop > until:
            break
        minute, newest = live.minutes[0], i
        clear(minute, start, stop)
        while i < len(seconds) and seconds[i].start < stop:
            merge_second(minute, seconds[i])
            raw_offset = max(raw_offset, seconds[i].raw_offset)
            if seconds[i].n_total > seconds[newest].n_total:
                newest = i
            i += 1
        total = seconds[newest]
        if total.n_total == minute.n:  # else the minute was made of several runs over ticks
            minute.v, minute.pv = total.v_total, total.pv_total
            minute.sum_p, minute.lat_ms = total.sum_p_total, total.lat_ms_total
        _close_until(stop, live, kept, stale_ns, cal, begin, end, slot, raw_offset, out_bar, out_place, pos)
    _close_until(until, live, kept, stale_ns, cal, begin, end, slot, raw_offset, out_bar, out_place, pos)
