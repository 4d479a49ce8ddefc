"""The port of the feed adapters: rows of a recorded file in, columns of RawTick out; with the helpers they share.

An adapter recognises a file by its columns, parses and stamps; it filters nothing, mends nothing and drops nothing:
one row is one tick, in the order of the file.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from processors.runtime.batch import F64, I64, NULL_LONG, Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.strings import STRINGS
from processors.times import DAY_NS
from schemas.registry import load_registry

RAW_TOPIC = "ticks.raw.v1"

Rows: TypeAlias = pa.RecordBatch
"""Rows of a file, in its order."""

Flags: TypeAlias = NDArray[np.bool_]

SUSPICIOUS = "SUSPICIOUS"
"""Appended to the conditions of a row that its vendor marked as suspicious."""


_LINE_BITS = 33
"""Room for the line of a day file and one bit for the stream: 4 billion lines a day."""


class Adapter(Protocol):
    """What a form of file must offer."""

    @property
    def name(self) -> str:
        """The form in a few words, for messages."""
        ...

    @property
    def columns(self) -> frozenset[str]:
        """Columns a file of this form must have; it may have more."""
        ...

    @property
    def foreign(self) -> frozenset[str]:
        """Columns that tell another form with more columns from this one."""
        ...

    @property
    def times(self) -> tuple[str, ...]:
        """Time columns: (event,) or (receive, event)."""
        ...

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:
        """Return the rows as columns of RawTick, in the same order.

        Parameters
        ----------
        rows
            Some rows of the file; all rows of a file come in its order, over several calls.
        skew_ns
            Exchange clock minus recorder clock; stands in for an exchange time that was not recorded.
        memory
            Empty at the first rows of a file, and given again with the next ones.
        """
        ...


@cache
def codec() -> FlatCodec:
    """Return the codec of ``ticks.raw.v1`` under its current schema."""
    entry = load_registry().current(RAW_TOPIC)
    return FlatCodec(entry.schema, entry.id)


@cache
def kind_index(kind: str) -> int:
    """Return the enum index of a tick kind (trade, quote, heartbeat, ...)."""
    return codec().layout.symbols["kind"].index(kind)


def raw_ticks(n: int) -> Columns:
    """Return n ticks whose nullable fields are null, to be filled."""
    ticks = Columns.empty(codec().layout, n)
    ticks.floats[:] = np.nan
    ticks["seq"] = NULL_LONG
    empty = STRINGS.code("")
    for name in ("symbol_id", "vendor", "venue", "conditions"):
        ticks[name] = empty
    return ticks


def longs(ticks: Columns, name: str) -> I64:
    """Return an integer column of ticks, as a view."""
    is_float, row = ticks.layout.column[name]
    assert not is_float
    out: I64 = ticks.ints[row]
    return out


def times(rows: Rows, name: str) -> I64:
    """Return a time column as nanoseconds since the epoch, UTC; null as ``NULL_LONG``."""
    return _int64(rows.column(name).cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()))


def integers(rows: Rows, name: str) -> I64:
    """Return an integer column; null as ``NULL_LONG``."""
    return _int64(rows.column(name).cast(pa.int64()))


def numbers(rows: Rows, name: str) -> F64:
    """Return a number column; null as NaN."""
    out: F64 = rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return out


def flags(rows: Rows, name: str) -> Flags:
    """Return a boolean column; null as false."""
    column = pc.fill_null(rows.column(name).cast(pa.bool_()), pa.scalar(value=False))
    out: Flags = column.to_numpy(zero_copy_only=False)
    return out


def texts(rows: Rows, name: str) -> tuple[list[str], I64]:
    """Return the distinct texts of a column and each row's position among them; null is the empty text."""
    column = rows.column(name)
    encoded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    distinct = ["" if v is None else str(v) for v in encoded.dictionary.to_pylist()] + [""]
    at = pc.fill_null(encoded.indices.cast(pa.int64()), len(distinct) - 1).to_numpy(zero_copy_only=False)
    return distinct, np.ascontiguousarray(at, np.int64)


def codes(rows: Rows, name: str, translate: Callable[[str], str] = str) -> I64:
    """Return a text column as string codes, each distinct text translated."""
    distinct, at = texts(rows, name)
    return np.array([STRINGS.code(translate(text)) for text in distinct], np.int64)[at]


def marked(conditions: I64, suspicious: Flags) -> I64:
    """Return conditions (string codes) with ``SUSPICIOUS`` appended, after a space, where the flag is set."""
    out = conditions.copy()
    for code in np.unique(conditions[suspicious]):
        text = f"{STRINGS.text(int(code))} {SUSPICIOUS}".strip()
        out[suspicious & (conditions == code)] = STRINGS.code(text)
    return out


def line_numbers(ts_event: I64, line: I64, day_start_ns: I64 | int, stream: int) -> I64:
    """Return sequence numbers from the lines of day files, which begin at 0 every day.

        | day since the epoch | line in the day file (32 bits) | stream (1 bit) |

    Parameters
    ----------
    ts_event
        Nanoseconds, UTC.
    line
        Line in the source's file of that day; ``NULL_LONG`` stays null.
    day_start_ns
        Time after midnight UTC at which the source begins a new file.
    stream
        0 quotes, 1 trades: they are counted in files of their own, and must not share numbers.
    """
    day = (ts_event - day_start_ns) // DAY_NS
    bad = (line < 0) | (line >= 1 << (_LINE_BITS - 1)) | (day < 0)
    return np.where(bad, NULL_LONG, (day << _LINE_BITS) | (line << 1) | stream)


def _int64(column: Any) -> I64:
    out = pc.fill_null(column, NULL_LONG).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(out, np.int64)
