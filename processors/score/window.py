"""Windows: the newest rows of a symbol and timeframe, for models whose card says ``window_bars`` over 1.

A window counts bars, as featurize does: a session that ends, a week-end or a missing bar is no gap in it (a bar after
a missing one has the gate ``gap``). Which rows stand in it is said by ``score.in_window`` alone, for the stage, the
ScoreService and an offline run alike:

- in: rows that are warming up, that miss an input, or that training has seen; the graph fills what is null in them
- out: rows that come late (``out_of_order``), of other packs, with the regime of another model, of an unknown symbol,
  or with a broken price
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.runtime.batch import I64
from processors.runtime.state import Table, TableSpec
from processors.score.inputs import Input
from processors.score.window_kernel import lay_out, remember

F32 = NDArray[np.float32]
TABLE = "newest_rows"


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of n gold rows, which overlap, as one matrix.

    Parameters
    ----------
    rows
        Shape (m, n_inputs) float32: inputs of rows, one symbol and timeframe after another, oldest first.
    last
        Shape (n,): where in ``rows`` each gold row itself stands; any where it is in no window.
    seen
        Shape (n,): rows of its symbol and timeframe up to it, itself among them; 0 where it is in no window.
    """

    rows: F32
    last: I64
    seen: I64

    def take(self, index: NDArray[np.generic]) -> "Windows":
        """Return the windows of the gold rows at ``index``."""
        return Windows(self.rows, self.last[index], self.seen[index])

    def at(self, index: I64, window_bars: int) -> F32:
        """Return the windows of the gold rows at ``index``, shape (len(index), window_bars, n_inputs)."""
        rows: F32 = self.rows[self.last[index][:, None] + np.arange(1 - window_bars, 1)]
        return rows


def window_table(inputs: tuple[Input, ...], window_bars: int) -> TableSpec:
    """Return the state of a model's windows.

    Rows that another model's inputs left are begun anew, not refused: another model may be deployed at any time, and
    then its windows fill again. Declared for models of one row too, which keep none.
    """
    wide = window_bars > 1
    row = [("count", "<i4"), ("x", "<f4", (window_bars, len(inputs)))] if wide else [("count", "<i4")]
    text = repr([window_bars, [(i.name, i.scale) for i in inputs]]) if wide else "none"
    fresh = np.zeros((), np.dtype(row))
    return TableSpec(TABLE, fresh, key_parts=2, settings=hashlib.sha256(text.encode()).hexdigest(), renewed=True)


def push_rows(table: Table, x: F32, symbol: I64, tf: I64) -> Windows:
    """Return the windows that end with new rows, which are all to be in them, and keep them in the state.

    Parameters
    ----------
    table
        Of ``window_table``.
    x
        Shape (n, n_inputs), in order within each symbol and timeframe.
    symbol, tf
        Shape (n,), string codes.
    """
    slots = table.slots(symbol, tf)
    # Fields of a structured array are views, and kernels take plain arrays.
    plain = table.rows.view(np.ndarray)
    windows = _laid_out(x, slots, plain["count"], plain["x"])
    remember(x, slots, plain["count"], plain["x"], table.dirty)
    return windows


def windows_of(x: F32, group: I64) -> Windows:
    """Return the windows of rows that have nothing behind them but each other, in order within each group.

    Parameters
    ----------
    x
        Shape (n, n_inputs).
    group
        Shape (n,), which rows belong together: numbers from 0.
    """
    n_groups = int(group.max()) + 1 if len(group) else 0
    nothing = np.zeros((n_groups, 1, x.shape[1]), np.float32)
    return _laid_out(x, group.astype(np.int32), np.zeros(n_groups, np.int32), nothing)


def spread(windows: Windows, kept: I64, n: int) -> Windows:
    """Return windows of some rows as windows of all n, which have none where they are not among ``kept``."""
    last, seen = np.zeros(n, np.int64), np.zeros(n, np.int64)
    last[kept], seen[kept] = windows.last, windows.seen
    return Windows(windows.rows, last, seen)


def _laid_out(x: F32, slots: NDArray[np.int32], count: NDArray[np.int32], ring: F32) -> Windows:
    touched = np.unique(slots)
    rows = np.empty((len(x) + len(touched) * (ring.shape[1] - 1), x.shape[1]), np.float32)
    last, seen = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
    n = lay_out(x, slots, np.argsort(slots, kind="stable"), count, ring, rows, last, seen)
    return Windows(rows[:n], last, seen)
