"""Which sequence numbers of a source were seen: a sliding window of bits, as IPsec has against replays (RFC 6479).

    word (seq >> 6) & 15      12     13     14     15      0  <- holds seq_top
                            [....] [....] [....] [....] [..0 0]
                             seen numbers are 1        cleared when the top moves into it

One window for trades and one for quotes: exchanges number them apart, and two numberings in one window would push each
other out of it. Called by ``kernel``.
"""

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import kernel
from processors.times import LONG_AGO


@kernel
def was_seen(sources: NDArray[np.void], slot: int, kind: int, seq: int) -> bool:
    """Return whether the source may have had this sequence number: surely inside the window, perhaps below it.

    Parameters
    ----------
    sources
        Shape (n_sources,), rows of the table.
    kind
        0 for a trade, 1 for a quote.
    seq
        Not null.
    """
    row = sources[slot]
    seen, top = row.seq_seen[kind], row.seq_top[kind]
    ahead = (seq >> 6) - (top >> 6)
    if row.seq_ns[kind] == LONG_AGO or ahead > 0:
        return False
    bit = np.uint64(1) << np.uint64(seq & 63)
    return bool(ahead <= -len(seen) or seen[(seq >> 6) & (len(seen) - 1)] & bit != 0)


@kernel
def seen_before(sources: NDArray[np.void], slot: int, kind: int, seq: int, ts_ns: int) -> bool:
    """Return whether the source had this sequence number already, and remember it.

    A number below the window was either seen or is the first of a new numbering (vendors start again each session):
    an event time ahead of all the numbered ones before it decides for the latter, and the window starts again.

    Parameters
    ----------
    sources
        Shape (n_sources,), rows of the table; ``seq_top``, ``seq_ns`` and ``seq_seen`` of the slot are updated.
    kind
        0 for a trade, 1 for a quote.
    seq
        Not null.
    """
    row = sources[slot]
    seen, top = row.seq_seen[kind], row.seq_top[kind]
    words = len(seen)
    bit = np.uint64(1) << np.uint64(seq & 63)
    word = (seq >> 6) & (words - 1)
    # Blocks, not numbers: the difference of two blocks cannot overflow.
    ahead = (seq >> 6) - (top >> 6)
    started = row.seq_ns[kind] != LONG_AGO
    if not started or ahead <= -words:
        if started and ts_ns <= row.seq_ns[kind]:
            return True
        for j in range(words):
            seen[j] = 0
        top = seq
    elif ahead > 0:
        for j in range(min(ahead, words)):
            seen[(word - j) & (words - 1)] = 0
    elif seen[word] & bit:
        return True
    seen[word] |= bit
    row.seq_top[kind] = max(top, seq)
    row.seq_ns[kind] = max(row.seq_ns[kind], ts_ns)
    return False
