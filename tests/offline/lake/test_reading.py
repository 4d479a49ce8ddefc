"""Reading: only what was asked for is read, and it is what the obvious loop finds; columns are the codec's own."""

import numpy as np
import pyarrow.dataset as ds
import pytest

from offline.lake import reading
from offline.lake.reading import Wanted, batches, columns_of, open_at, read, read_columns
from offline.lake.tables import lake_table
from processors.errors import ConfigError
from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.codec import FlatCodec
from schemas.registry import load_registry
from tests.offline.lake.conftest import TOPICS, encode

DAY_NS = 86_400_000_000_000


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(symbols=["AIG:US"]), Wanted(timeframes=["1m", "1d"]),
        Wanted(symbols=["AIG:US", "X"], timeframes=["15m"]),
        Wanted(from_ns=1_399_075_200_000_000_000), Wanted(to_ns=1_399_075_200_000_000_000),
        Wanted(from_ns=1_399_020_000_000_000_000, to_ns=1_399_099_000_000_000_000, columns=["c", "symbol_id"]),
        Wanted(from_ns=0, to_ns=1), Wanted(symbols=[]),
    ],
)  # fmt: skip
def test_what_is_read_is_what_a_loop_over_all_rows_finds(store, fill, wanted):
    """Symbols, timeframes and a half-open span choose rows; batches are the same rows in any order."""
    fill(store, "bars.v1", 2000)
    rows = [
        row
        for row in read(store, "bars").to_pylist()
        if (wanted.symbols is None or row["symbol_id"] in wanted.symbols)
        and (wanted.timeframes is None or row["tf"] in wanted.timeframes)
        and (wanted.from_ns is None or row["ts_ns"] >= wanted.from_ns)
        and (wanted.to_ns is None or row["ts_ns"] < wanted.to_ns)
    ]
    if wanted.columns:
        rows = [{name: row[name] for name in wanted.columns} for row in rows]
    assert read(store, "bars", wanted).to_pylist() == rows
    assert sum(b.num_rows for b in batches(store, "bars", wanted)) == len(rows)


def test_files_and_row_groups_that_cannot_match_are_not_opened(store, fill):
    """A day and a timeframe are one file of many; a time outside of a file's span opens none."""
    fill(store, "bars.v1", 6000)
    opened = open_at(store, "bars")
    all_files = opened.files().num_rows
    assert all_files >= 9
    day = int(1_398_988_800_000_000_000 // DAY_NS * DAY_NS) + DAY_NS
    wanted = Wanted(timeframes=["1m"], from_ns=day, to_ns=day + DAY_NS)
    data = reading._dataset(opened, wanted)
    assert len(list(data.get_fragments())) == 1
    far = ds.field("ts_ns") >= day + 400 * DAY_NS
    assert list(reading._dataset(opened, reading.ALL).get_fragments(filter=far)) == []


@pytest.mark.parametrize("topic", TOPICS)
def test_columns_are_those_that_the_codec_decodes(store, fill, topic):
    """Every field of every row, nulls, enums and lists of texts too, bit for bit, in the order of the lake."""
    made = fill(store, topic, 50)
    spec = lake_table({"ticks.raw.v1": "ticks", "bars.v1": "bars", "gold.v1": "gold"}[topic])
    columns, snapshot = read_columns(store, spec.name)
    assert snapshot == open_at(store, spec.name).snapshot_id
    entry = load_registry().current(topic)
    payload, start = pack(encode(topic, made))
    none = np.zeros(0, np.uint8)
    expected, error = FlatCodec(entry.schema, entry.id).decode(EncodedBatch(topic, 0, payload, start, none, start))
    assert not error.any()
    place = read(store, spec.name, Wanted(columns=["_partition", "_offset"])).to_pydict()
    by_place = sorted(range(50), key=lambda i: (place["_offset"][i], place["_partition"][i]))
    found = columns.take(np.array(by_place))
    for name in found.layout.names:
        assert found[name].tobytes() == expected[name].tobytes(), name


def test_no_rows_are_columns_too(store, fill):
    """A span without rows gives columns of length 0."""
    fill(store, "gold.v1", 3)
    assert len(columns_of(read(store, "gold", Wanted(to_ns=0)), lake_table("gold"))) == 0


def test_a_column_that_is_not_there_is_named(store, fill):
    """A misspelt column is said by name."""
    fill(store, "bars.v1", 3)
    with pytest.raises(ConfigError, match="column is 'close'"):
        read(store, "bars", Wanted(columns=["close"]))
