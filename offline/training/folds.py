"""Which samples train and which judge, by the validation that a recipe asks for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.datasets.build import symbols_of
from offline.datasets.training_set import TrainingSet
from offline.recipes.recipe import ModelRecipe
from offline.training.periods import calendars_of, longest_ns
from offline.validation.combinatorial import CombinatorialPurged
from offline.validation.kfold import PurgedKFold
from offline.validation.leakage import check_leakage
from offline.validation.panel import Panel, split_panel
from offline.validation.split import Splitter
from offline.validation.walk_forward import WalkForward
from processors.errors import ConfigError
from schemas.instruments import load_instruments
from schemas.timeframes import SESSION, TIMEFRAME_NS

I64 = NDArray[np.int64]

FIRST_TRAIN_SHARE = 0.4
"""Share of all times in the first training window of walk-forward."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of samples: those that train, and each block of those that judge.

    Parameters
    ----------
    paths
        Of each block, the path through all time that it is part of: 0 but for combinatorial folds.
    """

    number: int
    train: I64
    tests: tuple[I64, ...]
    paths: tuple[int, ...]


def embargo_ns(recipe: ModelRecipe) -> int:
    """Return the recipe's embargo as time: of daily bars the longest that so many sessions of a market have taken."""
    bars, universe = recipe.validation.embargo_bars, recipe.universe
    if universe.timeframe != SESSION:
        return bars * TIMEFRAME_NS[universe.timeframe]
    symbols = symbols_of(universe)
    every = tuple(load_instruments().by_symbol) if symbols is None else symbols
    return max(longest_ns(calendar, bars) for calendar in calendars_of(every))


def folds_of(recipe: ModelRecipe, data: TrainingSet, offered: I64) -> list[Fold]:
    """Return the folds of a recipe over some samples, each checked for leaks.

    Parameters
    ----------
    offered
        Positions of the samples that may be used; ascending by time.

    Raises
    ------
    ConfigError
        A fold would judge fewer times than a label runs over.
    LeakageError
        A training label reaches into the time that judges it: a fault of ours, never of the data.
    """
    ts, end = data.ts_ns[data.at[offered]], data.end_ns[offered]
    n_times = len(np.unique(ts))
    splitter = _splitter(recipe, n_times)
    keep_clear = embargo_ns(recipe)
    out = []
    for number, split in enumerate(split_panel(splitter, Panel(ts, end, data.symbol[data.at[offered]]), keep_clear)):
        train = split.train
        for test in split.tests:
            check_leakage(train, test, ts, end, keep_clear)
        out.append(Fold(number, offered[train], tuple(offered[t] for t in split.tests), _paths(splitter, number)))
    return out


def _splitter(recipe: ModelRecipe, n_times: int) -> Splitter:
    v = recipe.validation
    forward = v.scheme in {"walk_forward", "nested"}
    train = int(n_times * FIRST_TRAIN_SHARE) if forward else 0
    test, horizon = (n_times - train) // v.folds, recipe.label.horizon_bars
    check_judged(recipe, "folds", v.folds, n_times, test, (n_times - train) // horizon)
    if v.scheme == "combinatorial":
        return CombinatorialPurged(v.folds, v.test_folds)
    if v.scheme == "kfold":
        return PurgedKFold(v.folds)
    # What does not divide goes to the first training window, so that the last fold ends with the rows.
    return WalkForward(test_size=test, train_size=n_times - v.folds * test, expand_train=v.expanding)


def check_judged(recipe: ModelRecipe, key: str, folds: int, n_times: int, test: int, most: int) -> None:
    """Refuse folds of a window of ``n_times`` that judge fewer times than a label runs over.

    Such a fold judges no outcome that the next one does not judge too.

    Parameters
    ----------
    key
        Of ``validation``: the number of folds.
    test, most
        Times that each judges, and the most folds that judge enough.

    Raises
    ------
    ConfigError
        Names the key, its place and the numbers.
    """
    horizon = recipe.label.horizon_bars
    if test < horizon:
        remedy = f"at most {most}" if most > 1 else "for more rows"
        raise ConfigError(
            recipe.place(f"validation.{key}"), key, folds,
            f"{remedy}: of {n_times:,} times each would judge {test:,}, and a label runs over {horizon:,}",
        )  # fmt: skip


def _paths(splitter: Splitter, number: int) -> tuple[int, ...]:
    """Return the path of each test block of a split."""
    return tuple(splitter.path_ids[number].tolist()) if isinstance(splitter, CombinatorialPurged) else (0,)
