"""Rows that a store keeps as they travelled, read into columns: by the ScoreService and the feature service.

A store outlives an upgrade, so rows of every released version of the schema stand in it.
"""

import io
from collections.abc import Sequence
from typing import Any, cast

import fastavro
import numpy as np

from processors.runtime.batch import U8, Columns, EncodedBatch, pack
from processors.runtime.codec import HEADER_BYTES, LEFT_OVER, TRUNCATED, UNKNOWN_ID, FlatCodec, wire_record
from schemas.registry import Registry, load_registry


class RowReader:
    """Reads rows of one topic, of any released version, into columns of the current one.

    Rows of the current version are decoded together by the compiled codec; each of an earlier one is first made anew by
    Avro's schema resolution, half a millisecond for hundreds of fields: until the next bars have pushed them out.
    Used by one thread at a time, since decoding extends the table of strings.
    """

    def __init__(self, topic: str, registry: Registry | None = None) -> None:
        registry = registry or load_registry()
        entry = registry.current(topic)
        self._topic, self._codec = topic, FlatCodec(entry.schema, entry.id)
        self._schema = fastavro.parse_schema(entry.schema)
        earlier = [e for e in registry.versions(f"{topic}-value") if e.id != entry.id]
        self._writers = {e.id: fastavro.parse_schema(e.schema) for e in earlier}

    def read(self, wire: Sequence[bytes]) -> tuple[Columns, U8]:
        """Return the columns, shape (n,) each, and the row errors, shape (n,), as ``FlatCodec.decode`` does."""
        columns, error = self._decode(wire)
        made = {i: self._current(wire[i]) for i in np.flatnonzero(error == UNKNOWN_ID).tolist()}
        anew = {i: row for i, row in made.items() if isinstance(row, bytes)}
        if anew:
            columns, error = self._decode([anew.get(i, row) for i, row in enumerate(wire)])
        for i, row in made.items():
            if isinstance(row, int):
                error[i] = row
        return columns, error

    def _decode(self, wire: Sequence[bytes]) -> tuple[Columns, U8]:
        payload, start = pack(list(wire))
        none = np.zeros(0, np.uint8)
        return self._codec.decode(EncodedBatch(self._topic, 0, payload, start, none, np.zeros(len(start), np.int64)))

    def _current(self, wire: bytes) -> bytes | int:
        """Return a row of an earlier version as one of the current version, or its error."""
        writer = self._writers.get(int.from_bytes(wire[1:HEADER_BYTES], "big"))
        if writer is None:
            return UNKNOWN_ID
        stream = io.BytesIO(wire[HEADER_BYTES:])
        try:
            record = fastavro.schemaless_reader(stream, writer, self._schema)
        except Exception:  # noqa: BLE001 - bytes that break off raise anything: EOFError, IndexError, UnicodeDecodeError, ...
            return TRUNCATED
        if stream.read(1):
            return LEFT_OVER
        return wire_record(self._codec.schema_id, self._schema, cast("dict[str, Any]", record))
