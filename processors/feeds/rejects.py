"""Rows that can be published but will go to the dead letter: found in the survey, and named by row and column.

A recording of a million rows with a crossed quote in it is a good recording, so such rows are told, not refused; the
dead letter then says the same of each. Only ``--strict`` refuses the file. Called by ``files``.
"""

from pathlib import Path

import numpy as np

from processors.configuration import configured
from processors.errors import ConfigError
from processors.reconcile import kernel as k
from processors.reconcile.config import ReconcileConfig
from processors.runtime.batch import Columns

_COLUMNS = {
    k.BAD_TIME: ("ts_event", "ts"),
    k.BAD_PRICE: ("price",),
    k.BAD_QUOTE: ("bid", "ask", "price"),
    k.CROSSED_QUOTE: ("bid", "ask"),
    k.BAD_SIZE: ("size", "qty", "bid_size", "ask_size", "bid_qty", "ask_qty"),
}
"""Where to look: those of them that the file has."""
_NAMES = ("kind", "ts_event", "ts_recv", "price", "size", "bid", "ask", "bid_size", "ask_size")


class Rejects:
    """The rows of one file that break a rule of reconcile: the first of each rule, and how many."""

    def __init__(self, path: Path, columns: frozenset[str]) -> None:
        self._path, self._columns = path, columns
        self._future_ns = int(configured("reconcile", ReconcileConfig()).future_ms * 1_000_000)
        self._first: dict[int, tuple[int, str]] = {}
        self._count: dict[int, int] = {}

    def add(self, ticks: Columns, before: int) -> None:
        """Look at ticks; ``before`` of the file came before them. An unknown symbol is no matter of a row."""
        n = len(ticks)
        error = np.zeros(n, np.uint8)
        arguments = [ticks[name] for name in _NAMES]
        k.broken_rules(*arguments, np.zeros(n, np.int64), np.ones(n, np.bool_), self._future_ns, error)
        if not error.any():
            return
        from processors.reconcile.rejects import rejected_rows

        for rule in np.unique(error[error > 0]).tolist():
            row = int(np.argmax(error == rule))
            if rule not in self._first:
                (why,) = rejected_rows(ticks.take(np.array([row])), error[row : row + 1])
                self._first[rule] = before + row + 1, why.reason
            self._count[rule] = self._count.get(rule, 0) + int((error == rule).sum())

    def _named(self, rule: int) -> str:
        return ", ".join(name for name in _COLUMNS[rule] if name in self._columns)

    def told(self) -> list[str]:
        """Return a sentence for each rule, in the order of the rows."""
        return [
            f"{self._path}: {self._named(rule)} of row {row:,}: {why}: published, and will go to the dead letter"
            + (f", with {self._count[rule] - 1:,} more of the kind" if self._count[rule] > 1 else "")
            for rule, (row, why) in sorted(self._first.items(), key=lambda item: item[1])
        ]

    def refuse(self) -> None:
        """Refuse the file if it has such a row.

        Raises
        ------
        ConfigError
            Names the first row and its column.
        """
        if self._first:
            rule, (row, why) = min(self._first.items(), key=lambda item: item[1])
            n = sum(self._count.values())
            raise ConfigError(str(self._path), f"{self._named(rule)} of row {row:,}", why, f"{n:,} such rows; without "
                              "--strict they are published and go to the dead letter")  # fmt: skip
