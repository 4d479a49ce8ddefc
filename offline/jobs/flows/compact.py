"""Keeps the lake quick and small, and leaves the snapshots that models and scores were made of."""

from dataclasses import asdict
from functools import partial
from typing import Any

from offline.jobs.flows.inputs import lake_at, versions_of
from offline.jobs.run import FINISHED, JobRun, records
from processors.errors import ConfigError

TABLES = ("ticks", "bars", "gold", "refused")


def compact(
    run: JobRun, *, tables: tuple[str, ...] = (), days: int = 30, file_mb: int = 128, memory_mb: int = 1024,
    closed_days: bool = True, keep: tuple[str, ...] = (), lake: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Join small files of the lake and remove replaced ones, but for those of snapshots that models name."""
    there = run.step("tables", lambda: _tables(tables, lake))
    spared = run.step("snapshots", lambda: _spared(there, keep))
    joined, removed = {}, {}
    for name in there:
        work = partial(_join, run, name, lake, file_mb, memory_mb, closed_days)
        joined[name] = run.step(f"compact {name}", work)
        removed[name] = run.step(f"vacuum {name}", partial(_clean, name, lake, days, spared))
    return {"compacted": joined, "files_removed": removed, "snapshots_kept": spared}


def state(*, tables: tuple[str, ...], lake: str | None, **_: Any) -> Any:
    """Return the version of each table."""
    for name in tables:
        if name not in TABLES:
            raise ConfigError("flow compact", "tables", name, f"among {', '.join(TABLES)}")
    return versions_of(lake_at(lake), tables or TABLES)


def _tables(tables: tuple[str, ...], lake: str | None) -> list[str]:
    store = lake_at(lake)
    found = list(versions_of(store, tables or TABLES))
    if not found:
        raise ConfigError("lake", "place", store.root, "one that holds tables: fill it with `mps lake sync`")
    return found


def _spared(tables: list[str], keep: tuple[str, ...]) -> list[str]:
    """Return the snapshots of these tables that somebody asked to keep, or that models, scores or backtests name."""
    from offline.lake.snapshot import SnapshotId
    from offline.registry.place import Place
    from offline.registry.registry import Registry

    found = [SnapshotId.parse(text) for text in keep]
    named = [r.result.get("snapshot") for r in records() if r.status == FINISHED and r.result]
    place = Place.from_environment()
    if place.exists():
        named += [v.facts["data_snapshot_id"] for v in Registry(place).versions()]
    for text in named:
        try:
            found.append(SnapshotId.parse(str(text)))
        except ConfigError:
            # Of recorded ticks, of Parquet, of ClickHouse: not of the lake.
            continue
    return sorted({str(s) for s in found if s.table in tables})


def _join(run: JobRun, name: str, lake: str | None, file_mb: int, memory_mb: int, closed_days: bool) -> dict[str, Any]:
    from datetime import UTC, datetime

    from offline.lake.table import OpenTable
    from offline.lake.tables import lake_tables
    from offline.lake.upkeep import compact as join

    done = join(
        OpenTable.open(lake_at(lake), lake_tables()[name]), file_bytes=file_mb << 20, memory_bytes=memory_mb << 20,
        before=datetime.now(UTC).date() if closed_days else None,
        progress=lambda n, of: run.tell(f"{name}: {n} of {of} partitions", n / max(of, 1)),
    )  # fmt: skip
    return asdict(done)


def _clean(name: str, lake: str | None, days: int, spared: list[str]) -> int:
    from offline.lake.snapshot import SnapshotId
    from offline.lake.table import OpenTable
    from offline.lake.tables import lake_tables
    from offline.lake.upkeep import vacuum

    opened = OpenTable.open(lake_at(lake), lake_tables()[name])
    kept = [s for s in map(SnapshotId.parse, spared) if s.table == name]
    # A snapshot of a lake that was made anew since has no files to spare.
    mine = [s for s in kept if s.table_id == opened.snapshot_id.table_id]
    return len(vacuum(opened, days=days, keep=mine, remove=True))
