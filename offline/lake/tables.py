"""The tables of the lake, generated from the Avro schemas: one table a topic, one column a field.

    ticks   bronze/ticks   every tick as its vendor published it
    bars    silver/bars    every bar in every revision
    gold    gold/rows      one row a bar: features, regime, quality
    refused bronze/refused the bytes of what was no record of its topic, with the reason

Names are those of the warehouse (``quality.stale`` is ``quality_stale``), but for times: Delta knows microseconds at
finest, and two ticks within one, or a bar's end at the last nanosecond of a minute, would fall together. So a time is
an int64 of nanoseconds, ``ts`` is ``ts_ns``, which sorts, subtracts and joins exactly; ``date``, its day in UTC, stands
beside it and partitions the table. Behind the fields come ``_partition``, ``_offset`` and ``_published_ms``, the place
of the record in its topic.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from offline.warehouse.tables import TIMESTAMP, Column, Table, table_of
from processors.errors import ConfigError
from schemas.registry import load_registry

DATE = "date"
REFUSED = "refused"
DAY_NS = 86_400_000_000_000
PLACE = (
    pa.field("_partition", pa.int32(), nullable=False),
    pa.field("_offset", pa.int64(), nullable=False),
    pa.field("_published_ms", pa.int64(), nullable=False),
)
_PLAIN = {"Int64": pa.int64(), "Int32": pa.int32(), "Float64": pa.float64(), "Bool": pa.bool_(), "String": pa.string()}


@dataclass(frozen=True, slots=True)
class LakeTable:
    """One table.

    Parameters
    ----------
    folder
        Below the lake's root.
    topic
        Where it is filled from; empty of ``refused``, which is filled from all.
    rows
        How its records decode, as the warehouse's sink has it; None of ``refused``.
    time
        Column that ``date`` is the day of.
    partition_by
        Days, and timeframes where there are any: a training set reads one timeframe of some days.
    order_by
        What compaction clusters by.
    """

    name: str
    folder: str
    topic: str
    rows: Table | None
    schema: pa.Schema
    time: str
    partition_by: tuple[str, ...]
    order_by: tuple[str, ...]
    about: str

    @property
    def stats(self) -> tuple[str, ...]:
        """Columns that the log keeps least and greatest values of: those that readers ask by, not 760."""
        return tuple(name for name in (*self.order_by, "_partition", "_offset") if name in self.schema.names)


def lake_column(column: Column) -> str:
    """Return what a column of the warehouse is called here."""
    return f"{column.name}_ns" if TIMESTAMP in column.kind else column.name


def _field(column: Column) -> pa.Field:
    nullable, kind = "Nullable(" in column.kind, column.kind
    if TIMESTAMP in kind:
        found: pa.DataType = pa.int64()
    elif kind.startswith("LowCardinality("):
        found = pa.string()
    elif kind.startswith("Array("):
        found = pa.list_(pa.string())
    else:
        found = _PLAIN[kind[len("Nullable(") : -1] if kind.startswith("Nullable(") else kind]
    return pa.field(lake_column(column), found, nullable=nullable)


def _of_topic(name: str, folder: str, topic: str, time: str, about: str) -> LakeTable:
    rows = table_of(name, topic, load_registry().current(topic).schema)
    fields = [_field(column) for column in rows.columns if column.path]
    has_tf = any(field.name == "tf" for field in fields)
    # The columns that readers ask by come first, whatever the order of the schema.
    first = ["symbol_id", *(["tf"] if has_tf else []), time]
    fields.sort(key=lambda field: first.index(field.name) if field.name in first else len(first))
    schema = pa.schema([pa.field(DATE, pa.date32(), nullable=False), *fields, *PLACE])
    return LakeTable(
        name, folder, topic, rows, schema, time, (DATE, "tf") if has_tf else (DATE,), ("symbol_id", time), about
    )


@cache
def lake_tables() -> dict[str, LakeTable]:
    """Return every table by its name."""
    refused = pa.schema(
        [
            pa.field(DATE, pa.date32(), nullable=False), pa.field("topic", pa.string(), nullable=False),
            pa.field("ts_ns", pa.int64(), nullable=False), pa.field("reason", pa.string(), nullable=False),
            pa.field("value", pa.binary(), nullable=False), *PLACE,
        ]
    )  # fmt: skip
    found = [
        _of_topic("ticks", "bronze/ticks", "ticks.raw.v1", "ts_event_ns", "Every tick as its vendor published it."),
        _of_topic("bars", "silver/bars", "bars.v1", "ts_ns", "Every bar in every revision."),
        _of_topic("gold", "gold/rows", "gold.v1", "ts_ns", "One row a bar: features, regime, quality."),
        LakeTable(REFUSED, "bronze/refused", "", None, refused, "ts_ns", (DATE,), ("topic", "ts_ns"),
                  "Bytes of what was no record of its topic, with the reason; ts_ns is the time in the log."),
    ]  # fmt: skip
    return {table.name: table for table in found}


def lake_table(name: str) -> LakeTable:
    """Return a table.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    found = lake_tables().get(name)
    if found is None:
        raise ConfigError("lake", "table", name, f"one of {', '.join(lake_tables())}")
    return found


def with_date(columns: dict[str, pa.Array], table: LakeTable) -> pa.Table:
    """Return rows in the table's schema, the day taken from the time.

    Parameters
    ----------
    columns
        By their names here, without ``date``.
    """
    days = np.asarray(columns[table.time].to_numpy(zero_copy_only=False), np.int64) // DAY_NS
    dated = {**columns, DATE: pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32())}
    return pa.Table.from_arrays([dated[f.name].cast(f.type) for f in table.schema], schema=table.schema)
