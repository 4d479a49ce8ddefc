"""Every fold of a recipe: train on the past, say what comes, keep what was said. A finished fold is not done again."""

import io
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
from offline.training.fitting import Progress, Trained, inputs_of, train
from offline.training.folds import Fold, embargo_ns, folds_of
from offline.training.parts import Parts, parts_of
from offline.training.tuning import chosen, widest_window
from offline.training.workers import HERE, Workers
from processors.score.adaptive import step_of
from processors.whole_file import write_whole

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
    base_rate, gain, loss
        Share of ups of the rows that it was fitted on, their mean move, and the mean loss of all others.
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
    gain: float
    loss: float
    importance: F64
    scores: F64
    sheet: FoldSheet
    params: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        told = {"sheet": asdict(self.sheet), "params": self.params, "base_rate": self.base_rate,
                "gain": self.gain, "loss": self.loss}  # fmt: skip
        out = io.BytesIO()
        np.savez(
            out, sample=self.sample, path=self.path, probability=self.probability, low=self.low, high=self.high,
            importance=self.importance, scores=self.scores, told=np.frombuffer(json.dumps(told).encode(), np.uint8),
        )  # fmt: skip
        write_whole(path, out.getvalue())

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


def walk(
    recipe: ModelRecipe, data: TrainingSet, folder: Path, progress: Progress, workers: Workers = HERE,
    shared: Any = None, *, keep_fits: bool = False,
) -> Walked:  # fmt: skip
    """Return what the folds of a recipe say.

    Parameters
    ----------
    folder
        Of this recipe and these rows alone: finished folds are found there, and begun ones go on.
    shared
        The rows, as ``workers.share`` gave them; shared here where None.
    keep_fits
        Leave the checkpoint of each fit, for models that begin with it; the caller deletes them. A fit that was done
        elsewhere leaves none.

    Raises
    ------
    ConfigError
        A window is too small.
    PlatformError
        The cluster that does the fits is away.
    """
    offered = data.offered(widest_window(recipe))
    folds = folds_of(recipe, data, offered)
    done = {fold.number: folder / f"{_name(fold)}.npz" for fold in folds}
    left = [fold for fold in folds if not done[fold.number].exists()]
    if left:
        shared = workers.share(data) if shared is None else shared
        tuned = chosen(recipe, data, {_name(f): f.train for f in left}, folder, progress, workers, shared)
        # Nobody else's disk is ours: a fit elsewhere is done whole, or again.
        begun = [None if workers.remote else fit_of(folder, fold.number) for fold in left]

        def keep(i: int, result: FoldResult) -> None:
            result.write(done[left[i].number])
            if not keep_fits:
                fit_of(folder, left[i].number).unlink(missing_ok=True)

        workers.map(
            judge_fold, [FoldFit(*fit) for fit in zip(tuned, left, begun, strict=True)], progress, shared=(shared,),
            what="fold", done=len(folds) - len(left), keep=keep,
        )  # fmt: skip
    return walked_of(recipe, data, [FoldResult.read(path) for path in done.values()])


def walked_of(recipe: ModelRecipe, data: TrainingSet, results: list[FoldResult]) -> Walked:
    """Return all folds, with the intervals that the recipe asks for."""
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


def fit_of(folder: Path, number: int) -> Path:
    """Return the checkpoint of a fold's fit."""
    return folder / f"fold-{number:04d}.fit"


def _name(fold: Fold) -> str:
    return f"fold-{fold.number:04d}"


@dataclass(frozen=True, slots=True)
class FoldFit:
    """A fold with the parameters that were chosen for it, and where its fit is kept while it is done."""

    recipe: ModelRecipe
    fold: Fold
    checkpoint: Path | None


def judge_fold(data: TrainingSet, fit: FoldFit, progress: Progress) -> FoldResult:
    """Return what the model of a fold's training window says of its test windows."""
    fold, ts = fit.fold, data.ts_ns[data.at]
    parts = parts_of(fold.train, ts, data.end_ns, embargo_ns(fit.recipe))
    model = train(fit.recipe, data, parts, fit.checkpoint, progress)
    judged = np.concatenate(fold.tests)
    paths = np.concatenate([np.full(len(t), p) for t, p in zip(fold.tests, fold.paths, strict=True)])
    sheet = FoldSheet(
        int(ts[fold.train].min()), int(data.end_ns[parts.all].max()), int(ts[judged].min()), int(ts[judged].max()),
        len(parts.all), len(judged),
    )  # fmt: skip
    return judge(model, data, judged, paths, parts, sheet, dict(fit.recipe.model.params))


def judge(
    model: Trained, data: TrainingSet, judged: I64, paths: I64, parts: Parts, sheet: FoldSheet, params: dict[str, Any]
) -> FoldResult:
    """Return what a model says of the samples of its test window.

    Parameters
    ----------
    parts
        Of its training window: the base rate and mean moves that it is compared with are of the rows that it was
        fitted on.
    """
    said, move = model.say(data, judged), data.move[parts.fit]
    few = judged[np.unique(np.linspace(0, len(judged) - 1, min(len(judged), IMPORTANCE_ROWS)).astype(np.int64))]
    return FoldResult(
        judged, paths, said.probability, said.low, said.high, float(data.up[parts.fit].mean()),
        _mean(move[move > 0.0]), _mean(-move[move <= 0.0]),
        np.asarray(model.fitted.importance(inputs_of(data, few, model.window_bars)), np.float64),
        interval_scores(data, parts.calibrate, model), sheet, params,
    )  # fmt: skip


def _mean(values: F64) -> float:
    """Return the mean; 0 of nothing."""
    return float(values.mean()) if len(values) else 0.0


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
        joined("probability")[order], data.up[sample], data.end_move[sample], joined("low")[order],
        joined("high")[order], base[order], recipe.label.horizon_bars, recipe.conformal.coverage,
    )  # fmt: skip
    return sample, rows
