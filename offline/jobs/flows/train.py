"""Recipes into registered versions: what `mps train RECIPE` does, a step a recipe."""

from functools import partial
from pathlib import Path
from typing import Any

from deploy.local.paths import home
from offline.jobs.flows.inputs import digest_of, lake_at, tick_files
from offline.jobs.run import JobRun
from processors.errors import ConfigError

NEWEST = "newest"
"""In place of a snapshot: the version that the lake has when the flow begins."""


def train(
    run: JobRun, *, recipes: tuple[str, ...], files: tuple[str, ...] = (), until: str | None = None,
    experiment: str | None = None, snapshot: str | None = None, lake: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train recipes on recorded ticks or rows of the lake, and register each with its evidence as the candidate."""
    at = None if snapshot is None else run.step("snapshot", lambda: _snapshot(files, snapshot, lake))
    steps = {f"train {path}": partial(_train, run, path, files, at, lake, until, experiment) for path in recipes}
    return {"models": [run.step(name, work) for name, work in steps.items()]}


def state(*, recipes: tuple[str, ...], files: tuple[str, ...], snapshot: str | None, lake: str | None, **_: Any) -> Any:
    """Return the digests of recipes and ticks; of the lake its snapshot."""
    if snapshot is None:
        return digest_of([*map(Path, recipes), *tick_files(files)])
    return {**digest_of(map(Path, recipes)), "snapshot": _snapshot(files, snapshot, lake)}


def _snapshot(files: tuple[str, ...], snapshot: str, lake: str | None) -> str:
    from offline.datasets.lake_source import LakeGold

    if files:
        raise ConfigError("flow train", "files", files[0], "none beside snapshot: rows are of the lake, or of ticks")
    return str(LakeGold.at(lake_at(lake), None if snapshot == NEWEST else snapshot).snapshot)


def _train(
    run: JobRun, path: str, files: tuple[str, ...], snapshot: str | None, lake: str | None, until: str | None,
    experiment: str | None,
) -> dict[str, Any]:  # fmt: skip
    from offline.datasets import leakage
    from offline.datasets.build import build
    from offline.datasets.lake_source import LakeGold
    from offline.datasets.shares import known_files
    from offline.datasets.sources import RecordedTicks
    from offline.features.times import parse_time
    from offline.recipes.reading import read_recipe
    from offline.registry.registry import Registry
    from offline.training.run import run as fit
    from offline.training.workers import workers_at

    recipe, seen, facts = read_recipe(Path(path)), 0, known_files()
    source = RecordedTicks(tick_files(files), facts) if snapshot is None else LakeGold.at(
        lake_at(lake), snapshot, facts
    )  # fmt: skip

    def count(what: str, n: int) -> None:
        nonlocal seen
        seen += n
        run.tell(f"{recipe.recipe_id}: gold rows, {seen:,} {what}", None)

    data, report = build(recipe, source, count, lambda s: run.tell(f"{recipe.recipe_id}: {s}", None))
    leakage.check_features(data)
    with workers_at() as workers:
        # Beside the run, not where score finds it: that is the business of promote.
        outcome = fit(
            recipe, data, report.as_json()["samples_left_out"], run.out / f"{recipe.recipe_id}.onnx",
            home().folder / "training", registry=Registry(), experiment=experiment,
            until_ns=None if until is None else parse_time(until, "until"),
            progress=lambda step, share: run.tell(f"{recipe.recipe_id}: {step}", share), workers=workers,
        )  # fmt: skip
    version = outcome.version
    assert version is not None, "it was to be registered"
    told = ("kind", "recipe_hash", "data_snapshot_id", "sha256", "trained_until", "sharpe", "out_of_sample")
    return {"model": version.name, "version": version.version, "file": str(outcome.path),
            **{k: outcome.report[k] for k in told}}  # fmt: skip
