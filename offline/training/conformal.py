"""What the card of a model says for the stream: how strange a row may be, and where its intervals begin.

From the parts of the training window that the last fit had: the middle and the spread of each input from the rows it
was fitted on, the scores of both from the rows that calibrated it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.conformal.validity import thinned
from offline.datasets.training_set import TrainingSet
from offline.recipes.recipe import ModelRecipe
from offline.training.fitting import Trained
from offline.training.parts import Parts
from processors.score.adaptive import WHATEVER, recent_of, step_of
from processors.score.adaptive_kernel import HALF_MIN
from processors.score.validity import strangeness_of
from schemas.timeframes import SESSION

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

VALIDITY_SCORES_MAX = 999
"""The p-value is told to a thousandth."""
SPREAD_LEVEL = 0.99
"""An input's spread is the distance from its median that one row in a hundred passes: a standard deviation would let a
heavy tail decide alone."""


def card_fields(recipe: ModelRecipe, data: TrainingSet, parts: Parts, trained: Trained) -> dict[str, Any]:
    """Return the fields of format 3 of a model's card."""
    x = data.x[data.at]
    centre, scale = spread_of(x[parts.fit])
    strange = strangeness_of(x[parts.calibrate], centre, scale)
    adaptive = recipe.conformal.adaptive
    return {
        "validity_centre": tuple(centre.tolist()), "validity_scale": tuple(scale.tolist()),
        "validity_scores": tuple(thinned(strange, VALIDITY_SCORES_MAX).tolist()),
        "adaptive_gamma": step_of(recipe.label.horizon_bars) if adaptive else 0.0,
        "adaptive_scores": tuple(interval_scores(data, parts.calibrate, trained).tolist()) if adaptive else (),
        "label_stretch_max": stretch_of(recipe),
    }  # fmt: skip


def stretch_of(recipe: ModelRecipe) -> float:
    """Return what the card says of horizons: of daily bars sessions are counted, over nights nothing is.

    A card has one number for both: horizons of bars within a day that may run over nights are judged however long.
    """
    over_nights = recipe.over_closed_hours and recipe.universe.timeframe != SESSION
    return WHATEVER if over_nights else recipe.label.stretch_max


def spread_of(x: NDArray[np.float32]) -> tuple[F64, F64]:
    """Return the median of each input and the distance from it that one row in a hundred passes, shape (n_inputs,).

    Nulls and infinite values count as none. Where ninety-nine in a hundred have the median, the farthest is taken; an
    input that never moved has spread 0.
    """
    centre, scale = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for j in range(x.shape[1]):
        known = x[np.isfinite(x[:, j]), j].astype(np.float64)
        if len(known):
            centre[j] = np.median(known)
            away = np.abs(known - centre[j])
            # A known level keeps the file short, and bits of the sixth digit decide nothing.
            scale[j] = float(f"{np.quantile(away, SPREAD_LEVEL) or away.max():.6g}")
    return centre, scale


def interval_scores(data: TrainingSet, samples: I64, trained: Trained) -> F64:
    """Return how far moves were from the middle of the model's bounds, in halves of their width; ascending, thinned."""
    said = trained.say(data, samples)
    half = np.maximum(0.5 * (said.high - said.low), HALF_MIN)
    scores = np.abs(data.end_move[samples] - 0.5 * (said.low + said.high)) / half
    return thinned(scores, recent_of(data.meta.horizon_bars))
