"""Rows of a stage as a file of a version."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from offline.features.packs import QUALITY, PackView
from offline.features.sources import known_ns
from offline.features.versions import table_schema
from processors.missing import F64
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.strings import STRINGS


def rows_file(pack: PackView, parts: Sequence[Columns]) -> bytes:
    """Return a Parquet file of rows, in their order."""
    tables = [table_schema(pack).empty_table(), *(_table(pack, rows) for rows in parts)]
    out = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(tables).combine_chunks(), out, compression="zstd")
    return bytes(out.getvalue())


def _table(pack: PackView, rows: Columns) -> pa.Table:
    ts = np.asarray(rows["ts"], np.int64)
    known = known_ns(ts, doubles(rows, pack.source.waited) if pack.source.waited else 0.0)
    columns = [_texts(np.asarray(rows[name], np.int64)) for name in ("symbol_id", "tf")]
    columns += [pa.array(times, pa.timestamp("ns", "UTC")) for times in (ts, known)]
    nothing = np.full(len(rows), np.nan)
    quality = [doubles(rows, pack.source.quality[q]) if q in pack.source.quality else nothing for q in QUALITY]
    for values in (*(doubles(rows, f"features.{n}") for n in pack.names), *quality):
        columns.append(pa.array(values, mask=np.isnan(values)))
    return pa.Table.from_arrays(columns, schema=table_schema(pack))


def doubles(rows: Columns, name: str) -> F64:
    """Return a column as doubles, null as NaN."""
    column = np.asarray(rows[name])
    if column.dtype == np.float64:
        return column
    return np.where(column == NULL_LONG, np.nan, column.astype(np.float64))


def _texts(codes: NDArray[np.generic]) -> pa.Array:
    in_use, inverse = np.unique(codes, return_inverse=True)
    return pa.array([STRINGS.text(int(c)) for c in in_use], pa.string()).take(pa.array(inverse))
