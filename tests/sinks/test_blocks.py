"""What the ClickHouse sink hands to a warehouse, without one."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from offline.warehouse.tables import Table, tables
from processors.errors import ConfigError
from processors.sinks.clickhouse import ClickHouseSink
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records


@dataclass
class Kept:
    """A warehouse that keeps what it is told."""

    ids: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, list] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=tables)
    where: str = "/data/clickhouse"

    def source_ids(self):
        """Return the topics that it has rows of."""
        return dict(self.ids)

    def add_source_id(self, topic, topic_id):
        """Keep the id."""
        self.ids[topic] = topic_id

    def positions(self, _topic):
        """Return none."""
        return {}

    def refused_positions(self):
        """Return none."""
        return {}

    def insert(self, _table, rows, token):
        """Keep a block under its token."""
        assert token not in self.blocks
        self.blocks[token] = rows.column("_offset").to_pylist()


def test_a_batch_is_stored_in_blocks_of_bounded_bytes(random_records, wire):
    """Rows of seven hundred numbers are not decoded all at once: each slice is a block of its own, in order."""
    values = wire("gold.v1", random_records("gold.v1", 9))
    warehouse = Kept()
    sink = ClickHouseSink(warehouse, SinkConfig(slice_bytes=len(values[0]) * 2), threading.Event())
    sink.write([Records("gold.v1", values, np.zeros(9, np.int64), np.arange(9), np.zeros(9, np.int64))])
    blocks = list(warehouse.blocks.values())
    assert len(blocks) > 3
    assert [offset for block in blocks for offset in block] == list(range(9))


@pytest.mark.parametrize(("first", "then", "remedy"), [
    ("", "test-", "give no --prefix, or"),
    ("test-", "", "give --prefix test-, or"),
    ("a.", "b.", "give --prefix a., or"),
])  # fmt: skip
def test_rows_of_another_prefix_are_refused(first, then, remedy):
    """Positions are those of a table: a platform of another prefix would skip as many records, so it is refused."""
    warehouse = Kept()
    for prefix in (first, first):
        sink = ClickHouseSink(warehouse, SinkConfig(), threading.Event(), prefix)
        sink.positions({topic: "id " + topic for topic in sink.topics})
    before = dict(warehouse.ids)
    other = ClickHouseSink(warehouse, SinkConfig(), threading.Event(), then)
    with pytest.raises(ConfigError, match=rf"/data/clickhouse.*prefix.*{remedy} name another warehouse"):
        other.positions({topic: "id " + topic for topic in other.topics})
    assert warehouse.ids == before
