r"""The barrier: which bars of one timeframe and close belong together, and when they are all there.

    rows of partition 0  --- 10:05 a --- 10:05 b ------------- 10:06 a --->   newest[0] = 10:06
    rows of partition 1  --- 10:05 c --- 10:05 d --->                         newest[1] = 10:05
                             \__ barrier (10:05, 1m): closed once every live symbol is there, or no partition can
                                 still bring a row of it: each is past 10:05, or ``limit`` behind the newest of all

Every decision depends on the rows of one symbol or one partition in their order, or on all rows up to a time, never on
how partitions interleave:

- late is a row before one that its own partition has brought; it is counted and left;
- a member of a barrier is a symbol whose last row is before it by at most the timeframe's ``live`` time. Once all
  partitions have come to the barrier's time, the members are known. A symbol that is new, or back, joins after it;
- barriers close in the order of time and timeframe, and their sums run in the order of the symbols' names.

Called by ``stage``. Layout of the rows: ``clock_row`` and ``series_row``.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.cross.kernel import F64, I64, capm, mcclellan_step, percentile_ranks
from processors.times import LONG_AGO

Rows = NDArray[np.void]
Row = Any

FATES = ("row", "joins", "straggler", "out_of_order")
ROW, JOINS, STRAGGLER, OUT_OF_ORDER = range(4)

OWN = ("return_rank", "momentum_1", "momentum_2", "momentum_3", "low_vol", "quality", "correlation", "beta", "alpha")
RETURN, MOMENTUM, LOW_VOL, QUALITY, CORRELATION, BETA, ALPHA = 0, 1, 4, 5, 6, 7, 8
N_RANKED = CORRELATION
"""Columns of what a symbol gets; momentum has three. The first ``N_RANKED`` are ranks."""
MARKET = ("equal", "volume", "dispersion", "breadth", "oscillator", "summation", "members", "missing")
EQUAL, VOLUME, DISPERSION, BREADTH, OSCILLATOR, SUMMATION, MEMBERS, MISSING = range(8)
"""Columns of what all symbols of a barrier get."""

NET_SCALE = 1000.0
"""Net advances count in thousandths of the moving symbols, so that a growing universe does not swing more."""


def clock_row(n_timeframes: int, partitions: int, open_max: int) -> NDArray[np.void]:
    """Return the one row of a state: what time it is, and the barriers that are open, in their order."""
    row = np.zeros((), [
        ("newest", "<i8"), ("first", "<i8"), ("awaited", "<i8"), ("n_open", "<i8"), ("due", "<i8"),
        ("of_partition", "<i8", (partitions,)), ("closed", "<i8", (n_timeframes,)),
        ("open_ts", "<i8", (open_max,)), ("open_tf", "<i8", (open_max,)),
    ])  # fmt: skip
    row["newest"] = row["first"] = row["of_partition"] = row["closed"] = LONG_AGO
    row["awaited"] = -1
    return row


def series_row(pending_max: int, sessions: int, window: int) -> NDArray[np.void]:
    """Return the row of a symbol and timeframe: bars that wait, closes of past sessions, own and market returns."""
    bar = [
        ("ts", "<i8"), ("session", "<i8"), ("close", "<f8"), ("ret", "<f8"), ("money", "<f8"), ("quality", "<f8"),
        ("stale", "<i8"), ("basis", "<i8"),
    ]  # fmt: skip
    row = np.zeros((), [
        ("seen", "<i8"), ("settled", "<i8"), ("n_pending", "<i8"), ("pending", bar, (pending_max,)),
        ("basis", "<i8"), ("session", "<i8"), ("close", "<f8"), ("n_sessions", "<i8"), ("closes", "<f8", (sessions,)),
        ("n_returns", "<i8"), ("own", "<f8", (window,)), ("market", "<f8", (window,)),
    ])  # fmt: skip
    row["seen"] = row["settled"] = LONG_AGO
    return row


@njit(cache=True)
def _come(clock: Row, ts: int, limit_ns: int, strictly: bool) -> bool:
    """Return whether every partition has come to a time, or past it, or lags too far to be waited for."""
    for p in range(len(clock.of_partition)):
        at = clock.of_partition[p]
        if at == LONG_AGO:
            # Not heard of yet: it may have nothing to say, or bring rows from before the first that came.
            if clock.first >= clock.newest - limit_ns:
                return False
        elif (at < ts or (strictly and at == ts)) and at >= clock.newest - limit_ns:
            return False
    return True


@njit(cache=True)
def _awaits(clock: Row, tf: int, seen: int, live_ns: I64) -> bool:
    """Return whether the first open barrier waits for a series of that timeframe that was last seen so."""
    ts, of = clock.open_ts[0], clock.open_tf[0]
    if tf > of or (tf < of and clock.closed[tf] >= ts):
        return False
    return seen != LONG_AGO and seen < ts <= seen + live_ns[tf]


@njit(cache=True)
def _due(clock: Row, rows: Rows, order: I64, start: I64, live_ns: I64, limit_ns: int) -> bool:
    """Return whether the first open barrier can be closed."""
    ts = clock.open_ts[0]
    if not _come(clock, ts, limit_ns, False):
        return False
    if clock.awaited < 0:
        # Counted once, when the members are known; then each of them counts it down.
        clock.awaited = 0
        for tf in range(clock.open_tf[0] + 1):
            for k in range(start[tf], start[tf + 1]):
                if _awaits(clock, tf, rows[order[k]].seen, live_ns):
                    clock.awaited += 1
    return clock.awaited == 0 or _come(clock, ts, limit_ns, True)


@njit(cache=True)
def _open(clock: Row, ts: int, tf: int) -> None:
    """Put a barrier among the open ones, where it is not there yet."""
    at = clock.n_open
    while at > 0 and (clock.open_ts[at - 1] > ts or (clock.open_ts[at - 1] == ts and clock.open_tf[at - 1] > tf)):
        at -= 1
    if at > 0 and clock.open_ts[at - 1] == ts and clock.open_tf[at - 1] == tf:
        return
    for i in range(clock.n_open, at, -1):
        clock.open_ts[i] = clock.open_ts[i - 1]
        clock.open_tf[i] = clock.open_tf[i - 1]
    clock.open_ts[at], clock.open_tf[at] = ts, tf
    clock.n_open += 1
    if at == 0:
        clock.awaited = -1


@njit(cache=True)
def _rebase(row: Row, basis: int) -> None:
    """Forget closes and returns where a bar is of another basis: they are in other shares, and hold the jump."""
    if basis != row.basis:
        row.settled, row.n_sessions, row.n_returns = LONG_AGO, 0, 0
        row.basis = basis


@njit(cache=True)
def _settle(row: Row, ts: int, session: int, close: float, basis: int) -> None:
    """Take a bar into the closes: a new session leaves the last close of the one before it."""
    _rebase(row, basis)
    if row.settled != LONG_AGO and session > row.session:
        row.closes[row.n_sessions % len(row.closes)] = row.close
        row.n_sessions += 1
    if row.settled == LONG_AGO or session > row.session:
        row.session = session
    row.settled, row.close = ts, close


@njit(cache=True)
def _take(
    ts: int, tf: int, p: int, row: Row, bar: tuple[int, float, float, float, float, int, int], clock: Row, live_ns: I64
) -> int:  # fmt: skip
    """Take in one row and return its fate."""
    if ts < clock.of_partition[p]:
        return STRAGGLER
    if row.seen != LONG_AGO and row.seen >= ts:
        return OUT_OF_ORDER
    member = row.seen != LONG_AGO and ts <= row.seen + live_ns[tf]
    closed = clock.closed[tf] != LONG_AGO and ts <= clock.closed[tf]
    if clock.first == LONG_AGO:
        clock.first = ts
    clock.of_partition[p] = ts
    clock.newest = max(clock.newest, ts)
    if closed and member:
        # Its partition lagged beyond the limit.
        return STRAGGLER
    if clock.n_open and clock.awaited > 0 and ts >= clock.open_ts[0] and _awaits(clock, tf, row.seen, live_ns):
        clock.awaited -= 1
    row.seen = ts
    if closed:
        _settle(row, ts, bar[0], bar[1], bar[6])
        return JOINS
    waiting = row.pending[row.n_pending]
    waiting.ts, waiting.session, waiting.close, waiting.ret, waiting.money = ts, bar[0], bar[1], bar[2], bar[3]
    waiting.quality, waiting.stale, waiting.basis = bar[4], bar[5], bar[6]
    row.n_pending += 1
    _open(clock, ts, tf)
    return ROW if member else JOINS


@njit(cache=True)
def arrive(
    begin: int, ts: I64, tf: I64, slot: NDArray[np.int32], partition: I64, session: I64, close: F64, ret: F64,
    money: F64, quality: F64, stale: I64, basis: I64, clocks: Rows, rows: Rows, dirty: NDArray[np.uint8], order: I64,
    start: I64, live_ns: I64, limit_ns: int, fate: I64,
) -> int:  # fmt: skip
    """Take in rows from ``begin`` on, until a barrier is due or none is left.

    Parameters
    ----------
    ts, tf, slot, partition, session, close, ret, money, quality, stale, basis
        Shape (n,): end of the bar, position of its timeframe, its series, partition of its symbol, number of its
        session, close, simple return (NaN for none), traded value, quality of the issuer (NaN for none), 1 where the
        bar is stale, and what tells which shares its close is in.
    clocks, rows, dirty
        State; updated.
    order, start
        Series of each timeframe in the order of the symbols: those of timeframe t are ``order[start[t]:start[t + 1]]``.
    live_ns, limit_ns
        Longest absence of a live symbol by timeframe; longest lag of a partition.
    fate
        Shape (n,), filled for the rows taken in.

    Returns
    -------
    The row to go on with. ``due`` of the clock is set where the first open barrier is to be closed before.
    """
    clock = clocks[0]
    i = begin
    while True:
        clock.due = clock.n_open > 0 and _due(clock, rows, order, start, live_ns, limit_ns)
        if not clock.due and i < len(ts):
            # Room for whatever comes; within the limit there is.
            full = rows[slot[i]].n_pending == len(rows[slot[i]].pending) or clock.n_open == len(clock.open_ts)
            clock.due = full
        if clock.due or i == len(ts):
            return i
        row = rows[slot[i]]
        bar = (session[i], close[i], ret[i], money[i], quality[i], stale[i], basis[i])
        fate[i] = _take(ts[i], tf[i], partition[i], row, bar, clock, live_ns)
        dirty[slot[i]] = 1
        i += 1


@njit(cache=True)
def _gather(ts: int, tf: int, rows: Rows, order: I64, start: I64, live_ns: int, present: I64, market: F64) -> int:
    """Find the members of a barrier: fill ``present`` with the series that are there; count them all and the missing.

    Rows of symbols that join are settled here.
    """
    n = 0
    market[MEMBERS] = market[MISSING] = 0.0
    for k in range(start[tf], start[tf + 1]):
        row = rows[order[k]]
        there = row.n_pending > 0 and row.pending[0].ts == ts
        if row.settled != LONG_AGO and ts <= row.settled + live_ns:
            market[MEMBERS] += 1
            if there:
                present[n] = order[k]
                n += 1
            else:
                market[MISSING] += 1
        elif there:
            _leave(row)
    return n


@njit(cache=True)
def _leave(row: Row) -> None:
    """Settle the first bar that waits, and move the others up."""
    bar = row.pending[0]
    _settle(row, bar.ts, bar.session, bar.close, bar.basis)
    row.n_pending -= 1
    for i in range(row.n_pending):
        a, b = row.pending[i], row.pending[i + 1]
        a.ts, a.session, a.close, a.ret, a.money = b.ts, b.session, b.close, b.ret, b.money
        a.quality, a.stale, a.basis = b.quality, b.stale, b.basis


@njit(cache=True)
def _market(rows: Rows, present: I64, n: int, market: F64) -> tuple[float, int]:
    """Fill in what the returns of all say; return their sum and number."""
    total = 0.0
    weighted = 0.0
    weight = 0.0
    n_ret = 0
    up = 0
    down = 0
    for k in range(n):
        bar = rows[present[k]].pending[0]
        if math.isnan(bar.ret):
            continue
        total += bar.ret
        n_ret += 1
        weighted += bar.ret * bar.money
        weight += bar.money
        up += bar.ret > 0
        down += bar.ret < 0
    market[EQUAL] = total / n_ret if n_ret else math.nan
    market[VOLUME] = weighted / weight if weight > 0 else math.nan
    square = 0.0
    for k in range(n):
        ret = rows[present[k]].pending[0].ret
        if not math.isnan(ret):
            square += (ret - market[EQUAL]) ** 2
    market[DISPERSION] = math.sqrt(square / (n_ret - 1)) if n_ret > 1 else math.nan
    market[BREADTH] = (up - down) / (up + down) if up + down else 0.0
    return total, n_ret


@njit(cache=True)
def _own(row: Row, total: float, n_ret: int, lags: I64, out: F64) -> None:
    """Fill in what a symbol's own past says, its bar of the barrier included: numbers, to be ranked later."""
    bar = row.pending[0]
    _rebase(row, bar.basis)
    out[RETURN], out[QUALITY] = bar.ret, bar.quality
    window = len(row.own)
    if not math.isnan(bar.ret) and n_ret > 1:
        row.own[row.n_returns % window] = bar.ret
        # The universe without the symbol itself: else a small one would follow each of its members.
        row.market[row.n_returns % window] = (total - bar.ret) / (n_ret - 1)
        row.n_returns += 1
    _leave(row)
    for j in range(len(lags)):
        enough = row.n_sessions >= lags[j]
        then = row.closes[(row.n_sessions - lags[j]) % len(row.closes)] if enough else math.nan
        out[MOMENTUM + j] = math.log(row.close / then)
    out[LOW_VOL] = out[ALPHA] = out[BETA] = out[CORRELATION] = math.nan
    if row.n_returns >= window:
        out[ALPHA], out[BETA], out[CORRELATION], deviation = capm(row.own, row.market, row.n_returns % window)
        out[LOW_VOL] = -deviation


@njit(cache=True)
def close_first(
    clocks: Rows, rows: Rows, dirty: NDArray[np.uint8], order: I64, start: I64, live_ns: I64, lags: I64,
    breadth: Rows, fast: int, slow: int, present: I64, own: F64, market: F64, stale: I64,
) -> int:  # fmt: skip
    """Close the first open barrier and return the number of its rows, in the order of the symbols.

    Parameters
    ----------
    lags
        Sessions of the momenta, ascending.
    breadth
        Shape (1,), McClellan's means of the timeframe; updated.
    present
        Shape (>= series of the timeframe,), filled with the series of each row.
    own, market, stale
        Shape (>= series, 9), (8,) and (>= series,), filled; see ``OWN`` and ``MARKET``; 1 where the row's bar is stale.
    """
    clock = clocks[0]
    ts, tf = clock.open_ts[0], clock.open_tf[0]
    clock.n_open -= 1
    for i in range(clock.n_open):
        clock.open_ts[i], clock.open_tf[i] = clock.open_ts[i + 1], clock.open_tf[i + 1]
    clock.awaited = -1
    clock.closed[tf] = ts
    for k in range(start[tf], start[tf + 1]):
        if rows[order[k]].n_pending:
            dirty[order[k]] = 1
    n = _gather(ts, tf, rows, order, start, live_ns[tf], present, market)
    if n == 0:
        return 0
    total, n_ret = _market(rows, present, n, market)
    market[OSCILLATOR] = mcclellan_step(breadth, NET_SCALE * market[BREADTH], fast, slow)
    market[SUMMATION] = math.nan if math.isnan(market[OSCILLATOR]) else breadth[0].summation
    for k in range(n):
        stale[k] = rows[present[k]].pending[0].stale
        _own(rows[present[k]], total, n_ret, lags, own[k])
    for j in range(N_RANKED):
        column = own[:n, j].copy()
        percentile_ranks(column, own[:n, j])
    return n
