"""Tables of stores to rows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from offline.features.packs import QUALITY, PackView
from offline.features.rows import Rows
from offline.features.sources import known_ns
from processors.missing import F64


def rows_of(table: pa.Table, symbols: Sequence[str], pack: PackView, prefix: str) -> Rows:
    """Return the rows of a table with the columns symbol_id, ts, quality_... and the features, known_at or waited_s.

    Parameters
    ----------
    prefix
        Of the features' columns.
    """
    place = {s: i for i, s in enumerate(symbols)}
    symbol = np.array([place[s] for s in table.column("symbol_id").to_pylist()], np.int64)
    ts_ns = table.column("ts").cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
    values = _matrix(table, [prefix + name for name in pack.names])
    quality = _matrix(table, [f"quality_{name}" for name in QUALITY])
    if "known_at" in table.column_names:
        known = table.column("known_at").cast(pa.int64()).to_numpy()
    else:
        known = known_ns(ts_ns, _matrix(table, [pack.source.waited])[0] if pack.source.waited else 0.0)
    order = np.lexsort((ts_ns, symbol))
    return Rows(symbol, ts_ns, values, quality, known).take(order)


def _matrix(table: pa.Table, names: Sequence[str]) -> F64:
    out = np.empty((len(names), table.num_rows))
    for i, name in enumerate(names):
        out[i] = table.column(name).cast(pa.float64()).to_numpy()
    return out
