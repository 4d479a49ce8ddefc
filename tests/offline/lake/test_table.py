"""The tables of the lake: exact types, each record once, snapshots that stay, columns that are gained."""

import dataclasses
from datetime import date

import pyarrow as pa
import pytest

from offline.lake.reading import open_at, read
from offline.lake.snapshot import SnapshotId
from offline.lake.store import LakeStore
from offline.lake.table import CHECKPOINT_COMMITS, OpenTable, app_id
from offline.lake.tables import lake_table, lake_tables
from offline.lake.upkeep import account, compact, vacuum
from processors.errors import ConfigError, PlatformError, RetryableError
from processors.runtime.layout import layout_of
from schemas.registry import load_registry
from tests.offline.lake.conftest import TOPICS, encode, make_records, records_of, sink_at


def _leaf(record, path):
    for name in path.split("."):
        record = record[name]
    return record


@pytest.mark.parametrize("name", ["ticks", "bars", "gold"])
def test_every_field_of_the_record_is_a_column_of_its_type(name):
    """No field is left out; a time is an int64 of nanoseconds, and only what may be null is nullable."""
    table = lake_table(name)
    schema = load_registry().current(table.topic).schema
    names = [n.replace(".", "_") for n in layout_of(schema).names]
    times = {f["name"] for f in schema["fields"] if "timestamp-nanos" in str(f["type"])}
    expected = {f"{n}_ns" if n in times else n for n in names}
    assert {*expected, "date", "_partition", "_offset", "_published_ms"} == set(table.schema.names)
    assert {table.schema.field(f"{n}_ns").type for n in times} == {pa.int64()}
    assert table.schema.field("date").type == pa.date32()
    kinds = {
        "double": pa.float64(),
        "string": pa.string(),
        "long": pa.int64(),
        "int": pa.int32(),
        "boolean": pa.bool_(),
    }
    for field in schema["fields"]:
        if isinstance(field["type"], str):
            assert table.schema.field(field["name"]).type == kinds[field["type"]]
            assert not table.schema.field(field["name"]).nullable
        if isinstance(field["type"], list):
            assert table.schema.field(field["name"]).nullable


@pytest.mark.parametrize("topic", TOPICS)
def test_every_record_is_one_row_with_every_field(store, fill, topic):
    """What is read is what was published, to the last bit and nanosecond; the date is that of the time in UTC."""
    made = fill(store, topic, 60)
    (table,) = (t for t in lake_tables().values() if t.topic == topic)
    rows = sorted(read(store, table.name).to_pylist(), key=lambda r: (r["_offset"], r["_partition"]))
    assert len(rows) == 60
    for record, row in zip(made, rows, strict=True):
        for column in table.rows.columns:
            if column.path:
                name = column.name if column.name in row else f"{column.name}_ns"
                assert row[name] == _leaf(record, column.path), column.path
        assert row["date"] == date.fromordinal(date(1970, 1, 1).toordinal() + row[table.time] // 86_400_000_000_000)


def test_the_same_records_are_stored_once_whoever_brings_them_again(store, fill):
    """A second sink goes on behind the first; one that began before its commit is refused, and stores nothing."""
    values = encode("bars.v1", make_records("bars.v1", 50))
    early = sink_at(store)
    fill(store, "bars.v1", 40)
    late = sink_at(store)
    assert late._stored == {("bars.v1", 0): 21, ("bars.v1", 1): 21}
    early.write([records_of("bars.v1", values)])
    with pytest.raises(RetryableError, match="another writer has stored some of these records"):
        early.finish()
    assert read(store, "bars").num_rows == 40
    assert early.positions(dict.fromkeys(TOPICS, "id")) == late._stored
    assert not early.waiting()


def test_two_writers_of_one_version_cannot_both_commit(store, fill):
    """Even where both looked at the same version before they wrote, the second commit fails as a whole."""
    fill(store, "bars.v1", 10)
    spec = lake_table("bars")
    a, b = (OpenTable.for_writing(store, spec, "id") for _ in range(2))
    batches = read(store, "bars").to_batches()
    begin = a.positions("bars.v1")
    a.append("bars.v1", batches, begin, {0: 100})
    # As if b had checked its position just before a committed.
    b.delta.update_incremental = lambda: None
    with pytest.raises(RetryableError, match="another writer was first"):
        b.append("bars.v1", batches, begin, {0: 100})
    assert OpenTable.open(store, spec).positions("bars.v1")[0] == 100
    assert read(store, "bars").num_rows == 20


def test_a_snapshot_reads_as_it_was_whatever_comes_after(store, fill):
    """Appended to, compacted and vacuumed, the table at a snapshot id has the same rows in the same order."""
    for first in range(0, 60, 20):
        fill(store, "bars.v1", 20, seed=first, first=first)
    snapshot = open_at(store, "bars").snapshot_id
    before = read(store, "bars", at=str(snapshot))
    fill(store, "bars.v1", 20, seed=9, first=60)
    done = compact(OpenTable.for_writing(store, lake_table("bars"), "id"))
    assert done.files_before > done.files_after == done.partitions
    newest = read(store, "bars")
    assert newest.num_rows == 80
    assert read(store, "bars", at=snapshot).equals(before)
    # Compaction changes no row, and a second one finds nothing.
    assert newest.equals(read(store, "bars", at=open_at(store, "bars").version - 1))
    assert compact(OpenTable.open(store, lake_table("bars"))).partitions == 0
    assert account(open_at(store, "bars"), ["bars.v1"]).positions == {"bars.v1": {0: 43, 1: 43}}


def test_vacuum_spares_what_is_kept_and_says_what_is_gone(store, fill, monkeypatch):
    """A snapshot that is kept reads on; another one whose files are gone is a clear error, not a wrong answer."""
    for first in range(0, 60, 20):
        fill(store, "bars.v1", 20, seed=first, first=first)
    old, kept = SnapshotId("bars", 2, open_at(store, "bars").snapshot_id.table_id), open_at(store, "bars").snapshot_id
    expected = read(store, "bars", at=kept)
    opened = OpenTable.for_writing(store, lake_table("bars"), "id")
    compact(opened)
    fill(store, "bars.v1", 20, seed=8, first=60)
    opened = OpenTable.open(store, lake_table("bars"))
    assert vacuum(opened, days=1, remove=True) == []
    with pytest.raises(ConfigError, match="at least 1"):
        vacuum(opened, days=0)
    real = opened.delta.vacuum
    monkeypatch.setattr(opened.delta, "vacuum", lambda **more: real(**{**more, "retention_hours": 0}))
    assert vacuum(opened, days=1, keep=[kept], remove=True) == []
    assert read(store, "bars", at=kept).equals(expected)
    assert len(vacuum(opened, days=1)) > 0
    vacuum(opened, days=1, remove=True)
    assert read(store, "bars").num_rows == 80
    with pytest.raises(ConfigError, match="vacuum removed some"):
        read(store, "bars", at=old)


def test_positions_outlive_the_log_of_their_commits(store, fill):
    """A checkpoint has the position of a partition that was written long before it."""
    fill(store, "bars.v1", 4)
    opened = OpenTable.for_writing(store, lake_table("bars"), "id")
    first = read(store, "bars").to_batches()
    for i in range(CHECKPOINT_COMMITS + 2):
        opened.append("bars.v1", first, {7: i or None}, {7: i + 1})
    log = store.folder / "silver/bars/_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    for entry in log.glob("000000000000000000[0-3]?.json"):
        entry.unlink()
    assert OpenTable.open(store, lake_table("bars")).positions("bars.v1") == {0: 2, 1: 2, 7: CHECKPOINT_COMMITS + 2}


def test_a_table_gains_columns_and_refuses_other_changes(store, fill):
    """Old rows read as null in a column that came later; another type, or a column too many, is named."""
    fill(store, "bars.v1", 6)
    spec = lake_table("bars")
    wider = dataclasses.replace(spec, schema=spec.schema.append(pa.field("mine", pa.float64(), nullable=False)))
    opened = OpenTable.for_writing(store, wider, "id")
    assert read(store, "bars").column("mine").null_count == 6
    row = read(store, "bars").slice(0, 1)
    row = row.set_column(row.schema.get_field_index("mine"), "mine", pa.array([1.5]))
    opened.append("bars.v1", row.to_batches(), {9: None}, {9: 1})
    assert sorted(read(store, "bars").column("mine").to_pylist(), key=str) == [1.5, *[None] * 6]
    assert read(store, "bars", at=1).column_names == spec.schema.names
    with pytest.raises(ConfigError, match="mine is not in the schema"):
        OpenTable.for_writing(store, spec, "id")
    at = spec.schema.get_field_index("n_trades")
    other = dataclasses.replace(wider, schema=wider.schema.set(at, pa.field("n_trades", pa.int32())))
    with pytest.raises(ConfigError, match="n_trades is int64, not int32"):
        OpenTable.for_writing(store, other, "id")


def test_rows_of_a_deleted_topic_are_not_mixed_with_those_of_its_successor(store, fill):
    """Offsets of a topic that was made anew mean other records: the sink says so before it stores one."""
    fill(store, "bars.v1", 4)
    sink = sink_at(store)
    with pytest.raises(ConfigError, match=r"that was deleted since; move .* away to fill it anew"):
        sink.positions(dict.fromkeys(TOPICS, "another"))


def test_a_snapshot_of_another_lake_is_not_taken_for_this_one(store, fill):
    """The table's own id is part of the snapshot's; a text that is none, and a version to come, are named."""
    fill(store, "bars.v1", 4)
    mine = open_at(store, "bars").snapshot_id
    assert SnapshotId.parse(str(mine)) == mine
    with pytest.raises(ConfigError, match="of another lake"):
        read(store, "bars", at=dataclasses.replace(mine, table_id="0" * 8 + "-0000-0000-0000-" + "0" * 12))
    for wrong, said in (
        ("bars@1", "TABLE@VERSION"),
        (99, "at most 1"),
        (str(mine).replace("bars", "gold"), "snapshot"),
    ):
        with pytest.raises(ConfigError, match=said):
            read(store, "bars", at=wrong)
    with pytest.raises(ConfigError, match="fill it with `mps lake sync`"):
        open_at(LakeStore.at(store.folder / "elsewhere"), "bars")


def test_undecodable_bytes_go_to_the_table_refused_once(store):
    """Each has its place, reason and bytes; read again after a kill before the rows, it is not told twice."""
    values = encode("bars.v1", make_records("bars.v1", 8))
    values[3], values[6] = values[3][:-2], b"\x01nothing"
    sink = sink_at(store)
    real = sink._open["bars.v1"].append
    sink._open["bars.v1"].append = lambda *_: (_ for _ in ()).throw(SystemExit)
    sink.write([records_of("bars.v1", values)])
    with pytest.raises(SystemExit):
        sink.finish()
    assert (read(store, "refused").num_rows, read(store, "bars").num_rows) == (2, 0)
    sink._open["bars.v1"].append = real
    again = sink_at(store)
    again.write([records_of("bars.v1", values)])
    again.finish()
    rows = sorted(read(store, "refused").to_pylist(), key=lambda r: r["_partition"])
    assert [(r["topic"], r["_partition"], r["_offset"], r["value"]) for r in rows] == [
        ("bars.v1", 0, 3, values[6]), ("bars.v1", 1, 1, values[3]),
    ]  # fmt: skip
    assert read(store, "bars").num_rows == 6
    few = sink_at(store, refused_max=1)
    few.write([records_of("bars.v1", [b"", b"x"], first=20)])
    with pytest.raises(PlatformError, match="limit 1: is the schema"):
        few.finish()


def test_the_history_says_which_offsets_came_in(store, fill):
    """Each commit of the sink names topic and offsets; a compaction names none."""
    fill(store, "bars.v1", 20)
    entry = open_at(store, "bars").history(1)[0]
    assert (entry["operation"], entry["rows"], entry["topic"]) == ("WRITE", 20, "bars.v1")
    assert entry["offsets"] == {"0": [None, 10], "1": [None, 10]}
    assert app_id("t", 3) == "mps.t/3"


def test_rows_of_many_days_become_several_commits(store, monkeypatch):
    """A commit has so many files open at most; a kill between two of them goes on behind the first."""
    monkeypatch.setattr("processors.sinks.lake.WRITERS_MAX", 4 * len(lake_table("bars").schema))
    values = encode("bars.v1", make_records("bars.v1", 6000))
    sink = sink_at(store)
    real, calls = sink._open["bars.v1"].append, []

    def append(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise SystemExit
        return real(*arguments)

    sink._open["bars.v1"].append = append
    sink.write([records_of("bars.v1", values)])
    with pytest.raises(SystemExit):
        sink.finish()
    assert 0 < read(store, "bars").num_rows < 6000
    again = sink_at(store)
    done = again._stored
    rest = records_of("bars.v1", values)
    keep = [i for i in range(6000) if rest.offset[i] >= done.get(("bars.v1", int(rest.partition[i])), 0)]
    part = records_of("bars.v1", values)
    part.values, part.partition = [values[i] for i in keep], part.partition[keep]
    part.offset, part.published_ms = part.offset[keep], part.published_ms[keep]
    again.write([part])
    again.finish()
    rows = read(store, "bars").to_pydict()
    assert sorted(zip(rows["_partition"], rows["_offset"], strict=True)) == sorted(
        zip(rest.partition.tolist(), rest.offset.tolist(), strict=True)
    )
    for entry in open_at(store, "bars").history():
        assert (entry["files_added"] or 0) <= 4
