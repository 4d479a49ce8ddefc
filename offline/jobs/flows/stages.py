"""Ticks into bars, and bars into gold rows, by the stages that run live, until they have caught up; then the lake."""

from pathlib import Path
from typing import Any

from offline.features.addresses import known_endpoints
from offline.jobs.flows.inputs import digest_of, ends_of, files_in_force, lake_at
from offline.jobs.flows.parts import catch_up, source_of, sync_lake
from offline.jobs.run import JobRun
from processors.errors import ConfigError

FACTS = ("fundamentals.v1", "events.v1")
"""What featurize reads beside the bars."""


def reconcile(run: JobRun, *, lake: str | None = None, prefix: str = "") -> dict[str, Any]:
    """Make bars of the ticks that are there, and store them as the silver table of the lake."""
    return _caught_up(run, ("reconcile", "bars"), "bars", lake, prefix)


def featurize(
    run: JobRun, *, pack: str | None = None, begin: str | None = None, end: str | None = None,
    bars: tuple[str, ...] = (), facts: tuple[str, ...] = (), without_facts: bool = False, lake: str | None = None,
    prefix: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Make gold rows of the bars that are there and store them in the lake; or back-fill one pack over history."""
    if pack is None:
        return _caught_up(run, ("featurize", "regime"), "gold", lake, prefix)
    if begin is None or end is None:
        raise ConfigError("flow featurize", "begin and end", (begin, end), "the first and last time of a back-fill")
    first, last = begin, end
    done: dict[str, Any] = run.step(
        f"backfill {pack}", lambda: _backfill(run, pack, first, last, bars, facts, without_facts=without_facts)
    )
    return done


def state_of_reconcile(*, lake: str | None, prefix: str, **_: Any) -> Any:
    """Return the end of the first topic, since what lies between the stages is theirs, and where the lake is."""
    return {"topics": ends_of([source_of("reconcile")], prefix), "lake": lake_at(lake).root}


def state_of_featurize(
    *, pack: str | None, bars: tuple[str, ...], facts: tuple[str, ...], without_facts: bool, lake: str | None,
    prefix: str, **_: Any,
) -> Any:  # fmt: skip
    """Return the ends of what the first stage reads; of a back-fill the files, those in force too, and the pack."""
    if pack is None:
        return {"topics": ends_of([source_of("featurize"), *FACTS], prefix), "lake": lake_at(lake).root}
    from offline.features.chain import reads_facts
    from offline.features.packs import load_view

    view = load_view(pack)
    files = {**digest_of(map(Path, (*bars, *facts))), **files_in_force()}
    # Where none are named, the topics of the platform that runs know facts too; theirs have no prefix.
    of_topics = reads_facts(view.pack) and not (facts or without_facts) and known_endpoints().bootstrap_servers
    # What ClickHouse holds is found out by the back-fill itself, which ends at once where it has that version.
    return {
        "files": files, "pack": view.hash, "bars": None if bars else ends_of(["bars.v1"], prefix),
        "facts": ends_of(FACTS, "") if of_topics else None,
    }  # fmt: skip


def _caught_up(run: JobRun, stages: tuple[str, ...], table: str, lake: str | None, prefix: str) -> dict[str, Any]:
    for stage in stages:
        catch_up(run, stage, prefix)
    sync_lake(run, table, lake, prefix)
    return {"stages": list(stages), "table": table}


def _backfill(
    run: JobRun, pack: str, begin: str, end: str, bars: tuple[str, ...], facts: tuple[str, ...], *,
    without_facts: bool,
) -> dict[str, Any]:  # fmt: skip
    from offline.features import backfill as job
    from offline.features.addresses import bars_from, versions_folder
    from offline.features.asked_facts import facts_for
    from offline.features.packs import load_view
    from offline.features.times import parse_time
    from processors.cross.config import CrossConfig

    view, to_ns = load_view(pack), parse_time(end, "end", "flow featurize")
    partitions, files = CrossConfig.from_environment().partitions, tuple(map(Path, bars))
    known, of_files = facts_for(view, tuple(map(Path, facts)), without=without_facts, partitions=partitions)
    plan = job.Plan(
        versions_folder(), view, parse_time(begin, "begin", "flow featurize"), to_ns,
        ", ".join(bars) or "ClickHouse", facts=known, facts_files=of_files, without_facts=without_facts,
        partitions=partitions,
    )  # fmt: skip
    total = seen = 0

    def count(counts: dict[str, int]) -> None:
        nonlocal total
        total = sum(counts.values())

    def advance(group: str, n: int) -> None:
        nonlocal seen
        seen += n
        run.tell(f"{group}: {seen:,} of {total:,} bars", seen / max(total, 1))

    version, manifest = job.backfill(plan, bars_from(files, None, job.reads_until_ns(view, to_ns)), count, advance)
    return {"folder": str(version.folder), "rows": sum(manifest.rows.values()), "sha256": manifest.rows_sha256}
