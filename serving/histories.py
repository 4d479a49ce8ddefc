"""The rows behind each asked one, for models that read windows: from the store to the very windows that the stage has.

The store keeps rows by their time, the stage read them in the order of the log: a row whose offset is lower than that
of a later one came late and stood in no window, and so it is here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from processors.runtime.batch import Columns
from processors.runtime.row_reader import RowReader
from processors.score.inputs import input_matrix
from processors.score.model import Model
from processors.score.score import fates, in_window
from processors.score.window import Windows, windows_of
from schemas.instruments import load_instruments
from serving.requests import Asked

SPARE_ROWS = 8
"""Read beyond a window: the few rows that stand in none."""
ROWS_MAX = 4096
"""Read where these do not suffice; more than Redis is told to keep."""


class HistoryStore(Protocol):
    """Where the rows come from: ``processors.sinks.redis_store.RedisStore``."""

    def gold_rows_many(
        self, wanted: Sequence[tuple[str, str, int | None]], rows: int
    ) -> list[list[tuple[int, int, bytes]]]:
        """Return the newest rows of each symbol and timeframe up to a time (None: all): (ts, offset, wire bytes)."""


@dataclass(frozen=True, slots=True)
class History:
    """Rows up to one that was asked for, oldest first, late ones left out.

    Parameters
    ----------
    wire
        The rows as they travel; the last is the one that was asked for.
    has_all
        The store has no older ones.
    """

    wire: list[bytes]
    has_all: bool


def read_histories(store: HistoryStore, asked: Sequence[Asked], rows: int) -> list[History]:
    """Return the newest rows of each request."""
    found = store.gold_rows_many([(one.symbol_id, one.tf, one.as_of_ns) for one in asked], rows)
    return [History(_in_order(one), len(one) < rows) for one in found]


def _in_order(rows: list[tuple[int, int, bytes]]) -> list[bytes]:
    """Return the rows that were in order when the log was read, oldest first."""
    kept = []
    first_offset = None
    # From the newest on: whoever has a higher offset than a later row, or than one of the same time, came after it.
    for _, offset, wire in sorted(rows, key=lambda row: (-row[0], row[1])):
        if first_offset is None or offset < first_offset:
            kept.append(wire)
            first_offset = offset
    return kept[::-1]


def windows_of_histories(model: Model, reader: RowReader, histories: Sequence[History]) -> tuple[Windows, list[bool]]:
    """Return the window of the newest row of each history, and which histories are too short and could be longer.

    A row that cannot be read, or that the stage lets into no window, is in none.
    """
    gold, of = _decoded(reader, histories)
    ok = in_window(fates(model, gold, load_instruments()))
    x = input_matrix(gold.take(ok), model.card.inputs)
    windows = windows_of(x, of[ok])
    # Of each history its newest row: the last of its group.
    last, seen = np.zeros(len(histories), np.int64), np.zeros(len(histories), np.int64)
    last[of[ok]], seen[of[ok]] = windows.last, windows.seen
    short = [bool(n < model.card.window_bars) and not h.has_all for n, h in zip(seen, histories, strict=True)]
    return Windows(windows.rows, last, seen), short


def _decoded(reader: RowReader, histories: Sequence[History]) -> tuple[Columns, np.ndarray]:
    """Return the rows of all histories that can be read, and whose each is."""
    columns, error = reader.read([wire for history in histories for wire in history.wire])
    of = np.repeat(np.arange(len(histories)), [len(history.wire) for history in histories])
    return columns.take(error == 0), of[error == 0]
