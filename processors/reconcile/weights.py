"""How much a source is trusted, ``uptime * reliability``, and its latency, learned from its own ticks in event time.

What a value of it counts falls with its error and its age: see ``precision``. Latency has no part in that: a slow line
shows as age. It is for those who watch (``learned``: ``mps vendors``, Prometheus). All are sums that forget by half in
each half-life of trading time, so that a weekend forgets nothing:

    uptime       (prior + time in which it was fresh) / (prior + time in which its market was open)
    reliability  (prior + ticks that were not cut) / (prior + ticks)
    latency      mean of (receive - event time) less the least of late: the offset of its clock cancels out

The least is that of the half-life that runs and of the one before, so that it forgets too: one tick with a false stamp
would else make every later one look slow.

Called by ``kernel``. A tick that is late shows that its source is up; it is not counted otherwise.
"""

import math

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import kernel
from processors.times import LONG_AGO

I64 = NDArray[np.int64]


@kernel
def open_between(open_ns: I64, close_ns: I64, begin_ns: int, end_ns: int) -> int:
    """Return how long the market was open in [begin_ns, end_ns), nanoseconds.

    Parameters
    ----------
    open_ns, close_ns
        Shape (n_segments,), trading segments, ascending and free of overlap.
    """
    total = 0
    for i in range(np.searchsorted(close_ns, begin_ns, side="right"), len(open_ns)):
        if open_ns[i] >= end_ns:
            break
        total += min(close_ns[i], end_ns) - max(open_ns[i], begin_ns)
    return total


@kernel
def watch(
    sources: NDArray[np.void], slot: int, ts_ns: int, alive_ns: int, stale_ns: int, knobs: NDArray[np.void],
    open_ns: I64, close_ns: I64,
) -> None:  # fmt: skip
    """Add the time since the source's last tick to its uptime, and let its past fade by as much trading time.

    Parameters
    ----------
    sources
        Shape (n_sources,), rows of the table; that of ``slot`` is updated.
    ts_ns
        Event time of the new tick.
    alive_ns
        Time that heartbeats of its feed and vendor have covered so far: what the gap holds of it is no silence.
    stale_ns
        Silence from which the source was not fresh.
    open_ns, close_ns
        Shape (n_segments,), trading segments of its market: a silence outside them is none.
    """
    row, half_life_s = sources[slot], knobs[0].half_life_s
    if row.last_ns != LONG_AGO and ts_ns > row.last_ns:
        gap = ts_ns - row.last_ns
        fresh = opened = gap
        if gap > stale_ns:
            opened = stale_ns + open_between(open_ns, close_ns, row.last_ns + stale_ns, ts_ns)
            fresh = min(opened, max(stale_ns, alive_ns - row.alive_ns))
        fade = math.exp2(-opened * 1e-9 / half_life_s)
        row.fresh_s = row.fresh_s * fade + fresh * 1e-9
        row.open_s = row.open_s * fade + opened * 1e-9
        row.good *= fade
        row.ticks *= fade
        row.delay_ms *= fade
        fade = math.exp2(-opened * 1e-9 / knobs[0].error_half_life_s)
        for what in range(2):
            row.error[what] *= fade
            row.shift[what] *= fade
            row.compared[what] *= fade
        row.delay_s += opened * 1e-9
        if row.delay_s >= half_life_s and row.delay_ms_min[0] < np.inf:
            row.delay_ms_min[1] = row.delay_ms_min[0]
            row.delay_ms_min[0] = np.inf
            row.delay_s = 0.0
    row.last_ns = max(row.last_ns, ts_ns)
    row.alive_ns = alive_ns


@kernel
def count_tick(sources: NDArray[np.void], slot: int, delay_ms: float, knobs: NDArray[np.void]) -> None:
    """Count a tick, as good until ``count_cut``, and set the trust in its source anew.

    Parameters
    ----------
    sources
        Shape (n_sources,), rows of the table; that of ``slot`` is updated.
    delay_ms
        Receive less event time of the tick. May be negative: clocks differ.
    knobs
        Shape (1,), see ``config.KNOBS``.
    """
    row = sources[slot]
    if row.ticks == 0.0:
        row.delay_ms_min[0] = row.delay_ms_min[1] = delay_ms
    row.delay_ms_min[0] = min(row.delay_ms_min[0], delay_ms)
    row.ticks += 1.0
    row.good += 1.0
    row.delay_ms += delay_ms
    _set_trust(sources, slot, knobs)


@kernel
def count_cut(sources: NDArray[np.void], slot: int, knobs: NDArray[np.void]) -> None:
    """Take back that the last tick of a source was good, and set the trust in it anew."""
    sources[slot].good -= 1.0
    _set_trust(sources, slot, knobs)


@kernel
def _set_trust(sources: NDArray[np.void], slot: int, knobs: NDArray[np.void]) -> None:
    """Set the trust in a source, positive, from its sums."""
    row, knob = sources[slot], knobs[0]
    uptime = (knob.prior_up_s * knob.prior_up_share + row.fresh_s) / (knob.prior_up_s + row.open_s)
    reliability = (knob.prior_good + row.good) / (knob.prior_good + knob.prior_cut + row.ticks)
    row.trust = uptime * reliability
