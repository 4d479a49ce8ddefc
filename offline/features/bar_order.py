r"""Bars of several partitions in pages: each partition in its own order, all of them up to one time.

    partition 0  --- 10:01 --- 10:02 --- 10:03 --- 10:04 ---
    partition 1  --- 10:01 ------------- 10:03 ------------- 10:07 ---
                                              ^ the page ends where the first partition that may have more has come

Where a page ends depends on the places of its begin and on the bars alone, so that a back-fill that goes on makes the
pages that one without a break makes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from offline.features.bar_source import BarSource, Page
from processors.runtime.batch import Columns

NEVER_NS = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Place:
    """How far the bars of a partition are read.

    Parameters
    ----------
    after
        Cursor of the last bar, -1 before the first.
    newest_ns
        Greatest ts of the bars so far.
    """

    after: int = -1
    newest_ns: int = NEVER_NS


class _Reader:
    """The bars of one partition from a place on, at least a share of them at hand while there are as many."""

    def __init__(self, source: BarSource, symbols: Sequence[str], place: Place, share: int) -> None:
        self.place, self._share = place, share
        self._pages = source.pages(symbols, place.after, share)
        self._at_hand: Page | None = None
        self._is_at_end = False

    def look(self) -> Page | None:
        """Return the bars at hand, None behind the last one."""
        while not self._is_at_end and (self._at_hand is None or len(self._at_hand.bars) < self._share):
            page = next(self._pages, None)
            self._is_at_end = page is None
            if page is not None:
                self._at_hand = page if self._at_hand is None else _joined(self._at_hand, page)
        return self._at_hand

    def reached(self) -> np.ndarray:
        """Return the time that the partition has come to with each of the next bars, a share of them at most."""
        page = self.look()
        ts = np.asarray(page.bars["ts"][: self._share], np.int64) if page else np.zeros(0, np.int64)
        return np.maximum(np.maximum.accumulate(ts), self.place.newest_ns)

    def take(self, n: int, newest_ns: int) -> Columns:
        """Return the next n bars and go on behind them."""
        page = self._at_hand
        assert page is not None
        self.place = Place(int(page.cursors[n - 1]), newest_ns)
        rest = Page(page.bars.take(slice(n, None)), page.cursors[n:])
        self._at_hand = rest if len(rest.bars) else None
        return page.bars.take(slice(n))


def pages(
    source: BarSource, partitions: Mapping[int, Sequence[str]], places: Mapping[int, Place], size: int
) -> Iterator[tuple[dict[int, Columns], dict[int, Place], dict[int, Place]]]:  # fmt: skip
    """Yield pages of at most about ``size`` bars: the bars of each partition, the places before them and behind them.

    Parameters
    ----------
    partitions
        Partition -> its symbols.
    places
        Where to begin; partitions that are not there at their first bar.
    """
    share = max(size // len(partitions), 1)
    readers = {p: _Reader(source, s, places.get(p, Place()), share) for p, s in partitions.items()}
    while True:
        reached = {p: reader.reached() for p, reader in readers.items()}
        ends = [int(at[-1]) for at in reached.values() if len(at) == share]
        if not any(len(at) for at in reached.values()):
            return
        before = {p: reader.place for p, reader in readers.items()}
        bars = {}
        for p, at in reached.items():
            n = int(np.searchsorted(at, min(ends), side="right")) if ends else len(at)
            if n:
                bars[p] = readers[p].take(n, int(at[n - 1]))
        yield bars, before, {p: reader.place for p, reader in readers.items()}


def _joined(first: Page, second: Page) -> Page:
    ints, floats = (
        np.concatenate([getattr(p.bars, kind) for p in (first, second)], axis=1) for kind in ("ints", "floats")
    )
    return Page(Columns(first.bars.layout, ints, floats), np.concatenate([first.cursors, second.cursors]))
