"""Slots of the rows of a batch: the source of each trade and quote, the feed and vendor of each other row.

What a row is about is a source, or the symbol of a status that tells a phase. A correction has a slot of its source
where that is known, beside feed and vendor.

Slots are given row by row, since their order must not depend on where a batch ends.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.kinds import QUOTE
from processors.reconcile import kernel as k
from processors.reconcile.config import FEEDS_MAX, SOURCES_MAX
from processors.reconcile.corrections import CANCEL
from processors.runtime.batch import I64, U8, Columns
from processors.runtime.compiled import kernel
from processors.runtime.intmap import place_of
from processors.runtime.state import CODE_BITS, State

Slots = NDArray[np.int32]


@kernel
def _known(
    first: int, symbol: I64, vendor: I64, venue: I64, kind: I64, told: NDArray[np.int8], error: U8, no_venue: int,
    source_keys: I64, source_slots: I64, feed_keys: I64, feed_slots: I64, vendor_keys: I64, vendor_slots: I64,
    symbol_keys: I64, symbol_slots: I64,
    feed: Slots, by_vendor: Slots, about: Slots,
) -> int:  # fmt: skip
    """Fill the slots of the rows from ``first`` on; return the first sound row whose slot is not known yet, else n."""
    for i in range(first, len(kind)):
        feed[i] = by_vendor[i] = about[i] = -1
        # A crossed quote is no error in an auction: its source is looked up, but it makes none.
        crossed = error[i] == k.CROSSED_QUOTE
        if error[i] != k.SOUND and not crossed:
            continue
        key = (vendor[i] << CODE_BITS) | venue[i]
        if kind[i] <= QUOTE:
            key |= symbol[i] << (2 * CODE_BITS)
            at = place_of(key, source_keys)
            if source_keys[at] == key:
                about[i] = source_slots[at]
            elif not crossed:
                return i
            continue
        if told[i] >= CANCEL:
            at = place_of(key | (symbol[i] << (2 * CODE_BITS)), source_keys)
            # Makes none: of a source never heard there is nothing to correct.
            about[i] = source_slots[at] if source_keys[at] >= 0 else -1
        elif told[i] >= 0:
            at = place_of(symbol[i], symbol_keys)
            if symbol_keys[at] != symbol[i]:
                return i
            about[i] = symbol_slots[at]
        at = place_of(key, feed_keys)
        if feed_keys[at] != key:
            return i
        feed[i] = feed_slots[at]
        # A heartbeat without a venue speaks for all venues of its vendor, which came with its first feed.
        if venue[i] == no_venue:
            by_vendor[i] = vendor_slots[place_of(vendor[i], vendor_keys)]
    return len(kind)


def slots_of(
    state: State, batch: Columns, told: NDArray[np.int8], error: U8, no_venue: int
) -> tuple[Slots, Slots, Slots]:
    """Return the slots of feed and vendor of each row, and of what it is about, -1 where it has none.

    Parameters
    ----------
    told
        Shape (n,), what status rows and corrections tell, -1 elsewhere.
    error
        Shape (n,), broken rules; a row of a source or feed too many gets its own.
    no_venue
        String code of the empty venue.
    """
    n = len(batch)
    symbol, vendor, venue, kind = (batch[c] for c in ("symbol_id", "vendor", "venue", "kind"))
    out = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    i = 0
    while True:
        # Asked for anew: a map that grows has other arrays.
        maps = [state[name].index for name in ("sources", "feeds", "vendors", "symbols")]
        arguments: list[Any] = [symbol, vendor, venue, kind, told, error, no_venue]
        i = _known(i, *arguments, *(a for m in maps for a in (m.keys, m.values)), *out)
        if i >= n:
            return out
        if kind[i] <= QUOTE:
            slot = _source_slot(state, int(symbol[i]), int(vendor[i]), int(venue[i]))
        else:
            slot = _feed_slot(state, int(vendor[i]), int(venue[i]))
            if slot >= 0 and 0 <= told[i] < CANCEL:
                state["symbols"].slot(int(symbol[i]))
        if slot < 0:
            error[i] = k.TOO_MANY_SOURCES


def _feed_slot(state: State, vendor: int, venue: int) -> int:
    """Return the slot of a feed, a new one if need be; -1 where there are too many."""
    feeds = state["feeds"]
    slot = feeds.find_one(vendor, venue)
    if slot < 0 and len(feeds) < FEEDS_MAX:
        slot = feeds.slot(vendor, venue)
        state["vendors"].slot(vendor)
    return slot


def _source_slot(state: State, symbol: int, vendor: int, venue: int) -> int:
    """Return the slot of a new source, and enter it at its symbol; -1 where there are too many."""
    sources, symbols = state["sources"], state["symbols"]
    s = symbols.find_one(symbol)
    if s >= 0 and symbols.rows["n_sources"][s] >= SOURCES_MAX:
        return -1
    feed = _feed_slot(state, vendor, venue)
    if feed < 0:
        return -1
    s, slot = symbols.slot(symbol), sources.slot(symbol, vendor, venue)
    bit = int(symbols.rows["n_sources"][s])
    row = sources.rows[slot : slot + 1]
    row["symbol"], row["bit"], row["feed"] = s, bit, feed
    row["vendor"] = state["vendors"].find_one(vendor)
    symbols.rows["source"][s, bit] = slot
    symbols.rows["n_sources"][s] += 1
    symbols.dirty[s] = 1
    return slot
