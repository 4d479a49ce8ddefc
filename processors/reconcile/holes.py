"""Ticks of a source that are missing: holes in its numbers, and what its feed tells of holes. Called by ``kernel``.

Only where vendors.csv says that a source numbers its ticks densely is a number left out a tick that is missing: lines
of a file and ids that several symbols share leave numbers out without a loss.

    numbers   1 2 3     6 7   4     9                 5 never comes
                     ^ two are missing            ^ the watermark has passed the time of 6: 5 is missing for good,
                          ^ one came late            and the source's next tick says so

A hole is told when the watermark has passed the tick that showed it: no tick before it is expected any more, so what
comes then is late. Those found meanwhile wait together for the next turn. So a line that lets ticks overtake each other
makes no marks, nor do twin lines that fill each other's holes.
"""

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import Int, kernel
from processors.times import LONG_AGO, MINUTE_NS, NEVER

Rows = NDArray[np.void]

GAP_NS = MINUTE_NS
"""How long a source is in the state gap after the tick that ended a hole: the minute bars after that hold all of it."""
UNKNOWN = -1
"""Number of missing ticks where nobody knows it."""
JUMP_MAX = 1 << 40
"""A number this far ahead is of another numbering: nobody loses a million million ticks."""


@kernel
def note_number(sources: Rows, slot: int, kind: int, seq: int, ts_ns: int, top: int, top_ns: int) -> None:
    """Take note of a number that was not seen before.

    Parameters
    ----------
    sources
        Shape (n_sources,), rows of the table, the window of numbers moved already; that of ``slot`` is updated.
    kind
        0 for a trade, 1 for a quote.
    top, top_ns
        Highest number before this one, and the newest event time of a numbered tick; ``LONG_AGO`` before the first.
    """
    row = sources[slot]
    waits, hole_seq = row.hole_n[kind], row.hole_seq
    if top_ns == LONG_AGO:
        hole_seq[kind] = row.settled_seq[kind] = seq
    elif seq > top:
        n = seq - top - 1
        if 0 < n < JUMP_MAX:
            if waits[0] == 0 and waits[1] == 0:
                row.settled_seq[kind], hole_seq[kind], row.hole_ns[kind] = top, seq, ts_ns
                waits[0], row.hole_since_ns[kind, 0] = n, top_ns
            else:
                if waits[1] == 0:
                    row.hole_since_ns[kind, 1] = top_ns
                waits[1] += n
    elif row.seq_top[kind] == seq:
        # A new numbering: what waits of the old one can be filled by nobody.
        if waits[0] == 0:
            row.hole_since_ns[kind, 0] = row.hole_since_ns[kind, 1]
        waits[0] += waits[1]
        waits[1] = 0
        row.settled_seq[kind], hole_seq[kind], row.hole_ns[kind] = seq, seq, LONG_AGO
    else:
        row.reordered += 1
        if seq > hole_seq[kind]:
            waits[1] -= waits[1] > 0
        elif seq > row.settled_seq[kind]:
            waits[0] -= waits[0] > 0


@kernel
def told_missing(sources: Rows, slot: int, kind: int, watermark_ns: int) -> tuple[Int, Int]:
    """Return how many more numbers of a source are missing for good, and since when; 0 and 0 of none.

    Parameters
    ----------
    kind
        0 for a trade, 1 for a quote.
    watermark_ns
        No tick before it is expected any more.
    """
    row = sources[slot]
    waits = row.hole_n[kind]
    if (waits[0] == 0 and waits[1] == 0) or (waits[0] > 0 and watermark_ns < row.hole_ns[kind]):
        return 0, 0
    n, since_ns = waits[0], row.hole_since_ns[kind, 0]
    row.settled_seq[kind] = row.hole_seq[kind]
    waits[0], row.hole_since_ns[kind, 0] = waits[1], row.hole_since_ns[kind, 1]
    row.hole_seq[kind], row.hole_ns[kind] = row.seq_top[kind], row.seq_ns[kind]
    waits[1] = 0
    row.missing += n
    return n, since_ns if n > 0 else 0


@kernel
def open_gap(sources: Rows, slot: int, ts_ns: int, n: int) -> None:
    """Take note that the feed of a source told of a hole: the source is in a gap until it has ticked again.

    Parameters
    ----------
    ts_ns
        Event time of the mark: up to then the feed was whole.
    n
        Number of missing ticks, ``UNKNOWN`` where the feed does not know it.
    """
    row = sources[slot]
    if row.gap_ns == LONG_AGO:
        row.gap_ns = ts_ns
    row.gap_until_ns = NEVER
    row.missing += max(n, 0)


@kernel
def close_gap(sources: Rows, slot: int, ts_ns: int, watermark_ns: int, since_ns: int) -> Int:
    """Return since when ticks are missing before this one, 0 where none is known to be, and let its gap end in time.

    Parameters
    ----------
    ts_ns, watermark_ns
        Event time of the tick, and the watermark after it.
    since_ns
        Of a hole in its numbers, see ``told_missing``.
    """
    row = sources[slot]
    if row.gap_ns != LONG_AGO:
        since_ns = row.gap_ns if since_ns == 0 else min(since_ns, row.gap_ns)
        row.gap_ns = LONG_AGO
    if since_ns != 0:
        row.gap_until_ns = max(ts_ns, watermark_ns) + GAP_NS
    return since_ns
