"""Recipes and strategies into registered versions: what `mps train RECIPE` does, a step a model."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.local.paths import home
from offline.jobs.flows.inputs import digest_of, files_in_force, lake_at, tick_files
from offline.jobs.run import JobRun
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.datasets.sources import GoldSource
    from offline.training.asked import Asked

NEWEST = "newest"
"""In place of a snapshot: the version that the lake has when the flow begins."""


def train(
    run: JobRun, *, recipes: tuple[str, ...], files: tuple[str, ...] = (), until: str | None = None,
    experiment: str | None = None, snapshot: str | None = None, lake: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train recipes on recorded ticks or rows of the lake, and register each with its evidence as the candidate."""
    from offline.features.times import parse_time
    from offline.training.asked import ReadOnce, asked_for

    # Before rows are read, which takes longer.
    until_ns = None if until is None else parse_time(until, "until", "flow train", or_utc=True)
    at = None if snapshot is None else run.step("snapshot", lambda: _snapshot(files, snapshot, lake))
    source = ReadOnce(_source(files, at, lake))
    # An id stays where a recipe or a strategy's costs are edited: what the old ones came to is no answer.
    steps = {
        f"train {a.recipe.recipe_id} {a.hash[:8]}": partial(_train, run, a, source, until_ns, experiment)
        for a in asked_for(map(Path, recipes))
    }
    return {"models": [run.step(name, work) for name, work in steps.items()]}


def state(*, recipes: tuple[str, ...], files: tuple[str, ...], snapshot: str | None, lake: str | None, **_: Any) -> Any:
    """Return the digests of recipes, ticks and all else that decides rows; of the lake its snapshot."""
    from offline.training.run import TRAINING_FORMAT

    told = {**digest_of(map(Path, recipes)), **files_in_force(), "format": TRAINING_FORMAT}
    if snapshot is None:
        return {**told, **digest_of(tick_files(files))}
    return {**told, "snapshot": _snapshot(files, snapshot, lake)}


def _snapshot(files: tuple[str, ...], snapshot: str, lake: str | None) -> str:
    from offline.datasets.lake_source import LakeGold

    if files:
        raise ConfigError("flow train", "files", files[0], "none beside snapshot: rows are of the lake, or of ticks")
    return str(LakeGold.at(lake_at(lake), None if snapshot == NEWEST else snapshot).snapshot)


def _source(files: tuple[str, ...], snapshot: str | None, lake: str | None) -> "GoldSource":
    from offline.datasets.lake_source import LakeGold
    from offline.datasets.shares import known_files
    from offline.datasets.sources import RecordedTicks

    facts = known_files()
    return RecordedTicks(tick_files(files), facts) if snapshot is None else LakeGold.at(lake_at(lake), snapshot, facts)


def _train(
    run: JobRun, one: "Asked", source: "GoldSource", until_ns: int | None, experiment: str | None
) -> dict[str, Any]:
    from offline.registry.registry import Registry
    from offline.training.asked import rows_of
    from offline.training.run import run as fit
    from offline.training.workers import workers_at

    recipe = one.recipe

    def tell(step: str, share: float | None) -> None:
        run.tell(f"{recipe.recipe_id}: {step}", share)

    data, left_out = rows_of(recipe, source, tell)
    with workers_at() as workers:
        # Beside the run, not where score finds it: that is the business of promote.
        outcome = fit(
            recipe, data, left_out, run.out / f"{recipe.recipe_id}.onnx", home().folder / "training",
            registry=Registry(), experiment=experiment, until_ns=until_ns, progress=tell, workers=workers,
            costs=one.costs,
        )  # fmt: skip
    version = outcome.version
    assert version is not None, "it was to be registered"
    told = ("kind", "recipe_hash", "data_snapshot_id", "sha256", "trained_until", "sharpe", "out_of_sample")
    return {"model": version.name, "version": version.version, "file": str(outcome.path),
            **{k: outcome.report[k] for k in told}}  # fmt: skip
