"""Fundamentals and events as series that are asked only as known: one value for each row of a join, or a record."""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from processors.reference.known import Known
from processors.reference.records import Fundamental, MarketEvent

R = TypeVar("R", Fundamental, MarketEvent)
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


class Facts(Generic[R]):
    """Records of one kind by symbol and name.

    Parameters
    ----------
    records
        Every revision, in the order in which they were published.
    """

    def __init__(self, records: Iterable[R]) -> None:
        self.records: Sequence[R] = list(records)
        self._keys: dict[tuple[str, str], int] = {}
        identities: dict[tuple[str, ...], int] = {}
        n = len(self.records)
        key, event, known, identity = (np.zeros(n, np.int64) for _ in range(4))
        withdrawn = np.zeros(n, np.bool_)
        for i, r in enumerate(self.records):
            name, event[i], withdrawn[i], same = _meaning(r)
            key[i] = self._keys.setdefault((r.symbol_id, name), len(self._keys))
            identity[i] = identities.setdefault(same, len(identities))
            known[i] = r.ts_known
        self._known = Known(key, event, known, identity, withdrawn)

    @property
    def series(self) -> list[tuple[str, str]]:
        """Symbol and name of each series: metric of a fundamental, ``type.name`` of an event."""
        return list(self._keys)

    def newest(self, symbol_id: str, name: str, at_ns: int, known_ns: int | None = None) -> R | None:
        """Return the newest fact that happened by ``at_ns`` and was known by ``known_ns`` (``at_ns`` where None)."""
        return self._one(self._known.newest, symbol_id, name, at_ns, known_ns)

    def next(self, symbol_id: str, name: str, at_ns: int, known_ns: int | None = None) -> R | None:
        """Return the first fact that happens after ``at_ns`` and was announced by ``known_ns``."""
        return self._one(self._known.next, symbol_id, name, at_ns, known_ns)

    def join(self, symbol_ids: Sequence[str], name: str, at_ns: I64, known_ns: I64 | None = None) -> F64:
        """Return the value for each row, as known; NaN where there was none.

        Parameters
        ----------
        symbol_ids, at_ns
            Symbol and time of each row, shape (n_rows,).
        known_ns
            When each row must have known it; at ``at_ns`` where None.
        """
        key = np.array([self._keys.get((s, name), -1) for s in symbol_ids], np.int64)
        found = self._known.newest(key, at_ns, at_ns if known_ns is None else known_ns)
        values = np.array([np.nan if r.value is None else r.value for r in self.records] + [np.nan])
        joined: F64 = values[found]
        return joined

    def _one(self, ask: object, symbol_id: str, name: str, at_ns: int, known_ns: int | None) -> R | None:
        key = self._keys.get((symbol_id, name), -1)
        assert callable(ask)
        question = [np.array([x], np.int64) for x in (key, at_ns, at_ns if known_ns is None else known_ns)]
        (found,) = ask(*question)
        return None if found < 0 else self.records[found]


def _meaning(r: Fundamental | MarketEvent) -> tuple[str, int, bool, tuple[str, ...]]:
    """Return name, time of the event, whether it is withdrawn, and what it is a revision of.

    The event of a figure is the end of its period: a restatement of last year must not hide this year's. Quarters and
    years of a metric are one series; each figure says by its period which it is.
    """
    if isinstance(r, Fundamental):
        return r.metric, r.period_end, r.value is None, (r.symbol_id, r.metric, str(r.period_end), r.span)
    return f"{r.type}.{r.name}", r.ts_event, r.is_withdrawn, (r.symbol_id, r.event_id, r.type, r.name)
