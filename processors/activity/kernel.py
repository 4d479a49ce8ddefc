"""Bars by activity, tick by tick. Called by ``stage`` of this folder.

    tick -> watermark: close the sessions that are over -> each open bar of the symbol: add, close it where it is full

Imbalance bars: Lopez de Prado, Advances in Financial Machine Learning (2018), section 2.3.2. Of each tick the flow x is
its sign b by the tick rule, times its size or its money where the bar is one of these. A bar ends at

    |sum of x| >= E[ticks] * |E[x]|

with moving averages of the bars and of the ticks before it. That expectation runs away: a market without a side has
E[x] near 0, and every tick is a bar; a long bar makes the next ones longer. So it is bounded (``limit``).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.kinds import QUOTE, TRADE
from processors.runtime.compiled import kernel
from processors.times import LONG_AGO, NEVER

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]
Row = Any
"""One record of such an array: mypy does not see its fields."""

BY_TICKS = -1.0
"""Limit of an imbalance bar without an expectation yet: it ends by its ticks."""
TICK, VOLUME, DOLLAR, TICK_IMBALANCE, VOLUME_IMBALANCE, DOLLAR_IMBALANCE = range(6)
NEARLY = 1e-9
"""A sum of decimal sizes that is this share below its threshold has reached it: in binary they are not exact."""
KIND, THRESHOLD, MULTIPLIER, FLOW_DECAY, TICKS_DECAY, TICKS_MIN, TICKS_MAX, BAR_TICKS_MAX = range(8)
N_PARAMETERS = 8
"""Columns of ``what``: parameters of a series."""
FATES = (
    "in_bar", "quote", "cut", "zero_size", "off_session", "late", "unwatched", "clock", "status", "ignored", "dead",
)  # fmt: skip
IN_BAR, QUOTED, CUT, ZERO_SIZE, OFF_SESSION, LATE, UNWATCHED, CLOCKED, TOLD, IGNORED, DEAD = range(11)


@kernel
def limit(flow: float, size: float, ticks: float, threshold: float) -> float:
    """Return the imbalance that ends a bar, at its first tick.

    Parameters
    ----------
    flow, size
        Moving averages of x and of its size, the latter positive once there was any flow.
    ticks
        Expected ticks of a bar, bounded already.
    threshold
        Ticks that were expected at first.

    Returns
    -------
    The expectation, but at least the root of ``threshold`` in mean sizes, which a market without a side reaches in
    about ``threshold`` ticks. ``BY_TICKS`` where no tick had a flow.
    """
    least = math.sqrt(threshold) * size
    return max(ticks * abs(flow), least) if least > 0 else BY_TICKS


@kernel
def empty(bar: Row, start: int) -> None:
    """Make a bar of a series empty; what the series has learnt stays."""
    bar.start = start
    bar.n, bar.n_cut, bar.n_src = 0, 0, 0
    bar.v, bar.pv, bar.sum_p, bar.lat_ms, bar.theta = 0.0, 0.0, 0.0, 0.0, 0.0


@kernel
def add(
    bar: Row, what: F64, price: float, size: float, sign: float, n_src: int, lat_ms: float,
) -> bool:  # fmt: skip
    """Add one price-forming tick; return whether the bar is full.

    Parameters
    ----------
    what
        Shape (N_PARAMETERS,), parameters of the series.
    size
        Base units, 0 where none is published.
    sign
        1 for a buyer's tick, -1 for a seller's, 0 before the price first moved.
    """
    kind, threshold = what[KIND], what[THRESHOLD]
    if bar.n == 0:
        bar.o, bar.h, bar.l = price, price, price
        learnt = kind >= TICK_IMBALANCE and bar.learnt >= threshold
        bar.limit = limit(bar.flow, bar.size, bar.ticks, threshold) if learnt else BY_TICKS
    bar.h, bar.l, bar.c = max(bar.h, price), min(bar.l, price), price
    bar.n += 1
    bar.n_src += n_src
    bar.sum_p += price
    bar.lat_ms += lat_ms
    bar.v += size
    bar.pv += price * size
    if kind == TICK:
        return bar.n >= threshold
    if kind == VOLUME:
        return bar.v >= threshold * (1.0 - NEARLY)
    if kind == DOLLAR:
        return bar.pv * what[MULTIPLIER] >= threshold * (1.0 - NEARLY)
    x = sign
    if kind == VOLUME_IMBALANCE:
        x = sign * size
    elif kind == DOLLAR_IMBALANCE:
        x = sign * (price * size * what[MULTIPLIER])
    bar.theta += x
    if bar.learnt < threshold:
        # The first expectation is the plain mean of as many ticks as are expected in a bar.
        bar.learnt += 1
        bar.flow += (x - bar.flow) / bar.learnt
        bar.size += (abs(x) - bar.size) / bar.learnt
    else:
        bar.flow += what[FLOW_DECAY] * (x - bar.flow)
        bar.size += what[FLOW_DECAY] * (abs(x) - bar.size)
    if bar.limit == BY_TICKS:
        return bar.n >= threshold
    return abs(bar.theta) >= bar.limit or bar.n >= what[BAR_TICKS_MAX]


@kernel
def _publish(
    bar: Row, live: Row, j: int, end: int, cut_short: int, stale_ns: int, raw_offset: int,
    out: F64, place: I64, pos: I64,
) -> None:  # fmt: skip
    """Append the bar to the output. ``end`` is moved past the bar before where both ended at one instant."""
    m = pos[0]
    ts = max(end, bar.start + 1)
    vwap = bar.pv / bar.v if bar.v > 0 else bar.sum_p / bar.n
    out[m, 0], out[m, 1], out[m, 2], out[m, 3], out[m, 4] = bar.o, bar.h, bar.l, bar.c, bar.v
    out[m, 5] = min(max(vwap, bar.l), bar.h)
    out[m, 6], out[m, 7] = live.bid, live.ask
    out[m, 8] = bar.n_cut / (bar.n + bar.n_cut)
    out[m, 9], out[m, 10] = bar.n_src / bar.n, bar.lat_ms / bar.n
    place[m, 0], place[m, 1], place[m, 2], place[m, 3] = j, bar.start, ts, bar.n
    place[m, 4], place[m, 5], place[m, 6] = cut_short, (1 if ts - live.seen >= stale_ns else 0), raw_offset
    pos[0] = m + 1
    empty(bar, ts)


@kernel
def _close_session(
    live: Row, series: Rows, dirty: U8, first: int, last: int, stale_ns: int, raw_offset: int,
    out: F64, place: I64, pos: I64,
) -> None:  # fmt: skip
    """Close the open bars of a symbol whose session is over, each cut short."""
    for j in range(first, last):
        bar = series[j]
        if bar.n > 0:
            _publish(bar, live, j, live.session_close, 1, stale_ns, raw_offset, out, place, pos)
        bar.n_cut = 0
        dirty[j] = 1
    live.due = NEVER


@kernel
def _advance(
    now: int, raw_offset: int, n_lives: int, clock: Rows, lives: Rows, series: Rows, live_dirty: U8, dirty: U8,
    first: I64, stale_ns: I64, out: F64, place: I64, pos: I64,
) -> None:  # fmt: skip
    """Close every session that is over at ``now``: by its close, then in the order of the slots."""
    while clock[0].next_due <= now:
        t = clock[0].next_due
        following = NEVER
        for s in range(n_lives):
            if lives[s].due == t:
                _close_session(
                    lives[s], series, dirty, first[s], first[s + 1], stale_ns[s], raw_offset, out, place, pos
                )
                live_dirty[s] = 1
            following = min(following, lives[s].due)
        clock[0].next_due = following


@kernel
def _enter(
    live: Row, ts: int, now: int, series: Rows, dirty: U8, first: int, last: int, cal: I64, begin: int, end: int,
    stale_ns: int, raw_offset: int, out: F64, place: I64, pos: I64,
) -> int:  # fmt: skip
    """Return ``IN_BAR`` where a tick may go on, with the symbol in the tick's session; else what keeps it out."""
    if live.seg_open <= ts < live.seg_close:
        return IN_BAR if live.session_close > now else LATE
    low, high = begin, end
    while low < high:
        middle = (low + high) >> 1
        if cal[0, middle] <= ts:
            low = middle + 1
        else:
            high = middle
    seg = low - 1
    if seg < begin or ts >= cal[1, seg]:
        return OFF_SESSION
    if cal[2, seg] < live.session_open or cal[3, seg] <= now:
        return LATE
    live.seg_open, live.seg_close = cal[0, seg], cal[1, seg]
    if cal[2, seg] > live.session_open:
        _close_session(live, series, dirty, first, last, stale_ns, raw_offset, out, place, pos)
        live.session_open, live.session_close = cal[2, seg], cal[3, seg]
        live.quote_ts, live.bid, live.ask = LONG_AGO, math.nan, math.nan
        for j in range(first, last):
            series[j].start = max(series[j].start, live.session_open)
    return IN_BAR


@kernel
def run(
    begin: int, kind: I64, ts_event: I64, ts_recv: I64, watermark: I64, price: F64, size: F64, bid: F64, ask: F64,
    n_src: I64, outlier: I64, late: I64, raw_offset: I64, slot: I64, fate: U8,
    n_lives: int, clock: Rows, lives: Rows, series: Rows, live_dirty: U8, dirty: U8,
    first: I64, what: F64, basis: I64, stale_ns: I64, calendar: I64, cal: I64, cal_at: I64,
    out: F64, place: I64, pos: I64,
) -> int:  # fmt: skip
    """Apply rows from ``begin`` on: close the sessions that are over, then let the tick form the bars of its symbol.

    Parameters
    ----------
    begin
        First row to apply.
    kind, ts_event, ts_recv, watermark, price, size, bid, ask, n_src, outlier, late, raw_offset
        Shape (n,), columns of the consensus ticks.
    slot
        Shape (n,), slot of the symbol; -1 on a row that forms nothing and has its fate already.
    fate
        Shape (n,), index into ``FATES``; filled where ``slot`` is not -1.
    n_lives, clock, lives, series, live_dirty, dirty
        State: the partition's clock, a row a symbol, a row a series; those of one symbol are neighbours.
    first
        Shape (n_lives + 1,): the series of symbol s are ``first[s]`` to ``first[s + 1]``.
    what
        Shape (n_series, N_PARAMETERS), parameters of the series.
    basis, stale_ns, calendar
        Shape (n_lives,): price basis (0 trade, 1 quote), age from which a close is stale, calendar.
    cal, cal_at
        Shape (4, n_segments), open and close of segment and session, calendar after calendar; (n_calendars + 1,).
    out, place, pos
        Written: values of the bars, shape (room, 11); series, start, end, ticks, cut short, stale, raw offset, shape
        (room, 7); number of bars, shape (1,).

    Returns
    -------
    The first row that was not applied: their number, or fewer where the output must be emptied first.
    """
    # A row closes each series at most once by the clock, once by its session and once by itself.
    room = 3 * first[n_lives]
    for i in range(begin, len(kind)):
        if pos[0] + room > len(out):
            return i
        now = max(clock[0].watermark, watermark[i])
        clock[0].watermark = now
        if clock[0].next_due <= now:
            _advance(
                now, raw_offset[i], n_lives, clock, lives, series, live_dirty, dirty, first, stale_ns, out, place, pos
            )
        s = slot[i]
        if s < 0:
            continue
        live, ts, c = lives[s], ts_event[i], calendar[s]
        is_basis = kind[i] == (TRADE if basis[s] == 0 else QUOTE)
        if late[i] != 0:
            fate[i] = LATE
            continue
        if outlier[i] != 0:
            fate[i] = CUT
            if is_basis and live.seg_open <= ts < live.seg_close:
                for j in range(first[s], first[s + 1]):
                    series[j].n_cut += 1
                    dirty[j] = 1
            continue
        live_dirty[s] = 1
        fate[i] = _enter(
            live, ts, now, series, dirty, first[s], first[s + 1], cal, cal_at[c], cal_at[c + 1], stale_ns[s],
            raw_offset[i], out, place, pos,
        )  # fmt: skip
        if fate[i] != IN_BAR:
            continue
        live.seen = max(live.seen, ts)
        # One of a minute that others have told has neither side.
        if kind[i] == QUOTE and ts >= live.quote_ts and not (math.isnan(bid[i]) and math.isnan(ask[i])):
            live.bid, live.ask, live.quote_ts = bid[i], ask[i], ts
        if kind[i] == TRADE and size[i] == 0:
            fate[i] = ZERO_SIZE
            continue
        if not is_basis or math.isnan(price[i]):
            fate[i] = QUOTED
            continue
        live.clock = max(live.clock, ts)
        if price[i] > live.price:
            live.sign = 1.0
        elif price[i] < live.price:
            live.sign = -1.0
        live.price = price[i]
        live.due = live.session_close
        clock[0].next_due = min(clock[0].next_due, live.due)
        lat_ms = (ts_recv[i] - ts) / 1e6
        volume = size[i] if size[i] > 0 else 0.0
        for j in range(first[s], first[s + 1]):
            bar = series[j]
            dirty[j] = 1
            if add(bar, what[j], price[i], volume, live.sign, n_src[i], lat_ms):
                if bar.limit != BY_TICKS:
                    ticks = bar.ticks + what[j, TICKS_DECAY] * (bar.n - bar.ticks)
                    bar.ticks = min(max(ticks, what[j, TICKS_MIN]), what[j, TICKS_MAX])
                _publish(bar, live, j, live.clock, 0, stale_ns[s], raw_offset[i], out, place, pos)
    return len(kind)
