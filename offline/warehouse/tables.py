"""The tables, generated from the Avro schemas: one table a topic, one column a field.

A nested field's names are joined by an underscore: ``quality.stale`` is ``quality_stale``, ``features.rsi_14`` is
``features_rsi_14``, so ``SELECT COLUMNS('^features_')`` gives all features. The documentation of a field is the
comment of its column. Behind them come ``_partition`` and ``_offset``, the place of the record in its topic, from
which a sink goes on after a stop, and ``_published``, its time in the log.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from processors.errors import ConfigError
from schemas.registry import load_registry

TABLE_OF_TOPIC = {
    "bars.v1": "bars",
    "gold.v1": "gold",
    "cross.v1": "cross",
    "signals.v1": "signals",
    "data.freshness": "freshness",
    "alerts.v1": "alerts",
    "drift.v1": "drift",
    "dead.letter.v1": "dead_letters",
    "events.v1": "events",
}

_ORDER = {
    "bars": ("symbol_id", "tf", "ts", "revision"),
    "gold": ("symbol_id", "tf", "ts"),
    "cross": ("symbol_id", "tf", "ts"),
    "signals": ("symbol_id", "tf", "ts"),
    "freshness": ("symbol_id", "source", "tf", "ts"),
    "alerts": ("kind", "symbol_id", "ts"),
    "drift": ("feature", "symbol_id", "tf", "ts"),
    "events": ("symbol_id", "event_id", "name", "ts_known"),
    "dead_letters": ("stage", "topic", "partition", "offset"),
}

TIMESTAMP = "DateTime64(9, 'UTC')"
# Chosen by what real bars and gold rows take: docs/warehouse.md, python -m bench.warehouse. What is here changes for
# tables that are there by a migration only.
_CODECS = {
    # Within a sort key of symbol and timeframe, times step evenly: differences are mostly the same.
    TIMESTAMP: "CODEC(Delta, ZSTD(3))",
    "Int64": "CODEC(DoubleDelta, ZSTD(1))",
    "Int32": "CODEC(DoubleDelta, ZSTD(1))",
    "Float64": "CODEC(ZSTD(3))",
}
# A price is a whole number of ticks near the one before: as integers their bits differ by little.
_PRICE = "CODEC(Delta, ZSTD(3))"
_PRICES = frozenset({"o", "h", "l", "c", "vwap", "bid", "ask", "meta.close"})
_PLACE = (
    ("_partition", "UInt16", "CODEC(ZSTD(1))", "Partition of the record."),
    ("_offset", "UInt64", "CODEC(Delta, ZSTD(1))", "Offset of the record in its partition."),
    ("_published", "DateTime64(3, 'UTC')", "CODEC(Delta, ZSTD(1))", "Time of the record in the log."),
)
# What is nearly the same in no two rows: a dictionary would cost more than it saves.
_FREE_TEXT = frozenset({"reason", "id", "detail"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    path
        The field in its record, names joined by a dot; empty for the place of the record.
    kind
        Type of ClickHouse, spelt as ``system.columns`` spells it.
    """

    name: str
    path: str
    kind: str
    codec: str
    comment: str

    @property
    def ddl(self) -> str:
        """The column as it stands in CREATE TABLE and ADD COLUMN."""
        comment = self.comment.replace("\\", "\\\\").replace("'", "\\'")
        return f"`{self.name}` {self.kind} COMMENT '{comment}' {self.codec}".rstrip()


@dataclass(frozen=True, slots=True)
class Table:
    """One table and the topic it is filled from."""

    name: str
    topic: str
    columns: tuple[Column, ...]
    order_by: tuple[str, ...]

    def ddl(self, database: str) -> str:
        """Return CREATE TABLE.

        No PARTITION BY: ClickHouse writes a block atomically within one partition only, and the sink's exactly-once
        rests on that. The deduplication window makes a repeated insert, under the token of the first, do nothing.
        """
        columns = ",\n  ".join(column.ddl for column in self.columns)
        return (
            f"CREATE TABLE IF NOT EXISTS `{database}`.`{self.name}` (\n  {columns}\n) "
            f"ENGINE = MergeTree ORDER BY ({', '.join(self.order_by)}) "
            f"SETTINGS non_replicated_deduplication_window = 1000"
        )


def table_of(name: str, topic: str, schema: dict[str, Any]) -> Table:
    """Return the table of one record schema.

    Raises
    ------
    ConfigError
        Two fields have the same column name, or a field has a type without a column.
    """
    columns = [Column(path.replace(".", "_"), path, *rest) for path, *rest in _columns(schema["fields"], "", topic)]
    columns += [Column(column, "", kind, codec, comment) for column, kind, codec, comment in _PLACE]
    names = [column.name for column in columns]
    for column in columns:
        if names.count(column.name) > 1:
            raise ConfigError(f"schema of {topic}", "field", column.path, f"another field is {column.name} too")
    order = tuple(key for key in _ORDER.get(name, ()) if key in names) or ("_partition", "_offset")
    return Table(name, topic, tuple(columns), order)


@cache
def tables() -> dict[str, Table]:
    """Return the table of every topic that is kept, by topic."""
    registry = load_registry()
    return {topic: table_of(name, topic, registry.current(topic).schema) for topic, name in TABLE_OF_TOPIC.items()}


def _columns(fields: list[dict[str, Any]], prefix: str, topic: str) -> list[tuple[str, str, str, str]]:
    """Return path, type, codec and comment of every leaf."""
    out = []
    for field in fields:
        kind, path = field["type"], prefix + field["name"]
        if isinstance(kind, dict) and kind["type"] == "record":
            out += _columns(kind["fields"], path + ".", topic)
            continue
        column, codec = _clickhouse_type(kind, path, topic)
        out.append((path, column, codec, field.get("doc", "")))
    return out


def _clickhouse_type(kind: Any, path: str, topic: str) -> tuple[str, str]:
    """Return type and codec of one Avro type."""
    if isinstance(kind, list) and len(kind) == 2 and "null" in kind:
        inner, codec = _clickhouse_type(kind[1 - kind.index("null")], path, topic)
        if inner.startswith("LowCardinality("):
            return f"LowCardinality(Nullable({inner[15:-1]}))", codec
        if not inner.startswith("Array("):
            return f"Nullable({inner})", codec
    name = kind["type"] if isinstance(kind, dict) else kind
    plain = {"int": "Int32", "double": "Float64", "boolean": "Bool", "bytes": "String"}
    if name == "long":
        # timestamp-nanos is the platform's one logical type.
        found = TIMESTAMP if isinstance(kind, dict) and kind.get("logicalType") == "timestamp-nanos" else "Int64"
    elif name == "enum" or (name == "string" and path not in _FREE_TEXT):
        # Enums are text too: a symbol more in the schema needs no change of the table.
        found = "LowCardinality(String)"
    elif name == "string":
        found = "String"
    elif name == "array" and kind["items"] == "string":
        found = "Array(LowCardinality(String))"
    elif isinstance(name, str) and name in plain:
        found = plain[name]
    else:
        raise ConfigError(f"schema of {topic}", path, kind, "a type that has a column: see offline/warehouse/tables.py")
    codec = _PRICE if found == "Float64" and path in _PRICES else _CODECS.get(found, "CODEC(ZSTD(1))")
    return found, codec
