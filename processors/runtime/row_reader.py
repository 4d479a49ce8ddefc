"""Rows that a store keeps as they travelled, read into columns: by the ScoreService and the feature service.

A store outlives an upgrade, so rows of every released version of the schema stand in it: daily ones for months.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import fastavro
import numpy as np

from processors.runtime import layout as lo
from processors.runtime.batch import I64, U8, Columns, EncodedBatch, pack
from processors.runtime.codec import HEADER_BYTES, LEFT_OVER, OK, TRUNCATED, UNKNOWN_ID, FlatCodec, wire_record
from schemas.registry import Registry, SchemaEntry, load_registry


class RowReader:
    """Reads rows of one topic, of any released version, into columns of the current one.

    Used by one thread at a time, since decoding extends the table of strings.
    """

    def __init__(self, topic: str, registry: Registry | None = None) -> None:
        registry = registry or load_registry()
        *earlier, entry = registry.versions(f"{topic}-value")
        self._topic, self._codec = topic, FlatCodec(entry.schema, entry.id)
        self._earlier = {e.id: _Earlier(e, entry, self._codec) for e in earlier}

    def read(self, wire: Sequence[bytes]) -> tuple[Columns, U8]:
        """Return the columns, shape (n,) each, and the row errors, shape (n,), as ``FlatCodec.decode`` does."""
        columns, error = _decoded(self._codec, self._topic, wire)
        of_version: dict[int, list[int]] = {}
        for i in np.flatnonzero(error == UNKNOWN_ID).tolist():
            of_version.setdefault(int.from_bytes(wire[i][1:HEADER_BYTES], "big"), []).append(i)
        for schema_id, at in of_version.items():
            if schema_id in self._earlier:
                found, error[at] = self._earlier[schema_id].read(self._topic, [wire[i] for i in at])
                columns.ints[:, at], columns.floats[:, at] = found.ints, found.floats
        return columns, error


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the columns of one version stand in another's matrices; those that it has not are ``new``."""

    ints: tuple[I64, I64]
    floats: tuple[I64, I64]
    new_ints: I64
    new_floats: I64


class _Earlier:
    """Reads rows of an earlier version as rows of the current one, as Avro's schema resolution does.

    What both versions have is decoded by the compiled codec and put in its place, and what is new has its default, as
    in the first row, which Avro resolves. Where a field has another type, Avro resolves every row: half a millisecond
    for hundreds of fields.
    """

    def __init__(self, entry: SchemaEntry, current: SchemaEntry, codec: FlatCodec) -> None:
        self._current, self._codec = codec, FlatCodec(entry.schema, entry.id)
        self._writer, self._reader = fastavro.parse_schema(entry.schema), fastavro.parse_schema(current.schema)
        # A renamed field is the same column under another name, which only Avro knows.
        renamed = '"aliases"' in current.schema_json
        self._places = None if renamed else _places(self._codec.layout, codec.layout)

    def read(self, topic: str, wire: list[bytes]) -> tuple[Columns, U8]:
        """Return what ``RowReader.read`` does."""
        if self._places is None:
            return self._resolved(topic, wire)
        old, error = _decoded(self._codec, topic, wire)
        columns = Columns.empty(self._current.layout, len(wire))
        good = np.flatnonzero(error == OK)
        if len(good):
            places = self._places
            first, _ = self._resolved(topic, [wire[good[0]]])
            columns.ints[places.new_ints], columns.floats[places.new_floats] = (
                first.ints[places.new_ints], first.floats[places.new_floats],
            )  # fmt: skip
            for matrix, source, (to, of) in (
                (columns.ints, old.ints, places.ints), (columns.floats, old.floats, places.floats),
            ):  # fmt: skip
                matrix[to] = source[of]
        return columns, error

    def _resolved(self, topic: str, wire: list[bytes]) -> tuple[Columns, U8]:
        """Return the rows, each of them resolved by Avro."""
        made = [self._made(row) for row in wire]
        columns, error = _decoded(self._current, topic, [row if isinstance(row, bytes) else b"" for row in made])
        for i, row in enumerate(made):
            if isinstance(row, int):
                error[i] = row
        return columns, error

    def _made(self, wire: bytes) -> bytes | int:
        """Return a row as one of the current version, or its error."""
        stream = io.BytesIO(wire[HEADER_BYTES:])
        try:
            record = fastavro.schemaless_reader(stream, self._writer, self._reader)
        except Exception:  # noqa: BLE001 - bytes that break off raise anything: EOFError, IndexError, UnicodeDecodeError, ...
            return TRUNCATED
        if stream.read(1):
            return LEFT_OVER
        return wire_record(self._current.schema_id, self._reader, cast("dict[str, Any]", record))


def _decoded(codec: FlatCodec, topic: str, wire: Sequence[bytes]) -> tuple[Columns, U8]:
    payload, start = pack(list(wire))
    return codec.decode(EncodedBatch(topic, 0, payload, start, np.zeros(0, np.uint8), np.zeros(len(start), np.int64)))


def _places(old: lo.Layout, new: lo.Layout) -> _Places | None:
    """Return where the old columns stand in the new ones; None where one of them is of another type."""
    ops = [dict(zip(layout.names, layout.ops[:, 0].tolist(), strict=True)) for layout in (old, new)]
    pairs: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    for name in new.names:
        if name not in old.column:
            continue
        before, now = ops[0][name], ops[1][name]
        # Null may have become possible, and nothing else.
        if now not in (before, before | lo.NULLABLE) or old.symbols.get(name) != new.symbols.get(name):
            return None
        (is_float, to), (_, of) = new.column[name], old.column[name]
        pairs[is_float] += [(to + k, of + k) for k in range(lo.SMALL_INTS_ROWS if now == lo.SMALL_INTS else 1)]
    ints, floats = (np.array(pairs[kind], np.int64).reshape(-1, 2).T for kind in (False, True))
    return _Places(
        (ints[0], ints[1]), (floats[0], floats[1]),
        np.setdiff1d(np.arange(new.n_ints), ints[0]), np.setdiff1d(np.arange(new.n_floats), floats[0]),
    )  # fmt: skip
