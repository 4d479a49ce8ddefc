"""Closed bars: what closing an interval publishes, merges upward and keeps, and how a late tick revises what is kept.

    minute of the symbol, still open                [10:00, 10:01) [10:01, 10:02)
                 | closes: published, kept, merged upward
                 v
            open 5m, 15m, 1h, 1d                    [10:00, 10:05) [10:00, 10:15) ...
                 | closes: published, kept
                 v
            kept: the last closed bars of each timeframe; a late tick revises them in place

Called by ``kernel``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from processors.bars.bar import Row, add, clear, interval, merge, segment
from processors.runtime.compiled import Int, kernel
from processors.times import DAY, LONG_AGO, N_TF, NEVER, TF_NS

I64 = NDArray[np.int64]
Rows = NDArray[np.void]


@kernel
def publish(bar: Row, slot: int, tf: int, raw_offset: int, out_bar: Rows, out_place: I64, pos: I64) -> None:
    """Append a bar to the output."""
    n = pos[0]
    out_bar[n] = bar
    out_place[n, 0], out_place[n, 1], out_place[n, 2] = slot, tf, raw_offset
    pos[0] = n + 1


@kernel
def _close_bar(  # the bar, its symbol, its calendar, the output
    bar: Row, tf: int, live: Row, kept: Row, stale_ns: int, cal: I64, begin: int, seg: int,
    slot: int, raw_offset: int, out_bar: Rows, out_place: I64, pos: I64,
) -> None:  # fmt: skip
    """Publish and keep a bar whose interval has ended; nothing where no tick formed a price."""
    if bar.n == 0:
        return
    # A quote of an earlier session says nothing about this close.
    in_session = live.quote_ts >= cal[2, seg]
    bar.bid = live.bid if in_session else math.nan
    bar.ask = live.ask if in_session else math.nan
    bar.stale = 1 if bar.end - live.seen_closed >= stale_ns else 0
    if tf == DAY:
        # The session before: skip this one's own segments.
        before = seg
        while before >= begin and cal[2, before] == cal[2, seg]:
            before -= 1
        follows = before < begin or kept.last_end[tf] == cal[3, before]
    else:
        follows = bar.start <= cal[0, seg] or kept.last_end[tf] == bar.start
    # Of an open bar the mark says that ticks of a source are missing in it.
    bar.gap = 1 if bar.gap != 0 or not follows else 0
    kept.last_end[tf] = bar.end
    kept.closed[tf, kept.n_closed[tf] % kept.closed.shape[1]] = bar
    kept.n_closed[tf] += 1
    publish(bar, slot, tf, raw_offset, out_bar, out_place, pos)


@kernel
def close_at(
    t: int, tf: int, live: Row, kept: Row, stale_ns: I64, cal: I64, begin: int, end: int,
    slot: int, raw_offset: int, out_bar: Rows, out_place: I64, pos: I64,
) -> None:  # fmt: skip
    """Close the interval of one symbol and timeframe that ends at ``t``, if there is one; merge a minute upward."""
    if tf > 0:
        bar = kept.open[tf - 1]
        if bar.end == t:
            seg = segment(cal, begin, end, bar.start)
            _close_bar(bar, tf, live, kept, stale_ns[tf], cal, begin, seg, slot, raw_offset, out_bar, out_place, pos)
            clear(bar, NEVER, NEVER)
        return
    for j in range(len(live.minutes)):
        minute = live.minutes[j]
        if minute.end != t:
            continue
        if minute.quote_ts > LONG_AGO:
            live.bid, live.ask, live.quote_ts = minute.bid, minute.ask, minute.quote_ts
        live.seen_closed = max(live.seen_closed, minute.seen)
        seg, has_hole = segment(cal, begin, end, minute.start), minute.gap != 0
        _close_bar(minute, 0, live, kept, stale_ns[0], cal, begin, seg, slot, raw_offset, out_bar, out_place, pos)
        if minute.n + minute.n_cut > 0 or has_hole:
            for upper in range(1, N_TF):
                bar = kept.open[upper - 1]
                if bar.end == NEVER:
                    start, stop = cal[2, seg], cal[3, seg]
                    if upper != DAY:
                        start, stop = interval(TF_NS[upper], minute.start, cal[0, seg], cal[1, seg])
                    clear(bar, start, stop)
                merge(bar, minute)
                bar.gap |= has_hole
        clear(minute, NEVER, NEVER)


@kernel
def mark_hole(live: Row, since_ns: int) -> None:
    """Mark the open minutes of a symbol that end after an instant since when ticks of a source are missing.

    The longer bars take the mark over when the minute closes. What is closed already stays as it is.
    """
    for j in range(len(live.minutes)):
        if since_ns < live.minutes[j].end < NEVER:
            live.minutes[j].gap = 1


@kernel
def first_end(live: Row) -> Int:
    """Return the end of the oldest open minute."""
    first = NEVER
    for j in range(len(live.minutes)):
        first = min(first, live.minutes[j].end)
    return first


@kernel
def bars_due(live: Row, kept: Row) -> Int:
    """Return the earliest end of an open interval of the symbol."""
    due = first_end(live)
    for j in range(len(kept.open)):
        due = min(due, kept.open[j].end)
    return due


@kernel
def make_room(
    live: Row, kept: Row, stale_ns: I64, cal: I64, begin: int, end: int, slot: int, raw_offset: int,
    out_bar: Rows, out_place: I64, pos: I64,
) -> None:  # fmt: skip
    """Close the oldest open minute of a symbol before its time, with what has to close before it."""
    first = first_end(live)
    t = LONG_AGO
    while t < first:
        t = bars_due(live, kept)
        for tf in range(N_TF):
            close_at(t, tf, live, kept, stale_ns, cal, begin, end, slot, raw_offset, out_bar, out_place, pos)
    live.closed_until = first


@kernel
def revise(
    start: int, ts: int, price: float, size: float, n_src: int, lat_ms: float, kept: Row, slot: int, raw_offset: int,
    out_bar: Rows, out_place: I64, pos: I64,
) -> bool:  # fmt: skip
    """Add a late tick to the closed minute that starts at ``start`` and to the longer bars that hold it.

    Returns
    -------
    False where the minute is not kept any more, or never had a bar: then nothing is changed, in no timeframe, so that
    longer bars stay the sum of their minutes.
    """
    held = False
    for j in range(kept.closed.shape[1]):
        if kept.closed[0, j].start == start:
            held = True
    if not held:
        return False
    for tf in range(N_TF):
        if tf > 0:
            bar = kept.open[tf - 1]
            if bar.end != NEVER and bar.start <= start:
                add(bar, ts, price, size, n_src, lat_ms)
                continue
        for j in range(kept.closed.shape[1]):
            bar = kept.closed[tf, j]
            if bar.start <= start < bar.end:
                add(bar, ts, price, size, n_src, lat_ms)
                bar.revision += 1
                publish(bar, slot, tf, raw_offset, out_bar, out_place, pos)
    return True
