"""The reconcile stage in numbers: which rows are sound, and what each of them does to the state. Called by ``stage``.

    row -> sound? -> seen before? -> watermark, freshness -> late? -> source's state -> consensus -> cut?

Fates, in that order: dead; duplicate; clock, ignored; late; cut, consensus.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.reconcile.consensus import MID, SCRATCH_ROWS, TRADE, quote_consensus, trade_consensus
from processors.reconcile.freshness import CHANGE_ROWS, SECOND_NS, check_until
from processors.reconcile.weights import count_cut, count_tick, watch
from processors.reconcile.window import seen_before
from processors.runtime.compiled import kernel
from processors.watermark import advance

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]

KIND_TRADE, KIND_QUOTE, KIND_HEARTBEAT = range(3)
"""Kinds of raw ticks that do something; higher ones are ignored."""
CONSENSUS, CUT, LATE, CLOCK, DUPLICATE, DEAD, IGNORED = range(7)
"""Fates. The first four are published."""
(SOUND, UNKNOWN_SYMBOL, BAD_TIME, BAD_PRICE, BAD_QUOTE, CROSSED_QUOTE, BAD_SIZE, TOO_MANY_SOURCES) = range(8)
"""Broken rules."""
TS_MIN, TS_MAX = 631_152_000 * SECOND_NS, 4_102_444_800 * SECOND_NS
"""1990 and 2100: outside, a time is in another unit or of another era."""
PRICE, BID, ASK, SIGMA = range(4)
WATERMARK, MASK, STALE = range(3)

_NEVER = np.iinfo(np.int64).min


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
def _beat(rows: Rows, slot: int, ts_ns: int, beat_ns: int) -> None:
    """Add the time since the last heartbeat, if it is not too long ago, to the time that heartbeats cover."""
    row = rows[slot]
    if row.beat_ns == _NEVER:
        row.beat_ns = ts_ns
    elif ts_ns > row.beat_ns:
        if ts_ns - row.beat_ns <= beat_ns:
            row.alive_ns += ts_ns - row.beat_ns
        row.beat_ns = ts_ns


@kernel
def _is_single(mask: int) -> bool:
    return mask != 0 and mask & (mask - 1) == 0


@kernel
def _misses_companion(
    sources: Rows, members: NDArray[np.int32], n: int, what: int, fresh: int, ts_ns: int, companion_ns: int
) -> bool:
    """Return whether only one source is fresh where another was heard of not long ago."""
    if not _is_single(fresh):
        return False
    for i in range(n):
        row = sources[members[i]]
        at = row.trade_ns if what == TRADE else max(row.bid_ns, row.ask_ns)
        if not (fresh >> i) & 1 and at + companion_ns > ts_ns:
            return True
    return False


@kernel
def _take_quote(sources: Rows, slot: int, ts_ns: int, bid: float, ask: float, limit_ns: int) -> bool:
    """Move the sides of a source forward; return whether they only repeat what it left long ago."""
    row = sources[slot]
    last = max(row.bid_ns, row.ask_ns)
    same = not (bid != row.bid and bid == bid) and not (ask != row.ask and ask == ask)  # noqa: PLR0124 - NaN is null
    if not np.isnan(bid) and ts_ns >= row.bid_ns:
        row.bid, row.bid_ns = bid, ts_ns if bid > 0.0 else _NEVER
    if not np.isnan(ask) and ts_ns >= row.ask_ns:
        row.ask, row.ask_ns = ask, ts_ns if ask > 0.0 else _NEVER
    return same and last != _NEVER and ts_ns - last >= limit_ns


@kernel
def _late(symbols: Rows, s: int, what: int, bit: int, price: float, bid: float, ask: float, sigma: float, i: int,
          floats: F64, ints: I64) -> None:  # fmt: skip
    """Write a late tick: with the standing consensus, or its own price where no other source had a part in that.

    What the market was at its time only the source itself says then: the price that stands is one of its future.
    """
    standing = symbols[s]
    mask = np.int64(standing.mask[what])
    if mask & ~(1 << bit):
        floats[PRICE, i], floats[SIGMA, i], ints[MASK, i] = standing.price[what], standing.sigma[what], mask
        if what:
            floats[BID, i], floats[ASK, i] = standing.bid, standing.ask
        return
    floats[SIGMA, i], ints[MASK, i] = sigma, 1 << bit
    floats[PRICE, i] = price
    if what:
        floats[BID, i], floats[ASK, i] = bid if bid > 0.0 else np.nan, ask if ask > 0.0 else np.nan
        floats[PRICE, i] = 0.5 * (floats[BID, i] + floats[ASK, i])


@njit(cache=True)
def reconcile(
    kind: I64, ts_event: I64, ts_recv: I64, price: F64, bid: F64, ask: F64, seq: I64, error: U8,
    feed: NDArray[np.int32], vendor: NDArray[np.int32], source: NDArray[np.int32],
    partition: Rows, feeds: Rows, n_feeds: int, vendors: Rows, symbols: Rows, sources: Rows, n_sources: int,
    feed_dirty: U8, vendor_dirty: U8, symbol_dirty: U8, source_dirty: U8,
    tick_size: F64, asset_class: I64, stale_ns: I64, calendar: I64, segment_start: I64, open_ns: I64, close_ns: I64,
    limits: Rows, knobs: Rows, fate: U8, floats: F64, ints: I64,
) -> tuple[I64, int]:  # fmt: skip
    """Take every row of a batch, in order, and return the changes of freshness and their number.

    One flat loop: it has some thirty arrays, and each costs seven words to pass on.

    Parameters
    ----------
    kind ... seq, error
        Shape (n,), columns of the raw ticks, and ``broken_rules``.
    feed, vendor, source
        Shape (n,), slots; of a trade or quote the source, of other rows feed and vendor.
    partition, feeds, vendors, symbols, sources
        Rows of the tables, updated; the ``_dirty`` arrays mark which.
    tick_size, asset_class, stale_ns, calendar
        Shape (n_symbols,), by slot of the symbol. ``segment_start`` as in ``check_until``.
    limits, knobs
        See ``config``.
    fate, floats, ints
        Shape (n,), (4, n), (3, n): fates, and what published rows carry (see ``PRICE`` and ``WATERMARK`` on).
    """
    knob = knobs[0]
    clock = partition[0]
    scratch = np.empty((SCRATCH_ROWS, 32))
    changes, n_changes = np.empty((CHANGE_ROWS, 64), np.int64), 0
    for i in range(len(kind)):
        if error[i]:
            fate[i] = DEAD
            continue
        ts = ts_event[i]
        is_tick = kind[i] <= KIND_QUOTE
        j = source[i] if is_tick else 0
        f = sources[j].feed if is_tick else feed[i]
        if is_tick and seq[i] != _NEVER and seen_before(sources, j, kind[i], seq[i], ts):
            fate[i] = DUPLICATE
            continue
        late = ts < clock.watermark_ns
        watermark = advance(partition, feeds, n_feeds, f, ts, ts_recv[i], is_tick, knob.lateness_ns, knob.idle_ns)
        feed_dirty[f] = 1
        ints[WATERMARK, i] = watermark
        # Before the source takes the tick: a silence that it ends was a silence at the seconds passed by.
        if watermark >= clock.grid_ns + SECOND_NS:
            changes, n_changes = check_until(
                partition, sources, n_sources, source_dirty, stale_ns, calendar, segment_start, open_ns, close_ns,
                changes, n_changes,
            )  # fmt: skip
        if not is_tick:
            fate[i] = IGNORED
            if kind[i] == KIND_HEARTBEAT:
                fate[i] = CLOCK
                # One without a venue is for all venues of its vendor, and counts once for each.
                if vendor[i] >= 0:
                    _beat(vendors, vendor[i], ts, knob.beat_ns)
                    vendor_dirty[vendor[i]] = 1
                else:
                    _beat(feeds, f, ts, knob.beat_ns)
            continue
        src = sources[j]
        s, what = src.symbol, kind[i]
        source_dirty[j] = 1
        alive = feeds[f].alive_ns + vendors[src.vendor].alive_ns
        c = calendar[s]
        a, b = segment_start[c], segment_start[c + 1]
        watch(sources, j, ts, alive, stale_ns[s], knob.half_life_s, open_ns[a:b], close_ns[a:b])
        if late:
            # Alive, but slow: its age shows on data.freshness, and its prices are history.
            fate[i] = LATE
            _late(symbols, s, what, src.bit, price[i], bid[i], ask[i], tick_size[s], i, floats, ints)
            continue
        count_tick(sources, j, (ts_recv[i] - ts) * 1e-6, knobs)
        standing = symbols[s]
        n, members, limit = standing.n_sources, standing.source, limits[asset_class[s]]
        symbol_dirty[s] = 1
        if what == KIND_TRADE:
            repeats = price[i] == src.trade and ts - src.trade_ns >= limit.trade_ns
            if ts >= src.trade_ns:
                src.trade, src.trade_ns = price[i], ts
            value, sigma, reach, mask, fresh, centre = trade_consensus(
                sources, members, n, ts, limit.trade_ns, tick_size[s], limit.sigma_floor, knob.k, scratch
            )
            is_cut = abs(price[i] - centre) > reach
            alone = _misses_companion(sources, members, n, TRADE, fresh, ts, knob.companion_ns)
        else:
            repeats = _take_quote(sources, j, ts, bid[i], ask[i], limit.quote_ns)
            floats[BID, i], floats[ASK, i], sigma, mask, fresh, cut = quote_consensus(
                sources, members, n, ts, limit.quote_ns, tick_size[s], limit.sigma_floor, knob.k, scratch
            )
            value = 0.5 * (floats[BID, i] + floats[ASK, i])
            is_cut = (cut >> src.bit) & 1 != 0
            alone = _misses_companion(sources, members, n, MID, fresh, ts, knob.companion_ns)
            standing.bid, standing.ask = floats[BID, i], floats[ASK, i]
        if is_cut:
            count_cut(sources, j, knobs)
        fate[i] = CUT if is_cut else CONSENSUS
        floats[PRICE, i], floats[SIGMA, i] = value, sigma
        ints[MASK, i] = mask
        ints[STALE, i] = repeats or alone
        standing.price[what], standing.sigma[what], standing.mask[what] = value, sigma, mask
    return changes, n_changes
