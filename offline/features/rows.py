"""Feature rows as stores find them and as callers get them.

::

    store -> Rows (arrays: one column a row of the table) -> FeatureRows -> pyarrow table
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from offline.features.packs import FLAGS, QUALITY, PackView
from offline.features.wide_table import WideTable
from processors.missing import F64, I64, Mask

_MARKS = [i for i, name in enumerate(QUALITY) if name in FLAGS]
_NUMBERS = [i for i, name in enumerate(QUALITY) if name not in FLAGS]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that a store has found.

    Parameters
    ----------
    symbol
        Shape (n,), ascending: position of the row's symbol among those asked for.
    ts_ns
        Shape (n,), ascending within a symbol.
    values
        Shape (n_features, n), in the pack's order; NaN for null.
    quality
        Shape (len(QUALITY), n); flags are 0 and 1, NaN for null.
    known_ns
        Shape (n,): from when on the row can be known, see ``sources.known_ns``.
    """

    symbol: I64
    ts_ns: I64
    values: F64
    quality: F64
    known_ns: I64

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ts_ns)

    @classmethod
    def none(cls, n_features: int) -> "Rows":
        """Return no rows."""
        none = np.zeros(0, np.int64)
        return cls(none, none, np.zeros((n_features, 0)), np.zeros((len(QUALITY), 0)), none)

    def take(self, at: I64 | Mask) -> "Rows":
        """Return the rows at positions or of a mask, in that order."""
        # Contiguous, since a column of the table is a window on its row of the matrix.
        values, quality = np.ascontiguousarray(self.values[:, at]), np.ascontiguousarray(self.quality[:, at])
        return Rows(self.symbol[at], self.ts_ns[at], values, quality, self.known_ns[at])

    def placed(self, place: I64) -> "Rows":
        """Return the rows with ``place[symbol]`` for each symbol."""
        return Rows(place[self.symbol], self.ts_ns, self.values, self.quality, self.known_ns)

    def newest(self, n: int) -> "Rows":
        """Return the last ``n`` rows of each symbol."""
        if len(self) == 0:
            return self
        ends = np.searchsorted(self.symbol, self.symbol, side="right")
        return self.take(ends - np.arange(len(self)) <= n)

    def counts(self, n_symbols: int) -> I64:
        """Return the number of rows of each symbol, shape (n_symbols,)."""
        return np.bincount(self.symbol, minlength=n_symbols).astype(np.int64)


def merged(first: Rows, second: Rows) -> Rows:
    """Return the rows of both in order; of two rows of one symbol and time that of ``first``."""
    if len(first) == 0 or len(second) == 0:
        return second if len(first) == 0 else first
    both = Rows(
        np.concatenate([first.symbol, second.symbol]), np.concatenate([first.ts_ns, second.ts_ns]),
        np.concatenate([first.values, second.values], axis=1), np.concatenate([first.quality, second.quality], axis=1),
        np.concatenate([first.known_ns, second.known_ns]),
    )  # fmt: skip
    rank = np.r_[np.zeros(len(first), np.int64), np.ones(len(second), np.int64)]
    order = np.lexsort((rank, both.ts_ns, both.symbol))
    symbol, ts_ns = both.symbol[order], both.ts_ns[order]
    new = np.r_[True, (symbol[1:] != symbol[:-1]) | (ts_ns[1:] != ts_ns[:-1])]
    return both.take(order[new])


class FeatureStore(Protocol):
    """Where feature rows come from."""

    name: str
    """What a message calls it."""

    def newest(self, symbols: Sequence[str], tf: str, as_of_ns: int | None, n: int, pack: PackView) -> Rows:
        """Return the newest ``n`` rows of each symbol that have the pack, with ts at or before ``as_of_ns``.

        Parameters
        ----------
        symbols
            Each once.
        as_of_ns
            Nanoseconds since the epoch, UTC; None: whatever is there.

        Raises
        ------
        RetryableError
            The store does not answer.
        """


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """What was asked for, with what it is worth.

    Parameters
    ----------
    as_of_ns
        Time that was asked for, None for whatever is newest.
    known_by_ns
        Time by which the rows could be known, None where nobody asked.
    symbols
        As asked for; ``rows.symbol`` counts in it.
    warm
        Shape (n,).
    age_ms
        Shape (n,): ``as_of`` less the row's time; 0 where no time was asked for and there is no clock.
    stale
        Shape (n,): older than its timeframe allows, or made of stale ticks.
    """

    pack: PackView
    tf: str
    as_of_ns: int | None
    known_by_ns: int | None
    symbols: tuple[str, ...]
    rows: Rows
    warm: Mask
    age_ms: F64
    stale: Mask

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def table(self) -> pa.Table:
        """Return the rows: symbol, time, features in the pack's order, known_at, pack hash, staleness, quality."""
        rows = self.rows
        names = [self.symbols[i] for i in rows.symbol.tolist()]
        flags = [pa.array(f, pa.bool_()) for f in (self.warm, self.stale)]
        quality = {QUALITY[j]: pa.array(rows.quality[j], pa.float64(), from_pandas=True) for j in _NUMBERS}
        quality |= {QUALITY[j]: pa.array(rows.quality[j] > 0, pa.bool_()) for j in _MARKS}
        before = [pa.array(names, pa.string()), pa.array(rows.ts_ns, pa.timestamp("ns", "UTC"))]
        after = [
            pa.array(rows.known_ns, pa.timestamp("ns", "UTC")), pa.array([self.pack.hash] * len(names), pa.string()),
            flags[0], pa.array(self.age_ms, pa.float64()), flags[1], *(quality[name] for name in QUALITY),
        ]  # fmt: skip
        return _wide(self.pack).table(before, np.ascontiguousarray(rows.values), after)


_TABLES: dict[str, WideTable] = {}


def _wide(pack: PackView) -> WideTable:
    """Return the maker of a pack's tables: worked out once, since a schema of hundreds of columns takes a while."""
    if pack.ref not in _TABLES:
        _TABLES[pack.ref] = WideTable(pack.schema)
    return _TABLES[pack.ref]
