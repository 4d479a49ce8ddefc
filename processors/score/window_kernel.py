"""The rows behind each row: laid out one symbol and timeframe after another, and kept in a ring for the next batch."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]


@njit(cache=True)
def lay_out(x: F32, slots: I32, order: I64, count: I32, ring: F32, rows: F32, last: I64, seen: I64) -> int:
    """Lay out new rows behind those in the ring, one slot after another, oldest first; return how many there are.

    ::

        rows   [ring of slot 0, oldest first | new rows of slot 0 | ring of slot 1 | new rows of slot 1 | ...]
        last                                    ^ of each new row

    Parameters
    ----------
    x
        Shape (n, n_inputs), new rows in the order of arrival.
    slots
        Shape (n,), whose they are.
    order
        Shape (n,), positions sorted by slot, then arrival.
    count
        Shape (n_slots,), rows that each slot has ever had.
    ring
        Shape (n_slots, L, n_inputs), the newest of them: row c at c % L.
    rows
        Filled; long enough for L - 1 rows of each slot and all new ones.
    last, seen
        Shape (n,), filled: position of each new row in ``rows``, and how many rows its slot has had with it.
    """
    length = ring.shape[1]
    at = 0
    before = -1
    new = 0
    for k in range(len(order)):
        i = order[k]
        slot = slots[i]
        if slot != before:
            before = slot
            new = 0
            # One less than a window: the new row itself is the last of it.
            for c in range(count[slot] - min(count[slot], length - 1), count[slot]):
                rows[at] = ring[slot, c % length]
                at += 1
        new += 1
        rows[at] = x[i]
        last[i] = at
        seen[i] = count[slot] + new
        at += 1
    return at


@njit(cache=True)
def remember(x: F32, slots: I32, count: I32, ring: F32, dirty: NDArray[np.uint8]) -> None:
    """Put each new row into the ring of its slot; see ``lay_out``."""
    length = ring.shape[1]
    for i in range(len(slots)):
        slot = slots[i]
        ring[slot, count[slot] % length] = x[i]
        count[slot] += 1
        dirty[slot] = 1
