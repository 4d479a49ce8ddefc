"""Every fold of a recipe: train on the past, say what comes, keep what was said. A finished fold is not done again."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.conformal.validity import thinned
from offline.datasets.training_set import TrainingSet
from offline.recipes.recipe import ModelRecipe
from offline.registry.evidence import FoldSheet, OutOfSample
from offline.training.adaptive import Adaptive, adaptive_intervals
from offline.training.conformal import interval_scores
from offline.training.fitting import Progress, inputs_of, train
from offline.training.folds import Fold, embargo_ns, folds_of
from offline.training.parts import parts_of
from offline.training.tuning import chosen, widest_window
from processors.score.adaptive import step_of

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

IMPORTANCE_ROWS = 500
"""Rows of a test window that importance is measured on, evenly spread."""


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What one fold said.

    Parameters
    ----------
    sample, path
        Shape (k,): positions of the samples that it judged, and the path of each.
    probability, low, high
        Shape (k,).
    base_rate, mean_size
        Share of ups and mean absolute move of the rows that it was fitted on.
    importance
        Shape (n_inputs,).
    scores
        Those of its calibration, ascending: where its intervals begin that follow their misses.
    params
        Those that were chosen.
    """

    sample: I64
    path: I64
    probability: F64
    low: F64
    high: F64
    base_rate: float
    mean_size: float
    importance: F64
    scores: F64
    sheet: FoldSheet
    params: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        told = {"sheet": asdict(self.sheet), "params": self.params, "base_rate": self.base_rate,
                "mean_size": self.mean_size}  # fmt: skip
        part = path.with_name(path.name + ".part")
        with part.open("wb") as out:
            np.savez(
                out, sample=self.sample, path=self.path, probability=self.probability, low=self.low, high=self.high,
                importance=self.importance, scores=self.scores, told=np.frombuffer(json.dumps(told).encode(), np.uint8),
            )  # fmt: skip
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> "FoldResult":
        """Return what ``write`` wrote."""
        with np.load(path) as found:
            arrays = {name: found[name] for name in found.files}
        told = json.loads(arrays.pop("told").tobytes())
        return cls(**arrays, sheet=FoldSheet(**told.pop("sheet")), **told)


@dataclass(frozen=True, slots=True)
class Walked:
    """All folds.

    Parameters
    ----------
    rows
        What was said of each sample, on the first path: every sample of it once. Its interval is the one that a signal
        would have had.
    followed
        The intervals that follow their misses, whether the recipe asks for them or not.
    """

    folds: tuple[FoldResult, ...]
    rows: OutOfSample
    sample: I64
    followed: Adaptive


def walk(recipe: ModelRecipe, data: TrainingSet, folder: Path, progress: Progress) -> Walked:
    """Return what the folds of a recipe say.

    Parameters
    ----------
    folder
        Of this recipe and these rows alone: finished folds are found there, and begun ones go on.

    Raises
    ------
    ConfigError
        A window is too small.
    """
    offered = data.offered(widest_window(recipe))
    folds = folds_of(recipe, data, offered)
    results = []
    for fold in folds:
        done = folder / f"fold-{fold.number:04d}.npz"
        if not done.exists():

            def tell(step: str, share: float, number: int = fold.number) -> None:
                progress(f"fold {number + 1} of {len(folds)}: {step}", (number + share) / len(folds))

            _run(recipe, data, fold, folder / f"fold-{fold.number:04d}.fit", tell).write(done)
        results.append(FoldResult.read(done))
    sample, rows = first_path(recipe, data, results)
    followed = follow(data, rows, sample, results)
    if recipe.conformal.adaptive:
        rows = replace(rows, low=followed.low, high=followed.high)
    return Walked(tuple(results), rows, sample, followed)


def follow(data: TrainingSet, rows: OutOfSample, sample: I64, results: list[FoldResult]) -> Adaptive:
    """Return the intervals that follow their misses: each fold is a new model, and begins anew for each symbol."""
    n_symbols, n_scores = len(data.symbols), min(len(r.scores) for r in results)
    series = rows.fold * n_symbols + rows.symbol
    scores = [thinned(r.scores, n_scores) for r in results for _ in range(n_symbols)]
    return adaptive_intervals(
        rows.ts_ns, data.end_ns[sample], rows.move, rows.low, rows.high, series, scores, rows.coverage,
        step_of(rows.horizon_bars),
    )  # fmt: skip


def _run(recipe: ModelRecipe, data: TrainingSet, fold: Fold, checkpoint: Path, progress: Progress) -> FoldResult:
    ts = data.ts_ns[data.at]
    tuned = chosen(recipe, data, fold.train, progress)
    parts = parts_of(fold.train, ts, data.end_ns, embargo_ns(recipe))
    model = train(tuned, data, parts, checkpoint, progress)
    judged = np.concatenate(fold.tests)
    said = model.say(data, judged)
    few = judged[np.unique(np.linspace(0, len(judged) - 1, min(len(judged), IMPORTANCE_ROWS)).astype(np.int64))]
    sheet = FoldSheet(
        int(ts[fold.train].min()), int(data.end_ns[parts.all].max()), int(ts[judged].min()), int(ts[judged].max()),
        len(parts.all), len(judged),
    )  # fmt: skip
    result = FoldResult(
        judged, np.concatenate([np.full(len(t), p) for t, p in zip(fold.tests, fold.paths, strict=True)]),
        said.probability, said.low, said.high, float(data.up[parts.fit].mean()),
        float(np.abs(data.move[parts.fit]).mean()),
        np.asarray(model.fitted.importance(inputs_of(data, few, model.window_bars)), np.float64),
        interval_scores(data, parts.calibrate, model), sheet, dict(tuned.model.params),
    )  # fmt: skip
    checkpoint.unlink(missing_ok=True)
    return result


def first_path(recipe: ModelRecipe, data: TrainingSet, results: list[FoldResult]) -> tuple[I64, OutOfSample]:
    """Return the samples of path 0, ascending by time, and what was said of them."""
    on = [r.path == 0 for r in results]

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(r, name)[w] for r, w in zip(results, on, strict=True)])

    sample = joined("sample")
    number = np.concatenate([np.full(int(w.sum()), i) for i, w in enumerate(on)])
    base = np.concatenate([np.full(int(w.sum()), r.base_rate) for r, w in zip(results, on, strict=True)])
    at = data.at[sample]
    order = np.lexsort((data.symbol[at], data.ts_ns[at]))
    sample, at = sample[order], at[order]
    rows = OutOfSample(
        data.symbols, data.regimes, data.ts_ns[at], data.symbol[at], data.regime[at], number[order],
        joined("probability")[order], data.up[sample], data.move[sample], joined("low")[order], joined("high")[order],
        base[order], recipe.label.horizon_bars, recipe.conformal.coverage,
    )  # fmt: skip
    return sample, rows
