"""The published rows of a batch, gathered from what came in and what the kernel made of it, in one pass."""

import numpy as np
from numpy.typing import NDArray

from processors.kinds import CORRECTION, STATUS, TRADE
from processors.reconcile import outcome as k
from processors.reconcile.holes import UNKNOWN
from processors.reconcile.shares import SHARE_BITS, SHARES_PER_WORD, WORDS
from processors.runtime.compiled import kernel

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

INPUTS = ("kind", "ts_event", "ts_recv", "symbol_id")
OUTPUTS = (
    "kind", "ts_event", "ts_recv", "symbol_id", "source", "watermark", "n_src", "outlier", "late", "stale", "vendors",
    "cut", "phase", "raw_offset", "missing", "missing_since", "price", "size", "bid", "ask", "dispersion", "weight",
    "sigma",
)  # fmt: skip
"""Fields of ``ticks.consensus.v1`` in the order of ``gather``. ``seq`` is filled by the stage, and so are the names
behind ``source`` of a clock or status, ``vendors`` and ``cut``, of which these columns first hold keys."""


@kernel
def _copy_shares(ints: I64, i: int, out_shares: I64, m: int) -> None:
    """Copy the packed shares of a row: the words after the first hold those beyond the eighth, zero before."""
    first = ints[k.SHARES, i]
    out_shares[0, m] = first
    if first >> (SHARE_BITS * SHARES_PER_WORD) > SHARES_PER_WORD:
        for word in range(1, WORDS):
            out_shares[word, m] = ints[k.SHARES + word, i]


@kernel
def gather(
    fate: U8, floats: F64, ints: I64, slot: NDArray[np.int32], offset: I64, source_code: I64, sources: NDArray[np.void],
    no_symbol: int, kind: I64, ts_event: I64, ts_recv: I64, symbol_id: I64,
    out_kind: I64, out_ts_event: I64, out_ts_recv: I64, out_symbol_id: I64, out_source: I64, out_watermark: I64,
    out_n_src: I64, out_outlier: I64, out_late: I64, out_stale: I64, out_vendors: I64, out_cut: I64, out_phase: I64,
    out_raw_offset: I64, out_missing: I64, out_missing_since: I64, out_price: F64, out_size: F64, out_bid: F64,
    out_ask: F64, out_dispersion: F64, out_weight: F64, out_sigma: F64, out_shares: I64,
) -> int:  # fmt: skip
    """Fill the columns of the published rows, in order; return how many of them cut a source.

    Parameters
    ----------
    fate, floats, ints, slot, offset
        Of each row that came in, shape (n,) or (.., n): see ``kernel.reconcile``; slot of the source.
    source_code
        Shape (n_sources,), code of the name of each source.
    no_symbol
        Code of the empty symbol: a clock belongs to the partition, whichever symbol its heartbeat named.
    out_vendors
        Gets the key of each set of sources, see ``names.Names.set_codes``.
    out_cut
        Gets -1 - i on a row that cuts a source, where i is the row that came in, and 0 elsewhere.
    out_missing, out_missing_since
        Null before.
    out_shares
        Shape (4, n_published), see ``shares``.
    out_source
        Gets -1 on a clock and a status: they have the name of their feed.
    """
    m = n_cut = 0
    for i in range(len(fate)):
        if fate[i] > k.CORRECTION:
            continue
        is_clock = fate[i] == k.CLOCK
        mask = ints[k.MASK, i]
        late_outlier = fate[i] == k.LATE and ints[k.OUTLIERS, i] != 0
        out_kind[m], out_ts_event[m], out_ts_recv[m], out_raw_offset[m] = kind[i], ts_event[i], ts_recv[i], offset[i]
        out_watermark[m] = ints[k.WATERMARK, i]
        out_outlier[m] = fate[i] == k.CUT or late_outlier
        out_late[m], out_stale[m] = fate[i] == k.LATE, ints[k.STALE, i]
        out_price[m], out_bid[m], out_ask[m] = floats[k.PRICE, i], floats[k.BID, i], floats[k.ASK, i]
        out_size[m] = floats[k.SIZE, i] if kind[i] == TRADE or fate[i] == k.CORRECTION else np.nan
        out_weight[m], out_phase[m], out_cut[m] = floats[k.WEIGHT, i], ints[k.PHASE, i], 0
        _copy_shares(ints, i, out_shares, m)
        out_sigma[m] = floats[k.SIGMA, i]
        if ints[k.MISSING_SINCE, i] != 0:
            out_missing_since[m] = ints[k.MISSING_SINCE, i]
            if ints[k.MISSING, i] != UNKNOWN:
                out_missing[m] = ints[k.MISSING, i]
        if ints[k.OUTLIERS, i] | ints[k.CROSSED, i]:
            out_cut[m] = -1 - i
            n_cut += 1
        if is_clock or fate[i] == k.STATUS:
            out_symbol_id[m], out_source[m], out_vendors[m] = symbol_id[i], -1, 0
            if is_clock:
                out_symbol_id[m] = no_symbol
            else:
                out_kind[m] = STATUS
        else:
            out_symbol_id[m], out_source[m] = symbol_id[i], source_code[slot[i]]
            if fate[i] == k.CORRECTION:
                out_kind[m] = CORRECTION
            out_vendors[m] = (np.int64(sources[slot[i]].symbol) << 32) | mask
            if fate[i] != k.CORRECTION:
                out_dispersion[m] = floats[k.DISPERSION, i]
        n_src = 0
        while mask:
            mask &= mask - 1
            n_src += 1
        out_n_src[m] = n_src
        m += 1
    return n_cut
