"""Freshness of the consensus at full seconds of the watermark's clock: what changes, and when to look again.

Called by ``kernel``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.bars.bar import Row, grid, segment
from processors.kinds import CLOSED, DELAYED, FRESH, GAP, NONE, STALE
from processors.runtime.compiled import Int, kernel
from processors.times import N_TF, NEVER

I64 = NDArray[np.int64]


@kernel
def _has_gap(t: int, tf: int, kept: Row, open_ns: int) -> Any:
    """Return whether the newest bar of a timeframe in this segment, as of ``t``, comes after a missing one."""
    last = (kept.n_closed[tf] - 1) % kept.closed.shape[1]
    return open_ns < kept.last_end[tf] <= t and kept.closed[tf, last].gap != 0


@kernel
def gap_moved(t: int, kept: Row, cal: I64, begin: int, end: int) -> bool:
    """Return whether a bar that has just closed began or ended a gap."""
    seg = segment(cal, begin, end, t)
    if seg < begin:
        return False
    for tf in range(N_TF):
        if kept.state[tf] in (FRESH, DELAYED, GAP) and _has_gap(t, tf, kept, cal[0, seg]) != (kept.state[tf] == GAP):
            return True
    return False


@kernel
def _state_by_age(
    age: int, stale_ns: int, delayed_ns: int, previous: int, is_open: bool, is_ahead: bool, is_back: bool
) -> Int:  # fmt: skip
    """Return the state of one timeframe, gaps aside; see ``check_freshness``."""
    if not is_open:
        return CLOSED
    if is_ahead:
        return FRESH if is_back or previous == GAP else previous
    if age >= stale_ns:
        return STALE
    return DELAYED if age >= delayed_ns else FRESH


@kernel
def _tell(
    state: int, tf: int, t: int, age: int, stale_ns: int, kept: Row, slot: int, out_fresh: I64, pos: I64
) -> None:  # fmt: skip
    """Set the state of one timeframe, and publish it if it is another."""
    previous = kept.state[tf]
    if state == previous:
        return
    since = t if previous == NONE else kept.since[tf]
    n = pos[1]
    out_fresh[n, 0], out_fresh[n, 1], out_fresh[n, 2], out_fresh[n, 3] = slot, tf, t, age
    out_fresh[n, 4], out_fresh[n, 5], out_fresh[n, 6] = stale_ns, state, previous
    out_fresh[n, 7] = since
    pos[1] = n + 1
    kept.state[tf], kept.since[tf] = state, t


@kernel
def check_freshness(
    t: int, live: Row, kept: Row, stale_ns: I64, delayed_ns: I64, dormant_ns: int, cal: I64, begin: int, end: int,
    slot: int, out_fresh: I64, pos: I64,
) -> None:  # fmt: skip
    """Publish the changes of freshness of one symbol at the full second ``t``; set when to look again.

    The watermark lags, so a tick from after ``t`` may be known. The silence before it is over: nothing gets worse by
    age, and what is not fresh is, from the first second at or after the tick that it waited for. Waiting for a second
    without a newer tick would be waiting as long as ticks come.
    """
    seg = segment(cal, begin, end, t)
    is_open = seg >= begin and t < cal[1, seg]
    due = NEVER
    if is_open:
        due = grid(cal[1, seg])
    elif seg + 1 < end:
        due = grid(cal[0, seg + 1])
    is_ahead, is_back = live.seen > t, live.awaited <= t
    if kept.state[0] == NONE and is_ahead and not is_back:
        live.fresh_due = grid(live.awaited)
        return
    if is_open and t < live.halt_end:
        is_open, due = False, min(due, grid(live.halt_end))
    age = t - live.seen
    if is_ahead:
        age = t - live.awaited if is_back else 0
    live.wants_tick = 0
    if age >= dormant_ns:
        live.wants_tick, live.awaited, live.fresh_due = 1, NEVER, NEVER
        return
    for tf in range(N_TF):
        previous = kept.state[tf]
        state = _state_by_age(age, stale_ns[tf], delayed_ns[tf], previous, is_open, is_ahead, is_back)
        if state == FRESH or is_ahead:
            due = min(due, grid(live.seen + delayed_ns[tf]))
        elif state == DELAYED:
            due = min(due, grid(live.seen + stale_ns[tf]))
        if state in (FRESH, DELAYED) and _has_gap(t, tf, kept, cal[0, seg]):
            state = GAP
        if state not in (FRESH, GAP):
            live.wants_tick = 1
        _tell(state, tf, t, age, stale_ns[tf], kept, slot, out_fresh, pos)
    live.awaited = NEVER if is_back else live.awaited
    if live.wants_tick != 0 and is_ahead:
        # Of the ticks that came before the wait began, the newest is the one that is known.
        live.awaited = min(live.awaited, live.seen)
    live.fresh_due = due if live.awaited == NEVER else min(due, grid(live.awaited))
