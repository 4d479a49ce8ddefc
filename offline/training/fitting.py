"""One fit: the estimator of a recipe on one part of a window, calibrated and conformalised on another."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.calibration import sigmoid
from offline.calibrators import Calibrator, Platt, calibrated
from offline.conformal.quantile_regression import calibrate_quantiles
from offline.datasets.leakage import check_fitted
from offline.datasets.learned import learned, learning_of
from offline.datasets.training_set import TrainingSet
from offline.export.head import Head, curve_of
from offline.models.estimator import Estimator, Fitted, Raw, Samples, Scaled, make_estimator
from offline.models.flat import FlatFitted
from offline.models.parameters import levels
from offline.recipes.recipe import ModelRecipe
from offline.training.encoding import EncodedFitted, Encoding, fit_encoding
from offline.training.parts import Parts

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

Progress = Callable[[str, float], None]
PREDICT_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says of n samples: probability of up, low and high bound of the move."""

    probability: F64
    low: F64
    high: F64


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model with what stands between it and its file."""

    fitted: Fitted
    head: Head
    calibrator: Calibrator
    window_bars: int

    def raw(self, data: TrainingSet, samples: I64) -> Raw:
        """Return the model's own prediction of samples."""
        parts = [
            self.fitted.predict(inputs_of(data, samples[i : i + PREDICT_ROWS], self.window_bars))
            for i in range(0, len(samples), PREDICT_ROWS)
        ]
        if not parts:
            return Raw(np.zeros(0), np.zeros((0, 3)))
        return Raw(np.concatenate([p.logit for p in parts]), np.concatenate([p.quantiles for p in parts]))

    def say(self, data: TrainingSet, samples: I64) -> Said:
        """Return calibrated probabilities and conformal bounds of samples."""
        logit, _, bounds = self.head.apply(self.raw(data, samples))
        return Said(sigmoid(logit), bounds[:, 0], bounds[:, 1])


def estimator_of(recipe: ModelRecipe) -> Estimator:
    """Return the estimator that a recipe names."""
    return make_estimator(recipe.model.kind, {"coverage": recipe.conformal.coverage, **recipe.model.params})


def inputs_of(data: TrainingSet, samples: I64, window_bars: int) -> NDArray[np.float32]:
    """Return what a model reads of samples: rows, or windows of rows."""
    at = data.at[samples]
    return data.x[at] if window_bars == 1 else data.windows(at, window_bars)


def samples_of(data: TrainingSet, samples: I64, window_bars: int, encoding: Encoding | None = None) -> Samples:
    """Return samples as an estimator takes them, with what is learned of each; horizons are of one length."""
    at, x, found = data.at[samples], inputs_of(data, samples, window_bars), learned(data, samples)
    if encoding is not None:
        x = encoding.learnt(x, samples)
    # The direction alone: of sizes that are all alike there is nothing to learn, and no fit takes time for them.
    move = np.zeros(len(samples)) if is_flat(data) else found.move
    return Samples(x, move, data.up[samples], found.weight, data.regime[at], data.symbol[at], np.ones(len(samples)))


def is_flat(data: TrainingSet) -> bool:
    """Return whether the direction alone is learned."""
    return learning_of(data).is_flat


def train(recipe: ModelRecipe, data: TrainingSet, parts: Parts, checkpoint: Path | None, progress: Progress) -> Trained:
    """Return the model of the parts of a window.

    Parameters
    ----------
    checkpoint
        See ``Estimator.fit``.

    Raises
    ------
    LeakageError
        A scaling or an encoder has seen other rows than those to fit.
    """
    fitted = fit(recipe, data, parts, checkpoint, progress)
    return with_head(recipe, data, fitted, parts.calibrate, estimator_of(recipe).window_bars)


def fit(recipe: ModelRecipe, data: TrainingSet, parts: Parts, checkpoint: Path | None, progress: Progress) -> Fitted:
    """Return what an estimator makes of the first two parts; the third is left to calibrate."""
    estimator = estimator_of(recipe)
    window, encoding = estimator.window_bars, fit_encoding(recipe, data, parts.fit)
    fitted = estimator.fit(
        samples_of(data, parts.fit, window, encoding), samples_of(data, parts.stop, window, encoding),
        seed=recipe.seed, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    check_scaling(recipe.model.kind, fitted, data, parts.fit, encoding)
    return told_of(recipe, data, parts, fitted if encoding is None else EncodedFitted(fitted, encoding))


def told_of(recipe: ModelRecipe, data: TrainingSet, parts: Parts, fitted: Fitted) -> Fitted:
    """Return what a fitted model may tell: all, or the direction alone where nothing else was learned."""
    if not is_flat(data):
        return fitted
    coverage = float(recipe.model.params.get("coverage", recipe.conformal.coverage))
    return FlatFitted(fitted, np.quantile(data.end_move[parts.fit], levels(coverage)).astype(np.float32))


def with_head(recipe: ModelRecipe, data: TrainingSet, fitted: Fitted, calibrate: I64, window_bars: int) -> Trained:
    """Return a fitted model with the calibration and the conformal offsets of samples that it was not fitted on."""
    plain = Trained(fitted, Head(curve_of(Platt(1.0, 0.0)), 0.0, 0.0), Platt(1.0, 0.0), window_bars)
    raw = plain.raw(data, calibrate)
    calibrator = calibrator_of(recipe, raw.logit, data.up[calibrate])
    down, up = offsets_of(recipe, raw.quantiles, data.end_move[calibrate])
    return Trained(fitted, Head(curve_of(calibrator), down, up), calibrator, window_bars)


def check_scaling(kind: str, fitted: Fitted, data: TrainingSet, fit: I64, encoding: Encoding | None) -> None:
    """Refuse a model whose scaling of inputs is not that of the rows it was to learn from.

    Parameters
    ----------
    fit
        Samples to fit: of a window the newest row, so that every row counts once.

    Raises
    ------
    LeakageError
        Its numbers are of other rows; says so where they are those of all.
    """
    if isinstance(fitted, Scaled):
        every = np.arange(len(data))
        x = data.x[data.at] if encoding is None else encoding.learnt(data.x[data.at], every)
        check_fitted(f"scaling of {kind}", fitted.statistics(), fitted.learn_statistics, fit, x)


def calibrator_of(recipe: ModelRecipe, logit: F64, up: F64) -> Calibrator:
    """Return the calibration by rows that the model was not fitted on.

    Neighbouring labels share all but one of their bars, so a row counts as one over the horizon.
    """
    if recipe.calibration.method == "none":
        return Platt(1.0, 0.0)
    weight = np.full(len(up), 1.0 / recipe.label.horizon_bars)
    return calibrated(recipe.calibration.method, logit, up, weight)


def offsets_of(recipe: ModelRecipe, quantiles: F64, move: F64) -> tuple[float, float]:
    """Return by how much the low and the high quantile are moved out, so that the interval holds its share.

    ``cqr`` moves both alike, ``cqr_two_sided`` each by its own rows.
    """
    ordered = np.sort(quantiles, axis=1)
    alike = recipe.conformal.method == "cqr"
    return calibrate_quantiles(move, ordered[:, 0], ordered[:, 2], symmetric=alike).offsets(recipe.conformal.coverage)
