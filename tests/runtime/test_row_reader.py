"""Stored rows of any released version as columns."""

import io
import json

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.runtime.codec import HEADER_BYTES, LEFT_OVER, OK, TRUNCATED, UNKNOWN_ID, wire_record
from processors.runtime.row_reader import RowReader
from schemas.registry import Registry, SchemaEntry, load_registry
from tests.sinks.conftest import make_records

TOPICS = ("gold.v1", "cross.v1", "bars.v1")


def written(topic: str, version: int, record: dict) -> bytes:
    """Return a record as a stage of an earlier version wrote it: without the fields that came later."""
    entry = load_registry().versions(f"{topic}-value")[version]
    return wire_record(entry.id, fastavro.parse_schema(entry.schema), record)


@pytest.mark.parametrize("topic", TOPICS)
def test_rows_of_every_released_version_are_read_beside_each_other(topic):
    """Each row has the values it was written with, whatever its version; a field that came later has its default."""
    reader, versions = RowReader(topic), load_registry().versions(f"{topic}-value")
    records = make_records(topic, 3 * len(versions))
    wire = [written(topic, i % len(versions), record) for i, record in enumerate(records)]
    columns, error = reader.read(wire)
    assert (error == OK).all()
    current = versions[-1]
    for i, raw in enumerate(wire):
        schema = versions[i % len(versions)].schema
        resolved = fastavro.schemaless_reader(io.BytesIO(raw[HEADER_BYTES:]), schema, current.schema)
        alone, _ = reader.read([wire_record(current.id, fastavro.parse_schema(current.schema), resolved)])
        np.testing.assert_array_equal(columns.ints[:, i], alone.ints[:, 0])
        np.testing.assert_array_equal(columns.floats[:, i], alone.floats[:, 0])


def made_up(*fields_of_versions: list[dict]) -> Registry:
    """Return a registry of one topic whose versions have those fields."""
    texts = [json.dumps({"type": "record", "name": "Row", "fields": fields}) for fields in fields_of_versions]
    return Registry({i: SchemaEntry(i, "rows.v1-value", i, text) for i, text in enumerate(texts, start=1)}, {})


LONG, NULLABLE_DOUBLE = {"name": "n", "type": "long"}, {"name": "x", "type": ["null", "double"], "default": None}
KIND = {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}}


@pytest.mark.parametrize(
    ("before", "now", "written_", "read_"),
    [
        ([LONG], [LONG, {"name": "flag", "type": "boolean", "default": True}], {"n": 7}, {"n": 7, "flag": 1}),
        ([LONG, {"name": "x", "type": "double"}], [NULLABLE_DOUBLE, LONG], {"n": 7, "x": 0.5}, {"n": 7, "x": 0.5}),
        ([LONG, NULLABLE_DOUBLE], [LONG], {"n": 7, "x": 0.5}, {"n": 7}),
        ([{"name": "n", "type": "int"}], [LONG], {"n": 7}, {"n": 7}),
        ([LONG], [{"name": "m", "aliases": ["n"], "type": "long"}], {"n": 7}, {"m": 7}),
        ([KIND], [{"name": "kind", "type": {**KIND["type"], "symbols": ["b", "a"]}}], {"kind": "a"}, {"kind": 1}),
    ],
    ids=["new field", "null allowed and moved", "dropped", "wider type", "renamed", "symbols in another order"],
)
def test_a_change_that_avro_allows_is_read_as_avro_reads_it(before, now, written_, read_):
    """Whatever has changed between two versions, a row has the values that schema resolution gives it."""
    registry = made_up(before, now)
    raw = wire_record(1, fastavro.parse_schema(registry.ids[1].schema), written_)
    columns, error = RowReader("rows.v1", registry).read([raw, raw])
    assert error.tolist() == [OK, OK]
    assert {name: columns[name].tolist() for name in columns.layout.names} == {n: [v, v] for n, v in read_.items()}


def test_rows_in_the_store_are_read_by_the_compiled_codec():
    """Of the rows that Redis keeps no version needs Avro row by row, which is many times slower."""
    for topic in ("gold.v1", "cross.v1"):
        assert all(earlier._places is not None for earlier in RowReader(topic)._earlier.values())


def test_a_row_that_cannot_be_read_says_why_and_harms_no_other():
    """An unknown id, an earlier row that breaks off, one with bytes behind it: each has its error, the rest is read."""
    record = make_records("gold.v1", 1)[0]
    old = written("gold.v1", 0, record)
    rows = [old, b"\0\0\1\2\3" + old[5:], old[:-9], old + b"x", written("gold.v1", -1, record)]
    columns, error = RowReader("gold.v1").read(rows)
    assert error.tolist() == [OK, UNKNOWN_ID, TRUNCATED, LEFT_OVER, OK]
    assert columns["ts"][0] == columns["ts"][4] == record["ts"]


def test_nothing_gives_nothing():
    """No rows give columns of no rows."""
    columns, error = RowReader("gold.v1").read([])
    assert len(columns) == len(error) == 0


_GOLD = RowReader("gold.v1")
_IDS = [e.id for e in load_registry().versions("gold.v1-value")]


@given(st.lists(st.tuples(st.sampled_from(_IDS), st.binary(max_size=60)), max_size=6))
def test_random_bytes_under_any_id_have_an_error_or_a_row(rows):
    """Whatever stands behind a released id, nothing is raised."""
    _, error = _GOLD.read([b"\0" + i.to_bytes(4, "big") + raw for i, raw in rows])
    assert len(error) == len(rows)
