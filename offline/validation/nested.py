"""Nested splits: what is tuned is tuned on the training rows alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from offline.validation.split import Split, Splitter


@dataclass(frozen=True, slots=True)
class Nested:
    """A split, and the splits of its training rows; all positions are of the same rows."""

    outer: Split
    inner: tuple[Split, ...]


def nested(outer: Splitter, inner: Splitter, n: int) -> Iterator[Nested]:
    """Yield every outer split of n rows with the inner splits of its training rows.

    The inner splitter sees the training rows as if they were all: a hole that the outer test window leaves is closed,
    so that its sizes of purge hold within each part only. Where labels overlap, split the training rows by time
    (``offline.training.tuning`` does, with ``split_panel``).
    """
    for one in outer.split(n):
        parts = inner.split(len(one.train))
        yield Nested(one, tuple(Split(one.train[p.train], tuple(one.train[t] for t in p.tests)) for p in parts))
