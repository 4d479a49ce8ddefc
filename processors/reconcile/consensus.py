"""What the fresh sources of one symbol say together, and which of them are cut. Called by ``kernel`` for each tick.

    trades   last prices of the fresh sources -> judge -> lower weighted median of the rest
    quotes   mids (or lone sides)             -> judge -> medians of bids and of asks of the rest -> uncross -> mid

Sets of sources are masks: bit i is the i-th source of the symbol. The caller lends scratch space of shape (6, 32):

    row  SORTED  SORTED_WEIGHT        BID (or trade)  ASK   MID   WEIGHT
         chosen values, ascending     one column a source, by its bit
"""

import numpy as np
from numpy.typing import NDArray

from processors.reconcile.robust import lower_weighted_median, mad_normal
from processors.runtime.compiled import kernel

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Slots = NDArray[np.int32]

SORTED, SORTED_WEIGHT, BID, ASK, MID, WEIGHT = range(6)
TRADE = BID
SCRATCH_ROWS = 6


@kernel
def _sort(scratch: F64, what: int, mask: int) -> int:
    """Put the values of the sources in the mask in ascending order, with their weights; return how many.

    Insertion: a handful of values. Ties keep the order of the sources.
    """
    count, bit = 0, 0
    while mask >> bit:
        if (mask >> bit) & 1:
            value = scratch[what, bit]
            j = count
            while j > 0 and scratch[SORTED, j - 1] > value:
                scratch[SORTED, j] = scratch[SORTED, j - 1]
                scratch[SORTED_WEIGHT, j] = scratch[SORTED_WEIGHT, j - 1]
                j -= 1
            scratch[SORTED, j], scratch[SORTED_WEIGHT, j] = value, scratch[WEIGHT, bit]
            count += 1
        bit += 1
    return count


@kernel
def _median(scratch: F64, what: int, mask: int) -> float:
    """Return the lower weighted median of the values of the sources in the mask, NaN of none."""
    count = _sort(scratch, what, mask)
    return float(lower_weighted_median(scratch[SORTED], scratch[SORTED_WEIGHT], count))


@kernel
def judge(
    scratch: F64, what: int, mask: int, tick_size: float, floor: float, k: float
) -> tuple[float, float, float, int]:
    """Return median, sigma, reach and mask of the cut among the values of the sources in the mask.

    A source is cut when it is further than ``k * sigma`` from the lower weighted median. Sigma is the MAD, at least
    the floor. Of two sources the MAD says nothing (their distance is always 1.35 of it), so the floor judges them, and
    the lighter goes, since the heavier is the median; two of equal weight both stay, like a lone source.

    Parameters
    ----------
    scratch, what
        Values in row ``what``, weights in row ``WEIGHT``.
    tick_size, floor
        Least sigma: price units, and as a share of the price.

    Returns
    -------
    ``reach`` is the distance from the median from which a source is cut, infinite where none may be.
    """
    count = _sort(scratch, what, mask)
    xs, ws = scratch[SORTED], scratch[SORTED_WEIGHT]
    if count == 0:
        return np.nan, tick_size, np.inf, 0
    centre = lower_weighted_median(xs, ws, count)
    least = max(tick_size, floor * abs(centre))
    if count == 1:
        return centre, least, np.inf, 0
    sigma = max(mad_normal(xs, count), least)
    reach = k * sigma
    if count == 2:
        reach = k * least if ws[0] != ws[1] else np.inf
    cut = 0
    if xs[count - 1] - centre > reach or centre - xs[0] > reach:
        bit = 0
        while mask >> bit:
            if (mask >> bit) & 1 and abs(scratch[what, bit] - centre) > reach:
                cut |= 1 << bit
            bit += 1
    return centre, sigma, reach, cut


@kernel
def trade_consensus(
    sources: Rows, members: Slots, n: int, ts_ns: int, limit_ns: int, tick_size: float, floor: float, k: float,
    scratch: F64,
) -> tuple[float, float, float, int, int, float]:  # fmt: skip
    """Return price, sigma, reach, mask of the counted, mask of the fresh, and the median before the cut.

    Parameters
    ----------
    members
        Shape (>= n,), slots of the symbol's sources; the bit of each is its position.
    ts_ns, limit_ns
        Now, and the age from which a value is no longer fresh. A value ahead of now is fresh.
    """
    fresh = 0
    for i in range(n):
        row = sources[members[i]]
        # Added to the time, not subtracted from now: a time that never came is the least of its type.
        if row.trade_ns + limit_ns > ts_ns:
            scratch[TRADE, i], scratch[WEIGHT, i] = row.trade, row.weight
            fresh |= 1 << i
    centre, sigma, reach, cut = judge(scratch, TRADE, fresh, tick_size, floor, k)
    price = _median(scratch, TRADE, fresh & ~cut) if cut else centre
    return price, sigma, reach, fresh & ~cut, fresh, centre


@kernel
def quote_consensus(
    sources: Rows, members: Slots, n: int, ts_ns: int, limit_ns: int, tick_size: float, floor: float, k: float,
    scratch: F64,
) -> tuple[float, float, float, int, int, int]:  # fmt: skip
    """Return bid, ask, sigma, mask of the counted, mask of the fresh, and mask of the cut.

    A source with both sides fresh is judged by its mid; one with a lone side by that side among all such sides.
    """
    bids, asks = 0, 0
    for i in range(n):
        row = sources[members[i]]
        scratch[WEIGHT, i], scratch[MID, i] = row.weight, 0.5 * (row.bid + row.ask)
        if row.bid_ns + limit_ns > ts_ns:
            scratch[BID, i] = row.bid
            bids |= 1 << i
        if row.ask_ns + limit_ns > ts_ns:
            scratch[ASK, i] = row.ask
            asks |= 1 << i
    both = bids & asks
    _, sigma, _, cut = judge(scratch, MID, both, tick_size, floor, k)
    if bids & ~both:
        _, sigma_bid, _, cut_bids = judge(scratch, BID, bids, tick_size, floor, k)
        cut |= cut_bids & ~both
        sigma = sigma if both else sigma_bid
    if asks & ~both:
        _, sigma_ask, _, cut_asks = judge(scratch, ASK, asks, tick_size, floor, k)
        cut |= cut_asks & ~both
        sigma = sigma if both else max(sigma, sigma_ask)
    fresh = bids | asks
    bids, asks = bids & ~cut, asks & ~cut
    bid, ask = _median(scratch, BID, bids), _median(scratch, ASK, asks)
    while bid > ask:
        bids, asks = _drop_oldest_crossing(sources, members, n, bid, ask, bids, asks)
        bid, ask = _median(scratch, BID, bids), _median(scratch, ASK, asks)
    return bid, ask, sigma, bids | asks, fresh, cut


@kernel
def _drop_oldest_crossing(
    sources: Rows, members: Slots, n: int, bid: float, ask: float, bids: int, asks: int
) -> tuple[int, int]:
    """Return both masks without the oldest side of those that cross the consensus of the other side.

    A feed without withdrawal rows leaves its old side behind when the market moves through it, so of two sides that
    contradict each other the older is the wrong one. One is always found: the bid itself is over the ask.
    """
    oldest, at, on_bid = np.iinfo(np.int64).max, 0, True
    for i in range(n):
        row = sources[members[i]]
        if (bids >> i) & 1 and row.bid > ask and row.bid_ns < oldest:
            oldest, at, on_bid = row.bid_ns, i, True
        if (asks >> i) & 1 and row.ask < bid and row.ask_ns < oldest:
            oldest, at, on_bid = row.ask_ns, i, False
    if on_bid:
        return bids & ~(1 << at), asks
    return bids, asks & ~(1 << at)
