"""A table of hundreds of columns from one matrix in a tenth of a millisecond.

Arrow's Python makes an object for each column, which for 369 of them takes longer than to read their row from Redis. In
Arrow's own wire format (columnar format, "Encapsulated message format") a batch is a block of bytes behind a list of
lengths and places: both are filled here as arrays, and Arrow reads them at once.

    message = FF FF FF FF | size of the metadata | metadata: rows, nulls of each column, place of each buffer | body
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from processors.missing import F64, I64

_ALIGN = 8
_PREFIX_BYTES = 8
_FILL = bytes(_ALIGN)
Bytes = np.ndarray


class WideTable:
    """Tables of one schema, in which a run of columns are doubles."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        one = pa.RecordBatch.from_arrays([pa.nulls(1, f.type) for f in schema], schema=schema).serialize()
        raw = np.frombuffer(one, np.uint8)
        self._metadata = raw[: _PREFIX_BYTES + int(raw[4:8].view("<i4")[0])].copy()
        message = _PREFIX_BYTES + self._number(_PREFIX_BYTES, "<u4")
        # Fields by their numbers in Arrow's Message and RecordBatch.
        header = self._field(message, 2)
        batch = header + self._number(header, "<u4")
        self._body_bytes_at, self._rows_at = self._field(message, 3), self._field(batch, 0)
        self._nodes_at, self._buffers_at = self._vector(batch, 1), self._vector(batch, 2)
        self._n_buffers = self._number(self._buffers_at - 4, "<u4")

    def _number(self, at: int, kind: str) -> int:
        return int(self._metadata[at : at + np.dtype(kind).itemsize].view(kind)[0])

    def _field(self, table: int, number: int) -> int:
        """Return the place of a field of a flatbuffer's table."""
        names = table - self._number(table, "<i4")
        return table + self._number(names + 4 + 2 * number, "<u2")

    def _vector(self, table: int, number: int) -> int:
        at = self._field(table, number)
        return at + self._number(at, "<u4") + 4

    def table(self, before: Sequence[pa.Array], matrix: F64, after: Sequence[pa.Array]) -> pa.Table:
        """Return a table: columns before the matrix, its rows as columns (NaN is null), and those after it."""
        n = matrix.shape[1]
        if n == 0:
            return self._schema.empty_table()
        nulls = np.isnan(matrix)
        bits = np.packbits(~nulls, axis=1, bitorder="little")
        bitmap_bytes = -(-bits.shape[1] // _ALIGN) * _ALIGN
        block = np.zeros((len(matrix), bitmap_bytes + 8 * n), np.uint8)
        block[:, : bits.shape[1]] = bits
        block[:, bitmap_bytes:] = matrix.view(np.uint8)
        first, first_sizes = _flat(before)
        last, last_sizes = _flat(after)
        sizes = np.array([*first_sizes, *[bits.shape[1], 8 * n] * len(matrix), *last_sizes], np.int64)
        spans = -(-sizes // _ALIGN) * _ALIGN
        assert len(sizes) == self._n_buffers, "columns are not those of the schema"
        counts = [*(a.null_count for a in before), *nulls.sum(axis=1).tolist(), *(a.null_count for a in after)]
        metadata = self._metadata.copy()
        body_bytes = int(spans.sum())
        for at, value in ((self._body_bytes_at, body_bytes), (self._rows_at, n)):
            metadata[at : at + 8].view("<i8")[0] = value
        nodes = _structs(metadata, self._nodes_at, len(counts))
        nodes[:, 0], nodes[:, 1] = n, counts
        places = _structs(metadata, self._buffers_at, len(sizes))
        places[:, 0], places[:, 1] = np.cumsum(spans) - spans, sizes
        message = pa.py_buffer(b"".join([metadata.tobytes(), first, block.tobytes(), last]))
        return pa.Table.from_batches([pa.ipc.read_record_batch(message, self._schema)])


def _structs(metadata: Bytes, at: int, n: int) -> I64:
    """Return n pairs of whole numbers as a view, shape (n, 2)."""
    return metadata[at : at + 16 * n].view("<i8").reshape(n, 2)


def _flat(arrays: Sequence[pa.Array]) -> tuple[bytes, list[int]]:
    """Return the buffers of arrays one after the other, each filled up to a whole word, and their sizes."""
    parts: list[Any] = []
    sizes = []
    for array in arrays:
        assert array.offset == 0, "a window on an array has no buffers of its own"
        for buffer in array.buffers():
            size = 0 if buffer is None else buffer.size
            sizes.append(size)
            if size:
                parts += (buffer, _FILL[: -size % _ALIGN])
    return b"".join(parts), sizes
