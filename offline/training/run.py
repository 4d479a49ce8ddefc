"""From a recipe to a registered model: folds, the last fit, the file, its evidence. A run that was killed goes on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets.training_set import TrainingSet
from offline.export.baseline import versions
from offline.recipes.recipe import ModelRecipe
from offline.registry.evidence import DatasetSheet, Evidence, Method
from offline.registry.registry import Registry
from offline.registry.versions import ModelVersion
from offline.selection.objective import too_few
from offline.selection.trials import Returns
from offline.statistics.sharpe import sharpe_estimate
from offline.train_baseline import write_model
from offline.training.adaptive import adaptive_coverage
from offline.training.deploy import Deployed, deploy
from offline.training.experiment import experiment_of
from offline.training.fitting import Progress
from offline.training.returns import returns_of
from offline.training.table import LIMITS, measures
from offline.training.tuning import chosen, widest_window
from offline.training.walk import Walked, walk

INTENDED_USE = "Research, paper trading and demonstrations on the instruments and the timeframe that it was trained on."

UNKNOWN_BY_THEN = "no_sample_by_then"
"""Reason of rows up to a time whose label was not known by it, or that are no samples at all."""


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
    """

    path: Path
    report: dict[str, Any]
    version: ModelVersion | None


def run(
    recipe: ModelRecipe, data: TrainingSet, dropped: dict[str, int], out: Path, work: Path, *,
    registry: Registry | None, experiment: str | None = None, until_ns: int | None = None, progress: Progress,
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

    Raises
    ------
    ConfigError
        Too few rows for the folds.
    ExportError
        The file does not compute what was trained; nothing is written or registered.
    """
    if until_ns is not None:
        data = data.before(until_ns)
        # The reasons were counted over all rows: of those up to then only the sum is known.
        dropped = {UNKNOWN_BY_THEN: len(data.x) - len(data)} if len(data.x) > len(data) else {}
    name = experiment or experiment_of(recipe)
    folder = work / f"{recipe.recipe_id}-{_key(recipe, data)}"
    folder.mkdir(parents=True, exist_ok=True)
    if registry is None:
        walked = walk(recipe, data, folder, progress)
        deployed = _deploy(recipe, data, folder, progress)
        return _finish(recipe, data, dropped, out, walked, deployed, name, None)
    parameters = {"kind": recipe.model.kind, **recipe.model.params, "seed": recipe.seed}
    with registry.trial(name, recipe.recipe_id, parameters, recipe.hash) as done:
        walked = walk(recipe, data, folder, progress)
        deployed = _deploy(recipe, data, folder, progress)
        found = measures(walked.rows)
        done(returns=returns_of(data, walked), ece=found["ece"], latency_ms=deployed.latency_ms)
    return _finish(recipe, data, dropped, out, walked, deployed, name, registry)


def _key(recipe: ModelRecipe, data: TrainingSet) -> str:
    return hashlib.sha256(f"{recipe.hash} {data.meta.sha256}".encode()).hexdigest()[:16]


def _deploy(recipe: ModelRecipe, data: TrainingSet, folder: Path, progress: Progress) -> Deployed:
    def tell(step: str, share: float) -> None:
        progress(f"last fit: {step}", share)

    offered = data.offered(widest_window(recipe))
    return deploy(recipe, chosen(recipe, data, offered, tell), data, offered, folder / "last.fit", tell)


def _finish(
    recipe: ModelRecipe, data: TrainingSet, dropped: dict[str, int], out: Path, walked: Walked, deployed: Deployed,
    experiment: str, registry: Registry | None,
) -> Outcome:  # fmt: skip
    """Write the file and its report, and register them."""
    followed = adaptive_coverage(walked.rows, data.end_ns[walked.sample])
    returns = returns_of(data, walked)
    report = {
        "model": out.name, "kind": recipe.model.kind, "recipe": recipe.recipe_id, "recipe_hash": recipe.hash,
        "dataset_sha256": data.meta.sha256, "data_snapshot_id": data.meta.data_snapshot_id,
        "sha256": hashlib.sha256(deployed.raw).hexdigest(), "seed": recipe.seed,
        "samples": len(data.at), "folds": len(walked.folds), "judged": len(walked.rows),
        "out_of_sample": measures(walked.rows), "sharpe": sharpe_of(returns),
        "adaptive": {"coverage": followed.coverage, "furthest": followed.furthest, "bound": followed.bound},
        "latency_ms": deployed.latency_ms, "parity": deployed.parity.difference,
        "trained_until": str(np.datetime64(deployed.card.trained_until_ns, "ns")), "limits": list(LIMITS),
        "params": {str(f.sheet.test_from_ns): f.params for f in walked.folds},
    }  # fmt: skip
    write_model(out, deployed.raw, report)
    if registry is None:
        return Outcome(out, report, None)
    evidence = Evidence(
        recipe.recipe_id, recipe.hash, json.loads(json.dumps(recipe.meaning(), default=str)), experiment,
        Method(recipe.model.kind, dict(recipe.model.params), deployed.card.window_bars, recipe.seed,
               recipe.calibration.method, recipe.conformal.method, validation_words(recipe), versions()),
        sheet_of(data, deployed, dropped), tuple(f.sheet for f in walked.folds), walked.rows, returns,
        tuple(i.name for i in data.inputs), np.stack([f.importance for f in walked.folds]), report, INTENDED_USE,
        LIMITS,
    )  # fmt: skip
    return Outcome(out, report, registry.register(recipe.recipe_id, out, evidence))


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
