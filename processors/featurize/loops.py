"""One indicator over one whole series."""

import math

import numpy as np
from numba import njit

from processors.featurize.calling import call
from processors.featurize.indicators import layout as c
from processors.featurize.indicators.window import F64, log_return


@njit(cache=True)
def fill(bars: F64, ring: F64) -> None:
    """Write the ring of a whole series, as wide as the series is long: what ``kernel.step`` writes bar by bar.

    The value of bar i stands at n + i, so that a window that ends there is the slice that it is in a ring that goes
    round; the first half is not written, as it is not before the ring has gone round.

    Parameters
    ----------
    bars
        Shape (n, N_BAR).
    ring
        Shape (N_SERIES, 2 n), zeros.
    """
    n = len(bars)
    before = np.nan
    for i in range(n):
        ring[c.R_OPEN, n + i] = bars[i, c.OPEN]
        ring[c.R_HIGH, n + i] = bars[i, c.HIGH]
        ring[c.R_LOW, n + i] = bars[i, c.LOW]
        ring[c.R_CLOSE, n + i] = bars[i, c.CLOSE]
        ring[c.R_VOLUME, n + i] = bars[i, c.VOLUME]
        ring[c.R_RETURN, n + i] = log_return(before, bars[i, c.CLOSE])
        ring[c.R_LOG_VOLUME, n + i] = math.log1p(bars[i, c.VOLUME])
        before = bars[i, c.CLOSE]


@njit(cache=True)
def series(address: int, bars: F64, ring: F64, p: F64, s: F64, out: F64) -> None:
    """Run an indicator over a series; what timeframes of a symbol share goes from bar to bar.

    Parameters
    ----------
    address
        Of the indicator.
    bars, ring
        Shape (n, N_BAR), column by column, and that which ``fill`` writes.
    p, s
        Shape (P_MAX,) and (n_state,), zeros.
    out
        Shape (n, n_outputs), column by column: written.

    Raises
    ------
    RuntimeError
        The indicator failed: a programming error.
    """
    done = np.zeros(1)
    call(
        address, bars.ctypes.data, len(bars), 0, ring.ctypes.data, ring.shape[1], p.ctypes.data, s.ctypes.data,
        len(s), out.ctypes.data, out.shape[1], done.ctypes.data,
    )  # fmt: skip
    if done[0] == 0.0:
        raise RuntimeError("an indicator failed: its error stands on standard error")
