"""Bars and freshness of the consensus, tick by tick. Called by ``stage`` of this folder.

Only minutes take ticks. A minute that closes is merged into the open bar of each longer timeframe (see ``closing``),
so that a tick costs one update and dirties one small row:

    tick -> watermark: close what is due, look at freshness -> its minute: form it, or revise it where it is closed
"""

import math

import numpy as np
from numpy.typing import NDArray

from processors.bars.bar import Row, add, clear, grid, has_side, interval, segment
from processors.bars.closing import bars_due, close_at, first_end, make_room, mark_hole, revise
from processors.bars.freshness import check_freshness, gap_moved
from processors.bars.prints import COUNTS, NO_SEQ, WAS_CUT, needs_block, remember
from processors.bars.revision import CHANGED, GONE, SAME, correct
from processors.kinds import CORRECTION, HALTED, QUOTE, STATUS, TRADE
from processors.runtime.compiled import kernel
from processors.times import LONG_AGO, MINUTE_NS, N_TF, NEVER

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]

FATES = (
    "in_bar", "quote", "cut", "zero_size", "off_session", "revised", "too_late", "clock", "status", "corrected",
    "unchanged", "dead",
)  # fmt: skip
(IN_BAR, QUOTED, CUT, ZERO_SIZE, OFF_SESSION, REVISED, TOO_LATE, CLOCKED, TOLD, CORRECTED, UNCHANGED, DEAD) = range(12)
NO_RING = -1


@kernel
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
                    close_at(
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
                c = calendar[k]
                if live.fresh_due == t or gap_moved(t, keeps[s], cal, cal_at[c], cal_at[c + 1]):
                    check_freshness(
                        t, live, keeps[s], stale_ns[asset[k]], delayed_ns[asset[k]], dormant_ns, cal, cal_at[c],
                        cal_at[c + 1], s, out_fresh, pos,
                    )  # fmt: skip
                live.due = min(bars_due(live, keeps[s]), live.fresh_due)
            next_due = min(next_due, live.due)
        clock[0].next_due = next_due
    return True


@kernel
def _open_minute(
    start: int, end: int, has_hole: bool, clock: Rows, live: Row, kept: Row, keep_dirty: U8, stale_ns: I64,
    cal: I64, cal_begin: int, cal_end: int, slot: int, raw_offset: int, out_bar: Rows, out_place: I64, pos: I64,
) -> int:  # fmt: skip
    """Open the minute of a tick, which is not open yet; return its place in ``live.minutes``.

    Parameters
    ----------
    start, end
        Of the minute.
    has_hole
        Whether ticks are missing before the one that opens it.
    clock, live, kept, keep_dirty, stale_ns, cal, cal_begin, cal_end, slot, raw_offset, out_bar, out_place, pos
        As in ``run``, of this symbol: closing another minute makes room for it where there is none.

    Returns
    -------
    The place; -1 where room would be made by closing this very one.
    """
    free = -1
    for j in range(len(live.minutes)):
        if live.minutes[j].end == NEVER:
            free = j
    if free < 0:
        if end < first_end(live):
            return -1
        make_room(live, kept, stale_ns, cal, cal_begin, cal_end, slot, raw_offset, out_bar, out_place, pos)
        keep_dirty[slot] = 1
        live.fresh_due = min(live.fresh_due, grid(live.closed_until))
        for j in range(len(live.minutes)):
            if live.minutes[j].end == NEVER:
                free = j
    clear(live.minutes[free], start, end)
    live.minutes[free].gap = 1 if has_hole else 0
    live.due = min(live.due, end)
    clock[0].next_due = min(clock[0].next_due, live.due)
    return free


@kernel
def run(
    first: int, kind: I64, ts_event: I64, ts_recv: I64, watermark: I64, price: F64, size: F64, bid: F64, ask: F64,
    n_src: I64, outlier: I64, phase: I64, raw_offset: I64, seq: I64, missing_since: I64, source: I64, slot: I64,
    fate: U8,
    n_slots: int, clock: Rows, lives: Rows, keeps: Rows, live_dirty: U8, keep_dirty: U8,
    ring_of: I64, rings: Rows, blocks: Rows, ring_dirty: U8, block_dirty: U8, blocks_max: int, scratch: Rows,
    instrument: I64, basis: I64, asset: I64, calendar: I64, stale_ns: I64, delayed_ns: I64, dormant_ns: int,
    cal: I64, cal_at: I64, lateness_ns: int, out_bar: Rows, out_place: I64, out_fresh: I64, pos: I64,
) -> int:  # fmt: skip
    """Apply rows from ``first`` on: advance the clock, close what is due, then let the tick form its minute.

    Parameters
    ----------
    first
        First row to apply.
    kind, ts_event, ts_recv, watermark, price, size, bid, ask, n_src, outlier, phase, raw_offset, seq,
    missing_since
        Shape (n,), columns of the consensus ticks.
    source
        Shape (n,), digest of the name of each source; 0 where there is no sequence number.
    slot
        Shape (n,), slot of the symbol in both tables; -1 on a clock, -2 on a row that was rejected.
    fate
        Shape (n,), filled with the index into ``FATES``.
    n_slots, clock, lives, keeps, live_dirty, keep_dirty
        State: the partition's clock, hot and cold row of each symbol, in use up to ``n_slots``.
    ring_of, rings, blocks, ring_dirty, block_dirty, blocks_max
        Remembered trades, see ``prints``; ``ring_of`` has shape (n_slots,), ``NO_RING`` of a symbol without them.
    scratch
        Shape (2,), bars.
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
        Shape (3,): bars written, freshness changes written, slot of the symbol that needs a block, else -1.

    Returns
    -------
    The first row that is not applied: n when all are, less when the output must be emptied, or a block be made, before
    going on.
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
        k = instrument[s]
        c = calendar[k]
        r = ring_of[s]
        if kind[i] == CORRECTION:
            done = GONE
            if r != NO_RING:
                done = correct(
                    price[i], size[i], source[i], seq[i], rings[r], blocks, block_dirty, live, keeps[s], s,
                    raw_offset[i], scratch, out_bar, out_place, pos,
                )  # fmt: skip
                live_dirty[s] = keep_dirty[s] = 1
            fate[i] = CORRECTED if done == CHANGED else (UNCHANGED if done == SAME else TOO_LATE)
            continue
        remembers = kind[i] == TRADE and basis[k] == 0 and (r != NO_RING or seq[i] != NO_SEQ)
        if remembers and (r == NO_RING or needs_block(rings[r], blocks, blocks_max, live, keeps[s])):
            pos[2] = s
            return i
        live_dirty[s] = 1
        has_hole = missing_since[i] != LONG_AGO
        if has_hole:
            mark_hole(live, missing_since[i])
        if kind[i] == STATUS:
            fate[i] = TOLD
            if has_hole:
                continue
            live.halt_end = LONG_AGO
            if phase[i] == HALTED:
                seg = segment(cal, cal_at[c], cal_at[c + 1], ts)
                live.halt_end = cal[1, seg] if seg >= cal_at[c] and ts < cal[1, seg] else LONG_AGO
            if live.seen > LONG_AGO and now > LONG_AGO:
                live.fresh_due = min(live.fresh_due, grid(now + 1))
                live.due = min(live.due, live.fresh_due)
                clock[0].next_due = min(clock[0].next_due, live.due)
            continue
        is_cut = outlier[i] != 0
        if not is_cut and ts > live.seen:
            live.seen = ts
        if live.wants_tick != 0 and not is_cut:
            # The first of them in time, at a full second that the clock has not passed.
            if ts > now:
                live.awaited = min(live.awaited, ts)
            live.fresh_due = min(live.fresh_due, grid(max(ts, now + 1)))
            live.due = min(live.due, live.fresh_due)
            clock[0].next_due = min(clock[0].next_due, live.due)
        if not (live.seg_open <= ts < live.seg_close):
            seg = segment(cal, cal_at[c], cal_at[c + 1], ts)
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
        state = WAS_CUT if what == CUT else COUNTS
        lat_ms = (ts_recv[i] - ts) / 1e6
        if end <= max(now, live.closed_until):
            if what == IN_BAR:
                held = revise(
                    start, ts, price[i], size[i], n_src[i], lat_ms, keeps[s], s, raw_offset[i],
                    out_bar, out_place, pos,
                )  # fmt: skip
                fate[i] = REVISED if held else TOO_LATE
                keep_dirty[s] = 1
                remembers = remembers and held
            elif what == QUOTED:
                fate[i] = TOO_LATE
            # A cut trade is in no minute that has closed.
            if remembers and what != CUT:
                remember(
                    rings, r, blocks, ring_dirty, block_dirty, ts, seq[i], source[i], price[i], size[i], lat_ms,
                    n_src[i], state,
                )  # fmt: skip
            continue
        at = -1
        for j in range(n_minutes):
            if live.minutes[j].start == start:
                at = j
                break
        if at < 0:
            at = _open_minute(
                start, end, has_hole, clock, live, keeps[s], keep_dirty, stale_ns[asset[k]], cal, cal_at[c],
                cal_at[c + 1], s, raw_offset[i], out_bar, out_place, pos,
            )  # fmt: skip
            if at < 0:
                fate[i] = TOO_LATE if what in (IN_BAR, QUOTED) else what
                continue
        minute = live.minutes[at]
        if remembers:
            remember(
                rings, r, blocks, ring_dirty, block_dirty, ts, seq[i], source[i], price[i], size[i], lat_ms, n_src[i],
                state,
            )  # fmt: skip
        if what == IN_BAR:
            add(minute, ts, price[i], size[i], n_src[i], lat_ms)
        elif what == CUT:
            if kind[i] == (TRADE if basis[k] == 0 else QUOTE):
                minute.n_cut += 1
            continue
        minute.seen = max(minute.seen, ts)
        if kind[i] == QUOTE and ts >= minute.quote_ts and has_side(bid[i], ask[i]):
            minute.bid, minute.ask, minute.quote_ts = bid[i], ask[i], ts
    return len(kind)
