"""What a trade of a consolidated vendor adds to the volume. Called by ``kernel``.

A consolidated vendor publishes the trades of all markets, so that two of them tell each trade twice. The volume of a
minute is the lower weighted median of what they have told of it so far; a tick adds what it moves that by:

    trade                A 100      B 100        C 100        A 200        B 200       weights .5 .3 .2
    told by A, B, C      100 0 0    100 100 0    100 100 100  300 100 100  300 300 100
    weighted median      0          100          100          100          300
    counted              -          100          -            -            200

Two minutes are held, an even and an odd one, for ticks that cross at their boundary.
"""

import numpy as np
from numpy.typing import NDArray

from processors.reconcile.precision import is_fresh
from processors.reconcile.robust import insert, lower_weighted_median
from processors.runtime.compiled import kernel
from processors.times import MINUTE_NS

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Slots = NDArray[np.int32]


@kernel
def _lane(rows: Rows, slot: int, minute: int) -> int:
    """Return which of the two sums is of this minute, emptied if it was of an older one; -1 where it is of a later."""
    lane = minute & 1
    row = rows[slot]
    if row.minute[lane] > minute:
        return -1
    if row.minute[lane] < minute:
        row.minute[lane], row.volume[lane] = minute, 0.0
    return lane


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
    lane = _lane(symbols, s, minute)
    if lane < 0 or _lane(sources, slot, minute) < 0:
        return np.nan
    sources[slot].volume[lane] += size
    n = 0
    for i in range(symbol.n_sources):
        row = sources[symbol.source[i]]
        if not consolidated[symbol.source[i]]:
            continue
        if symbol.source[i] != slot and not is_fresh(row.trade_ns, limit_ns, ts_ns):
            continue
        volume = row.volume[lane] if row.minute[lane] == minute else 0.0
        scratch[1, insert(scratch, 2, n, volume)] = row.trust
        n += 1
    counted = lower_weighted_median(scratch[0], scratch[1], n) - symbol.volume[lane]
    if not counted > 0.0:
        return np.nan
    symbol.volume[lane] += counted
    return float(counted)
