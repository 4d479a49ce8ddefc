"""What the fresh sources of one symbol say together, and which of them are cut. Called by ``kernel`` for each tick.

    trades   last prices of the fresh sources -> judge -> lower weighted median of the rest
    quotes   mids (or lone sides)             -> judge -> medians of bids and of asks of the rest -> uncross -> mid

Sets of sources are masks: bit i is the i-th source of the symbol. Scratch space comes from the caller.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.reconcile.robust import lower_weighted_median, mad_normal, sort_pairs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Rows = NDArray[np.void]

TRADE, BID, ASK, MID = range(4)
SCRATCH_ROWS = 4
"""Value, weight, and both again, sorted."""


@njit(cache=True)
def collect(
    sources: Rows, members: NDArray[np.int32], n: int, what: int, ts_ns: int, limit_ns: int, among: int, scratch: F64
) -> tuple[int, int]:
    """Gather the fresh values of the sources of one symbol.

    Parameters
    ----------
    members
        Shape (>= n,), slots of the symbol's sources; the bit of each is its position.
    what
        ``TRADE``, ``BID``, ``ASK`` or ``MID`` (both sides fresh).
    ts_ns, limit_ns
        Now, and the age from which a value is no longer fresh. A value ahead of now is fresh.
    among
        Mask of the sources to look at.
    scratch
        Shape (4, >= n). Rows 2 and 3 receive values and weights, in the order of the sources, unsorted.

    Returns
    -------
    Number and mask of the sources found.
    """
    count, mask = 0, 0
    for i in range(n):
        if not (among >> i) & 1:
            continue
        row = sources[members[i]]
        if what == TRADE:
            at, value = row.trade_ns, row.trade
        elif what == BID:
            at, value = row.bid_ns, row.bid
        elif what == ASK:
            at, value = row.ask_ns, row.ask
        else:
            at, value = min(row.bid_ns, row.ask_ns), 0.5 * (row.bid + row.ask)
        # Added to the age, not subtracted from now: a time that never came is the least of its type.
        if at + limit_ns > ts_ns:
            scratch[2, count], scratch[3, count] = value, row.weight
            count += 1
            mask |= 1 << i
    return count, mask


@njit(cache=True)
def judge(n: int, found: int, tick_size: float, floor: float, k: float, scratch: F64) -> tuple[float, float, float, int]:
    """Return median, sigma, reach and mask of the cut among collected values.

    A source is cut when it is further than ``k * sigma`` from the lower weighted median. Sigma is the MAD, at least
    the floor. Of two sources the MAD says nothing (their distance is always 1.35 of it), so the floor judges them, and
    the lighter goes, since the heavier is the median; two of equal weight both stay, like a lone source.

    Parameters
    ----------
    n, found
        Number and mask of the values in rows 2 and 3 of the scratch space, as ``collect`` left them.
    tick_size, floor
        Least sigma: price units, and as a share of the price.

    Returns
    -------
    ``reach`` is the distance from the median from which a source is cut, infinite where none may be.
    """
    xs, ws = scratch[0], scratch[1]
    for i in range(n):
        xs[i], ws[i] = scratch[2, i], scratch[3, i]
    sort_pairs(xs, ws, n)
    centre = lower_weighted_median(xs, ws, n)
    least = max(tick_size, floor * abs(centre))
    sigma = max(mad_normal(xs, n), least)
    reach = k * sigma
    if n == 2:
        reach = k * least if ws[0] != ws[1] else np.inf
    elif n < 2:
        return centre, least, np.inf, 0
    cut, at = 0, 0
    if xs[n - 1] - centre > reach or centre - xs[0] > reach:
        for i in range(32):
            if (found >> i) & 1:
                if abs(scratch[2, at] - centre) > reach:
                    cut |= 1 << i
                at += 1
    return centre, sigma, reach, cut


@njit(cache=True)
def _median(
    sources: Rows, members: NDArray[np.int32], n: int, what: int, ts_ns: int, limit_ns: int, among: int, scratch: F64
) -> tuple[float, int]:
    """Return the lower weighted median of the fresh values of the sources in ``among``, and which they are."""
    count, mask = collect(sources, members, n, what, ts_ns, limit_ns, among, scratch)
    sort_pairs(scratch[2], scratch[3], count)
    return lower_weighted_median(scratch[2], scratch[3], count), mask


@njit(cache=True)
def trade_consensus(
    sources: Rows, members: NDArray[np.int32], n: int, ts_ns: int, limit_ns: int, tick_size: float, floor: float,
    k: float, scratch: F64,
) -> tuple[float, float, float, int, int, float]:  # fmt: skip
    """Return price, sigma, reach, mask of the counted, mask of the fresh, and the median before the cut."""
    count, fresh = collect(sources, members, n, TRADE, ts_ns, limit_ns, -1, scratch)
    centre, sigma, reach, cut = judge(count, fresh, tick_size, floor, k, scratch)
    price = centre
    if cut:
        price, _ = _median(sources, members, n, TRADE, ts_ns, limit_ns, fresh & ~cut, scratch)
    return price, sigma, reach, fresh & ~cut, fresh, centre


@njit(cache=True)
def quote_consensus(
    sources: Rows, members: NDArray[np.int32], n: int, ts_ns: int, limit_ns: int, tick_size: float, floor: float,
    k: float, scratch: F64,
) -> tuple[float, float, float, int, int, int]:  # fmt: skip
    """Return bid, ask, sigma, mask of the counted, mask of the fresh, and mask of the cut.

    A source with both sides fresh is judged by its mid; one with a lone side by that side among all such sides.
    """
    count, both = collect(sources, members, n, MID, ts_ns, limit_ns, -1, scratch)
    _, sigma, _, cut = judge(count, both, tick_size, floor, k, scratch)
    fresh = both
    for side in (BID, ASK):
        count, mask = collect(sources, members, n, side, ts_ns, limit_ns, -1, scratch)
        if mask & ~both:
            _, sigma_side, _, cut_side = judge(count, mask, tick_size, floor, k, scratch)
            cut |= cut_side & ~both
            if not both:
                sigma = max(sigma, sigma_side)
        fresh |= mask
    bid, bids = _median(sources, members, n, BID, ts_ns, limit_ns, fresh & ~cut, scratch)
    ask, asks = _median(sources, members, n, ASK, ts_ns, limit_ns, fresh & ~cut, scratch)
    while bid > ask:
        bids, asks = _drop_oldest_crossing(sources, members, n, bid, ask, bids, asks)
        bid, bids = _median(sources, members, n, BID, ts_ns, limit_ns, bids, scratch)
        ask, asks = _median(sources, members, n, ASK, ts_ns, limit_ns, asks, scratch)
    return bid, ask, sigma, bids | asks, fresh, cut


@njit(cache=True)
def _drop_oldest_crossing(
    sources: Rows, members: NDArray[np.int32], n: int, bid: float, ask: float, bids: int, asks: int
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
