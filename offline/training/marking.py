"""Positions marked to market: what the net exposure of each symbol earns bar by bar, and what its changes cost.

::

    rows of a symbol   r0      r1      r2      r3      r4
    position a         opened  held    held    closed           quantity a = size / close at r0
    position b                 opened  held    held    closed
    net quantity       a       a + b   a + b   b       0        held until the next row
    paid for           a       b       0       a       b        quantity that changes hands; what offsets is not traded
"""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def marked(close: F64, side_cost: F64, symbol: I64, begin: I64, end: I64, size: F64) -> F64:
    """Return what positions earn at each row, net of costs, as a fraction of the net asset value; shape (m,).

    The sum over all rows is that of ``size * (close[end] / close[begin] - 1)`` less costs: when a return is booked
    changes, not how much.

    Parameters
    ----------
    close
        Shape (m,), prices of rows by symbol and time, in shares of one day; one that is no positive number is taken for
        the last that was.
    side_cost
        Shape (m,), of entering or leaving, fraction of the value; likewise where it is unknown.
    symbol
        Shape (m,), ascending.
    begin, end
        Shape (k,), rows at whose close a position is opened and closed; of one symbol, the second later.
    size
        Shape (k,), signed share of the net asset value at the opening; the quantity then stays.
    """
    m = len(close)
    first = np.r_[True, symbol[1:] != symbol[:-1]] if m else np.zeros(0, np.bool_)
    price = carried(close, np.isfinite(close) & (close > 0.0), first)
    side = carried(side_cost, ~np.isnan(side_cost), first)
    quantity = size / price[begin]
    change = np.asarray(np.bincount(begin, quantity, m) - np.bincount(end, quantity, m), np.float64)
    open_after = np.cumsum(np.bincount(begin, minlength=m) - np.bincount(end, minlength=m))
    # Where none is open nothing is held: what a sum of floats leaves over is no position.
    held = np.where(open_after > 0, np.cumsum(change), 0.0)
    earned = np.zeros(m)
    # Before a symbol's first price there is none to hold a position at.
    earned[1:] = np.where(first[1:] | (held[:-1] == 0.0), 0.0, held[:-1] * (price[1:] - price[:-1]))
    traded = np.abs(change) * price
    return earned - np.where(traded > 0.0, traded * side, 0.0)


def carried(values: F64, good: NDArray[np.bool_], first: NDArray[np.bool_]) -> F64:
    """Return values with the last good one of the symbol where one is not; NaN before the first good one.

    Parameters
    ----------
    first
        Shape (m,), the first row of each symbol.
    """
    rows = np.arange(len(values))
    newest = np.maximum.accumulate(np.where(good, rows, -1))
    begin = np.maximum.accumulate(np.where(first, rows, 0))
    return np.where(newest >= begin, values[newest], np.nan)
