"""A correction of a remembered trade: its minute is formed anew, and the longer bars that hold the minute follow.

    print found? -> minute open, or kept? -> all its prints remembered? -> formed anew -> longer bars -> revisions

A longer bar whose minutes are all kept is their merge. Where the first of them are not kept any more its sums move by
what the minute moved, and its range is only ever widened: whose the extreme was of a trade taken back is not known.
Called by ``kernel``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from processors.bars.bar import Row, empty_sums, merge
from processors.bars.closing import publish
from processors.bars.prints import CANCELLED, COUNTS, CUT_CANCELLED, WAS_CUT, count_between, find, forms, rebuild
from processors.runtime.compiled import Int, kernel
from processors.times import N_TF, NEVER

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]

CHANGED, SAME, GONE = range(3)
"""What became of a correction; the last is of a trade, or of its minute, that is not remembered."""
_PRICES, _CUT = 1, 2
"""What a correction changed of its minute."""
_OPEN = 64
"""Added to the place of a minute that is open: more than there are kept ones."""


@kernel
def correct(
    price: float, size: float, source: int, seq: int, ring: Row, blocks: Rows, block_dirty: U8, live: Row, kept: Row,
    slot: int, raw_offset: int, scratch: Rows, out_bar: Rows, out_place: I64, pos: I64,
) -> int:  # fmt: skip
    """Correct a trade of one symbol; publish the revisions of the closed bars that hold it.

    Parameters
    ----------
    price, size
        What the trade should have been: price NaN where it is cancelled, size NaN where it stays as it was.
    source, seq
        Digest of the source's name, and the number of the trade.
    scratch
        Shape (2,), bars.
    """
    b, i = find(ring, blocks, source, seq)
    at = _minute_of(blocks[b].prints[i].ts, live, kept) if b >= 0 else -1
    if at < 0:
        return GONE
    minute = live.minutes[at - _OPEN] if at >= _OPEN else kept.closed[0, at]
    if count_between(ring, blocks, minute.start, minute.end) != minute.n:
        return GONE
    block_dirty[b] = 1
    change = _change(blocks[b].prints[i], price, size)
    if change == 0:
        return SAME
    scratch[0] = minute
    rebuild(minute, ring, blocks)
    minute.n_cut -= change == _CUT
    if at >= _OPEN:
        return CHANGED
    scratch[1] = minute
    minute.revision += 1
    publish(minute, slot, 0, raw_offset, out_bar, out_place, pos)
    start = scratch[1].start
    for tf in range(1, N_TF):
        bar = kept.open[tf - 1]
        if bar.end != NEVER and bar.start <= start < bar.end:
            _follow(bar, scratch, kept)
            continue
        for j in range(kept.closed.shape[1]):
            bar = kept.closed[tf, j]
            if bar.start <= start < bar.end:
                _follow(bar, scratch, kept)
                bar.revision += 1
                publish(bar, slot, tf, raw_offset, out_bar, out_place, pos)
    return CHANGED


@kernel
def _minute_of(ts: int, live: Row, kept: Row) -> Int:
    """Return the place of the minute that holds ``ts`` among the kept ones, plus ``_OPEN`` of an open one, or -1."""
    for j in range(len(live.minutes)):
        if live.minutes[j].start <= ts < live.minutes[j].end:
            return j + _OPEN
    for j in range(kept.closed.shape[1]):
        if kept.closed[0, j].start <= ts < kept.closed[0, j].end:
            return j
    return -1


@kernel
def _change(row: Row, price: float, size: float) -> int:
    """Correct a print; return what that changes of its minute: nothing, prices and sums, or the number of cut ticks.

    A trade that was cut stays cut: it counted for nothing, and whether the right price would have is not known.
    """
    was, old_price, old_size, state = forms(row), row.price, row.size, row.state
    if state in (WAS_CUT, CUT_CANCELLED):
        row.state = CUT_CANCELLED if math.isnan(price) else state
        return _CUT if row.state != state else 0
    row.state = CANCELLED if math.isnan(price) else COUNTS
    if row.state == COUNTS:
        # With others beside it the price is theirs as much as its own; a size that did not count does not now.
        if row.n_src <= 1:
            row.price = price
        if not math.isnan(size) and not math.isnan(old_size):
            row.size = size
    same_size = row.size == old_size or math.isnan(old_size)
    return 0 if was == forms(row) and (not was or (row.price == old_price and same_size)) else _PRICES


@kernel
def _follow(bar: Row, scratch: Rows, kept: Row) -> None:
    """Let a longer bar follow one of its minutes, which was ``scratch[0]``, is ``scratch[1]``, and is kept as such."""
    old, new = scratch[0], scratch[1]
    n_kept = kept.closed.shape[1]
    first = max(0, kept.n_closed[0] - n_kept)
    n_cut = bar.n_cut + new.n_cut - old.n_cut
    n = old.n - new.n
    for k in range(first, kept.n_closed[0]):
        minute = kept.closed[0, k % n_kept]
        if bar.start <= minute.start < bar.end:
            n += minute.n
    if n == bar.n:
        empty_sums(bar)
        for k in range(first, kept.n_closed[0]):
            minute = kept.closed[0, k % n_kept]
            if bar.start <= minute.start < bar.end:
                merge(bar, minute)
        bar.n_cut = n_cut
        return
    bar.n += new.n - old.n
    bar.n_cut = n_cut
    bar.n_src += new.n_src - old.n_src
    bar.v = max(bar.v + (new.v - old.v), 0.0)
    bar.pv += new.pv - old.pv
    bar.sum_p += new.sum_p - old.sum_p
    bar.lat_ms += new.lat_ms - old.lat_ms
    if new.n > 0:
        bar.h = max(bar.h, new.h)
        bar.l = min(bar.l, new.l)
    # The first minutes are missing, so the open is not this one's; all after it are kept.
    for k in range(first, kept.n_closed[0]):
        minute = kept.closed[0, k % n_kept]
        if minute.n > 0 and bar.start <= minute.start < bar.end:
            bar.c, bar.c_ts = minute.c, minute.c_ts
