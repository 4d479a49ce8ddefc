"""The sink into the lake: ticks, bars and gold rows as Delta tables, each record exactly one row.

Records wait until there are enough of them for files worth having, or until the first has waited long enough; then
those of each topic are one commit, with the positions behind them in it (``offline.lake.table``). What waits when the
process is killed was never committed: the next run reads it again from the topics.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from offline.lake.store import LakeStore
from offline.lake.table import OpenTable
from offline.lake.tables import REFUSED, LakeTable, lake_column, lake_tables, with_date
from processors.errors import PlatformError, RetryableError
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records, Refused, RowDecoder
from processors.sinks.follow import Place

WRITERS_MAX = 24_000
"""Columns of all files that one commit has open, at about 25 kB each: 31 days and timeframes of gold rows, 960 of bars.
Old rows of many days become several commits."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """Records of one topic that are not stored yet, in the order of their offsets.

    Parameters
    ----------
    begin
        Partition -> position before them.
    trying
        Partition -> position behind those that the commit at work holds.
    """

    parts: list[Records] = field(default_factory=list)
    bytes: int = 0
    begin: dict[int, int | None] = field(default_factory=dict)
    trying: dict[int, int] = field(default_factory=dict)
    taken: int = 0
    since_s: float = 0.0

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def done(self) -> None:
        """Forget what the commit at work held: it is stored."""
        del self.parts[: self.taken]
        self.begin |= self.trying
        self.trying, self.taken = {}, 0


class LakeSink:
    """Writes batches of records into the lake.

    Parameters
    ----------
    stop
        Set when the process ends: no waiting for another try then.
    prefix
        Of the topics' names in Kafka, before the name in the registry.
    tables
        Names of the tables to fill; None: all.
    """

    name = "lake"

    def __init__(
        self, store: LakeStore, config: SinkConfig, stop: threading.Event, prefix: str = "",
        tables: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self._store, self._config, self._stop = store, config, stop
        chosen = [t for t in lake_tables().values() if t.topic and (tables is None or t.name in tables)]
        self._specs = {prefix + table.topic: table for table in chosen}
        self._decoders = {t: RowDecoder(spec.rows) for t, spec in self._specs.items() if spec.rows is not None}
        self._open: dict[str, OpenTable] = {}
        self._refused: OpenTable | None = None
        self._stored: dict[Place, int] = {}
        self._waiting = {topic: _Waiting() for topic in self._specs}
        self.counts: dict[str, int] = {"rows": 0, "marks": 0, "refused": 0, "commits": 0, "retries": 0, "waiting": 0}

    @property
    def topics(self) -> list[str]:
        """Return the topics that are stored, as Kafka names them."""
        return list(self._specs)

    @property
    def versions(self) -> dict[str, str]:
        """Return the snapshot id of each table, as of the last commit."""
        return {self._specs[topic].name: str(table.snapshot_id) for topic, table in self._open.items()}

    def positions(self, topic_ids: dict[str, str]) -> dict[Place, int]:
        """Return the offset to go on from, of each partition; what waited is forgotten and read again.

        Raises
        ------
        ConfigError
            A topic was deleted and made anew since, or a table does not fit its schema.
        RetryableError
            The storage failed.
        """
        self._waiting = {topic: _Waiting() for topic in self._specs}
        self.counts["waiting"] = 0
        self._refused = OpenTable.for_writing(self._store, lake_tables()[REFUSED])
        self._stored = {}
        for topic, spec in self._specs.items():
            self._open[topic] = OpenTable.for_writing(self._store, spec, topic_ids[topic])
            self._stored |= {(topic, p): offset for p, offset in self._open[topic].positions(topic).items()}
        return dict(self._stored)

    def write(self, batches: Sequence[Records]) -> None:
        """Take records; store those of all topics once there are enough.

        Raises
        ------
        RetryableError
            Another writer is at work: ask ``positions``.
        PlatformError
            The storage went on failing, or too many records cannot be decoded.
        """
        for records in batches:
            waiting = self._waiting[records.topic]
            if not waiting.parts:
                waiting.since_s = time.monotonic()
            waiting.parts += records.slices(self._config.slice_bytes)
            waiting.bytes += sum(map(len, records.values))
            for partition in np.unique(records.partition).tolist():
                waiting.begin.setdefault(partition, self._stored.get((records.topic, partition)))
        self.counts["waiting"] = self.waiting()
        self._flush(all_of_them=sum(w.bytes for w in self._waiting.values()) >= self._config.lake_bytes_max)

    def idle(self) -> None:
        """Store what has waited long enough."""
        self._flush(all_of_them=False)

    def backlog_read(self) -> None:
        """Do nothing: a table is read as of a commit."""

    def finish(self) -> None:
        """Store what waits."""
        self._flush(all_of_them=True)

    def waiting(self) -> int:
        """Return the number of records that were taken and are not stored yet."""
        return sum(map(len, self._waiting.values()))

    def _flush(self, *, all_of_them: bool) -> None:
        now_s = time.monotonic()
        for topic, waiting in self._waiting.items():
            if waiting.parts and (all_of_them or (now_s - waiting.since_s) * 1e3 >= self._config.lake_wait_ms):
                self._store_often(topic, waiting)
                self._waiting[topic] = _Waiting()
        self.counts["waiting"] = self.waiting()

    def _store_often(self, topic: str, waiting: _Waiting) -> None:
        """Commit the records of a topic; a failed try has stored nothing, unless the table's position says so."""
        config, attempt = self._config, 1
        while waiting.parts:
            try:
                self._commit(topic, waiting)
            except RetryableError as e:
                if self._stored_after_all(topic, waiting):
                    self._committed(topic, waiting)
                    continue
                self.counts["retries"] += 1
                wait_s = min(config.backoff_first_ms * 2 ** (attempt - 1), config.backoff_max_ms) / 1e3
                _log.error("%s, %d records, try %d of %d: %s", topic, len(waiting), attempt, config.tries_max, e)
                if attempt == config.tries_max or self._stop.wait(wait_s):
                    raise PlatformError(f"gave up storing {len(waiting)} records of {topic}: {e}") from e
                attempt += 1
            else:
                self._committed(topic, waiting)
                attempt = 1

    def _committed(self, topic: str, waiting: _Waiting) -> None:
        self._stored |= {(topic, p): offset for p, offset in waiting.trying.items()}
        waiting.done()
        self.counts["commits"] += 1

    def _stored_after_all(self, topic: str, waiting: _Waiting) -> bool:
        """Return whether the commit came through though its answer did not.

        Raises
        ------
        RetryableError
            It is neither stored nor still to be stored: another writer is at work, so begin again.
        """
        table = self._open[topic]
        try:
            table.delta.update_incremental()
            found = table.positions(topic)
        except Exception:  # noqa: BLE001 - the storage is away: the next try asks again
            return False
        if waiting.trying and all(found.get(p) == offset for p, offset in waiting.trying.items()):
            return True
        if any(found.get(p) != offset for p, offset in waiting.begin.items()):
            raise RetryableError(f"{topic}: another writer has stored some of these records")
        return False

    def _commit(self, topic: str, waiting: _Waiting) -> None:
        """Store as many records, from the first one on, as have few enough days and timeframes."""
        spec, decoder = self._specs[topic], self._decoders[topic]
        batches: list[pa.RecordBatch] = []
        refused: list[tuple[Records, Refused]] = []
        folders: set[tuple[object, ...]] = set()
        limit = max(WRITERS_MAX // len(spec.schema), 1)
        marks = waiting.taken = 0
        waiting.trying = {}
        while waiting.taken < len(waiting.parts):
            records = waiting.parts[waiting.taken]
            decoded = decoder.decode(records)
            rows = _lake_rows(decoded.rows, spec)
            more = _folders(rows, spec)
            if len(folders | more) > limit:
                if waiting.taken:
                    break
                if len(records) > 1:
                    waiting.parts[:1] = _halves(records)
                    continue
            folders |= more
            marks += decoded.marks
            refused += [(records, one) for one in decoded.refused]
            batches += rows.to_batches()
            waiting.taken += 1
            for partition in np.unique(records.partition).tolist():
                waiting.trying[partition] = int(records.offset[records.partition == partition][-1]) + 1
        # Before the rows: a kill between the two reads these records again, and finds them refused already.
        self._store_refused(topic, refused)
        self._open[topic].append(topic, batches, {p: waiting.begin[p] for p in waiting.trying}, waiting.trying)
        self.counts["rows"] += sum(batch.num_rows for batch in batches)
        self.counts["marks"] += marks

    def _store_refused(self, topic: str, refused: list[tuple[Records, Refused]]) -> None:
        assert self._refused is not None
        known = self._refused.positions(topic) if refused else {}
        place = [(int(records.partition[one.at]), int(records.offset[one.at])) for records, one in refused]
        refused = [r for r, (p, offset) in zip(refused, place, strict=True) if offset >= known.get(p, 0)]
        if not refused:
            return
        self.counts["refused"] += len(refused)
        first = refused[0]
        _log.error(
            "%d records of %s cannot be decoded and go to the table refused; the first: partition %s offset %s: %s",
            len(refused), topic, first[0].partition[first[1].at], first[0].offset[first[1].at], first[1].reason,
        )  # fmt: skip
        spec = self._refused.spec
        at_ms = np.array([records.published_ms[one.at] for records, one in refused], np.int64)
        columns = {
            "topic": pa.array([topic] * len(refused)), "ts_ns": pa.array(at_ms * 1_000_000),
            "reason": pa.array([one.reason for _, one in refused]),
            "value": pa.array([records.values[one.at] for records, one in refused], pa.binary()),
            "_partition": pa.array([records.partition[one.at] for records, one in refused], pa.int32()),
            "_offset": pa.array([records.offset[one.at] for records, one in refused], pa.int64()),
            "_published_ms": pa.array(at_ms),
        }  # fmt: skip
        end: dict[int, int] = {}
        for partition, offset in sorted(place):
            end[partition] = offset + 1
        end = {p: offset for p, offset in end.items() if offset > known.get(p, 0)}
        self._refused.append(topic, with_date(columns, spec).to_batches(), {p: known.get(p) for p in end}, end)
        if self.counts["refused"] > self._config.refused_max:
            raise PlatformError(
                f"{self.counts['refused']} records could not be decoded, limit {self._config.refused_max}: "
                f"is the schema of {topic} another one? They are in the lake's table refused"
            )


def _lake_rows(rows: pa.Table, spec: LakeTable) -> pa.Table:
    """Return rows of the warehouse's form as the table has them, sorted as files shall be."""
    assert spec.rows is not None
    columns = {}
    for column in spec.rows.columns:
        if column.path:
            values = rows.column(column.name).combine_chunks()
            columns[lake_column(column)] = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
    columns["_partition"] = rows.column("_partition").combine_chunks().cast(pa.int32())
    columns["_offset"] = rows.column("_offset").combine_chunks().cast(pa.int64())
    columns["_published_ms"] = rows.column("_published").combine_chunks().cast(pa.int64())
    found = with_date(columns, spec)
    return found.sort_by([(name, "ascending") for name in (*spec.partition_by, *spec.order_by)])


def _folders(rows: pa.Table, spec: LakeTable) -> set[tuple[object, ...]]:
    """Return the days and timeframes of the rows: each is a file that is open until the commit."""
    names = list(spec.partition_by)
    found = rows.group_by(names).aggregate([])
    return set(zip(*(found.column(name).to_pylist() for name in names), strict=True))


def _halves(records: Records) -> list[Records]:
    middle = len(records) // 2
    return [records.cut(0, middle), records.cut(middle, len(records))]
