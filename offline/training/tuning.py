"""Nested tuning: parameters that a recipe gives as a grid are chosen inside each training window, by its own folds."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from offline.calibration import log_loss
from offline.datasets.training_set import TrainingSet
from offline.recipes.recipe import ModelRecipe
from offline.training.fitting import Progress, estimator_of, train
from offline.training.folds import embargo_ns
from offline.training.parts import parts_of
from offline.validation.panel import Panel, split_panel
from offline.validation.walk_forward import WalkForward

I64 = NDArray[np.int64]


def candidates(recipe: ModelRecipe) -> list[ModelRecipe]:
    """Return a recipe for each combination of the grid; the recipe itself where it has none."""
    return [replace(recipe, model=model) for model in recipe.model.candidates()]


def widest_window(recipe: ModelRecipe) -> int:
    """Return the most rows that a prediction of any candidate reads: samples without so many are offered to none."""
    return max(estimator_of(choice).window_bars for choice in candidates(recipe))


def chosen(recipe: ModelRecipe, data: TrainingSet, window: I64, progress: Progress) -> ModelRecipe:
    """Return the candidate with the least log loss over the inner folds of a training window.

    Parameters
    ----------
    window
        Positions of the window's samples: nothing else is looked at.
    """
    choices = candidates(recipe)
    if len(choices) == 1:
        return choices[0]
    ts, end = data.ts_ns[data.at[window]], data.end_ns[window]
    n_times, n_folds = len(np.unique(ts)), recipe.validation.inner_folds
    test = n_times // (n_folds + 1)
    splitter = WalkForward(test_size=test, train_size=n_times - n_folds * test, expand_train=True)
    splits = list(split_panel(splitter, Panel(ts, end, data.symbol[data.at[window]]), embargo_ns(recipe)))
    losses = np.empty((len(choices), len(splits)))
    for i, choice in enumerate(choices):
        for j, split in enumerate(splits):
            progress(f"tuning {i + 1} of {len(choices)}", (i * len(splits) + j) / losses.size)
            inner, judged = window[split.train], window[split.test]
            model = train(choice, data, parts_of(inner, data.ts_ns[data.at], data.end_ns, embargo_ns(recipe)), None,
                          lambda _step, _share: None)  # fmt: skip
            losses[i, j] = log_loss(model.say(data, judged).probability, data.up[judged])
    return choices[int(losses.mean(axis=1).argmin())]
