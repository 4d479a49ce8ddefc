"""The quick way to a wide table against the plain one."""

import numpy as np
import pyarrow as pa
import pytest

from offline.features.wide_table import WideTable

ODD = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7976931348623157e308, 1 / 3])


def plain(schema, before, matrix, after):
    """Return the table column by column."""
    columns = [*before, *(pa.array(row, pa.float64(), from_pandas=True) for row in matrix), *after]
    return pa.Table.from_arrays(columns, schema=schema)


@pytest.mark.parametrize("k", [1, 7, 400])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 63, 64, 65, 1000])
def test_the_quick_way_gives_the_plain_table(k, n):
    """Every value, null, name and count of the table is that of the plain way, whatever its shape."""
    rng = np.random.default_rng(1000 * k + n)
    matrix = np.where(rng.random((k, n)) < 0.3, rng.choice(ODD, (k, n)), rng.normal(size=(k, n)))
    texts = [["", "EURUSD:FX", "\u00e9" * 9][i % 3] for i in range(n)]
    before = [pa.array(texts, pa.string()), pa.array(np.arange(n) * 10**15, pa.timestamp("ns", "UTC"))]
    some = pa.array([None if i % 5 == 1 else i / 7 for i in range(n)], pa.float64())
    after = [pa.array(["x" * 64] * n, pa.string()), pa.array((np.arange(n) % 3 == 0), pa.bool_()), some]
    names = ["s", "t", *(f"f{i}" for i in range(k)), "h", "b", "q"]
    types = [pa.string(), pa.timestamp("ns", "UTC"), *[pa.float64()] * k, pa.string(), pa.bool_(), pa.float64()]
    schema = pa.schema(list(zip(names, types, strict=True)), metadata={"pack": "p"})
    made = WideTable(schema).table(before, matrix, after)
    made.validate(full=True)
    expected = plain(schema, before, matrix, after)
    assert made.schema.equals(expected.schema, check_metadata=True)
    assert made.equals(expected)
    assert [c.null_count for c in made.columns] == [c.null_count for c in expected.columns]
    for i in range(k):
        ours, theirs = (np.ascontiguousarray(t.column(2 + i).to_numpy()) for t in (made, expected))
        there = ~np.isnan(theirs)
        assert ours[there].tobytes() == theirs[there].tobytes()


def test_columns_of_another_schema_are_refused():
    """A column too few is no table."""
    schema = pa.schema([("s", pa.string()), ("f", pa.float64())])
    with pytest.raises(AssertionError, match="columns are not those"):
        WideTable(schema).table([], np.ones((1, 3)), [])
