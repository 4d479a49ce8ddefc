"""The reconcile stage in numbers: which rows are sound, and what each of them does to the state. Called by ``stage``.

    row -> sound? -> seen before? -> watermark, freshness -> indicative? -> holes -> late? -> source's state
        -> consensus -> cut?

Fates, in that order: dead; duplicate; clock, status, correction, ignored; indicative; late; cut, consensus.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.kinds import CLOCK as KIND_CLOCK
from processors.kinds import CONTINUOUS
from processors.kinds import QUOTE as KIND_QUOTE
from processors.kinds import TRADE as KIND_TRADE
from processors.reconcile.consensus import SCRATCH_ROWS, WEIGHTS, note_agreed, quote_consensus, trade_consensus
from processors.reconcile.control import take_control
from processors.reconcile.freshness import CHANGE_ROWS, check_until
from processors.reconcile.holes import UNKNOWN, close_gap, note_number, told_missing
from processors.reconcile.outcome import (
    ASK,
    BID,
    CONSENSUS,
    CROSSED,
    CUT,
    DEAD,
    DISPERSION,
    DUPLICATE,
    INDICATIVE,
    LATE,
    MASK,
    MISSING,
    MISSING_SINCE,
    OUTLIERS,
    PHASE,
    PRICE,
    SHARES,
    SIGMA,
    SIZE,
    STALE,
    WATERMARK,
    WEIGHT,
)  # fmt: skip
from processors.reconcile.phases import phase_at
from processors.reconcile.precision import BPS, is_fresh, learn, moves_of, note_move, offset_of
from processors.reconcile.shares import ALONE, write_shares
from processors.reconcile.volume import counted_size
from processors.reconcile.weights import count_cut, count_tick, watch
from processors.reconcile.window import seen_before
from processors.runtime.compiled import kernel
from processors.times import LONG_AGO, MINUTE_NS, SECOND_NS
from processors.watermark import advance

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]

(SOUND, UNKNOWN_SYMBOL, BAD_TIME, BAD_PRICE, BAD_QUOTE, CROSSED_QUOTE, BAD_SIZE, TOO_MANY_SOURCES) = range(8)
"""Broken rules."""
TS_MIN, TS_MAX = 631_152_000 * SECOND_NS, 4_102_444_800 * SECOND_NS
"""1990 and 2100: outside, a time is in another unit or of another era."""


@kernel
def broken_rules(
    kind: I64, ts_event: I64, ts_recv: I64, price: F64, size: F64, bid: F64, ask: F64, bid_size: F64, ask_size: F64,
    logged_ms: I64, known: NDArray[np.bool_], future_ns: int, error: U8,
) -> None:  # fmt: skip
    """Write the first broken rule of each row, ``SOUND`` where there is none. All arrays have shape (n,).

    Parameters
    ----------
    logged_ms
        When the record was appended to its log, 0 where that is not known. A receive time after it is of a recorder
        whose clock is wrong: one such tick would make every later one of its partition late.
    known
        Whether the symbol is an instrument, or empty on a row that needs none.
    future_ns
        How far an event may be ahead of its receive time, and that ahead of the log.
    """
    for i in range(len(kind)):
        error[i] = SOUND
        in_range = TS_MIN <= ts_event[i] < TS_MAX and TS_MIN <= ts_recv[i] < TS_MAX
        ahead_ns = ts_event[i] - ts_recv[i]
        if logged_ms[i] > 0:
            ahead_ns = max(ahead_ns, ts_recv[i] - logged_ms[i] * 1_000_000)
        if not known[i]:
            error[i] = UNKNOWN_SYMBOL
        elif not in_range or ahead_ns > future_ns:
            error[i] = BAD_TIME
        elif kind[i] == KIND_TRADE:
            if not 0.0 < price[i] < np.inf:
                error[i] = BAD_PRICE
            elif size[i] < 0.0 or size[i] == np.inf:
                error[i] = BAD_SIZE
        elif kind[i] == KIND_QUOTE:
            b, a = bid[i], ask[i]
            # A side of null says nothing, a side of zero withdraws; below zero or infinite it is corrupt.
            if not (b > 0.0 or a > 0.0) or b < 0.0 or a < 0.0 or np.inf in (b, a):
                error[i] = BAD_QUOTE
            elif a > 0.0 and b > a:
                error[i] = CROSSED_QUOTE
            elif bid_size[i] < 0.0 or ask_size[i] < 0.0 or bid_size[i] == np.inf or ask_size[i] == np.inf:
                error[i] = BAD_SIZE


@kernel
def _is_single(mask: int) -> bool:
    return mask != 0 and mask & (mask - 1) == 0


@kernel
def _said_ns(sources: Rows, slot: int, what: int) -> int:
    """Return the time of the newest trade, or side of a quote, of a source."""
    row = sources[slot]
    return int(max(row.bid_ns, row.ask_ns) if what else row.trade_ns)


@kernel
def _misses_companion(
    sources: Rows, members: NDArray[np.int32], n: int, what: int, fresh: int, ts_ns: int, companion_ns: int
) -> bool:
    """Return whether only one source is fresh where another was heard of not long ago."""
    if not _is_single(fresh):
        return False
    for i in range(n):
        if not (fresh >> i) & 1 and is_fresh(_said_ns(sources, members[i], what), companion_ns, ts_ns):
            return True
    return False


@kernel
def _has_judge(symbols: Rows, s: int, what: int, sources: Rows, slot: int, ts_ns: int, limit_ns: int) -> bool:
    """Return whether another source that counts in what stands was fresh at an instant: one that died judges nobody."""
    standing = symbols[s]
    for i in range(standing.n_sources):
        other = standing.source[i]
        counts = other != slot and (standing.mask[what] >> i) & 1
        if counts and is_fresh(_said_ns(sources, other, what), limit_ns, ts_ns):
            return True
    return False


@kernel
def _take_quote(sources: Rows, slot: int, ts_ns: int, bid: float, ask: float, limit_ns: int) -> bool:
    """Move the sides of a source forward; return whether they only repeat what it left long ago."""
    row = sources[slot]
    last = max(row.bid_ns, row.ask_ns)
    same = not (bid != row.bid and bid == bid) and not (ask != row.ask and ask == ask)  # noqa: PLR0124 - NaN is null
    if not np.isnan(bid) and ts_ns >= row.bid_ns:
        row.bid, row.bid_ns = bid, ts_ns if bid > 0.0 else LONG_AGO
    if not np.isnan(ask) and ts_ns >= row.ask_ns:
        row.ask, row.ask_ns = ask, ts_ns if ask > 0.0 else LONG_AGO
    return same and last != LONG_AGO and ts_ns - last >= limit_ns


@kernel
def _own(
    symbols: Rows, s: int, what: int, sources: Rows, slot: int, ts_ns: int, price: float, bid: float, ask: float,
    limit_ns: int, tick_size: float, floor: float, knobs: Rows, i: int, floats: F64, ints: I64,
) -> bool:  # fmt: skip
    """Write a tick of the past; return whether it is an outlier.

    A tick of the past is late, of a minute that others are past, or further behind them than the allowed lateness. The
    consensus that stands is of its future: in a bar of its minute that would be a look ahead. So a trade has its own
    price; a quote has one only where no other source speaks, since the others have told that minute already. What the
    market may have moved since is known: a price that even this does not explain is cut.
    """
    row, standing = sources[slot], symbols[s]
    off = row.offset[what] / BPS
    floats[PRICE, i] = price - price * off
    if what:
        floats[BID, i], floats[ASK, i] = bid if bid > 0.0 else np.nan, ask if ask > 0.0 else np.nan
        mid = 0.5 * (floats[BID, i] + floats[ASK, i])
        if mid == mid:  # noqa: PLR0124 - NaN is null
            floats[BID, i], floats[ASK, i] = floats[BID, i] - mid * off, floats[ASK, i] - mid * off
        floats[PRICE, i] = 0.5 * (floats[BID, i] + floats[ASK, i])
    gap_s = max(standing.newest_ns - ts_ns, 0) * 1e-9
    moved = np.sqrt((floor * BPS) ** 2 + moves_of(symbols, s, what, knobs) * gap_s) / BPS
    now = standing.price[what]
    floats[SIGMA, i] = max(tick_size, moved * now) if now == now else tick_size  # noqa: PLR0124
    has_judge = _has_judge(symbols, s, what, sources, slot, ts_ns, limit_ns)
    is_outlier = has_judge and abs(floats[PRICE, i] - now) > knobs[0].k * floats[SIGMA, i]
    if what and has_judge:
        floats[PRICE, i] = floats[BID, i] = floats[ASK, i] = np.nan
    floats[DISPERSION, i] = 0.0
    ints[MASK, i], ints[OUTLIERS, i], ints[CROSSED, i] = 0, 0, 0
    ints[OUTLIERS if is_outlier else MASK, i] = 1 << row.bit
    ints[SHARES, i] = 0 if is_outlier else ALONE
    return is_outlier


@njit(cache=True)
def reconcile(
    kind: I64, ts_event: I64, ts_recv: I64, price: F64, size: F64, bid: F64, ask: F64, seq: I64, told: NDArray[np.int8],
    told_n: I64, error: U8, feed: NDArray[np.int32], vendor: NDArray[np.int32], about: NDArray[np.int32],
    partition: Rows, feeds: Rows, n_feeds: int, clock_feed: int,
    vendors: Rows, symbols: Rows, sources: Rows, n_sources: int,
    feed_dirty: U8, vendor_dirty: U8, symbol_dirty: U8, source_dirty: U8,
    tick_size: F64, asset_class: I64, stale_ns: I64, calendar: I64, segment_start: I64, open_ns: I64, close_ns: I64,
    consolidated: NDArray[np.bool_], any_consolidated: bool, dense: NDArray[np.bool_], order: NDArray[np.uint8],
    limits: Rows, knobs: Rows, fate: U8, floats: F64, ints: I64,
) -> tuple[I64, int]:  # fmt: skip
    """Take every row of a batch, in order, and return the changes of freshness and their number.

    One flat loop: it has some thirty arrays, and each costs seven words to pass on.

    Parameters
    ----------
    kind ... seq, error
        Shape (n,), columns of the raw ticks, and ``broken_rules``.
    told, told_n
        Shape (n,), the phase that a status row tells of its symbol, ``HOLE`` where it tells of missing ticks of its
        source, what a correction tells of its trade, else -1; and the number of the missing ticks.
    feed, vendor
        Shape (n,), slots of rows other than trades and quotes; ``vendor`` is -1 where the row has a venue.
    about
        Shape (n,), slot of what the row is about: of a trade, a quote, a correction or a mark of a hole its source, of
        a status that tells a phase its symbol; -1 where there is none.
    partition, feeds, vendors, symbols, sources
        Rows of the tables, updated; the ``_dirty`` arrays mark which.
    clock_feed
        Slot of the feed whose heartbeats speak for all others, -1 where there is none.
    tick_size, asset_class, stale_ns, calendar
        Shape (n_symbols,), by slot of the symbol. ``segment_start`` as in ``check_until``.
    limits, knobs
        See ``config``.
    consolidated, any_consolidated
        Shape (n_sources,), see ``volume``; and whether one is.
    dense, order
        Shape (n_sources,), whether a number left out is a tick missing; (n_symbols, 32), see ``shares``.
    fate, floats, ints
        Shape (n,), (FLOAT_ROWS, n), (INT_ROWS, n): fates, and what published rows carry, see ``outcome``.
    """
    knob = knobs[0]
    clock = partition[0]
    scratch = np.empty((SCRATCH_ROWS, 32))
    changes, n_changes = np.empty((CHANGE_ROWS, 64), np.int64), 0
    for i in range(len(kind)):
        ts = ts_event[i]
        is_tick = kind[i] <= KIND_QUOTE
        indicative = False
        if kind[i] == KIND_QUOTE and about[i] >= 0:
            indicative = phase_at(symbols, sources[about[i]].symbol, ts) != CONTINUOUS
            if indicative and error[i] == CROSSED_QUOTE:
                error[i] = SOUND
        if error[i]:
            fate[i] = DEAD
            continue
        j = about[i] if is_tick else 0
        f = sources[j].feed if is_tick else feed[i]
        if is_tick and seq[i] != LONG_AGO:
            top, top_ns = sources[j].seq_top[kind[i]], sources[j].seq_ns[kind[i]]
            if seen_before(sources, j, kind[i], seq[i], ts):
                fate[i] = DUPLICATE
                continue
            if dense[j]:
                note_number(sources, j, kind[i], seq[i], ts, top, top_ns)
        late = ts < clock.watermark_ns
        is_mark = kind[i] == KIND_CLOCK and f == clock_feed
        watermark = advance(
            partition, feeds, n_feeds, f, ts, ts_recv[i], is_tick, is_mark, knob.lateness_ns, knob.idle_ns
        )
        feed_dirty[f] = 1
        ints[WATERMARK, i] = watermark
        # Before the source takes the tick: a silence that it ends was a silence at the seconds passed by.
        if watermark >= clock.grid_ns + SECOND_NS:
            changes, n_changes = check_until(
                partition, symbols, sources, n_sources, source_dirty, stale_ns, calendar, segment_start, open_ns,
                close_ns, changes, n_changes,
            )  # fmt: skip
        if not is_tick:
            fate[i] = take_control(
                kind[i], ts, told[i], told_n[i], seq[i], price[i], size[i], f, vendor[i], about[i], feeds, vendors,
                symbols, sources, vendor_dirty, symbol_dirty, source_dirty, tick_size, asset_class, calendar,
                segment_start, open_ns, close_ns, limits, knobs, scratch, floats, ints, i,
            )  # fmt: skip
            continue
        src = sources[j]
        s, what = src.symbol, kind[i]
        source_dirty[j] = 1
        alive = feeds[f].alive_ns + vendors[src.vendor].alive_ns
        c = calendar[s]
        a, b = segment_start[c], segment_start[c + 1]
        watch(sources, j, ts, alive, stale_ns[s], knobs, open_ns[a:b], close_ns[a:b])
        if indicative:
            fate[i] = INDICATIVE
            continue
        since = np.int64(0)
        if dense[j]:
            missing, since = told_missing(sources, j, what, watermark)
            ints[MISSING, i] = missing
        if since != 0 or src.gap_ns != LONG_AGO:
            ints[MISSING, i] = ints[MISSING, i] if since != 0 else UNKNOWN
            ints[MISSING_SINCE, i] = close_gap(sources, j, ts, watermark, since)
        standing = symbols[s]
        n, members, limit = standing.n_sources, standing.source, limits[asset_class[s]]
        ints[PHASE, i] = phase_at(symbols, s, ts)
        if late:
            # Alive, but slow: its age shows on data.freshness, and its prices are history.
            fate[i] = LATE
            is_cut = _own(
                symbols, s, what, sources, j, ts, price[i], bid[i], ask[i], limit.quote_ns if what else limit.trade_ns,
                tick_size[s], limit.sigma_floor, knobs, i, floats, ints,
            )  # fmt: skip
            floats[SIZE, i] = size[i]
            if any_consolidated and what == KIND_TRADE and src.trust > 0.0 and not is_cut:
                floats[SIZE, i] = counted_size(
                    symbols, s, sources, j, consolidated, ts, size[i], limit.trade_ns, scratch
                )  # fmt: skip
                symbol_dirty[s] = 1
            continue
        count_tick(sources, j, (ts_recv[i] - ts) * 1e-6, knobs)
        symbol_dirty[s] = 1
        standing.newest_ns = max(standing.newest_ns, ts)
        floor = limit.sigma_floor
        if what == KIND_TRADE:
            repeats = price[i] == src.trade and ts - src.trade_ns >= limit.trade_ns
            if ts >= src.trade_ns:
                src.trade, src.trade_ns, src.trade_seq = price[i], ts, seq[i]
                learn(
                    sources, source_dirty, members, n, j, symbols, s, 0, ts, limit.trade_ns, tick_size[s], floor, knobs,
                    scratch,
                )  # fmt: skip
            value, mad, sigma, reach, mask, fresh = trade_consensus(
                sources, members, n, symbols, s, ts, limit.trade_ns, tick_size[s], floor, knobs, scratch
            )
            is_cut = abs(price[i] - offset_of(sources, j, 0, price[i]) - value) > reach
            cut = fresh & ~mask
            alone = _misses_companion(sources, members, n, 0, fresh, ts, knob.companion_ns)
        else:
            repeats = _take_quote(sources, j, ts, bid[i], ask[i], limit.quote_ns)
            learn(
                sources, source_dirty, members, n, j, symbols, s, 1, ts, limit.quote_ns, tick_size[s], floor, knobs,
                scratch,
            )  # fmt: skip
            floats[BID, i], floats[ASK, i], mad, sigma, reach, mask, fresh, cut = quote_consensus(
                sources, members, n, symbols, s, ts, limit.quote_ns, tick_size[s], floor, knobs, scratch
            )
            value = 0.5 * (floats[BID, i] + floats[ASK, i])
            is_cut = (cut >> src.bit) & 1 != 0
            alone = _misses_companion(sources, members, n, 1, fresh, ts, knob.companion_ns)
            standing.bid, standing.ask = floats[BID, i], floats[ASK, i]
        note_move(symbols, s, what, value, knob.error_half_life_s)
        if value == value:  # noqa: PLR0124 - NaN is null
            note_agreed(symbols, s, what, value, mask, reach)
        floats[PRICE, i], floats[DISPERSION, i], floats[SIGMA, i], floats[SIZE, i] = value, mad, sigma, size[i]
        floats[WEIGHT, i] = scratch[WEIGHTS, src.bit] if (fresh >> src.bit) & 1 else np.nan
        ints[MASK, i], ints[OUTLIERS, i], ints[CROSSED, i] = mask, cut, fresh & ~mask & ~cut
        ints[STALE, i] = repeats or alone
        standing.price[what], standing.sigma[what], standing.mask[what] = value, sigma, mask
        if ts // MINUTE_NS < standing.newest_ns // MINUTE_NS or ts < standing.newest_ns - knob.lateness_ns:
            # In time, but of a minute that others are past, or so far behind them that only its own clock, which the
            # watermark waits for, keeps it from being late: judged as such, and by nothing else.
            is_cut = _own(
                symbols, s, what, sources, j, ts, price[i], bid[i], ask[i], limit.quote_ns if what else limit.trade_ns,
                tick_size[s], floor, knobs, i, floats, ints,
            )  # fmt: skip
            floats[WEIGHT, i] = np.nan
        else:
            write_shares(scratch, WEIGHTS, mask, order, s, n, ints, SHARES, i)
        if is_cut:
            count_cut(sources, j, knobs)
        fate[i] = CUT if is_cut else CONSENSUS
        if any_consolidated and what == KIND_TRADE and not is_cut:
            floats[SIZE, i] = counted_size(symbols, s, sources, j, consolidated, ts, size[i], limit.trade_ns, scratch)
    return changes, n_changes
