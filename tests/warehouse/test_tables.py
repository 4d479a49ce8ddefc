"""The tables come from the schemas and from nothing else."""

import pytest

from offline.warehouse.tables import table_of, tables
from processors.errors import ConfigError
from processors.runtime.layout import layout_of
from schemas.registry import load_registry


def _record(*fields):
    return {"type": "record", "name": "R", "fields": [{"name": n, "type": t, "doc": d} for n, t, d in fields]}


@pytest.mark.parametrize("topic", ["bars.v1", "gold.v1", "cross.v1", "signals.v1", "data.freshness", "alerts.v1"])
def test_every_field_of_the_layout_is_a_column_in_its_order(topic):
    """No field is left out: the columns are the codec's names with underscores, and then the place of the record."""
    names = [column.name for column in tables()[topic].columns]
    layout = layout_of(load_registry().current(topic).schema)
    assert names == [*(name.replace(".", "_") for name in layout.names), "_partition", "_offset", "_published"]
    assert len(set(names)) == len(names)


def test_types_follow_the_schema():
    """Each Avro type has its ClickHouse type, null where the schema has null."""
    stamp = {"type": "long", "logicalType": "timestamp-nanos"}
    inner = _record(("x", ["null", "double"], "It's \\ a doc"))
    schema = _record(
        ("ts", stamp, ""), ("maybe_ts", ["null", stamp], ""), ("n", "long", ""), ("i", "int", ""), ("d", "double", ""),
        ("b", "boolean", ""), ("s", "string", ""), ("maybe_s", ["null", "string"], ""), ("reason", "string", ""),
        ("e", {"type": "enum", "name": "E", "symbols": ["a"]}, ""), ("l", {"type": "array", "items": "string"}, ""),
        ("raw", ["null", "bytes"], ""), ("sub", inner, ""),
    )  # fmt: skip
    table = table_of("t", "t.v1", schema)
    assert [c.kind for c in table.columns[:13]] == [
        "DateTime64(9, 'UTC')", "Nullable(DateTime64(9, 'UTC'))", "Int64", "Int32", "Float64", "Bool",
        "LowCardinality(String)", "LowCardinality(Nullable(String))", "String", "LowCardinality(String)",
        "Array(LowCardinality(String))", "Nullable(String)", "Nullable(Float64)",
    ]  # fmt: skip
    assert "COMMENT 'It\\'s \\\\ a doc'" in table.columns[12].ddl


def test_two_fields_of_one_column_name_are_refused():
    """``a.b`` and ``a_b`` would be one column: said at start, by name."""
    schema = _record(("a", _record(("b", "long", "")), ""), ("a_b", "long", ""))
    with pytest.raises(ConfigError, match=r"another field is a_b too"):
        table_of("t", "t.v1", schema)


def test_a_type_without_a_column_is_refused():
    """A map has no column: said at start, with the field's path."""
    with pytest.raises(ConfigError, match=r"m is .*map"):
        table_of("t", "t.v1", _record(("m", {"type": "map", "values": "long"}, "")))
