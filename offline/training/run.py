"""From a recipe to a registered model: folds, the last fit, the file, its evidence. A run that was killed goes on."""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets.training_set import TrainingSet
from offline.models.kinds import versions
from offline.recipes.recipe import ModelRecipe, check_servable
from offline.registry.evidence import DatasetSheet, Evidence, Method
from offline.registry.registry import Registry
from offline.registry.sweeps import Done
from offline.registry.versions import ModelVersion
from offline.selection.objective import too_few
from offline.selection.trials import Returns
from offline.statistics.sharpe import sharpe_estimate
from offline.train_baseline import write_model
from offline.training.alone import alone
from offline.training.deploy import Deployed, deploy, fit_away
from offline.training.experiment import experiment_of
from offline.training.fitting import Progress
from offline.training.folds import FIRST_TRAIN_SHARE, folds_of
from offline.training.parts import CALIBRATION_SHARE, STOP_SHARE
from offline.training.returns import returns_of
from offline.training.table import LIMITS, measures
from offline.training.tuning import chosen, widest_window
from offline.training.walk import Walked, walk
from offline.training.workers import HERE, Workers
from processors.score.config import ScoreConfig

TRAINING_FORMAT = 3
"""To be raised with whatever changes labels, or what a fold says of the same rows: what is done is not used by it."""
UNKNOWN_BY_THEN = "no_sample_by_then"
"""Reason of rows up to a time whose label was not known by it, or that are no samples at all."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What models begin with that refine another one.

    Parameters
    ----------
    data
        Rows of the training, cut off where it was told to stop.
    walked, deployed
        The folds, and the last fit.
    folder
        Of what is done so far, with the checkpoint of each fold's fit.
    """

    data: TrainingSet
    walked: Walked
    deployed: Deployed
    folder: Path


@dataclass(frozen=True, slots=True)
class Refined:
    """What a model is told that refines another one.

    Parameters
    ----------
    lineage
        What it began with, for the registry.
    beside_base
        How both did on the same rows.
    limits
        Words for its card.
    """

    lineage: dict[str, str]
    beside_base: dict[str, Any]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Parameters
    ----------
    path
        The ONNX file.
    report
        In words of JSON.
    version
        In the registry; None where it was not registered.
    basis
        For models that refine this one, where it was asked for.
    again
        Whether the registry had this version before: same rows, recipe and bytes.
    """

    path: Path
    report: dict[str, Any]
    version: ModelVersion | None
    basis: Basis | None = None
    again: bool = False


def run(
    recipe: ModelRecipe, data: TrainingSet, dropped: dict[str, int], out: Path, work: Path, *,
    registry: Registry | None, experiment: str | None = None, until_ns: int | None = None, progress: Progress,
    workers: Workers = HERE, keep_basis: bool = False, costs: ScoreConfig | None = None,
) -> Outcome:  # fmt: skip
    """Train, judge, export and register.

    Parameters
    ----------
    dropped
        Reason -> samples that the dataset left out.
    out
        The ONNX file.
    work
        Folder of what is done so far; what is of this recipe and these rows is used again.
    experiment
        Whose trial it is; that of what is predicted where None.
    until_ns
        Event time that no label of training may pass: what comes after is left to be scored. All where None.
    workers
        Who does the fits: the outcome is the same.
    keep_basis
        Keep the fits of the folds, for models that begin with them; whoever makes those deletes them.
    costs
        What positions of the judgement pay; those of the environment where None.

    Raises
    ------
    ConfigError
        Too few rows for the folds, or columns that the score stage cannot compute.
    PlatformError
        The cluster that does the fits is away, what is done stays in ``work``; or another process does the same.
    ExportError
        The file does not compute what was trained; nothing is written or registered.
    """
    # What cannot be exported is told before hours of fits, not after them.
    check_servable(recipe)
    if until_ns is not None:
        data = data.before(until_ns)
        # The reasons were counted over all rows: of those up to then only the sum is known.
        dropped = {UNKNOWN_BY_THEN: len(data.x) - len(data)} if len(data.x) > len(data) else {}
    # Refused before it counts as a try: what the rows cannot be split for has told nobody anything.
    folds_of(recipe, data, data.offered(widest_window(recipe)))
    name = experiment or experiment_of(recipe)
    folder = work / f"{recipe.recipe_id}-{_key(recipe, data)}"
    with alone(folder), trial_of(registry, name, recipe, {}) as done:
        shared = workers.share(data)
        walked = walk(recipe, data, folder, progress, workers, shared, keep_fits=keep_basis)
        deployed = _deploy(recipe, data, folder, progress, workers, shared)
        found, returns = measures(walked.rows), returns_of(data, walked, costs)
        done(returns=returns, ece=found["ece"], latency_ms=deployed.latency_ms)
    basis = Basis(data, walked, deployed, folder) if keep_basis else None
    return finish(
        recipe, data, dropped, out, walked, deployed, found, returns, name, registry, basis=basis, costs=costs
    )


def trial_of(
    registry: Registry | None, experiment: str, recipe: ModelRecipe, more: dict[str, str]
) -> AbstractContextManager[Done]:
    """Return the trial of a run; without a registry it is written down nowhere.

    Parameters
    ----------
    more
        Parameters beside those of the model.
    """
    if registry is None:
        return nullcontext(_not_told)
    parameters = {"kind": recipe.model.kind, **recipe.model.params, "seed": recipe.seed, **more}
    return registry.trial(experiment, recipe.recipe_id, parameters, recipe.hash)


def _not_told(**_found: Any) -> None:
    """Take no note."""


def _key(recipe: ModelRecipe, data: TrainingSet) -> str:
    """Return what a run's folder is of: recipe with its defaults, rows, shares of a window, libraries, this code."""
    told = (TRAINING_FORMAT, recipe.hash, data.meta.sha256, FIRST_TRAIN_SHARE, STOP_SHARE, CALIBRATION_SHARE,
            versions(recipe.model.kind))  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _deploy(
    recipe: ModelRecipe, data: TrainingSet, folder: Path, progress: Progress, workers: Workers, shared: Any
) -> Deployed:
    def tell(step: str, share: float) -> None:
        progress(f"last fit: {step}", share)

    offered, checkpoint = data.offered(widest_window(recipe)), folder / "last.fit"
    (tuned,) = chosen(recipe, data, {"last": offered}, folder, tell, workers, shared)
    if workers.remote:
        fit_away(tuned, offered, checkpoint, progress, workers, shared)
    return deploy(recipe, tuned, data, offered, checkpoint, tell)


def finish(
    recipe: ModelRecipe, data: TrainingSet, dropped: dict[str, int], out: Path, walked: Walked, deployed: Deployed,
    found: dict[str, Any], returns: Returns, experiment: str, registry: Registry | None, *,
    refined: Refined | None = None, basis: Basis | None = None, costs: ScoreConfig | None = None,
) -> Outcome:  # fmt: skip
    """Write the file and its report, and register them.

    Parameters
    ----------
    found, returns
        Measures and returns of the walk.
    refined
        Of a model that refines another one.
    basis
        Handed on with the outcome.
    costs
        What positions of the returns paid; those of the environment where None.
    """
    report = _report(recipe, data, out, walked, deployed, found, returns)
    if refined is not None:
        report |= {"lineage": refined.lineage, "beside_base": refined.beside_base}
        report["limits"] += refined.limits
    write_model(out, deployed.raw, report)
    if registry is None:
        return Outcome(out, report, None, basis)
    evidence = _evidence(recipe, data, dropped, walked, deployed, returns, experiment, report, refined, costs)
    known = {v.version for v in registry.versions(recipe.recipe_id)}
    version = registry.register(recipe.recipe_id, out, evidence)
    return Outcome(out, report, version, basis, version.version in known)


def _report(
    recipe: ModelRecipe, data: TrainingSet, out: Path, walked: Walked, deployed: Deployed, found: dict[str, Any],
    returns: Returns,
) -> dict[str, Any]:  # fmt: skip
    """Return what a run came to, in words of JSON."""
    followed = walked.followed
    return {
        "model": out.name, "kind": recipe.model.kind, "recipe": recipe.recipe_id, "recipe_hash": recipe.hash,
        "dataset_sha256": data.meta.sha256, "data_snapshot_id": data.meta.data_snapshot_id,
        "sha256": hashlib.sha256(deployed.raw).hexdigest(), "seed": recipe.seed,
        "samples": len(data.at), "folds": len(walked.folds), "judged": len(walked.rows),
        "out_of_sample": found, "sharpe": sharpe_of(returns),
        "adaptive": {
            "coverage": followed.coverage, "own": followed.own, "furthest": followed.furthest, "bound": followed.bound,
        },
        "latency_ms": deployed.latency_ms, "parity": deployed.parity.difference,
        "trained_until": str(np.datetime64(deployed.card.trained_until_ns, "ns")),
        "limits": [*recipe.limits, *LIMITS, *_absent(recipe, data)],
        "params": {str(f.sheet.test_from_ns): f.params for f in walked.folds},
    }  # fmt: skip


def _absent(recipe: ModelRecipe, data: TrainingSet) -> list[str]:
    """Return a sentence that names the symbols of the recipe of which there is no row."""
    none = sorted(set(recipe.universe.symbols) - set(data.symbols))
    return [f"The recipe names symbols of which there was no row: {', '.join(none)}."] if none else []


def _evidence(
    recipe: ModelRecipe, data: TrainingSet, dropped: dict[str, int], walked: Walked, deployed: Deployed,
    returns: Returns, experiment: str, report: dict[str, Any], refined: Refined | None,
    costs: ScoreConfig | None,
) -> Evidence:  # fmt: skip
    """Return what a version is registered with."""
    return Evidence(
        recipe.recipe_id, recipe.hash, json.loads(json.dumps(recipe.meaning(), default=str)), experiment,
        Method(recipe.model.kind, recipe.meaning()["model"]["params"], deployed.card.window_bars, recipe.seed,
               recipe.calibration.method, recipe.conformal.method, validation_words(recipe),
               versions(recipe.model.kind)),
        sheet_of(data, deployed, dropped), tuple(f.sheet for f in walked.folds), walked.rows, returns,
        tuple(i.name for i in data.inputs), np.stack([f.importance for f in walked.folds]), report,
        recipe.intended_use, tuple(report["limits"]), deployed.latency, {} if refined is None else refined.lineage,
        costs,
    )  # fmt: skip


def sharpe_of(returns: Returns) -> dict[str, float | None]:
    """Return the annual Sharpe ratio with its 95 % interval, none of too few periods with a position, and those."""
    told: dict[str, float | None] = {"held": returns.n_held(), "periods": len(returns.value)}
    if too_few(returns):
        return {"value": None, "low": None, "high": None, **told}
    scale, found = float(np.sqrt(returns.periods_a_year)), sharpe_estimate(returns.value)
    return {"value": found.value * scale, "low": found.low * scale, "high": found.high * scale, **told}


def validation_words(recipe: ModelRecipe) -> str:
    """Return how rows were split, in words."""
    v = recipe.validation
    kind = {"walk_forward": "walk-forward", "kfold": "purged k-fold", "combinatorial": "combinatorial purged",
            "nested": "nested walk-forward"}[v.scheme]  # fmt: skip
    grown = " expanding" if v.expanding and v.scheme in {"walk_forward", "nested"} else ""
    return f"{kind}{grown}, {v.folds} folds, labels purged, embargo of {v.embargo_bars} bars on both sides"


def sheet_of(data: TrainingSet, deployed: Deployed, dropped: dict[str, int]) -> DatasetSheet:
    """Return what a model was made of."""
    m = data.meta
    return DatasetSheet(
        m.data_snapshot_id, m.sha256, m.pack_id, m.pack_hash, m.timeframe, m.horizon_bars, f"{m.target}, {m.transform}",
        data.symbols, int(data.ts_ns.min()), deployed.card.trained_until_ns, len(data.x), len(data.at), dropped,
    )  # fmt: skip
