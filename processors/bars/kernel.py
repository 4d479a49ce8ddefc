"""Bars and freshness of the consensus, tick by tick. Called by ``stage`` of this folder.

Only minutes take ticks. A minute that closes is merged into the open bar of each longer timeframe, so that a tick
costs one update and dirties one small row:

    tick -> minutes of the symbol, still open       [10:00, 10:01) [10:01, 10:02)
                 | watermark reaches 10:01: close, publish, merge upward
                 v
            open 5m, 15m, 1h, 1d                    [10:00, 10:05) [10:00, 10:15) ...
                 | watermark reaches their end: close, publish
                 v
            kept: the last closed bars of each timeframe; a late tick revises them in place

The algebra of a bar is ``_clear`` (prepare), ``_add`` (update), ``_merge`` and ``final_values`` (finalize). A bar is a
record with the fields of ``stage.BAR``.

Longer than 300 lines since a tick, what it closes and what that makes of freshness are one loop over one state.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
N_TF = 5
DAY = N_TF - 1
"""Index of 1d, whose interval is the session."""
NEVER = np.iinfo(np.int64).max
LONG_AGO = np.iinfo(np.int64).min

TRADE, QUOTE, CLOCK = range(3)
NONE, FRESH, DELAYED, STALE, CLOSED = range(5)

FATES = ("in_bar", "quote", "cut", "zero_size", "off_session", "revised", "too_late", "clock", "dead")
(IN_BAR, QUOTED, CUT, ZERO_SIZE, OFF_SESSION, REVISED, TOO_LATE, CLOCKED, DEAD) = range(9)


@njit(inline="always")
def _segment(cal: I64, begin: int, end: int, ts: int) -> int:
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
def _grid(ts: int) -> int:
    """Return the first full second at or after ``ts``."""
    return -(-ts // SECOND_NS) * SECOND_NS


@njit(cache=True)
def interval(tf_ns: int, ts: int, open_ns: int, close_ns: int) -> tuple[int, int]:
    """Return start and end of the interval of ``ts``: a multiple of the timeframe, clipped to the segment."""
    start = ts - ts % tf_ns
    return max(start, open_ns), min(start + tf_ns, close_ns)


@njit(inline="always")
def _clear(bar: Rows, start: int, end: int) -> None:
    """Make a bar empty."""
    bar.start, bar.end, bar.seen = start, end, LONG_AGO
    bar.n, bar.n_cut, bar.n_src, bar.revision = 0, 0, 0, 0
    bar.v, bar.pv, bar.sum_p, bar.lat_ms = 0.0, 0.0, 0.0, 0.0
    bar.quote_ts, bar.bid, bar.ask = LONG_AGO, math.nan, math.nan
    bar.stale, bar.gap = 0, 0


@njit(inline="always")
def _add(bar: Rows, ts: int, price: float, size: float, n_src: int, lat_ms: float) -> None:
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


@njit(cache=True)
def _merge(bar: Rows, minute: Rows) -> None:
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


@njit(cache=True)
def final_values(bars: Rows, out: F64) -> None:
    """Fill VWAP, share of cut ticks, mean sources and mean latency (ms) of each bar; out has shape (4, n_bars).

    The VWAP of a bar without sizes is the mean of its prices; rounding never takes it out of [low, high].
    """
    n, v, low, high = bars["n"], bars["v"], bars["l"], bars["h"]
    for i in range(len(bars)):
        vwap = bars["pv"][i] / v[i] if v[i] > 0 else bars["sum_p"][i] / n[i]
        out[0, i] = min(max(vwap, low[i]), high[i])
        out[1, i] = bars["n_cut"][i] / (n[i] + bars["n_cut"][i])
        out[2, i] = bars["n_src"][i] / n[i]
        out[3, i] = bars["lat_ms"][i] / n[i]


@njit(cache=True)
def _publish(bar: Rows, slot: int, tf: int, raw_offset: int, out_bar: Rows, out_place: I64, pos: I64) -> None:
    """Append a bar to the output."""
    n = pos[0]
    out_bar[n] = bar
    out_place[n, 0], out_place[n, 1], out_place[n, 2] = slot, tf, raw_offset
    pos[0] = n + 1


@njit(cache=True)
def _close_bar(  # the bar, its symbol, its calendar, the output
    bar: Rows, tf: int, live: Rows, kept: Rows, stale_ns: int, cal: I64, begin: int, seg: int,
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
        bar.gap = 1 if before >= begin and kept.last_end[tf] != cal[3, before] else 0
    else:
        bar.gap = 1 if bar.start > cal[0, seg] and kept.last_end[tf] != bar.start else 0
    kept.last_end[tf] = bar.end
    kept.closed[tf, kept.n_closed[tf] % kept.closed.shape[1]] = bar
    kept.n_closed[tf] += 1
    _publish(bar, slot, tf, raw_offset, out_bar, out_place, pos)


@njit(cache=True)
def _close_at(
    t: int, tf: int, live: Rows, kept: Rows, stale_ns: I64, cal: I64, begin: int, end: int,
    slot: int, raw_offset: int, out_bar: Rows, out_place: I64, pos: I64,
) -> None:  # fmt: skip
    """Close the interval of one symbol and timeframe that ends at ``t``, if there is one; merge a minute upward."""
    if tf > 0:
        bar = kept.open[tf - 1]
        if bar.end == t:
            seg = _segment(cal, begin, end, bar.start)
            _close_bar(bar, tf, live, kept, stale_ns[tf], cal, begin, seg, slot, raw_offset, out_bar, out_place, pos)
            _clear(bar, NEVER, NEVER)
        return
    for j in range(len(live.minutes)):
        minute = live.minutes[j]
        if minute.end != t:
            continue
        if minute.quote_ts > LONG_AGO:
            live.bid, live.ask, live.quote_ts = minute.bid, minute.ask, minute.quote_ts
        live.seen_closed = max(live.seen_closed, minute.seen)
        seg = _segment(cal, begin, end, minute.start)
        _close_bar(minute, 0, live, kept, stale_ns[0], cal, begin, seg, slot, raw_offset, out_bar, out_place, pos)
        if minute.n + minute.n_cut > 0:
            for upper in range(1, N_TF):
                bar = kept.open[upper - 1]
                if bar.end == NEVER:
                    start, stop = cal[2, seg], cal[3, seg]
                    if upper != DAY:
                        tf_ns = 5 * MINUTE_NS if upper == 1 else (15 * MINUTE_NS if upper == 2 else 60 * MINUTE_NS)
                        start, stop = interval(tf_ns, minute.start, cal[0, seg], cal[1, seg])
                    _clear(bar, start, stop)
                _merge(bar, minute)
        _clear(minute, NEVER, NEVER)


@njit(cache=True)
def _first_end(live: Rows) -> int:
    """Return the end of the oldest open minute."""
    first = NEVER
    for j in range(len(live.minutes)):
        first = min(first, live.minutes[j].end)
    return first


@njit(cache=True)
def _bars_due(live: Rows, kept: Rows) -> int:
    """Return the earliest end of an open interval of the symbol."""
    due = _first_end(live)
    for j in range(len(kept.open)):
        due = min(due, kept.open[j].end)
    return due


@njit(cache=True)
def _check_freshness(
    t: int, live: Rows, kept: Rows, stale_ns: I64, delayed_ns: I64, dormant_ns: int, cal: I64, begin: int, end: int,
    slot: int, out_fresh: I64, pos: I64,
) -> None:  # fmt: skip
    """Publish the changes of freshness of one symbol at the full second ``t``; set when to look again.

    An order of events that the watermark allows may show a tick from after ``t``: then the silence before it is over,
    and the state waits for the tick's own second.
    """
    seg = _segment(cal, begin, end, t)
    is_open = seg >= begin and t < cal[1, seg]
    due = NEVER
    if is_open:
        due = _grid(cal[1, seg])
    elif seg + 1 < end:
        due = _grid(cal[0, seg + 1])
    live.wants_tick = 0
    if is_open and live.seen > t:
        live.fresh_due = min(due, _grid(live.seen))
        return
    age = t - live.seen
    if age >= dormant_ns:
        live.wants_tick, live.fresh_due = 1, NEVER
        return
    for tf in range(N_TF):
        if not is_open:
            state = CLOSED
        elif age >= stale_ns[tf]:
            state = STALE
        elif age >= delayed_ns[tf]:
            state = DELAYED
            due = min(due, _grid(live.seen + stale_ns[tf]))
        else:
            state = FRESH
            due = min(due, _grid(live.seen + delayed_ns[tf]))
        if state in (DELAYED, STALE):
            live.wants_tick = 1
        previous = kept.state[tf]
        if state != previous:
            since = t if previous == NONE else kept.since[tf]
            n = pos[1]
            out_fresh[n, 0], out_fresh[n, 1], out_fresh[n, 2], out_fresh[n, 3] = slot, tf, t, age
            out_fresh[n, 4], out_fresh[n, 5], out_fresh[n, 6] = stale_ns[tf], state, previous
            out_fresh[n, 7] = since
            pos[1] = n + 1
            kept.state[tf], kept.since[tf] = state, t
    live.fresh_due = due


@njit(cache=True)
def _advance(
    now: int, raw_offset: int, n_slots: int, clock: Rows, lives: Rows, keeps: Rows, live_dirty: U8, keep_dirty: U8,
    instrument: I64, asset: I64, calendar: I64, stale_ns: I64, delayed_ns: I64, dormant_ns: int, cal: I64, cal_at: I64,
    out_bar: Rows, out_place: I64, out_fresh: I64, pos: I64,
) -> bool:  # fmt: skip
    """Close every interval that ends, and check every freshness that is due, at or before ``now``, in order of time.

    Bars come out by (end, timeframe, slot), freshness by (second, slot, timeframe).

    Returns
    -------
    Whether all is done; if not, the output must be emptied first.
    """
    while clock[0].next_due <= now:
        t = clock[0].next_due
        if pos[0] + N_TF * n_slots > len(out_bar) or pos[1] + N_TF * n_slots > len(out_fresh):
            return False
        for tf in range(N_TF):
            for s in range(n_slots):
                if lives[s].due == t and instrument[s] >= 0:
                    c = calendar[instrument[s]]
                    _close_at(
                        t, tf, lives[s], keeps[s], stale_ns[asset[instrument[s]]], cal, cal_at[c], cal_at[c + 1],
                        s, raw_offset, out_bar, out_place, pos,
                    )  # fmt: skip
        next_due = NEVER
        for s in range(n_slots):
            live = lives[s]
            if live.due == t:
                live_dirty[s], keep_dirty[s] = 1, 1
                k = instrument[s]
                # A symbol that has left the list of instruments has no calendar: it waits until it is back.
                if k < 0:
                    live.due = NEVER
                    continue
                if live.fresh_due == t:
                    c = calendar[k]
                    _check_freshness(
                        t, live, keeps[s], stale_ns[asset[k]], delayed_ns[asset[k]], dormant_ns, cal, cal_at[c],
                        cal_at[c + 1], s, out_fresh, pos,
                    )  # fmt: skip
                live.due = min(_bars_due(live, keeps[s]), live.fresh_due)
            next_due = min(next_due, live.due)
        clock[0].next_due = next_due
    return True


@njit(cache=True)
def _make_room(
    live: Rows, kept: Rows, stale_ns: I64, cal: I64, begin: int, end: int, slot: int, raw_offset: int,
    out_bar: Rows, out_place: I64, pos: I64,
) -> None:  # fmt: skip
    """Close the oldest open minute of a symbol before its time, with what has to close before it."""
    first = _first_end(live)
    t = LONG_AGO
    while t < first:
        t = _bars_due(live, kept)
        for tf in range(N_TF):
            _close_at(t, tf, live, kept, stale_ns, cal, begin, end, slot, raw_offset, out_bar, out_place, pos)
    live.closed_until = first


@njit(cache=True)
def _revise(
    start: int, ts: int, price: float, size: float, n_src: int, lat_ms: float, kept: Rows, slot: int, raw_offset: int,
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
                _add(bar, ts, price, size, n_src, lat_ms)
                continue
        for j in range(kept.closed.shape[1]):
            bar = kept.closed[tf, j]
            if bar.start <= start < bar.end:
                _add(bar, ts, price, size, n_src, lat_ms)
                bar.revision += 1
                _publish(bar, slot, tf, raw_offset, out_bar, out_place, pos)
    return True


@njit(cache=True)
def run(
    first: int, kind: I64, ts_event: I64, ts_recv: I64, watermark: I64, price: F64, size: F64, bid: F64, ask: F64,
    n_src: I64, outlier: I64, raw_offset: I64, slot: I64, fate: U8,
    n_slots: int, clock: Rows, lives: Rows, keeps: Rows, live_dirty: U8, keep_dirty: U8,
    instrument: I64, basis: I64, asset: I64, calendar: I64, stale_ns: I64, delayed_ns: I64, dormant_ns: int,
    cal: I64, cal_at: I64, lateness_ns: int, out_bar: Rows, out_place: I64, out_fresh: I64, pos: I64,
) -> int:  # fmt: skip
    """Apply rows from ``first`` on: advance the clock, close what is due, then let the tick form its minute.

    Parameters
    ----------
    first
        First row to apply.
    kind, ts_event, ts_recv, watermark, price, size, bid, ask, n_src, outlier, raw_offset
        Shape (n,), columns of the consensus ticks.
    slot
        Shape (n,), slot of the symbol in both tables; -1 on a clock, -2 on a row that was rejected.
    fate
        Shape (n,), filled with the index into ``FATES``.
    n_slots, clock, lives, keeps, live_dirty, keep_dirty
        State: the partition's clock, hot and cold row of each symbol, in use up to ``n_slots``.
    instrument
        Shape (n_slots,), instrument of each slot, -1 where it is unknown now.
    basis, asset, calendar
        Shape (n_instruments,): price basis (0 trade, 1 quote), asset class, calendar.
    stale_ns, delayed_ns
        Shape (n_asset_classes, 5), thresholds of age.
    dormant_ns
        Age from which a symbol is left alone until its next tick.
    cal, cal_at
        Shape (4, n_segments): open, close, session open, session close of all calendars; calendar c is
        ``cal[:, cal_at[c]:cal_at[c + 1]]``.
    out_bar, out_place, out_fresh
        Output: bars; their (slot, timeframe, raw_offset); freshness as (slot, timeframe, second, age_ns,
        threshold_ns, state, previous, since).
    pos
        Shape (2,): bars written, freshness changes written.

    Returns
    -------
    The first row that is not applied: n when all are, less when the output must be emptied before going on.
    """
    n_minutes = len(lives[0].minutes)
    for i in range(first, len(kind)):
        if pos[0] + N_TF * (n_minutes + 2) > len(out_bar):
            return i
        now = clock[0].watermark
        if slot[i] != -2 and watermark[i] > LONG_AGO + lateness_ns:
            now = max(now, watermark[i] - lateness_ns)
        if now >= clock[0].next_due and not _advance(
            now, raw_offset[i], n_slots, clock, lives, keeps, live_dirty, keep_dirty, instrument, asset, calendar,
            stale_ns, delayed_ns, dormant_ns, cal, cal_at, out_bar, out_place, out_fresh, pos,
        ):  # fmt: skip
            return i
        clock[0].watermark = now
        s = slot[i]
        if s < 0:
            fate[i] = CLOCKED if s == -1 else DEAD
            continue
        live, ts = lives[s], ts_event[i]
        live_dirty[s] = 1
        k = instrument[s]
        c = calendar[k]
        is_cut = outlier[i] != 0
        if not is_cut and ts > live.seen:
            live.seen = ts
        if live.wants_tick != 0 and not is_cut:
            # At the first full second that the clock has not passed.
            live.wants_tick = 0
            live.fresh_due = min(live.fresh_due, _grid(max(ts, now + 1)))
            live.due = min(live.due, live.fresh_due)
            clock[0].next_due = min(clock[0].next_due, live.due)
        if not (live.seg_open <= ts < live.seg_close):
            seg = _segment(cal, cal_at[c], cal_at[c + 1], ts)
            if seg < cal_at[c] or ts >= cal[1, seg]:
                fate[i] = OFF_SESSION
                continue
            live.seg_open, live.seg_close = cal[0, seg], cal[1, seg]
        start, end = interval(MINUTE_NS, ts, live.seg_open, live.seg_close)
        # A trade forms trade bars, a quote quote bars; a quote without a mid forms none.
        forms = kind[i] == TRADE if basis[k] == 0 else (kind[i] == QUOTE and not math.isnan(price[i]))
        what = IN_BAR if forms else QUOTED
        if is_cut:
            what = CUT
        elif kind[i] == TRADE and size[i] == 0:
            what = ZERO_SIZE
        fate[i] = what
        if end <= max(now, live.closed_until):
            if what == IN_BAR:
                lat_ms = (ts_recv[i] - ts) / 1e6
                held = _revise(
                    start, ts, price[i], size[i], n_src[i], lat_ms, keeps[s], s, raw_offset[i],
                    out_bar, out_place, pos,
                )  # fmt: skip
                fate[i] = REVISED if held else TOO_LATE
                keep_dirty[s] = 1
            elif what == QUOTED:
                fate[i] = TOO_LATE
            continue
        at = -1
        free = -1
        for j in range(n_minutes):
            if live.minutes[j].start == start:
                at = j
                break
            if live.minutes[j].end == NEVER:
                free = j
        if at < 0:
            if free < 0 and end < _first_end(live):
                # Room is made by closing the oldest minute: that would be this very one.
                fate[i] = TOO_LATE if what in (IN_BAR, QUOTED) else what
                continue
            if free < 0:
                _make_room(
                    live, keeps[s], stale_ns[asset[k]], cal, cal_at[c], cal_at[c + 1], s, raw_offset[i],
                    out_bar, out_place, pos,
                )  # fmt: skip
                keep_dirty[s] = 1
                for j in range(n_minutes):
                    if live.minutes[j].end == NEVER:
                        free = j
            at = free
            _clear(live.minutes[at], start, end)
            live.due = min(live.due, end)
            clock[0].next_due = min(clock[0].next_due, live.due)
        minute = live.minutes[at]
        if what == IN_BAR:
            _add(minute, ts, price[i], size[i], n_src[i], (ts_recv[i] - ts) / 1e6)
        elif what == CUT:
            if kind[i] == (TRADE if basis[k] == 0 else QUOTE):
                minute.n_cut += 1
            continue
        minute.seen = max(minute.seen, ts)
        if kind[i] == QUOTE and ts >= minute.quote_ts:
            minute.bid, minute.ask, minute.quote_ts = bid[i], ask[i], ts
    return len(kind)
