"""The sink into ClickHouse: each record becomes exactly one row.

A row carries the offset of its record, and a block of rows is written whole or not at all. So the rows themselves say
where to go on: after the highest stored offset of each partition. Nothing else is remembered, hence nothing can
disagree after a crash between two writes.
"""

import logging
import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from offline.warehouse.client import SINK_STAGE, Warehouse
from offline.warehouse.tables import TABLE_OF_TOPIC, Column
from processors.errors import ConfigError, PlatformError, RetryableError
from processors.runtime.codec import HEADER_BYTES
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Decoded, Records, RowDecoder, arrow_type
from processors.sinks.follow import Place
from processors.sinks.prefix import refuse_other_prefix

_DEAD = "dead.letter.v1"

_log = logging.getLogger(__name__)


class ClickHouseSink:
    """Writes batches of records into the warehouse.

    Parameters
    ----------
    warehouse
        Its ``create`` was called.
    stop
        Set when the process ends: no waiting for another try then.
    prefix
        Of the topics' names in Kafka, before the name in the registry.
    """

    name = "clickhouse"

    def __init__(self, warehouse: Warehouse, config: SinkConfig, stop: threading.Event, prefix: str = "") -> None:
        self._warehouse, self._config, self._stop, self._prefix = warehouse, config, stop, prefix
        self._decoders = {prefix + topic: RowDecoder(warehouse.tables[topic]) for topic in TABLE_OF_TOPIC}
        self._tables = {prefix + topic: warehouse.tables[topic] for topic in TABLE_OF_TOPIC}
        self._refused_before: dict[Place, int] = {}
        self.marks = dict.fromkeys(self._tables, 0)
        """Topic -> clock marks left out."""
        self.counts: dict[str, int] = {"rows": 0, "marks": 0, "refused": 0, "blocks": 0, "retries": 0}

    @property
    def topics(self) -> list[str]:
        """Return the topics that are stored, as Kafka names them."""
        return list(self._tables)

    def positions(self, topic_ids: dict[str, str]) -> dict[Place, int]:
        """Return the offset to go on from, of each partition that has rows.

        Raises
        ------
        ConfigError
            A topic was deleted and made anew since, or the rows are of topics of another prefix: their offsets mean
            other records.
        RetryableError
            ClickHouse failed.
        """
        known = self._warehouse.source_ids()
        refuse_other_prefix(
            f"warehouse {self._warehouse.where}", known, self._prefix,
            "name another warehouse (--warehouse, MPS_CLICKHOUSE_PATH, MPS_CLICKHOUSE_URL)",
        )  # fmt: skip
        found: dict[Place, int] = {}
        for topic, table in self._tables.items():
            if topic not in known:
                self._warehouse.add_source_id(topic, topic_ids[topic])
            elif known[topic] != topic_ids[topic]:
                raise ConfigError(
                    f"warehouse {self._warehouse.where}", f"topic {topic}", topic_ids[topic],
                    f"its rows are from a topic {known[topic]} that was deleted since; "
                    "remove the warehouse to fill it anew",
                )  # fmt: skip
            found |= {(topic, p): offset for p, offset in self._warehouse.positions(table.topic).items()}
        self._refused_before = self._warehouse.refused_positions()
        return found

    def write(self, batches: Sequence[Records]) -> None:
        """Store the records, a block for each slice of a topic.

        Raises
        ------
        RetryableError
            ClickHouse went on failing.
        PlatformError
            Too many records cannot be decoded.
        """
        for records in (part for batch in batches for part in batch.slices(self._config.slice_bytes)):
            decoded = self._decoders[records.topic].decode(records)
            # Before the rows: a kill between the two reads these records again, and finds them refused already.
            self._write_refused(records, decoded)
            if decoded.rows.num_rows:
                self._store(self._tables[records.topic].name, decoded.rows, _token(records))
            self.counts["rows"] += decoded.rows.num_rows
            self.counts["marks"] += decoded.marks
            self.marks[records.topic] += decoded.marks

    def idle(self) -> None:
        """Do nothing: ClickHouse keeps what it has stored."""

    def backlog_read(self) -> None:
        """Do nothing: the rows themselves say how far they go."""

    def finish(self) -> None:
        """Do nothing: each write is stored at once."""

    def waiting(self) -> int:
        """Return 0: each write is stored at once."""
        return 0

    def _write_refused(self, records: Records, decoded: Decoded) -> None:
        rows = []
        for refused in decoded.refused:
            place = (records.topic, int(records.partition[refused.at]))
            offset = int(records.offset[refused.at])
            if offset < self._refused_before.get(place, 0):
                continue
            value = records.values[refused.at]
            has_id = len(value) >= HEADER_BYTES and value[0] == 0
            rows.append(
                {
                    "stage": SINK_STAGE, "topic": place[0], "partition": place[1], "offset": offset,
                    "error": "undecodable", "reason": refused.reason,
                    "schema_id": int.from_bytes(value[1:HEADER_BYTES], "big") if has_id else None,
                    "key": None, "value": value,
                    "_partition": place[1], "_offset": offset, "_published": int(records.published_ms[refused.at]),
                }
            )  # fmt: skip
            self._refused_before[place] = offset + 1
        if not rows:
            return
        self.counts["refused"] += len(rows)
        first = rows[0]
        _log.error(
            "%d records cannot be decoded and go to dead_letters; the first: %s partition %s offset %s: %s",
            len(rows), first["topic"], first["partition"], first["offset"], first["reason"],
        )  # fmt: skip
        table = self._warehouse.tables[_DEAD]
        self._store(table.name, _refused_table(rows, table.columns), "refused " + _token(records))
        if self.counts["refused"] > self._config.refused_max:
            raise PlatformError(
                f"{self.counts['refused']} records could not be decoded, limit {self._config.refused_max}: "
                f"is the schema of {records.topic} another one? They are in the table dead_letters"
            )

    def _store(self, table: str, rows: pa.Table, token: str) -> None:
        """Insert a block, trying again under the same token: a block that was stored after all is not stored twice."""
        config = self._config
        for attempt in range(1, config.tries_max + 1):
            try:
                self._warehouse.insert(table, rows, token)
            except RetryableError as e:
                self.counts["retries"] += 1
                wait_s = min(config.backoff_first_ms * 2 ** (attempt - 1), config.backoff_max_ms) / 1e3
                _log.error("table %s, %d rows, try %d of %d: %s", table, rows.num_rows, attempt, config.tries_max, e)
                if attempt == config.tries_max or self._stop.wait(wait_s):
                    raise PlatformError(f"gave up storing {rows.num_rows} rows in {table}: {e}") from e
            else:
                self.counts["blocks"] += 1
                return


def _token(records: Records) -> str:
    """Return a name of the block, the same for the same records: the span of offsets of each partition."""
    spans = []
    for partition in np.unique(records.partition).tolist():
        offsets = records.offset[records.partition == partition]
        spans.append(f"{partition}:{offsets[0]}-{offsets[-1]}")
    return f"{records.topic} {' '.join(spans)}"


def _refused_table(rows: list[dict[str, object]], columns: Sequence[Column]) -> pa.Table:
    kinds = {"_partition": pa.uint16(), "_offset": pa.uint64(), "_published": pa.timestamp("ms", "UTC")}
    return pa.table(
        {c.name: pa.array([row[c.name] for row in rows], kinds.get(c.name) or arrow_type(c)) for c in columns}
    )
