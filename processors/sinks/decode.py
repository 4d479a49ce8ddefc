"""Records of one topic to rows of its table.

Records of the current schema go through the compiled codec. Records of an earlier version, those of a schema that is
not flat (the dead letter), and those whose texts are of one record each, which would fill the table of strings, go one
by one through fastavro, which resolves them against the current version.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import fastavro
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from offline.warehouse.tables import TIMESTAMP, Column, Table
from processors.runtime.batch import NULL_LONG, Columns, EncodedBatch, pack
from processors.runtime.codec import HEADER_BYTES, OK, ROW_ERRORS, UNKNOWN_ID, FlatCodec, check_room
from processors.runtime.layout import NotFlatError
from processors.runtime.strings import STRINGS
from schemas.registry import Registry, load_registry

I64 = NDArray[np.int64]

_TEXTS_OF_ONE_RECORD = frozenset({"alerts.v1", "events.v1"})
"""Topics whose ids and details are new in nearly every record."""

_PLAIN_TYPES = {
    TIMESTAMP: pa.timestamp("ns", "UTC"),
    "Int64": pa.int64(),
    "Int32": pa.int32(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    # Text and bytes are one type in ClickHouse.
    "String": pa.binary(),
    "Array(LowCardinality(String))": pa.list_(pa.string()),
}


@dataclass(slots=True)
class Records:
    """Consumed records of one topic, of any partitions.

    Parameters
    ----------
    partition, offset, published_ms
        Shape (n,); offsets ascend within a partition, with gaps where transactions ended.
    """

    topic: str
    values: list[bytes]
    partition: I64
    offset: I64
    published_ms: I64

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)

    def cut(self, begin: int, end: int) -> Self:
        """Return the records from one position to before another."""
        return type(self)(
            self.topic, self.values[begin:end], self.partition[begin:end], self.offset[begin:end],
            self.published_ms[begin:end],
        )  # fmt: skip

    def slices(self, bytes_max: int) -> Iterator[Self]:
        """Yield the records in pieces of at most so many bytes, of at least one record."""
        size = np.cumsum([len(value) for value in self.values])
        begin = 0
        while begin < len(self):
            before = int(size[begin - 1]) if begin else 0
            end = max(int(np.searchsorted(size, before + bytes_max, "right")), begin + 1)
            yield self.cut(begin, end)
            begin = end


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that could not be decoded: its position in ``Records``, and why."""

    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows of a table.

    Parameters
    ----------
    rows
        The rows, columns as in the table.
    at
        Shape (n_rows,): position of each row's record in ``Records``.
    marks
        Number of clock marks that were left out: they tell time to stages and hold no data.
    """

    rows: pa.Table
    at: I64
    refused: list[Refused]
    marks: int


class RowDecoder:
    """Decoder of one topic.

    Parameters
    ----------
    table
        Where the rows go; its topic is the one in the registry, not what a test calls its copy.
    """

    def __init__(self, table: Table, registry: Registry | None = None) -> None:
        self._table = table
        self._registry = registry or load_registry()
        entry = self._registry.current(table.topic)
        self._subject = entry.subject
        self._reader = fastavro.parse_schema(entry.schema)
        self._writers: dict[int, Any] = {}
        self._codec: FlatCodec | None = None
        if table.topic not in _TEXTS_OF_ONE_RECORD:
            with contextlib.suppress(NotFlatError):
                self._codec = FlatCodec(entry.schema, entry.id)

    def decode(self, records: Records) -> Decoded:
        """Return the rows of the records, and which of them are no rows.

        Raises
        ------
        CapacityError
            More distinct strings than one process may hold: the process ends.
        """
        fast, slow, refused, marks = self._fast(records)
        tables, positions = ([fast[0]], [fast[1]]) if fast else ([], [])
        if len(slow) or not tables:
            rows, at, failed, more_marks = self._slow(records, slow)
            tables, positions = [*tables, rows], [*positions, at]
            refused, marks = refused + failed, marks + more_marks
        at = np.concatenate(positions)
        rows = pa.concat_tables(tables)
        place = {
            "_partition": pa.array(records.partition[at].astype(np.uint16)),
            "_offset": pa.array(records.offset[at].astype(np.uint64)),
            "_published": pa.array(records.published_ms[at], pa.timestamp("ms", "UTC")),
        }
        for name, values in place.items():
            rows = rows.append_column(name, values)
        return Decoded(rows, at, sorted(refused, key=lambda r: r.at), marks)

    def _fast(self, records: Records) -> tuple[tuple[pa.Table, I64] | None, I64, list[Refused], int]:
        """Return rows with their positions, positions for the slow way, refusals and the number of marks."""
        if self._codec is None:
            return None, np.arange(len(records)), [], 0
        payload, start = pack(records.values)
        none = np.zeros(0, np.uint8)
        columns, error = self._codec.decode(EncodedBatch(records.topic, 0, payload, start, none, start))
        check_room(error)
        good = error == OK
        if "symbol_id" in columns.layout.column:
            mark = good & (columns["symbol_id"] == STRINGS.code(b""))
            good &= ~mark
            marks = int(mark.sum())
        else:
            marks = 0
        at = np.flatnonzero(good)
        refused = [Refused(int(i), ROW_ERRORS[error[i]]) for i in np.flatnonzero((error != OK) & (error != UNKNOWN_ID))]
        return (self._arrow(columns.take(at)), at), np.flatnonzero(error == UNKNOWN_ID), refused, marks

    def _slow(self, records: Records, at: I64) -> tuple[pa.Table, I64, list[Refused], int]:
        """Decode the records at those positions one by one; returns what ``_fast`` does, without the third."""
        good, found, refused, marks = [], [], [], 0
        for i in at.tolist():
            try:
                record = self._record(records.values[i])
            except _UndecodableError as e:
                refused.append(Refused(i, str(e)))
                continue
            if record.get("symbol_id") == "":
                marks += 1
                continue
            good.append(record)
            found.append(i)
        arrays = [pa.array([_leaf(r, c.path) for r in good], arrow_type(c)) for c in self._fields()]
        table = pa.Table.from_arrays(arrays, names=[c.name for c in self._fields()])
        return table, np.array(found, np.int64), refused, marks

    def _record(self, value: bytes) -> dict[str, Any]:
        if len(value) < HEADER_BYTES or value[0] != 0:
            raise _UndecodableError(ROW_ERRORS[1 if len(value) < HEADER_BYTES else 2])
        schema_id = int.from_bytes(value[1:HEADER_BYTES], "big")
        entry = self._registry.ids.get(schema_id)
        if entry is None or entry.subject != self._subject:
            raise _UndecodableError(f"{ROW_ERRORS[UNKNOWN_ID]} {schema_id}")
        if schema_id not in self._writers:
            self._writers[schema_id] = fastavro.parse_schema(entry.schema)
        data = io.BytesIO(value)
        data.seek(HEADER_BYTES)
        try:
            found = fastavro.schemaless_reader(data, self._writers[schema_id], self._reader)
        except Exception as e:  # noqa: BLE001 - random bytes raise anything: EOFError, IndexError, UnicodeDecodeError, ...
            raise _UndecodableError(f"{type(e).__name__}: {e}") from None
        if data.read(1):
            raise _UndecodableError("bytes left over after the record")
        return dict(found)  # type: ignore[arg-type]

    def _fields(self) -> Sequence[Column]:
        return [column for column in self._table.columns if column.path]

    def _arrow(self, columns: Columns) -> pa.Table:
        arrays = [_array(columns, column) for column in self._fields()]
        return pa.Table.from_arrays(arrays, names=[c.name for c in self._fields()])


class _UndecodableError(Exception):
    """The bytes are no record of the topic."""


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type of a column's values."""
    kind = column.kind
    if kind.startswith("LowCardinality("):
        return pa.string()
    return _PLAIN_TYPES[kind[len("Nullable(") : -1] if kind.startswith("Nullable(") else kind]


def _leaf(record: dict[str, Any], path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = value[name]
    return value


def _array(columns: Columns, column: Column) -> pa.Array:
    values, kind = columns[column.path], arrow_type(column)
    nullable = "Nullable(" in column.kind
    if column.path in columns.layout.symbols:
        symbols = pa.array(columns.layout.symbols[column.path])
        return symbols.take(pa.array(values))
    if column.kind.startswith("LowCardinality(") or pa.types.is_list(kind) or pa.types.is_binary(kind):
        codes, inverse = np.unique(values, return_inverse=True)
        get = STRINGS.array if pa.types.is_list(kind) else STRINGS.text
        texts = pa.array([get(int(code)) if code >= 0 else None for code in codes], kind)
        return texts.take(pa.array(inverse))
    if pa.types.is_floating(kind):
        return pa.array(values, kind, mask=np.isnan(values) if nullable else None)
    if pa.types.is_timestamp(kind):
        values = values.view("datetime64[ns]")
    if pa.types.is_boolean(kind):
        values = values.astype(bool)
    if pa.types.is_int32(kind):
        values = values.astype(np.int32)
    return pa.array(values, kind, mask=columns[column.path] == NULL_LONG if nullable else None)
