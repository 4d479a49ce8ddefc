"""The event-time watermark of a partition: how far time has come, as told by the slowest feed that still speaks.

    feed A  ------------------------------>|  newest
    feed B  ------------------------->|          slowest active: the watermark is the lateness before it
    feed C  ------->|                            idle: further behind than idle_ns, left out
    beats   -------------->|                     moves the newest, holds nothing back
    mark    ----------------->|                  of the log's own clock: speaks for all feeds, waits for none

An event says no later time than that of its receipt: one stamped in the future would make every other feed idle, and
their honest ticks late. A feed whose recorder is behind its exchange (Binance's, by 1.27 s) tells the time by as much
less, so the watermark lags by as much more: nothing becomes late by it.

Called by the reconcile stage, where the raw ticks come in; later stages read the watermark off each tick.
"""

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import kernel
from processors.times import LONG_AGO


@kernel
def advance(
    partition: NDArray[np.void],
    feeds: NDArray[np.void],
    n_feeds: int,
    feed: int,
    ts_event_ns: int,
    ts_recv_ns: int,
    is_tick: bool,
    is_mark: bool,
    lateness_ns: int,
    idle_ns: int,
) -> int:
    """Take note of one event and return the watermark after it, which never goes back.

    Parameters
    ----------
    partition
        Shape (1,), row with ``watermark_ns``, ``newest_ns`` and ``slowest_ns``; updated.
    feeds
        Shape (>= n_feeds,), rows with ``newest_ns`` and ``ticks``; that of ``feed`` is updated.
    ts_event_ns, ts_recv_ns
        Event and receive time of the event; the earlier of them counts.
    is_tick
        False for a heartbeat. A feed of heartbeats alone vouches for nobody's ticks: it counts only while no other
        feed is active, else a clock that is heard in quiet times would hold back the busy ones after them.
    is_mark
        Whether it comes from the clock of the whole log, which says that nothing before it is to come of any feed.
    lateness_ns, idle_ns
        Allowed lateness; lag behind the newest event of any feed from which a feed is idle.

    Returns
    -------
    Watermark, nanoseconds since the epoch.
    """
    ts_ns = min(ts_event_ns, ts_recv_ns)
    clock = partition[0]
    row = feeds[feed]
    before = row.newest_ns
    joins = is_tick and row.ticks == 0
    if is_tick:
        row.ticks = 1
    row.newest_ns = max(before, ts_ns)
    clock.newest_ns = max(clock.newest_ns, ts_ns)
    horizon = clock.newest_ns - idle_ns
    # The slowest is another only if this feed was it, or joins, or the slowest fell idle.
    if joins or before <= clock.slowest_ns or clock.slowest_ns < horizon:
        clock.slowest_ns = _slowest(feeds, n_feeds, horizon)
    told_ns = ts_ns if is_mark else clock.slowest_ns
    clock.watermark_ns = max(clock.watermark_ns, told_ns - lateness_ns)
    return int(clock.watermark_ns)


@kernel
def _slowest(feeds: NDArray[np.void], n_feeds: int, horizon_ns: int) -> int:
    """Return the least newest event time of the feeds that are not behind the horizon: of ticks, else of clocks."""
    ticks = clocks = np.iinfo(np.int64).max
    for i in range(n_feeds):
        newest = feeds[i].newest_ns
        if newest != LONG_AGO and newest >= horizon_ns:
            if feeds[i].ticks:
                ticks = min(ticks, newest)
            else:
                clocks = min(clocks, newest)
    return ticks if ticks != np.iinfo(np.int64).max else clocks
