"""The share of each counted source in the weight of all, packed as ``ticks.consensus.v1`` carries it.

    word    0                                   1
    bits    [6 count][7][7][7][7][7][7][7][7]   [7][7] ...       whole per cent, in the order of the sources' names

Called by ``kernel``. The packing is that of the codec (``runtime.layout``, ``SMALL_INTS_MAX``): a test compares them.
"""

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import kernel

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

SHARE_BITS, SHARES_PER_WORD, WORDS = 7, 8, 4
ALONE = (1 << SHARE_BITS * SHARES_PER_WORD) | 100
"""The first word of a tick whose own source counts and no other: one share, the whole."""


@kernel
def write_shares(
    scratch: F64, what: int, mask: int, order: NDArray[np.uint8], s: int, n: int, words: I64, first: int, i: int
) -> None:
    """Write the shares of the sources in a mask.

    Parameters
    ----------
    scratch, what
        Weights in row ``what``, by the bit of the source.
    order, s, n
        Shape (n_symbols, 32): of symbol s the bits of its n sources in the order of their names.
    words, first, i
        Written: rows ``first`` on of column i, zero before.
    """
    total, count = 0.0, 0
    for k in range(n):
        if (mask >> k) & 1:
            total += scratch[what, k]
            count += 1
    if count == 0:
        return
    scale = 100.0 / total
    at, word = 0, np.int64(0)
    for k in range(n):
        bit = order[s, k]
        if (mask >> bit) & 1:
            word |= np.int64(scratch[what, bit] * scale + 0.5) << (SHARE_BITS * (at & (SHARES_PER_WORD - 1)))
            at += 1
            if at & (SHARES_PER_WORD - 1) == 0:
                words[first + at // SHARES_PER_WORD - 1, i] = word
                word = np.int64(0)
    if word:
        words[first + at // SHARES_PER_WORD, i] = word
    words[first, i] |= np.int64(count) << (SHARE_BITS * SHARES_PER_WORD)
