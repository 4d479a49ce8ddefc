"""Corrections and cancels of trades: what they do to a source that stands on the trade. Called by ``kernel``.

A correction names a trade of the same source by its sequence number. What the consensus was while the trade stood is
published and stays. From now on the source's last trade is the corrected one, or none; the bars mend the rest, since
they remember what each trade became.

Reliability is left alone: a vendor that takes its errors back would else count less than one that leaves them standing.
"""

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import kernel
from processors.times import LONG_AGO

CANCEL, CORRECT, HOLE = 3, 4, 5
"""What a correction tells, beside the phases that a status tells; and what a status tells of its source."""


@kernel
def correct_last(sources: NDArray[np.void], slot: int, told: int, seq: int, price: float) -> bool:
    """Correct or withdraw the last trade of a source where that is the one named; return whether it was.

    Parameters
    ----------
    sources
        Shape (n_sources,), rows of the table; that of ``slot`` is updated.
    told
        ``CANCEL`` or ``CORRECT``.
    seq, price
        Of the trade, not null; its price from now on.
    """
    row = sources[slot]
    if row.trade_seq != seq or row.trade_ns == LONG_AGO:
        return False
    if told == CANCEL:
        row.trade_ns = LONG_AGO
    else:
        row.trade = price
    return True
