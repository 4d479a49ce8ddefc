"""One Delta table of the lake: opened, made to fit its schema, appended to exactly once, read at a version.

Exactly once: a commit of Delta is one file that is there or is not, and besides the data files it names, it carries
application transactions: numbers by name, of which the table keeps the last. Ours are the offsets to go on from, one
a partition of the topic. So rows and position are one write. A kill before the commit leaves files that no version
names, which vacuum removes; a kill after it leaves nothing to do; two writers that begin at the same position cannot
both commit, since Delta refuses a second commit of a transaction of the same name.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Field,
    PostCommitHookProperties,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import TableNotFoundError

from offline.lake.snapshot import SnapshotId
from offline.lake.store import LakeStore, told
from offline.lake.tables import LakeTable
from processors.errors import ConfigError, RetryableError

FILE_BYTES = 128 << 20
"""Wanted size of a file: large enough that a year is thousands of files, small enough to read one in a second."""
KEPT_DAYS = 30
"""Files that no version names any more are kept so long: whoever reads an older version now finishes."""
VERSIONS_DAYS = 1_826
"""The log remembers versions for five years: a model's snapshot must be readable for as long as it is in use."""
CHECKPOINT_COMMITS = 50
ZSTD_LEVEL = 3
_SEARCH = 64
"""Partitions without a position in a row after which no more are looked for; partitions are counted from 0."""
_MPS = "mps."


def app_id(topic: str, partition: int) -> str:
    """Return the name of the application transaction that holds a partition's position."""
    return f"{_MPS}{topic}/{partition}"


def writer_properties(spec: LakeTable) -> WriterProperties:
    """Return how files are written.

    Numbers without a dictionary: 760 of them would be kept in memory, and real ones are smaller without. Least and
    greatest values only of what readers ask by: those of every page of 760 columns were more than the values of a small
    file.
    """
    of = {
        field.name: ColumnProperties(
            dictionary_enabled=pa.types.is_string(field.type),
            statistics_enabled="CHUNK" if field.name in spec.stats else "NONE",
        )
        for field in spec.schema
        if field.name in spec.stats or pa.types.is_string(field.type)
    }
    return WriterProperties(
        compression="ZSTD", compression_level=ZSTD_LEVEL, max_row_group_size=1 << 17, column_properties=of,
        default_column_properties=ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE"),
    )  # fmt: skip


class OpenTable:
    """A table that is there.

    Parameters
    ----------
    spec
        What it should be.
    delta
        At a version; the newest where it is to be written.
    """

    def __init__(self, store: LakeStore, spec: LakeTable, delta: DeltaTable) -> None:
        self.store, self.spec, self.delta = store, spec, delta
        self.where = store.uri(spec.folder)

    @classmethod
    def open(cls, store: LakeStore, spec: LakeTable, version: int | None = None) -> Self:
        """Open a table for reading, the newest version where none is named.

        Raises
        ------
        ConfigError
            It is not there, or that version of it is not.
        """
        where = store.uri(spec.folder)
        folder = store.folder
        if folder is not None and not (folder / spec.folder / "_delta_log").is_dir():
            raise ConfigError(
                "lake", f"table {spec.name}", "missing", f"fill it with `mps lake sync`: {where} is empty"
            )
        with told(where):
            try:
                newest = DeltaTable(where, storage_options=store.options)
            except TableNotFoundError:
                raise ConfigError("lake", f"table {spec.name}", "missing",
                                  f"fill it with `mps lake sync`: {where} is empty") from None  # fmt: skip
            if version is None or version == newest.version():
                return cls(store, spec, newest)
            if version > newest.version():
                raise ConfigError(where, "version", version, f"at most {newest.version()}, the newest")
            try:
                return cls(store, spec, DeltaTable(where, version=version, storage_options=store.options))
            except Exception as e:
                raise ConfigError(where, "version", version, f"one that the log still has ({VERSIONS_DAYS} days): {e}"
                                  ) from e  # fmt: skip

    @classmethod
    def snapshot(cls, store: LakeStore, spec: LakeTable, wanted: SnapshotId) -> Self:
        """Open the table as a snapshot id names it.

        Raises
        ------
        ConfigError
            It is of another table, or of a lake that was made anew since.
        """
        if wanted.table != spec.name:
            raise ConfigError("data_snapshot_id", "table", wanted.table, f"a snapshot of {spec.name}")
        found = cls.open(store, spec, wanted.version)
        if found.snapshot_id.table_id != wanted.table_id:
            raise ConfigError(
                found.where, "table id", found.snapshot_id.table_id,
                f"{wanted.table_id}: the snapshot is of another lake, or of one that was made anew since",
            )  # fmt: skip
        return found

    @classmethod
    def for_writing(cls, store: LakeStore, spec: LakeTable, topic_id: str = "") -> Self:
        """Open the table, made where it is missing, with the columns that its schema has gained.

        Parameters
        ----------
        topic_id
            Id that Kafka gave the topic: offsets mean its records only.

        Raises
        ------
        ConfigError
            Its rows come from a topic that was deleted since, or a column has another type than the schema.
        """
        store.prepare()
        where = store.uri(spec.folder)
        with told(where):
            delta = DeltaTable.create(
                where, schema=spec.schema, mode="ignore", partition_by=list(spec.partition_by), name=spec.name,
                description=spec.about, storage_options=store.options, configuration=_configuration(spec, topic_id),
                raise_if_key_not_exists=False,
            )  # fmt: skip
            found = cls(store, spec, delta)
            known = delta.metadata().configuration.get(f"{_MPS}topic_id", "")
            if known != topic_id:
                raise ConfigError(
                    where, f"topic {spec.topic}", topic_id,
                    f"its rows are from a topic {known} that was deleted since; move {where} away to fill it anew",
                )  # fmt: skip
            found._fit()
        return found

    def _fit(self) -> None:
        """Add the columns that the schema has gained; any other difference is an error."""
        have = {field.name: field for field in pa.schema(self.delta.schema().to_arrow())}
        wrong = [
            f"{field.name} is {have[field.name].type}, not {field.type}"
            for field in self.spec.schema
            if field.name in have and have[field.name].type != field.type
        ]
        wrong += [f"{name} is not in the schema" for name in have if name not in self.spec.schema.names]
        if wrong:
            raise ConfigError(
                self.where, "columns", "; ".join(wrong),
                "those of the schema: run the version that wrote the table, or move it away: the sink fills it again "
                "from the topics as far back as they are kept",
            )  # fmt: skip
        gained = [field for field in self.spec.schema if field.name not in have]
        if gained:
            # Old rows read as null, which is what they know of a field that came later.
            fields = Schema.from_arrow(pa.schema([field.with_nullable(True) for field in gained])).fields
            self.delta.alter.add_columns(_fields(fields))
            self.delta.update_incremental()

    @property
    def version(self) -> int:
        """Return the version that is open."""
        return self.delta.version()

    @property
    def snapshot_id(self) -> SnapshotId:
        """Return what names these rows: ``data_snapshot_id`` of whatever is made of them."""
        return SnapshotId(self.spec.name, self.version, str(self.delta.metadata().id))

    def positions(self, topic: str) -> dict[int, int]:
        """Return the offset to go on from, of each partition of a topic that has rows or was read."""
        found, missing, partition = {}, 0, 0
        with told(self.where):
            while missing < _SEARCH:
                offset = self.delta.transaction_version(app_id(topic, partition))
                missing = missing + 1 if offset is None else 0
                if offset is not None:
                    found[partition] = offset
                partition += 1
        return found

    def append(
        self, topic: str, batches: Iterable[pa.RecordBatch], begin: Mapping[int, int | None], end: Mapping[int, int]
    ) -> int:
        """Store rows and the positions behind them in one commit; return the version.

        Parameters
        ----------
        batches
            In the schema of the table; taken one by one, so that memory holds one and what the files take.
        begin
            Partition -> position that the rows go on from, None for the first ones.
        end
            Partition -> position after them.

        Raises
        ------
        RetryableError
            Another writer has stored these records, or the storage failed: nothing of it is stored. Ask ``positions``.
        PlatformError
            The rows do not fit.
        """
        with told(self.where):
            self.delta.update_incremental()
            for partition, wanted in begin.items():
                stored = self.delta.transaction_version(app_id(topic, partition))
                if stored != wanted:
                    raise RetryableError(
                        f"lake at {self.where}: {topic} partition {partition} is stored up to {stored}, not {wanted}: "
                        "another writer is at work"
                    )
            # Old columns that became nullable in the table, and its order, are the table's to say.
            schema = pa.schema(self.delta.schema().to_arrow())
            reader = pa.RecordBatchReader.from_batches(schema, _shaped(batches, schema))
            write_deltalake(
                self.delta, reader, mode="append", target_file_size=FILE_BYTES,
                writer_properties=writer_properties(self.spec),
                commit_properties=CommitProperties(
                    custom_metadata={
                        f"{_MPS}topic": topic,
                        f"{_MPS}offsets": json.dumps({str(p): [begin.get(p), end[p]] for p in sorted(end)}),
                    },
                    app_transactions=[Transaction(app_id(topic, p), end[p]) for p in sorted(end)],
                ),
                # Old versions are evidence: the log is cleaned by vacuum, on demand, never behind a writer's back.
                post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
            )  # fmt: skip
            self.delta.update_incremental()
        return self.version

    def files(self) -> pa.Table:
        """Return path, bytes, rows and partition of each file of this version."""
        with told(self.where):
            return pa.table(self.delta.get_add_actions(flatten=True))

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the newest versions first: when, what was done, rows and files, and the offsets that came in."""
        with told(self.where):
            found = self.delta.history(limit)
        return [_told_of(entry) for entry in found]


def _configuration(spec: LakeTable, topic_id: str) -> dict[str, str | None]:
    return {
        # Rows are added and files compacted; nothing changes or removes a row.
        "delta.appendOnly": "true",
        "delta.checkpointInterval": str(CHECKPOINT_COMMITS),
        "delta.dataSkippingStatsColumns": ",".join(spec.stats),
        "delta.deletedFileRetentionDuration": f"interval {KEPT_DAYS} days",
        "delta.logRetentionDuration": f"interval {VERSIONS_DAYS} days",
        f"{_MPS}topic_id": topic_id,
    }


def _fields(fields: list[Field]) -> list[Field]:
    return [Field(field.name, field.type, nullable=True, metadata=field.metadata) for field in fields]


def _shaped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_arrays([batch.column(field.name) for field in schema], schema=schema)


def _told_of(entry: dict[str, Any]) -> dict[str, Any]:
    metrics = entry.get("operationMetrics") or {}
    if isinstance(metrics, str):
        metrics = json.loads(metrics)
    out: dict[str, Any] = {
        "version": int(entry.get("version", -1)),
        "at": datetime.fromtimestamp(int(entry["timestamp"]) / 1e3, UTC).isoformat(timespec="milliseconds"),
        "operation": entry.get("operation", ""),
        "rows": metrics.get("num_added_rows"),
        "files_added": metrics.get("num_added_files", metrics.get("numFilesAdded")),
        "files_removed": metrics.get("num_removed_files", metrics.get("numFilesRemoved")),
    }
    with suppress(KeyError, ValueError):
        out["topic"] = entry[f"{_MPS}topic"]
        out["offsets"] = json.loads(entry[f"{_MPS}offsets"])
    return out
