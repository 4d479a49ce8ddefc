"""Digests of files and of rows: what decides the rows changes them, and nothing else."""

import pyarrow as pa
import pytest

from offline.datasets.digests import digest_of_files, digest_of_table

TABLE = pa.table({
    "symbol_id": ["A", "B", "A"], "ts": pa.array([1, 2, 3], pa.timestamp("ns", "UTC")), "warm": [True, None, False],
    "x": [0.5, None, 2.5], "n": pa.array([7, None, 9], pa.uint8()), "label": ["trend", None, "stress"],
    "packs": [["a", "b"], None, []],
})  # fmt: skip


def with_cell(name, row, value):
    """Return the table with another value in one cell."""
    cells = TABLE.column(name).to_pylist()
    cells[row] = value
    at = TABLE.schema.get_field_index(name)
    return TABLE.set_column(at, TABLE.schema.field(at), pa.array(cells, TABLE.schema.field(at).type))


@pytest.mark.parametrize(
    ("name", "row", "value"),
    [
        ("symbol_id", 1, "A"), ("ts", 1, 5), ("warm", 1, False), ("warm", 0, None), ("x", 1, 0.0), ("x", 0, 0.25),
        ("n", 1, 0), ("n", 2, 8), ("label", 1, "trend"), ("label", 1, ""), ("packs", 1, []), ("packs", 0, ["ab"]),
        ("packs", 0, ["b", "a"]),
    ],
)  # fmt: skip
def test_each_cell_counts_also_beside_a_null(name, row, value):
    """Of every type; a null is not the value that stands for it."""
    assert digest_of_table(with_cell(name, row, value)) != digest_of_table(TABLE)


def test_equal_rows_have_one_digest():
    """Cut into other chunks, and with something else in memory where a cell is null."""
    chunks = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    assert chunks.column("x").num_chunks == 2
    hidden = pa.Array.from_buffers(
        pa.float64(), 3, [pa.array([0.5, None, 2.5]).buffers()[0], pa.array([0.5, 7.0, 2.5]).buffers()[1]]
    )
    behind = TABLE.set_column(TABLE.schema.get_field_index("x"), "x", hidden)
    assert digest_of_table(chunks) == digest_of_table(behind) == digest_of_table(TABLE)
    assert digest_of_table(TABLE.slice(0, 0)) != digest_of_table(TABLE)


def test_files_count_in_the_order_in_which_they_are_read(tmp_path):
    """By what is in them, whatever they are named; in another order they may give other rows."""
    a, b, c = (tmp_path / name for name in "abc")
    for path, text in ((a, "one"), (b, "two"), (c, "one")):
        path.write_text(text)
    assert digest_of_files([a, b]) == digest_of_files([c, b])
    assert digest_of_files([a, b]) != digest_of_files([b, a])
