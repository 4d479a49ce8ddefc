"""Rows that are neither trade nor quote: heartbeats, marks of holes, corrections, phases. Called by ``kernel``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.kinds import CLOCK as KIND_CLOCK
from processors.kinds import TRADE as KIND_TRADE
from processors.reconcile.consensus import trade_consensus
from processors.reconcile.corrections import CANCEL, CORRECT, HOLE, correct_last
from processors.reconcile.holes import open_gap
from processors.reconcile.outcome import (
    CLOCK,
    CORRECTION,
    IGNORED,
    MISSING,
    MISSING_SINCE,
    PHASE,
    PRICE,
    SIZE,
    STATUS,
)  # fmt: skip
from processors.reconcile.phases import phase_at, set_phase
from processors.reconcile.window import was_seen
from processors.runtime.compiled import kernel
from processors.times import LONG_AGO

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Rows = NDArray[np.void]


@kernel
def _beat(rows: Rows, slot: int, ts_ns: int, beat_ns: int) -> None:
    """Add the time since the last heartbeat, if it is not too long ago, to the time that heartbeats cover."""
    row = rows[slot]
    if row.beat_ns == LONG_AGO:
        row.beat_ns = ts_ns
    elif ts_ns > row.beat_ns:
        if ts_ns - row.beat_ns <= beat_ns:
            row.alive_ns += ts_ns - row.beat_ns
        row.beat_ns = ts_ns


@kernel
def _judge_anew(
    symbols: Rows, s: int, sources: Rows, ts_ns: int, limit: Any, tick_size: float, knobs: Rows, scratch: F64
) -> None:
    """Find the standing consensus of trades anew: one that it stood on has been corrected."""
    standing = symbols[s]
    value, _, sigma, _, mask, _ = trade_consensus(
        sources, standing.source, standing.n_sources, symbols, s, ts_ns, limit.trade_ns, tick_size, limit.sigma_floor,
        knobs, scratch,
    )  # fmt: skip
    standing.price[0], standing.sigma[0], standing.mask[0] = value, sigma, mask


@kernel
def take_control(
    kind: int, ts_ns: int, told: int, told_n: int, seq: int, price: float, size: float, feed: int, vendor: int,
    about: int, feeds: Rows, vendors: Rows, symbols: Rows, sources: Rows, vendor_dirty: U8, symbol_dirty: U8,
    source_dirty: U8, tick_size: F64, asset_class: I64, calendar: I64, segment_start: I64, open_ns: I64, close_ns: I64,
    limits: Rows, knobs: Rows, scratch: F64, floats: F64, ints: I64, i: int,
) -> int:  # fmt: skip
    """Take one such row into the state, write what it carries to column i, and return its fate.

    Parameters
    ----------
    kind ... about
        Of the row, see ``kernel.reconcile``.
    feeds ... i
        As there.
    """
    if kind == KIND_CLOCK:
        # One without a venue is for all venues of its vendor, and counts once for each.
        if vendor >= 0:
            _beat(vendors, vendor, ts_ns, knobs[0].idle_ns)
            vendor_dirty[vendor] = 1
        else:
            _beat(feeds, feed, ts_ns, knobs[0].idle_ns)
        return CLOCK
    if told == HOLE:
        ints[MISSING, i], ints[MISSING_SINCE, i] = told_n, ts_ns
        if about >= 0:
            open_gap(sources, about, ts_ns, told_n)
            ints[PHASE, i] = phase_at(symbols, sources[about].symbol, ts_ns)
            source_dirty[about] = 1
        return STATUS
    if told >= CANCEL:
        if about < 0 or seq == LONG_AGO or not was_seen(sources, about, KIND_TRADE, seq):
            return IGNORED
        s = sources[about].symbol
        ints[PHASE, i] = phase_at(symbols, s, ts_ns)
        floats[SIZE, i] = 0.0 if told == CANCEL else size
        if told == CORRECT:
            floats[PRICE, i] = price
        if correct_last(sources, about, told, seq, price):
            _judge_anew(symbols, s, sources, ts_ns, limits[asset_class[s]], tick_size[s], knobs, scratch)
            source_dirty[about] = symbol_dirty[s] = 1
        return CORRECTION
    if told >= 0:
        c = calendar[about]
        a, b = segment_start[c], segment_start[c + 1]
        set_phase(symbols, about, told, ts_ns, open_ns[a:b], close_ns[a:b])
        symbol_dirty[about] = 1
        ints[PHASE, i] = told
        return STATUS
    return IGNORED
