"""What is remembered of recent trades, so that one of them can be corrected: a circle of small blocks a symbol.

    head -> oldest -> ... -> newest but one -> head      each block 32 prints, in the order in which they came

A full head goes on in the oldest block where nothing in that can be corrected any more, else in a new one, until there
are as many as are allowed. Only the head changes from trade to trade, so that a commit writes one small row a symbol.

A symbol is remembered from its first trade with a sequence number on: only sources that publish corrections have one.
Called by ``kernel`` and ``revision``.
"""

import numpy as np
from numpy.typing import NDArray

from processors.bars.bar import Row, add, empty_sums
from processors.runtime.compiled import Int, kernel
from processors.times import LONG_AGO, NEVER

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]

BLOCK_PRINTS = 32
"""Small enough for a commit of every second of a busy symbol, large enough that its header costs little."""
COUNTS, CANCELLED, WAS_CUT, CUT_CANCELLED = range(4)
NO_SEQ = np.iinfo(np.int64).min
PRINT = np.dtype(
    [
        ("ts", "<i8"),
        ("seq", "<i8"),  # NO_SEQ of a source that publishes no corrections
        ("source", "<i8"),  # digest of its name
        ("price", "<f8"),  # consensus
        ("size", "<f8"),
        ("lat_ms", "<f8"),
        ("n_src", "<i4"),
        ("state", "<i4"),
    ]
)
RING = np.dtype([("head", "<i4"), ("n_blocks", "<i4")])
BLOCK = np.dtype([("prints", PRINT, (BLOCK_PRINTS,)), ("newest", "<i8"), ("next", "<i4"), ("n", "<i4")])


@kernel
def needs_block(ring: Row, blocks: Rows, blocks_max: int, live: Row, kept: Row) -> bool:
    """Return whether the next print of a symbol needs a new block.

    Not while the head has room, nor where the oldest block is older than every minute that can still change.
    """
    if ring.n_blocks == 0:
        return True
    head = blocks[ring.head]
    if head.n < BLOCK_PRINTS or ring.n_blocks >= blocks_max:
        return False
    oldest = NEVER
    for j in range(kept.closed.shape[1]):
        oldest = min(oldest, kept.closed[0, j].start)
    for j in range(len(live.minutes)):
        oldest = min(oldest, live.minutes[j].start)
    return bool(blocks[head.next].newest >= oldest)


@kernel
def remember(
    rings: Rows, r: int, blocks: Rows, ring_dirty: U8, block_dirty: U8, ts: int, seq: int, source: int, price: float,
    size: float, lat_ms: float, n_src: int, state: int,
) -> None:  # fmt: skip
    """Write a trade into the circle of its symbol, over the oldest block where the head is full."""
    ring = rings[r]
    if blocks[ring.head].n >= BLOCK_PRINTS:
        ring.head = blocks[ring.head].next
        blocks[ring.head].n, blocks[ring.head].newest = 0, LONG_AGO
        ring_dirty[r] = 1
    head = blocks[ring.head]
    block_dirty[ring.head] = 1
    row = head.prints[head.n]
    row.ts, row.seq, row.source, row.price, row.size = ts, seq, source, price, size
    row.lat_ms, row.n_src, row.state = lat_ms, n_src, state
    head.n += 1
    head.newest = max(head.newest, ts)


@kernel
def find(ring: Row, blocks: Rows, source: int, seq: int) -> tuple[Int, Int]:
    """Return block and place of the newest print of a source with this number, (-1, -1) where there is none."""
    block, place = -1, -1
    at = ring.head
    for _ in range(ring.n_blocks):
        at = blocks[at].next
        for i in range(blocks[at].n):
            if blocks[at].prints[i].seq == seq and blocks[at].prints[i].source == source:
                block, place = at, i
    return block, place


@kernel
def forms(row: Row) -> bool:
    """Return whether a print forms a price: one of size zero forms none."""
    return bool(row.state == COUNTS and row.size != 0.0)


@kernel
def count_between(ring: Row, blocks: Rows, start: int, end: int) -> Int:
    """Return how many of the prints in [start, end) form a price."""
    n, at = 0, ring.head
    for _ in range(ring.n_blocks):
        at = blocks[at].next
        for i in range(blocks[at].n):
            row = blocks[at].prints[i]
            if start <= row.ts < end and forms(row):
                n += 1
    return n


@kernel
def rebuild(bar: Row, ring: Row, blocks: Rows) -> None:
    """Form a minute anew from its prints, in the order in which they came; its prices stay where none is left."""
    empty_sums(bar)
    at = ring.head
    for _ in range(ring.n_blocks):
        at = blocks[at].next
        for i in range(blocks[at].n):
            row = blocks[at].prints[i]
            if bar.start <= row.ts < bar.end and forms(row):
                add(bar, row.ts, row.price, row.size, row.n_src, row.lat_ms)
