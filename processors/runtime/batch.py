"""Batches on their two levels: bytes as they travel, columns as stages see them.

::

    MessageBatch / EncodedBatch          Columns
    payload  [aaaabbbbbbcc]              ints    (n_int_fields, n)   int64: longs, codes of strings, enums, booleans
    start    [0, 4, 10, 12]              floats  (n_float_fields, n) float64: doubles, NaN for null
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.runtime.layout import NULL_LONG as NULL_LONG  # noqa: PLC0414 - users of columns take it from here
from processors.runtime.layout import SMALL_INTS_ROWS, Layout

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


@dataclass(slots=True)
class EncodedBatch:
    """Records of one topic and partition as bytes, in order.

    Parameters
    ----------
    payload, start
        Record i is ``payload[start[i]:start[i + 1]]``; start has shape (n + 1,).
    key, key_start
        The same for the keys.
    """

    topic: str
    partition: int
    payload: U8
    start: I64
    key: U8
    key_start: I64

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.start) - 1

    def values(self) -> Iterator[bytes]:
        """Yield each record's bytes."""
        return _slices(self.payload, self.start)

    def keys(self) -> Iterator[bytes]:
        """Yield each record's key."""
        return _slices(self.key, self.key_start)


def _slices(data: U8, start: I64) -> Iterator[bytes]:
    # Lists of Python's own numbers: those of NumPy are made anew at each access.
    raw, at = data.tobytes(), start.tolist()
    return (raw[a:b] for a, b in pairwise(at))


@dataclass(slots=True)
class MessageBatch(EncodedBatch):
    """Consumed records: bytes with their place and time in the log.

    Parameters
    ----------
    offset
        Shape (n,), ascending.
    timestamp_ms
        Shape (n,), when the broker appended the record to its log, milliseconds since the epoch; 0 where there is no
        broker. Part of the log, so the same at every reading; a stage may only refuse by it, never compute with it.
    """

    offset: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    timestamp_ms: I64 = field(default_factory=lambda: np.zeros(0, np.int64))

    def skip(self, n: int) -> "MessageBatch":
        """Return the batch without its first n records."""
        return MessageBatch(
            self.topic, self.partition, self.payload, self.start[n:], self.key, self.key_start[n:], self.offset[n:],
            self.timestamp_ms[n:],
        )  # fmt: skip


def pack(values: list[bytes]) -> tuple[U8, I64]:
    """Return the values as one byte buffer and its start offsets, shape (n + 1,)."""
    start = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(v) for v in values], out=start[1:])
    # A bytearray, since compiled code takes writable arrays only.
    return np.frombuffer(bytearray().join(values), np.uint8) if start[-1] else np.zeros(0, np.uint8), start


class Columns:
    """Decoded records as columns, all of one layout and length.

    ``columns["quality.stale"]`` is the column of that field: int64 (strings as codes of the string table, enums as
    index, booleans as 0 and 1, null as ``NULL_LONG``, a null string as -1) or float64 (null as NaN).
    ``topic`` is the topic that consumed records came from, empty where nobody asks.
    """

    __slots__ = ("floats", "ints", "layout", "logged_ms", "offset", "topic")

    def __init__(
        self, layout: Layout, ints: I64, floats: F64, offset: I64 | None = None, logged_ms: I64 | None = None,
        topic: str = "",
    ) -> None:  # fmt: skip
        self.layout, self.ints, self.floats, self.topic = layout, ints, floats, topic
        self.offset = np.full(ints.shape[1], -1, np.int64) if offset is None else offset
        self.logged_ms = np.zeros(ints.shape[1], np.int64) if logged_ms is None else logged_ms

    @classmethod
    def empty(cls, layout: Layout, n: int) -> "Columns":
        """Return n rows to be filled: nullable fields are null, numbers 0, strings -1, which does not encode.

        So a field that a stage forgets is null where it may be, and an error where it must be a string.
        """
        columns = cls(layout, np.zeros((layout.n_ints, n), np.int64), np.zeros((layout.n_floats, n)))
        for row, value in layout.blank_ints:
            columns.ints[row] = value
        columns.floats[layout.blank_floats] = np.nan
        return columns

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.ints.shape[1])

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """Return the column of a field as a view."""
        is_float, row = self.layout.column[name]
        column: NDArray[np.generic] = self.floats[row] if is_float else self.ints[row]
        return column

    def small_ints(self, name: str) -> I64:
        """Return the packed words of an array of small integers as a view, shape (4, n); see ``layout.small_ints``."""
        _, row = self.layout.column[name]
        return self.ints[row : row + SMALL_INTS_ROWS]

    def __setitem__(self, name: str, value: Any) -> None:
        """Fill the column of a field."""
        self[name][:] = value

    def take(self, index: NDArray[np.generic] | slice) -> "Columns":
        """Return the rows at ``index`` (positions, mask or slice), in that order."""
        ints, floats = np.ascontiguousarray(self.ints[:, index]), np.ascontiguousarray(self.floats[:, index])
        return Columns(self.layout, ints, floats, self.offset[index], self.logged_ms[index], self.topic)
