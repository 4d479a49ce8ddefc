"""Recipes into registered versions: what `mps train RECIPE` does, a step a recipe."""

from functools import partial
from pathlib import Path
from typing import Any

from deploy.local.paths import home
from offline.jobs.flows.inputs import digest_of, tick_files
from offline.jobs.run import JobRun


def train(
    run: JobRun, *, recipes: tuple[str, ...], files: tuple[str, ...] = (), until: str | None = None,
    experiment: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train recipes on recorded ticks, and register each with its evidence as the candidate."""
    steps = {f"train {path}": partial(_train, run, path, files, until, experiment) for path in recipes}
    return {"models": [run.step(name, work) for name, work in steps.items()]}


def state(*, recipes: tuple[str, ...], files: tuple[str, ...], **_: Any) -> Any:
    """Return the digests of recipes and ticks."""
    return digest_of([*map(Path, recipes), *tick_files(files)])


def _train(run: JobRun, path: str, files: tuple[str, ...], until: str | None, experiment: str | None) -> dict[str, Any]:
    from offline.datasets import leakage
    from offline.datasets.build import build
    from offline.datasets.sources import RecordedTicks
    from offline.features.times import parse_time
    from offline.recipes.reading import read_recipe
    from offline.registry.registry import Registry
    from offline.training.run import run as fit

    recipe, seen = read_recipe(Path(path)), 0

    def count(what: str, n: int) -> None:
        nonlocal seen
        seen += n
        run.tell(f"{recipe.recipe_id}: gold rows, {seen:,} {what}", None)

    data, report = build(
        recipe, RecordedTicks(tick_files(files)), count, lambda s: run.tell(f"{recipe.recipe_id}: {s}", None)
    )
    leakage.check_features(data)
    # Beside the run, not where score finds it: that is the business of promote.
    outcome = fit(
        recipe, data, report.as_json()["samples_left_out"], run.out / f"{recipe.recipe_id}.onnx",
        home().folder / "training", registry=Registry(), experiment=experiment,
        until_ns=None if until is None else parse_time(until, "until"),
        progress=lambda step, share: run.tell(f"{recipe.recipe_id}: {step}", share),
    )  # fmt: skip
    version = outcome.version
    assert version is not None, "it was to be registered"
    told = ("kind", "recipe_hash", "data_snapshot_id", "sha256", "trained_until", "sharpe", "out_of_sample")
    return {"model": version.name, "version": version.version, "file": str(outcome.path),
            **{k: outcome.report[k] for k in told}}  # fmt: skip
