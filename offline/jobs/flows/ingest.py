"""Recorded ticks into ticks.raw.v1, then into the bronze table of the lake: `mps replay`, `mps lake sync`."""

from typing import Any

from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from offline.jobs.flows.inputs import digest_of, ends_of, lake_at, tick_files
from offline.jobs.flows.parts import sync_lake
from offline.jobs.run import JobRun

PUBLISH, RAW = "publish", "ticks.raw.v1"


def ingest(
    run: JobRun, *, files: tuple[str, ...] = (), late: bool = False, strict: bool = False, lake: str | None = None,
    prefix: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Publish recorded ticks, and store them as the bronze table of the lake."""
    published = run.step(PUBLISH, lambda: _publish(run, files, late=late, strict=strict, prefix=prefix))
    sync_lake(run, "ticks", lake, prefix)
    return {"published": published}


def state(*, files: tuple[str, ...], lake: str | None, prefix: str, **_: Any) -> Any:
    """Return the digests of the files, the id of the topic, which lacks them if it was made anew, and the lake."""
    topic = ends_of([RAW], prefix).get(prefix + RAW, {})
    return {"files": digest_of(tick_files(files)), "topic": topic.get("id"), "lake": lake_at(lake).root}


def _publish(run: JobRun, files: tuple[str, ...], *, late: bool, strict: bool, prefix: str) -> dict[str, Any]:
    from processors.feeds.files import open_recording
    from processors.feeds.publish import Published, Publisher, ReplayOptions
    from processors.reference.in_use import use_reference

    use_reference(prefix)
    recording = open_recording(tick_files(files), strict=strict)

    def tell(account: Published, _clock_ns: int) -> None:
        run.tell(f"{account.ticks:,} of {recording.rows:,} ticks", account.ticks / max(recording.rows, 1))

    # A run that was killed goes on behind what the topic has of the same files.
    options = ReplayOptions(resume=run.begun(PUBLISH), late=late, prefix=prefix)
    account = Publisher(find_broker(home()), tell).publish(recording, options)
    return {
        "ticks": account.ticks, "marks": account.marks, "symbols": account.symbols,
        "warnings": [*recording.warnings, *account.warnings], "rejects": list(recording.rejects),
    }  # fmt: skip
