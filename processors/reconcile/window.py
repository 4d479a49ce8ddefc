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
from processors.times import DAY_NS, LONG_AGO, MINUTE_NS

BREAK_NS = 30 * MINUTE_NS
"""A silence of the numbers after which they may begin anew: between two sessions of one day is an hour, mostly."""
NEAR = 64
"""A number that falls by less, and not by half, is out of order."""


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
def _begins_anew(top: int, newest_ns: int, seq: int, ts_ns: int) -> bool:
    """Return whether a number that is not above the highest one is of the next session.

    What was sent twice has the time of its twin, which is no later than the newest; what is out of order falls little.
    """
    if ts_ns <= newest_ns or top - seq < min(seq, NEAR):
        return False
    return ts_ns // DAY_NS > newest_ns // DAY_NS or ts_ns - newest_ns >= BREAK_NS


@kernel
def seen_before(sources: NDArray[np.void], slot: int, kind: int, seq: int, ts_ns: int) -> bool:
    """Return whether the source had this sequence number already, and remember it.

    A number below the window was either seen or is the first of a new numbering (vendors start again each session):
    an event time ahead of all the numbered ones before it decides for the latter, and the window starts again. Inside
    the window it takes a day or a break between the two, and a fall: see ``_begins_anew``. What comes then with a time
    of the old numbering counts as seen, since its number would be looked up among the new ones.

    Parameters
    ----------
    sources
        Shape (n_sources,), rows of the table; ``seq_top``, ``seq_ns``, ``seq_old_ns`` and ``seq_seen`` of the slot are
        updated.
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
    newest_ns = row.seq_ns[kind]
    started = newest_ns != LONG_AGO
    if ts_ns <= row.seq_old_ns[kind]:
        return True
    if not started or ahead <= -words or (seq <= top and _begins_anew(top, newest_ns, seq, ts_ns)):
        if started and ts_ns <= newest_ns:
            return True
        for j in range(words):
            seen[j] = 0
        top, row.seq_old_ns[kind] = seq, newest_ns
    elif ahead > 0:
        for j in range(min(ahead, words)):
            seen[(word - j) & (words - 1)] = 0
    elif seen[word] & bit:
        return True
    seen[word] |= bit
    row.seq_top[kind] = max(top, seq)
    row.seq_ns[kind] = max(row.seq_ns[kind], ts_ns)
    return False
