"""Records of an earlier schema version, broken bytes and nulls, without a broker."""

import json

import fastavro
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from offline.warehouse.tables import tables
from processors.runtime import codec
from processors.runtime.codec import wire_record
from processors.runtime.strings import StringTable
from processors.sinks import decode
from processors.sinks.decode import Records, RowDecoder
from schemas.registry import Registry, SchemaEntry, load_registry


def batch(values):
    """Return the values as records of one partition, with gaps between the offsets."""
    n = len(values)
    return Records("bars.v1", values, np.full(n, 3), np.arange(n) * 2 + 7, np.full(n, 1_700_000_000_123))


def test_records_of_an_earlier_version_are_read_as_the_current_one(random_records, wire):
    """A record written before a field existed has null there; order and place stay those of the records."""
    current = load_registry().current("bars.v1")
    earlier = {**current.schema, "fields": [f for f in current.schema["fields"] if f["name"] != "ask"]}
    old = SchemaEntry(4711, current.subject, 0, json.dumps(earlier))
    other = SchemaEntry(4712, "another-value", 1, json.dumps(earlier))
    registry = Registry({e.id: e for e in (old, other, current)}, load_registry().topics)
    records = random_records("bars.v1", 4)
    parsed = fastavro.parse_schema(earlier)
    values = [
        wire("bars.v1", records[:1])[0],
        wire_record(4711, parsed, records[1]),
        wire_record(4712, parsed, records[2]),
        wire_record(4711, parsed, {**records[2], "symbol_id": ""}),
        wire("bars.v1", records[3:])[0],
    ]
    decoded = RowDecoder(tables()["bars.v1"], registry).decode(batch(values))
    rows = decoded.rows.to_pylist()
    assert decoded.at.tolist() == [0, 4, 1]
    assert [(r["_partition"], r["_offset"]) for r in rows] == [(3, 7), (3, 15), (3, 9)]
    assert [r["c"] for r in rows] == [records[i]["c"] for i in (0, 3, 1)]
    assert [r["ask"] for r in rows] == [records[0]["ask"], records[3]["ask"], None]
    assert [(r.at, r.reason) for r in decoded.refused] == [(2, "unknown schema id 4712")]
    assert decoded.marks == 1


def test_texts_of_one_record_each_take_no_room_among_the_strings(monkeypatch, random_records, wire):
    """Ids and details of alerts and events are new in each record: a sink that stores them for years does not fill."""
    table = StringTable()
    monkeypatch.setattr(codec, "STRINGS", table)
    monkeypatch.setattr(decode, "STRINGS", table)
    for topic, field in (("alerts.v1", "id"), ("events.v1", "event_id")):
        records = [{**r, field: f"{topic} {i}"} for i, r in enumerate(random_records(topic, 300))]
        decoded = RowDecoder(tables()[topic]).decode(batch(wire(topic, records)))
        assert decoded.rows.column(field).cast("string").to_pylist() == [r[field] for r in records]
        assert not decoded.refused
    assert len(table) == 0


def test_records_are_cut_into_slices_of_so_many_bytes():
    """Slices hold all records in their order; none is larger than the bound, but for a record that is so alone."""
    records = batch([b"a" * n for n in (3, 4, 3, 12, 1, 1)])
    slices = list(records.slices(10))
    assert [[len(v) for v in s.values] for s in slices] == [[3, 4, 3], [12], [1, 1]]
    assert np.concatenate([s.offset for s in slices]).tolist() == records.offset.tolist()


_BARS = RowDecoder(tables()["bars.v1"])
_DEAD = RowDecoder(tables()["dead.letter.v1"])


@given(st.lists(st.binary(max_size=40) | st.binary(max_size=40).map(lambda b: b"\0\0\0\0\x03" + b)))
def test_random_bytes_are_refused_and_nothing_else_happens(values):
    """Whatever the bytes, each record is a row, a mark or a refusal with a reason."""
    for decoder in (_BARS, _DEAD):
        decoded = decoder.decode(batch(values))
        assert decoded.rows.num_rows + len(decoded.refused) + decoded.marks == len(values)
        assert all(r.reason for r in decoded.refused)
        assert not {r.at for r in decoded.refused} & set(decoded.at.tolist())
