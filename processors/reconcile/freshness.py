"""Freshness of every source on a grid of whole seconds of the watermark's clock. Called by ``kernel``.

Only changes come out. Between two ticks nothing but age and session moves a state, so a grid that lies in a gap of the
feed is not walked second by second: it jumps to the next second in which some source may change.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.kinds import CLOSED, DELAYED, FRESH, GAP, HALTED, NONE, STALE
from processors.reconcile.phases import phase_at
from processors.runtime.compiled import kernel
from processors.segments import segment_at
from processors.times import LONG_AGO, NEVER, SECOND_NS

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Rows = NDArray[np.void]

TS, AGE_NS, THRESHOLD_NS, STATE, PREVIOUS, SINCE, SOURCE = range(7)
"""Rows of the changes."""
CHANGE_ROWS = 7


@kernel
def state_at(last_ns: int, stale_ns: int, open_ns: I64, close_ns: I64, ts_ns: int) -> tuple[int, int]:
    """Return the state of a source at an instant and when it changes next, if no tick comes.

    Parameters
    ----------
    last_ns
        Event time of its newest tick; may be after the instant.
    stale_ns
        Age from which it is stale; delayed from half of it.
    open_ns, close_ns
        Shape (n_segments,), trading segments of its market.
    """
    segment = segment_at(open_ns, close_ns, ts_ns)
    if segment < 0:
        after = np.searchsorted(open_ns, ts_ns, side="right")
        return CLOSED, open_ns[after] if after < len(open_ns) else NEVER
    age = ts_ns - last_ns
    if age >= stale_ns:
        return STALE, close_ns[segment]
    if 2 * age >= stale_ns:
        return DELAYED, min(last_ns + stale_ns, close_ns[segment])
    return FRESH, min(last_ns + (stale_ns + 1) // 2, close_ns[segment])


@njit(cache=True)
def check_until(
    partition: Rows, symbols: Rows, sources: Rows, n_sources: int, dirty: NDArray[np.uint8], stale_ns: I64,
    calendar: I64, segment_start: I64, open_ns: I64, close_ns: I64, changes: I64, n_changes: int,
) -> tuple[I64, int]:  # fmt: skip
    """Check every source at each whole second up to the watermark, and append the changes.

    Parameters
    ----------
    partition
        Shape (1,); ``grid_ns``, the last second checked, is updated.
    symbols
        Shape (n_symbols,), rows of the table: in a halt no tick is expected, and the market counts as closed.
    sources
        Shape (>= n_sources,), rows of the table; ``state`` and ``since_ns`` are updated.
    stale_ns, calendar
        Shape (n_symbols,), by slot of the symbol.
    segment_start
        Shape (n_calendars + 1,): segments of calendar c are ``open_ns[segment_start[c]:segment_start[c + 1]]``.
    changes
        Shape (7, capacity): see ``TS`` and the others.

    Returns
    -------
    The changes, grown where they had to be, and their number, ordered by time and slot.
    """
    clock = partition[0]
    end = clock.watermark_ns // SECOND_NS * SECOND_NS
    if clock.grid_ns == LONG_AGO:
        clock.grid_ns = end - SECOND_NS
    at = clock.grid_ns + SECOND_NS
    while at <= end:
        next_ns = NEVER
        for slot in range(n_sources):
            row = sources[slot]
            if row.last_ns == LONG_AGO:
                continue
            c = calendar[row.symbol]
            a, b = segment_start[c], segment_start[c + 1]
            state, until = state_at(row.last_ns, stale_ns[row.symbol], open_ns[a:b], close_ns[a:b], at)
            if at < row.gap_until_ns and state in (FRESH, DELAYED):
                state, until = GAP, min(until, row.gap_until_ns)
            if phase_at(symbols, row.symbol, at) == HALTED:
                state, until = CLOSED, symbols[row.symbol].phase_end_ns
            next_ns = min(next_ns, until)
            if state == row.state:
                continue
            if n_changes == changes.shape[1]:
                grown = np.empty((CHANGE_ROWS, 2 * n_changes), np.int64)
                grown[:, :n_changes] = changes
                changes = grown
            changes[TS, n_changes] = at
            changes[AGE_NS, n_changes] = max(at - row.last_ns, 0)
            changes[THRESHOLD_NS, n_changes] = stale_ns[row.symbol]
            changes[STATE, n_changes] = state
            changes[PREVIOUS, n_changes] = row.state
            changes[SINCE, n_changes] = at if row.state == NONE else row.since_ns
            changes[SOURCE, n_changes] = slot
            n_changes += 1
            row.state = state
            row.since_ns = at
            dirty[slot] = 1
        clock.grid_ns = at
        if next_ns > end:
            break
        # A change on the way is seen at the first whole second that is not before it.
        at = max(at + SECOND_NS, -(-next_ns // SECOND_NS) * SECOND_NS)
    clock.grid_ns = max(clock.grid_ns, end)
    return changes, n_changes
