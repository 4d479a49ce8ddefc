"""What keeps a table quick and small: compaction with z-order, vacuum, and an account of what is there.

A flush writes a file a day and timeframe, so a day of live rows is some hundred small files. Compaction makes files of
the wanted size of them, their rows clustered by symbol and time along a z-curve, so that a question for a symbol or for
a time reads few row groups. It changes no row and no position: an older version still reads what it was.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from math import ceil
from typing import Any

from deltalake import PostCommitHookProperties

from offline.lake.snapshot import SnapshotId
from offline.lake.store import told
from offline.lake.table import FILE_BYTES, KEPT_DAYS, OpenTable, writer_properties
from offline.lake.tables import DATE
from processors.errors import ConfigError

SPILL_BYTES = 1 << 30
"""Memory of the sort of one compaction; more goes to the disk."""
PARTITIONS_AT_ONCE = 32
_KEEP_LOG = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did."""

    table: str
    partitions: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    snapshot_id: str


@dataclass(slots=True)
class Account:
    """A table at a version, in numbers.

    Parameters
    ----------
    positions
        Topic -> partition -> offset to go on from.
    small_files
        Files that compaction would join with others.
    """

    table: str
    where: str
    snapshot_id: str
    version: int
    rows: int = 0
    files: int = 0
    bytes: int = 0
    partitions: int = 0
    first_date: date | None = None
    last_date: date | None = None
    small_files: int = 0
    bytes_per_row: float | None = None
    columns: int = 0
    positions: dict[str, dict[int, int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        found = asdict(self)
        for name in ("first_date", "last_date"):
            found[name] = None if found[name] is None else str(found[name])
        return found


def account(opened: OpenTable, topics: Sequence[str]) -> Account:
    """Return what a table holds.

    Parameters
    ----------
    topics
        As Kafka names them; whose positions are told.
    """
    files = opened.files().to_pylist()
    found = Account(
        opened.spec.name, opened.where, str(opened.snapshot_id), opened.version, columns=len(opened.spec.schema)
    )
    found.positions = {topic: at for topic in topics if (at := opened.positions(topic))}
    found.files, found.bytes = len(files), sum(f["size_bytes"] for f in files)
    found.rows = sum(f["num_records"] or 0 for f in files)
    days = {f[f"partition.{DATE}"] for f in files}
    found.partitions = len(_by_partition(opened))
    found.first_date, found.last_date = (min(days), max(days)) if days else (None, None)
    found.bytes_per_row = round(found.bytes / found.rows, 2) if found.rows else None
    found.small_files = sum(len(of) for _, of in _crowded(opened, FILE_BYTES))
    return found


def compact(
    opened: OpenTable, *, file_bytes: int = FILE_BYTES, memory_bytes: int = SPILL_BYTES, before: date | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Compacted:  # fmt: skip
    """Join the small files of each day and timeframe, clustered by symbol and time.

    Parameters
    ----------
    opened
        At its newest version.
    before
        Only days before it: today's files become many again.
    progress
        Told how many partitions are done, of how many.

    Raises
    ------
    RetryableError
        The storage failed; what is done stays done, and the next run goes on from there.
    """
    crowded = _crowded(opened, file_bytes, before)
    todo: dict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
    for key, _ in crowded:
        rest = tuple((name, value) for name, value in key if name != DATE)
        todo[rest].append(dict(key)[DATE])
    before_files = sum(len(files) for _, files in crowded)
    before_bytes = sum(sum(files) for _, files in crowded)
    after_files = after_bytes = done = 0
    for rest, days in sorted(todo.items()):
        for begin in range(0, len(days), PARTITIONS_AT_ONCE):
            some = sorted(days)[begin : begin + PARTITIONS_AT_ONCE]
            where: list[Any] = [(DATE, "in", some), *((name, "=", value) for name, value in rest)]
            with told(opened.where):
                made = opened.delta.optimize.z_order(
                    list(opened.spec.order_by), partition_filters=where, target_size=file_bytes,
                    max_concurrent_tasks=1, max_spill_size=memory_bytes,
                    writer_properties=writer_properties(opened.spec),
                    post_commithook_properties=_KEEP_LOG,
                )  # fmt: skip
                opened.delta.update_incremental()
            after_files += int(made["numFilesAdded"])
            done += len(some)
            progress(done, len(crowded))
    if crowded:
        keys = {key for key, _ in crowded}
        after_bytes = sum(sum(files) for key, files in _by_partition(opened).items() if key in keys)
    return Compacted(
        opened.spec.name, len(crowded), before_files, after_files, before_bytes, after_bytes, str(opened.snapshot_id)
    )


def vacuum(
    opened: OpenTable, *, days: int = KEPT_DAYS, keep: Sequence[SnapshotId] = (), remove: bool = False
) -> list[str]:
    """Return the files that no kept version names, older than so many days; remove them if asked to.

    Parameters
    ----------
    days
        At least a day: a writer at work has files that no version names yet.
    keep
        Snapshots whose files stay, however old: those that models were made of.

    Raises
    ------
    ConfigError
        A snapshot is not of this table.
    """
    if days < 1:
        raise ConfigError(
            "lake vacuum", "days", days, "at least 1: a writer at work has files that no version names yet"
        )
    for snapshot in keep:
        OpenTable.snapshot(opened.store, opened.spec, snapshot)
    with told(opened.where):
        return opened.delta.vacuum(
            retention_hours=24 * days, dry_run=not remove, enforce_retention_duration=False, full=True,
            keep_versions=[snapshot.version for snapshot in keep] or None, post_commithook_properties=_KEEP_LOG,
        )  # fmt: skip


def _by_partition(opened: OpenTable) -> dict[tuple[tuple[str, str], ...], list[int]]:
    """Return the sizes of the files of each partition."""
    found: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for file in opened.files().to_pylist():
        key = tuple((name, str(file[f"partition.{name}"])) for name in opened.spec.partition_by)
        found[key].append(file["size_bytes"])
    return found


def _crowded(
    opened: OpenTable, file_bytes: int, before: date | None = None
) -> list[tuple[tuple[tuple[str, str], ...], list[int]]]:
    """Return the partitions that have more files than their bytes need."""
    out = []
    for key, files in sorted(_by_partition(opened).items()):
        if before is not None and dict(key)[DATE] >= str(before):
            continue
        # One more where there are several: a file ends at the first row group past its size.
        needed = ceil(sum(files) / file_bytes)
        if len(files) > needed + (needed > 1):
            out.append((key, files))
    return out
