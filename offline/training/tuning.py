"""Nested tuning: parameters that a recipe gives as a grid are chosen inside each training window, by its own folds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.calibration import log_loss
from offline.datasets.training_set import TrainingSet
from offline.recipes.recipe import ModelRecipe
from offline.training.fitting import Progress, estimator_of, train
from offline.training.folds import check_judged, embargo_ns
from offline.training.parts import parts_of
from offline.training.workers import HERE, Workers
from offline.validation.panel import Panel, split_panel
from offline.validation.walk_forward import WalkForward
from processors.whole_file import write_whole

I64 = NDArray[np.int64]


def candidates(recipe: ModelRecipe) -> list[ModelRecipe]:
    """Return a recipe for each combination of the grid; the recipe itself where it has none."""
    return [replace(recipe, model=model) for model in recipe.model.candidates()]


def widest_window(recipe: ModelRecipe) -> int:
    """Return the most rows that a prediction of any candidate reads: samples without so many are offered to none."""
    return max(estimator_of(choice).window_bars for choice in candidates(recipe))


@dataclass(frozen=True, slots=True)
class InnerFit:
    """One candidate on one inner fold of one window.

    Parameters
    ----------
    window, split
        Positions among the windows, and among the inner folds of that one.
    """

    candidate: ModelRecipe
    window: int
    split: int


def chosen(
    recipe: ModelRecipe, data: TrainingSet, windows: Mapping[str, I64], folder: Path, progress: Progress,
    workers: Workers = HERE, shared: Any = None,
) -> list[ModelRecipe]:  # fmt: skip
    """Return for each of some training windows the candidate with the least log loss over its inner folds.

    Parameters
    ----------
    windows
        Name -> positions of the window's samples: nothing else is looked at.
    folder
        Where losses are kept under the names, so that a tuning that was broken off goes on.
    shared
        The rows, as ``workers.share`` gave them; shared here where None.

    Raises
    ------
    ConfigError
        An inner fold of any window is too short; nothing was fitted.
    """
    choices = candidates(recipe)
    if len(choices) == 1:
        return choices * len(windows)
    splits = [inner_splits(recipe, data, window) for window in windows.values()]
    kept = [Losses(folder / f"{name}.tuning.json") for name in windows]
    fits = [InnerFit(c, w, s) for w, of in enumerate(splits) for c in choices for s in range(len(of))]
    left = [fit for fit in fits if fit not in kept[fit.window]]

    def keep(i: int, loss: float) -> None:
        kept[left[i].window].put(left[i], loss)

    if left:
        at_hand = (workers.share(data) if shared is None else shared, workers.share(splits))
        workers.map(loss_of, left, progress, shared=at_hand, what="tuning fit", done=len(fits) - len(left), keep=keep)
    best = []
    for w, of in enumerate(splits):
        losses = np.array([[kept[w].get(InnerFit(c, w, s)) for s in range(len(of))] for c in choices])
        best.append(choices[int(losses.mean(axis=1).argmin())])
    return best


def inner_splits(recipe: ModelRecipe, data: TrainingSet, window: I64) -> list[tuple[I64, I64]]:
    """Return positions of the samples that train and that judge, of each inner fold of a window.

    Raises
    ------
    ConfigError
        A fold would judge fewer times than a label runs over.
    """
    ts, end = data.ts_ns[data.at[window]], data.end_ns[window]
    n_times, n_folds = len(np.unique(ts)), recipe.validation.inner_folds
    test = n_times // (n_folds + 1)
    check_judged(recipe, "inner_folds", n_folds, n_times, test, n_times // recipe.label.horizon_bars - 1)
    splitter = WalkForward(test_size=test, train_size=n_times - n_folds * test, expand_train=True)
    splits = split_panel(splitter, Panel(ts, end, data.symbol[data.at[window]]), embargo_ns(recipe))
    return [(window[split.train], window[split.test]) for split in splits]


def loss_of(data: TrainingSet, splits: list[list[tuple[I64, I64]]], fit: InnerFit, progress: Progress) -> float:
    """Return the log loss of a candidate on the rows that judge an inner fold."""
    inner, judged = splits[fit.window][fit.split]
    recipe = fit.candidate
    parts = parts_of(inner, data.ts_ns[data.at], data.end_ns, embargo_ns(recipe))
    model = train(recipe, data, parts, None, progress)
    return float(log_loss(model.say(data, judged).probability, data.up[judged]))


class Losses:
    """Losses of the inner fits of one window, in a file that is written whole after each.

    Parameters
    ----------
    path
        Of one recipe, its rows and the window; a file that cannot be read is one without losses.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, float] = {}
        if path.is_file():
            try:
                self._found = {str(k): float(v) for k, v in json.loads(path.read_text()).items()}
            except (ValueError, AttributeError, TypeError):
                self._found = {}

    def __contains__(self, fit: InnerFit) -> bool:
        """Return whether a fit is done."""
        return _key(fit) in self._found

    def get(self, fit: InnerFit) -> float:
        """Return the loss of a fit that is done."""
        return self._found[_key(fit)]

    def put(self, fit: InnerFit, loss: float) -> None:
        """Keep the loss of a fit."""
        self._found[_key(fit)] = loss
        write_whole(self._path, json.dumps(self._found, indent=0, sort_keys=True))


def _key(fit: InnerFit) -> str:
    # Not the position among the candidates: the order of a file's keys is no part of what a recipe means.
    return f"{json.dumps(dict(fit.candidate.model.params), sort_keys=True, default=list)} {fit.split}"
