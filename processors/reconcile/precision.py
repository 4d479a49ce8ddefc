"""How far each source usually is from the others: its error, its offset, and what an old value is still worth.

    error    decayed mean square of value - others, square basis points: v
    offset   decayed mean of value - others; what is beyond the threshold is taken off its values
    market   decayed mean square of what the consensus moves in a second: s2

A source counts ``uptime * reliability / (age + v / s2)``: ``v / s2`` is the time in which the market moves as much as
the source errs, so that a value counts as what it may be off by now, whether by its maker's noise, by the way it came
or by its age. (A plain ``latency + eps`` makes one fast vendor a dictator: see ``docs/reconciliation.md``.)

In code, ``weight_of`` divides by ``v + s2 * age``: the same times ``1 / s2``, which all sources of a symbol share.

All is learned against the plain median of the other sources, so that a heavy one does not confirm itself, and apart for
trades and quotes. Called by ``kernel`` and ``consensus``.
"""

import numpy as np
from numpy.typing import NDArray

from processors.reconcile.robust import insert, mad_normal, median
from processors.runtime.compiled import kernel
from processors.times import LONG_AGO

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Slots = NDArray[np.int32]

BPS = 1e4
MOVE_NS_MIN, MOVE_NS_MAX = 2_000_000_000, 60_000_000_000
"""Between two prices of which the market's variance is learned: in less the noise of the consensus counts too much, in
more it may have been closed."""
LIGHTER = 0.999
"""What a weight is bounded by, of those that it must stay under."""
OFFSETS_EVERY = 16
"""Ticks of a symbol between two looks at the offsets of its sources, which change slowly."""


@kernel
def is_fresh(said_ns: int, limit_ns: int, ts_ns: int) -> bool:
    """Return whether a value is younger than the limit. One ahead of now is.

    Added to the time, not subtracted from now: a time that never came is the least of its type.
    """
    return said_ns + limit_ns > ts_ns


@kernel
def offset_of(sources: Rows, slot: int, what: int, value: float) -> float:
    """Return what is taken off a value of a source (of trades 0, of quotes 1), price units."""
    return float(value * sources[slot].offset[what] / BPS)


@kernel
def value_of(sources: Rows, slot: int, what: int) -> float:
    """Return the last value of a source, less its offset: of trades (0) the price, of quotes (1) the mid."""
    row = sources[slot]
    value = 0.5 * (row.bid + row.ask) if what else row.trade
    return float(value - offset_of(sources, slot, what, value))


@kernel
def value_ns(sources: Rows, slot: int, what: int, limit_ns: int, ts_ns: int) -> int:
    """Return when that value was said; the least of all times where it is not fresh, or one side of the quote is."""
    row = sources[slot]
    if what == 0:
        return int(row.trade_ns if is_fresh(row.trade_ns, limit_ns, ts_ns) else LONG_AGO)
    if is_fresh(row.bid_ns, limit_ns, ts_ns) and is_fresh(row.ask_ns, limit_ns, ts_ns):
        return int(max(row.bid_ns, row.ask_ns))
    return int(LONG_AGO)


@kernel
def moves_of(symbols: Rows, s: int, what: int, knobs: Rows) -> float:
    """Return the variance of the market in a second, square basis points: s2."""
    row = symbols[s]
    return float((row.moved[what] + knobs[0].prior_move_bps2) / (row.moved_s[what] + 1.0))


@kernel
def weight_of(sources: Rows, slot: int, what: int, age_ns: int, moves: float, floor: float) -> float:
    """Return how much a value of that age counts.

    Parameters
    ----------
    moves
        See ``moves_of``.
    floor
        Least sigma as a share of the price: what a source that was never compared is taken to err.
    """
    row = sources[slot]
    variance = row.variance[what]
    if variance == 0.0:
        variance = (floor * BPS) ** 2
    return float(row.trust / (variance + moves * (max(age_ns, 0) * 1e-9)))


@kernel
def learn(
    sources: Rows, dirty: NDArray[np.uint8], members: Slots, n: int, slot: int, symbols: Rows, s: int, what: int,
    ts_ns: int, limit_ns: int, tick_size: float, floor: float, knobs: Rows, scratch: F64,
) -> None:  # fmt: skip
    """Compare the value that a source has just said with those of the others.

    Parameters
    ----------
    dirty
        Shape (>= n_sources,): marked for every source whose offset is set, not for ``slot`` itself.
    members
        Shape (>= n,), slots of the symbol's sources.
    scratch
        Shape (>= 1, 32).
    """
    if n < 2 or value_ns(sources, slot, what, limit_ns, ts_ns) == LONG_AGO:
        return
    count, x = 0, scratch[0]
    for i in range(n):
        if members[i] != slot and value_ns(sources, members[i], what, limit_ns, ts_ns) != LONG_AGO:
            insert(scratch, 1, count, value_of(sources, members[i], what))
            count += 1
    if count == 0:
        return
    row, symbol, knob = sources[slot], symbols[s], knobs[0]
    others = median(x, count)
    least = max(tick_size, floor * others)
    reach = knob.k * max(mad_normal(x, count), least) / others * BPS
    far = 2.0 * knob.k * floor * BPS
    value = value_of(sources, slot, what)
    off = (value / others - 1.0) * BPS
    raw = off + row.offset[what]
    row.error[what] += min(abs(off), reach) ** 2
    row.shift[what] += min(max(raw, -far), far)
    row.compared[what] += 1.0
    prior = knob.prior_error_ticks
    row.variance[what] = (row.error[what] + prior * (floor * BPS) ** 2) / (row.compared[what] + prior)
    symbol.compared[what] += 1
    if symbol.compared[what] % OFFSETS_EVERY == 0:
        _set_offsets(
            sources, dirty, members, n, what, knob.offset_share * floor * BPS, knob.prior_offset_ticks, scratch
        )


@kernel
def _set_offsets(
    sources: Rows, dirty: NDArray[np.uint8], members: Slots, n: int, what: int, threshold: float, prior_ticks: float,
    scratch: F64,
) -> None:  # fmt: skip
    """Set the offset of each source: what is beyond the threshold. The source in the middle keeps the level."""
    count = 0
    for i in range(n):
        row = sources[members[i]]
        if row.compared[what] > 0.0:
            insert(scratch, 1, count, row.shift[what] / (row.compared[what] + prior_ticks))
            count += 1
    level = median(scratch[0], count)
    for i in range(n):
        row = sources[members[i]]
        if row.compared[what] > 0.0:
            beyond = row.shift[what] / (row.compared[what] + prior_ticks) - level
            row.offset[what] = np.sign(beyond) * max(abs(beyond) - threshold, 0.0)
            dirty[members[i]] = 1


@kernel
def note_move(symbols: Rows, s: int, what: int, price: float, half_life_s: float) -> None:
    """Take note of what the consensus has moved since the last price noted."""
    row = symbols[s]
    if np.isnan(price):
        return
    gap_ns = row.newest_ns - row.moved_ns[what]
    if row.moved_ns[what] != LONG_AGO and gap_ns < MOVE_NS_MIN:
        return
    if row.moved_ns[what] != LONG_AGO and gap_ns <= MOVE_NS_MAX:
        gap_s = gap_ns * 1e-9
        fade = np.exp2(-gap_s / half_life_s)
        row.moved[what] = row.moved[what] * fade + ((price / row.moved_price[what] - 1.0) * BPS) ** 2
        row.moved_s[what] = row.moved_s[what] * fade + gap_s
    row.moved_price[what], row.moved_ns[what] = price, row.newest_ns


@kernel
def bound_weights(x: F64, w: F64, n: int, reach: float) -> None:
    """Bound the weights of ascending values, so that no source is a dictator.

    A value without another within reach counts no more than the lightest that has one, and the heaviest a little less
    than all others together. Of fewer than three, nothing is bounded.
    """
    if n < 3:
        return
    least = np.inf
    for i in range(n):
        if (i > 0 and x[i] - x[i - 1] <= reach) or (i + 1 < n and x[i + 1] - x[i] <= reach):
            least = min(least, w[i])
    total, heaviest = 0.0, 0
    for i in range(n):
        # Nobody has company: then all count the same.
        if least == np.inf:
            w[i] = 1.0
        elif not ((i > 0 and x[i] - x[i - 1] <= reach) or (i + 1 < n and x[i + 1] - x[i] <= reach)):
            w[i] = min(w[i], least)
        total += w[i]
        if w[i] > w[heaviest]:
            heaviest = i
    others, second = total - w[heaviest], 0.0
    for i in range(n):
        if i != heaviest:
            second = max(second, w[i])
    w[heaviest] = min(w[heaviest], max(LIGHTER * others, second))
