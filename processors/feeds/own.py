"""Ticks in our own columns: raw messages once they are parsed, and what was exported from ``ticks.raw.v1``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from processors.feeds import port
from processors.feeds.port import Rows
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.strings import STRINGS

TEXTS = ("symbol_id", "vendor", "venue", "conditions")
NUMBERS = ("price", "size", "bid", "ask", "bid_size", "ask_size")

SCHEMA = pa.schema(
    [
        ("symbol_id", pa.string()), ("vendor", pa.string()), ("venue", pa.string()), ("kind", pa.string()),
        ("ts_event", pa.timestamp("ns", tz="UTC")), ("ts_recv", pa.timestamp("ns", tz="UTC")),
        *((name, pa.float64()) for name in NUMBERS), ("seq", pa.int64()), ("conditions", pa.string()),
    ]
)  # fmt: skip
"""The columns of RawTick as a table has them."""


@dataclass(frozen=True, slots=True)
class OwnTicks:
    """All columns of RawTick."""

    name: str = "raw ticks"
    columns: frozenset[str] = frozenset(SCHEMA.names)
    foreign: frozenset[str] = frozenset()
    times: tuple[str, ...] = ("ts_recv", "ts_event")

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:  # noqa: ARG002 - the port's
        """Return the ticks as they are."""
        ticks = port.raw_ticks(rows.num_rows)
        for name in TEXTS:
            ticks[name] = port.codes(rows, name)
        ticks["kind"] = [port.kind_index(kind) for kind in rows.column("kind").to_pylist()]
        for name in ("ts_event", "ts_recv"):
            ticks[name] = port.times(rows, name)
        for name in NUMBERS:
            ticks[name] = port.numbers(rows, name)
        ticks["seq"] = port.integers(rows, "seq")
        return ticks


def as_table(ticks: Columns) -> Rows:
    """Return ticks as rows of a table, to be written to a file or read by ``OwnTicks``."""
    kinds = port.codec().layout.symbols["kind"]
    arrays = []
    for name in SCHEMA.names:
        column = ticks[name]
        if name in TEXTS:
            codes, at = np.unique(column, return_inverse=True)
            arrays.append(pa.array(np.array([STRINGS.text(int(c)) for c in codes], object)[at], pa.string()))
        elif name == "kind":
            arrays.append(pa.array([kinds[int(k)] for k in column], pa.string()))
        elif name in NUMBERS:
            arrays.append(pa.array(column, pa.float64(), from_pandas=True))
        elif name == "seq":
            arrays.append(pa.array(column, pa.int64(), mask=column == NULL_LONG))
        else:
            arrays.append(pa.array(column, pa.int64()).cast(pa.timestamp("ns", tz="UTC")))
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def as_times(ns: np.ndarray) -> pa.Array:
    """Return nanoseconds as a time column."""
    return pa.array(ns.astype(np.int64), pa.int64()).cast(pa.timestamp("ns", tz="UTC"))
