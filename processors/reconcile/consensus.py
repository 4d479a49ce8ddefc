"""What the fresh sources of one symbol say together, and which of them are cut. Called by ``kernel`` for each tick.

    trades   last prices of the fresh sources -> judge: lower weighted median of all, and who is too far from it
    quotes   mids (or lone sides)             -> judge -> medians of all bids and of all asks -> uncross -> mid

Who is cut does not count as a source, and stays in the median, which is the same however far off a value is.

Sets of sources are masks: bit i is the i-th source of the symbol. The caller lends scratch space of shape (7, 32):

    row  SORTED  SORTED_WEIGHT  SORTED_BIT     BIDS (or trades)  ASKS  MIDS  WEIGHTS
         chosen values, ascending              one column a source, by its bit
"""

import numpy as np
from numpy.typing import NDArray

from processors.reconcile.precision import BPS, LIGHTER, bound_weights, is_fresh, moves_of, offset_of, weight_of
from processors.reconcile.robust import insert, lower_weighted_median, mad_normal
from processors.runtime.compiled import kernel
from processors.times import LONG_AGO

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Slots = NDArray[np.int32]

SORTED, SORTED_WEIGHT, SORTED_BIT, BIDS, ASKS, MIDS, WEIGHTS = range(7)
TRADES = BIDS
SCRATCH_ROWS = 7


@kernel
def _sort(scratch: F64, what: int, mask: int) -> int:
    """Put the values of the sources in the mask in ascending order, with their weights; return how many."""
    count, bit = 0, 0
    while mask >> bit:
        if (mask >> bit) & 1:
            at = insert(scratch, SORTED_BIT + 1, count, scratch[what, bit])
            scratch[SORTED_WEIGHT, at], scratch[SORTED_BIT, at] = scratch[WEIGHTS, bit], bit
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
    scratch: F64, what: int, mask: int, tick_size: float, floor: float, k: float, agreed: float, moved_bps2: float
) -> tuple[float, float, float, float, int]:
    """Return median, dispersion, sigma, reach and mask of the cut of the sources in the mask; bound their weights.

    A source is cut when it is further than ``k * sigma`` from the lower weighted median. Sigma is the MAD, at least
    the floor. Of two sources the MAD says nothing (their distance is always 1.35 of it), so sigma is the floor. Of two
    that disagree, one goes: that which the last agreed price does not explain, if it explains the other; else the
    lighter, since the heavier is the median. Two of equal weight both stay, like a lone source.

    Parameters
    ----------
    scratch, what
        Values in row ``what``, weights in row ``WEIGHTS``.
    tick_size, floor
        Least sigma: price units, and as a share of the price.
    agreed, moved_bps2
        Last price that two or more agreed on, NaN where there is none, and the variance of what the market has moved
        since and of their error, square basis points.

    Returns
    -------
    The dispersion is the MAD of three or more, half of the distance of two, 0 of one. ``reach`` is the distance from
    the median from which a source is cut, infinite where none may be.
    """
    count = _sort(scratch, what, mask)
    xs, ws = scratch[SORTED], scratch[SORTED_WEIGHT]
    if count == 0:
        return np.nan, 0.0, tick_size, np.inf, 0
    least = max(tick_size, floor * abs(xs[(count - 1) // 2]))
    if count == 1:
        return xs[0], 0.0, least, np.inf, 0
    mad = mad_normal(xs, count) if count > 2 else 0.5 * (xs[1] - xs[0])
    sigma = max(mad, least) if count > 2 else least
    reach = k * sigma
    if count > 2:
        bound_weights(xs, ws, count, reach)
        for i in range(count):
            scratch[WEIGHTS, int(scratch[SORTED_BIT, i])] = ws[i]
    else:
        if xs[1] - xs[0] > reach:
            _believe(scratch, xs, ws, agreed, k * max(agreed * np.sqrt(moved_bps2) / BPS, tick_size))
        if ws[0] == ws[1]:
            reach = np.inf
    centre = lower_weighted_median(xs, ws, count)
    cut = 0
    if xs[count - 1] - centre > reach or centre - xs[0] > reach:
        bit = 0
        while mask >> bit:
            if (mask >> bit) & 1 and abs(scratch[what, bit] - centre) > reach:
                cut |= 1 << bit
            bit += 1
    return centre, mad, sigma, reach, cut


@kernel
def _believe(scratch: F64, xs: F64, ws: F64, agreed: float, reach: float) -> None:
    """Of two sources that disagree, let the one weigh less that the last agreed price does not explain, if one only.

    One that repeats itself, or lies beside the others by more than its error, is heavy as long as it looks precise.
    What both said before they parted, and how far the market can have gone since, tells more than the weight of either.
    """
    first, second = abs(xs[0] - agreed) <= reach, abs(xs[1] - agreed) <= reach
    if first != second:
        loser = 1 if first else 0
        ws[loser] = min(ws[loser], LIGHTER * ws[1 - loser])
        scratch[WEIGHTS, int(scratch[SORTED_BIT, loser])] = ws[loser]


@kernel
def moved_since(symbols: Rows, s: int, what: int, moves: float, floor: float) -> float:
    """Return the variance of what the market has moved since sources agreed, and of their error, square basis points.

    Parameters
    ----------
    moves
        Variance of the market in a second, square basis points: see ``moves_of``.
    floor
        Least sigma as a share of the price.
    """
    row = symbols[s]
    if row.agreed_ns[what] == LONG_AGO:
        return 0.0
    return float((floor * BPS) ** 2 + moves * (max(row.newest_ns - row.agreed_ns[what], 0) * 1e-9))


@kernel
def note_agreed(symbols: Rows, s: int, what: int, price: float, mask: int, reach: float) -> None:
    """Take note of a price that two sources or more agree on.

    Parameters
    ----------
    mask, reach
        Sources that counted, and how far each may be from the price: infinite where two disagree and both stand.
    """
    if mask & (mask - 1) and reach < np.inf:
        symbols[s].agreed[what], symbols[s].agreed_ns[what] = price, symbols[s].newest_ns


@kernel
def trade_consensus(
    sources: Rows, members: Slots, n: int, symbols: Rows, s: int, ts_ns: int, limit_ns: int, tick_size: float,
    floor: float, knobs: Rows, scratch: F64,
) -> tuple[float, float, float, float, int, int]:  # fmt: skip
    """Return price, dispersion, sigma, reach (see ``judge``), mask of the counted and mask of the fresh.

    Parameters
    ----------
    members
        Shape (>= n,), slots of the symbol's sources; the bit of each is its position.
    symbols, s
        The symbol: what its market moves, what was agreed last, and its newest time, against which values age.
    ts_ns, limit_ns
        Now, and the age from which a value is no longer fresh. A value ahead of now is fresh.
    """
    fresh = 0
    now_ns, moves = symbols[s].newest_ns, moves_of(symbols, s, 0, knobs)
    for i in range(n):
        row = sources[members[i]]
        if is_fresh(row.trade_ns, limit_ns, ts_ns):
            scratch[TRADES, i] = row.trade - offset_of(sources, members[i], 0, row.trade)
            scratch[WEIGHTS, i] = weight_of(sources, members[i], 0, now_ns - row.trade_ns, moves, floor)
            fresh |= 1 << i
    moved = moved_since(symbols, s, 0, moves, floor)
    price, mad, sigma, reach, cut = judge(
        scratch, TRADES, fresh, tick_size, floor, knobs[0].k, symbols[s].agreed[0], moved
    )
    return price, mad, sigma, reach, fresh & ~cut, fresh


@kernel
def quote_consensus(
    sources: Rows, members: Slots, n: int, symbols: Rows, s: int, ts_ns: int, limit_ns: int, tick_size: float,
    floor: float, knobs: Rows, scratch: F64,
) -> tuple[float, float, float, float, float, int, int, int]:  # fmt: skip
    """Return bid, ask, dispersion, sigma, reach of the mids, and masks of the counted, of the fresh and of the cut.

    A source with both sides fresh is judged by its mid; one with a lone side by that side among all such sides.
    """
    bids, asks, k = 0, 0, knobs[0].k
    now_ns, moves = symbols[s].newest_ns, moves_of(symbols, s, 1, knobs)
    for i in range(n):
        row = sources[members[i]]
        if is_fresh(row.bid_ns, limit_ns, ts_ns):
            bids |= 1 << i
        if is_fresh(row.ask_ns, limit_ns, ts_ns):
            asks |= 1 << i
        if (bids | asks) >> i:
            mid = 0.5 * (row.bid + row.ask)
            off = offset_of(sources, members[i], 1, mid) if (bids & asks) >> i else 0.0
            scratch[BIDS, i], scratch[ASKS, i], scratch[MIDS, i] = row.bid - off, row.ask - off, mid - off
            age_ns = now_ns - max(row.bid_ns, row.ask_ns)
            scratch[WEIGHTS, i] = weight_of(sources, members[i], 1, age_ns, moves, floor)
    both = bids & asks
    moved = moved_since(symbols, s, 1, moves, floor)
    _, mad, sigma, reach, cut = judge(scratch, MIDS, both, tick_size, floor, k, symbols[s].agreed[1], moved)
    # Of a lone side nothing was agreed: what is remembered is a mid.
    if bids & ~both:
        _, mad_bid, sigma_bid, _, cut_bids = judge(scratch, BIDS, bids, tick_size, floor, k, np.nan, 0.0)
        cut |= cut_bids & ~both
        if not both:
            mad, sigma = mad_bid, sigma_bid
    if asks & ~both:
        _, mad_ask, sigma_ask, _, cut_asks = judge(scratch, ASKS, asks, tick_size, floor, k, np.nan, 0.0)
        cut |= cut_asks & ~both
        if not both:
            mad, sigma = max(mad, mad_ask), max(sigma, sigma_ask)
    fresh = bids | asks
    bid, ask = _median(scratch, BIDS, bids), _median(scratch, ASKS, asks)
    while bid > ask:
        bids, asks = _drop_oldest_crossing(sources, members, n, scratch, bid, ask, bids, asks)
        bid, ask = _median(scratch, BIDS, bids), _median(scratch, ASKS, asks)
    return bid, ask, mad, sigma, reach, (bids | asks) & ~cut, fresh, cut


@kernel
def _drop_oldest_crossing(
    sources: Rows, members: Slots, n: int, scratch: F64, bid: float, ask: float, bids: int, asks: int
) -> tuple[int, int]:
    """Return both masks without the oldest side of those that cross the consensus of the other side.

    A feed without withdrawal rows leaves its old side behind when the market moves through it, so of two sides that
    contradict each other the older is the wrong one. One is always found: the bid itself is over the ask.
    """
    oldest, at, on_bid = np.iinfo(np.int64).max, 0, True
    for i in range(n):
        row = sources[members[i]]
        if (bids >> i) & 1 and scratch[BIDS, i] > ask and row.bid_ns < oldest:
            oldest, at, on_bid = row.bid_ns, i, True
        if (asks >> i) & 1 and scratch[ASKS, i] < bid and row.ask_ns < oldest:
            oldest, at, on_bid = row.ask_ns, i, False
    if on_bid:
        return bids & ~(1 << at), asks
    return bids, asks & ~(1 << at)
