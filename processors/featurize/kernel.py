"""The loop that runs a program of indicators over bars: ``step`` for one bar, ``run`` for a batch of many series."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.featurize.calling import call
from processors.featurize.indicators.layout import (
    CLOSE,
    HIGH,
    LOW,
    N_BAR,
    OPEN,
    R_CLOSE,
    R_HIGH,
    R_LOG_VOLUME,
    R_LOW,
    R_OPEN,
    R_RETURN,
    R_VOLUME,
    SHARED,
    VOLUME,
    Y_MAX,
)  # fmt: skip
from processors.featurize.indicators.window import back, log_return

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

ROW, REVISION, LATE = range(3)
"""Fates of a bar: gives a row; corrects a bar that already gave one; is not after the last bar of its series."""


@njit(cache=True)
def _keep(ring: F64, row: int, n: int, value: float) -> None:
    """Write a value of bar n into both halves of a row of the ring."""
    width = ring.shape[1] // 2
    ring[row, n % width] = value
    ring[row, n % width + width] = value


@njit(cache=True)
def step(bar: F64, ring: F64, n: int, ops: I64, p: F64, takes: I64, s: F64, y: F64, out: F64) -> None:
    """Add one bar to a series and write its features.

    Parameters
    ----------
    bar, ring, n
        As in ``indicators``; the bar is put into the ring here.
    ops, p
        Shape (n_indicators, 5): address of the indicator, begin and end of its state in s, begin and end of its rows
        in takes; and shape (n_indicators, P_MAX).
    takes
        Shape (n_takes, 2): output of the indicator, position in out.
    s
        Shape (n_state,), state of all indicators.
    y
        Shape (Y_MAX + 1,), scratch.
    out
        Shape (n_out,).

    Raises
    ------
    RuntimeError
        An indicator failed: a programming error.
    """
    before = back(ring[R_CLOSE], n, 1) if n > 0 else np.nan
    _keep(ring, R_OPEN, n, bar[OPEN])
    _keep(ring, R_HIGH, n, bar[HIGH])
    _keep(ring, R_LOW, n, bar[LOW])
    _keep(ring, R_CLOSE, n, bar[CLOSE])
    _keep(ring, R_VOLUME, n, bar[VOLUME])
    _keep(ring, R_RETURN, n, log_return(before, bar[CLOSE]))
    _keep(ring, R_LOG_VOLUME, n, math.log1p(bar[VOLUME]))
    for i in range(len(ops)):
        y[Y_MAX] = 0.0
        call(
            ops[i, 0], bar.ctypes.data, 1, n, ring.ctypes.data, ring.shape[1], p[i].ctypes.data,
            s[ops[i, 1] :].ctypes.data, ops[i, 2] - ops[i, 1], y.ctypes.data, Y_MAX, y[Y_MAX:].ctypes.data,
        )  # fmt: skip
        if y[Y_MAX] == 0.0:
            raise RuntimeError("an indicator failed: its error stands on standard error")
        for j in range(ops[i, 3], ops[i, 4]):
            out[takes[j, 1]] = y[takes[j, 0]]


@njit(cache=True)
def run(
    slots: NDArray[np.int32], symbols: NDArray[np.int32], ts_ns: I64, revision: I64, bars: F64,
    last_ts_ns: I64, seen: I64, rings: F64, states: F64, dirty: NDArray[np.uint8],
    shared: F64, shared_dirty: NDArray[np.uint8],
    ops: I64, p: F64, takes: I64, out: F64, fate: I64,
) -> None:  # fmt: skip
    """Run the program over a batch of bars of many series: ``step`` for each bar in turn.

    Parameters
    ----------
    slots, symbols
        Shape (n,), the series of each bar, and its symbol.
    ts_ns, revision, bars
        Shape (n,), (n,) and (n, N_BAR); the columns from ``SHARED`` on are scratch.
    last_ts_ns, seen, rings, states, dirty
        State by series: end of the last bar (0 for none), number of bars since it began, shape (n_slots, N_SERIES, 2 W)
        and (n_slots, n_state).
    shared, shared_dirty
        State by symbol, shape (n_symbols, N_SHARED): what its timeframes tell each other.
    out, fate
        Shape (n, n_out) and (n,): written. A bar whose fate is not ``ROW`` leaves its row of out as it was.
    """
    y = np.empty(Y_MAX + 1)
    for i in range(len(slots)):
        slot, symbol = slots[i], symbols[i]
        if revision[i] > 0:
            fate[i] = REVISION
        elif ts_ns[i] <= last_ts_ns[slot]:
            fate[i] = LATE
        else:
            fate[i] = ROW
            bars[i, SHARED:] = shared[symbol]
            step(bars[i], rings[slot], seen[slot], ops, p, takes, states[slot], y, out[i])
            shared[symbol] = bars[i, SHARED:]
            seen[slot] += 1
            last_ts_ns[slot] = ts_ns[i]
            dirty[slot] = 1
            shared_dirty[symbol] = 1


__all__ = ["LATE", "N_BAR", "REVISION", "ROW", "run", "step"]
