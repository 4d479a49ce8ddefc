"""What a trade of a consolidated vendor adds to the volume. Called by ``kernel``.

A consolidated vendor publishes the trades of all markets, so that two of them tell each trade twice. The volume of a
minute is the lower weighted median of what they have told of it so far; a tick adds what it moves that by:

    trade                A 100      B 100        C 100        A 200        B 200       weights .5 .3 .2
    told by A, B, C      100 0 0    100 100 0    100 100 100  300 100 100  300 300 100
    weighted median      0          100          100          100          300
    counted              -          100          -            -            200

The newest minutes with trades are held (``tables.VOLUME_MINUTES``), for trades that come late. Of an older one nobody
knows what was told: a trade counts whole where no other consolidated source can have told it, else not at all.
"""

import numpy as np
from numpy.typing import NDArray

from processors.reconcile.precision import is_fresh
from processors.reconcile.robust import insert, lower_weighted_median
from processors.runtime.compiled import Int, kernel
from processors.times import MINUTE_NS

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Slots = NDArray[np.int32]


@kernel
def _held(rows: Rows, slot: int, minute: int) -> Int:
    """Return which of the sums is of this minute, -1 where none is."""
    row = rows[slot]
    for lane in range(len(row.minute)):
        if row.minute[lane] == minute:
            return lane
    return -1


@kernel
def _lane(rows: Rows, slot: int, minute: int) -> Int:
    """Return which of the sums is of this minute, that of the oldest emptied for it; -1 where all are of later ones."""
    lane = _held(rows, slot, minute)
    if lane >= 0:
        return lane
    row, oldest = rows[slot], 0
    for other in range(len(row.minute)):
        if row.minute[other] < row.minute[oldest]:
            oldest = other
    if row.minute[oldest] > minute:
        return -1
    row.minute[oldest], row.volume[oldest] = minute, 0.0
    return oldest


@kernel
def counted_size(
    symbols: Rows, s: int, sources: Rows, slot: int, consolidated: NDArray[np.bool_], ts_ns: int, size: float,
    limit_ns: int, scratch: F64,
) -> float:  # fmt: skip
    """Return what a trade adds to the volume of its symbol, NaN where that is nothing.

    Parameters
    ----------
    symbols, s, sources, slot
        Tables, and the slots of symbol and source.
    consolidated
        Shape (n_sources,): whether the source publishes the trades of all markets.
    ts_ns, size
        Event time and size of the trade.
    limit_ns
        A consolidated source without a trade for so long has no part in the median.
    scratch
        Shape (>= 2, 32).
    """
    if not size > 0.0:
        return size
    symbol = symbols[s]
    n = 0
    mine = consolidated[slot]
    for i in range(symbol.n_sources):
        j = symbol.source[i]
        if consolidated[j] and (j == slot or is_fresh(sources[j].trade_ns, limit_ns, ts_ns)):
            n += 1
    if not mine:
        # The markets are in the consolidated volume already, as long as somebody tells it.
        return np.nan if n else size
    minute = ts_ns // MINUTE_NS
    counts = _lane(symbols, s, minute)
    if counts < 0:
        return size if n == 1 else np.nan
    # A source has no more minutes than its symbol, so it has room for this one too.
    sources[slot].volume[_lane(sources, slot, minute)] += size
    n = 0
    for i in range(symbol.n_sources):
        row = sources[symbol.source[i]]
        if not consolidated[symbol.source[i]]:
            continue
        if symbol.source[i] != slot and not is_fresh(row.trade_ns, limit_ns, ts_ns):
            continue
        lane = _held(sources, symbol.source[i], minute)
        volume = row.volume[lane] if lane >= 0 else 0.0
        scratch[1, insert(scratch, 2, n, volume)] = row.trust
        n += 1
    counted = lower_weighted_median(scratch[0], scratch[1], n) - symbol.volume[counts]
    if not counted > 0.0:
        return np.nan
    symbol.volume[counts] += counted
    return float(counted)
