"""Nested splits: what is tuned is tuned on the training rows alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from offline.validation.panel import Panel, split_panel
from offline.validation.split import Split, Splitter


@dataclass(frozen=True, slots=True)
class Nested:
    """A split, and the splits of its training rows; all positions are of the same rows."""

    outer: Split
    inner: tuple[Split, ...]


def nested(outer: Splitter, inner: Splitter, n: int) -> Iterator[Nested]:
    """Yield every outer split of n rows with the inner splits of its training rows.

    The inner splitter sees the training rows as if they were all: a hole that the outer test window leaves is closed,
    so that its sizes of purge hold within each part only. Where labels overlap, take ``nested_panel``, by time.
    """
    for one in outer.split(n):
        parts = inner.split(len(one.train))
        yield Nested(one, tuple(Split(one.train[p.train], tuple(one.train[t] for t in p.tests)) for p in parts))


def nested_panel(outer: Splitter, inner: Splitter, panel: Panel, embargo_ns: int = 0) -> Iterator[Nested]:
    """Yield nested splits over the times of a panel, purged by label ends at both levels.

    Parameters
    ----------
    outer, inner
        Split the different times as if they were rows.
    panel, embargo_ns
        See ``split_panel``.
    """
    for one in split_panel(outer, panel, embargo_ns):
        rows = one.train
        within = Panel(panel.ts_ns[rows], panel.end_ns[rows], panel.symbol[rows])
        parts = split_panel(inner, within, embargo_ns)
        yield Nested(one, tuple(Split(rows[p.train], tuple(rows[t] for t in p.tests)) for p in parts))
