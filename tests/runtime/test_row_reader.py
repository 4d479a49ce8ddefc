"""Stored rows of any released version as columns."""

import io

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.runtime.codec import HEADER_BYTES, LEFT_OVER, OK, TRUNCATED, UNKNOWN_ID, wire_record
from processors.runtime.row_reader import RowReader
from schemas.registry import load_registry
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
