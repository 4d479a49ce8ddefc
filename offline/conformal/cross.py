"""Conformal intervals without rows set aside: the errors that models make on the rows that they left out.

method     point                        bounds: quantiles of
naive      model of all rows            its own errors on them: too narrow
base       model of all rows            errors of rows left out              jackknife, CV
plus       model of all rows            prediction of each leaving-out model + its error   jackknife+, CV+, J+aB
minmax     model of all rows            errors, around the extremes of those predictions
enbpi      aggregate of all of those    errors, which ``observe`` replaces one by one
aci        model of all rows            as enbpi; the level is for ``adaptive`` to steer
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from offline.conformal.folds import Fold
from offline.conformal.quantiles import F64, check_confidence, lower, narrowest, upper
from offline.conformal.scores import Absolute, Score
from offline.conformal.split import Interval, reach
from processors.errors import ConfigError

Mask: TypeAlias = NDArray[np.bool_]
Model: TypeAlias = Callable[[F64], F64]
"""Takes features of shape (n, k) and returns predictions of shape (n,)."""
Fit: TypeAlias = Callable[[F64, F64], Model]
"""Takes features and observations, and returns a model of them."""

METHODS = ("naive", "base", "plus", "minmax", "enbpi", "aci")
AGGREGATES = ("mean", "median")


@dataclass(frozen=True, slots=True)
class CrossConformal:
    """Models, what each left out, and the scores of the rows by the models that left them out.

    Parameters
    ----------
    method, aggregate
        One of ``METHODS`` and of ``AGGREGATES``; the latter joins the models that left out one row.
    score
        The kind of score.
    model
        Of all rows.
    models
        Of the folds.
    left_out
        Shape (n, n_models): whether the model has not seen the row.
    scores
        Shape (n,), signed; NaN of a row that every model has seen.
    """

    method: str
    aggregate: str
    score: Score
    model: Model
    models: tuple[Model, ...]
    left_out: Mask
    scores: F64

    def predict(self, x: F64, *, ensemble: bool = False) -> F64:
        """Return the point of each row, shape (m,): of the model of all rows, or the aggregate of the others."""
        return self._joined(self._by_row(x)) if ensemble else self.model(x)

    def interval(self, x: F64, confidence: float, *, narrow: bool = False) -> Interval:
        """Return the intervals of rows.

        Parameters
        ----------
        x
            Shape (m, k).
        confidence
            Between 0 and 1.
        narrow
            See ``split.reach``.
        """
        if self.method == "plus":
            return self._plus(x, check_confidence(confidence), narrow)
        found = reach(self.scores, confidence, symmetric=self.score.symmetric, narrow=narrow)
        centre = self._centres(x)
        return Interval(*(self.score.at(c, np.asarray(bound)) for c, bound in zip(centre, found, strict=True)))

    def observe(self, x: F64, y: F64) -> "CrossConformal":
        """Return the same with the oldest scores replaced by those of new rows, by the ensemble's predictions.

        Parameters
        ----------
        x, y
            Shape (m, k) and (m,), in the order of time, no more than there are scores.

        Raises
        ------
        ConfigError
            There are more rows than scores.

        References
        ----------
        Xu and Xie (2021), "Conformal prediction interval for dynamic time-series", algorithm 1, lines 13 to 19.
        """
        if len(y) > len(self.scores):
            raise ConfigError("conformal", "new rows", len(y), f"at most the {len(self.scores)} scores there are")
        new = self.score.signed(y, self.predict(x, ensemble=True))
        scores = np.concatenate([self.scores[len(y) :], new])
        return CrossConformal(self.method, self.aggregate, self.score, self.model, self.models, self.left_out, scores)

    def _by_row(self, x: F64) -> F64:
        """Return of each row, and each row of the past, the prediction of the models that left the latter out."""
        if not self.models:
            raise ConfigError("conformal", "method", self.method, "one with models that leave rows out")
        return by_left_out(np.column_stack([model(x) for model in self.models]), self.left_out, self.aggregate)

    def _joined(self, by_row: F64) -> F64:
        return np.asarray(np.nanmean(by_row, axis=1) if self.aggregate == "mean" else np.nanmedian(by_row, axis=1))

    def _centres(self, x: F64) -> tuple[F64, F64]:
        if self.method == "minmax":
            by_row = self._by_row(x)
            return np.nanmin(by_row, axis=1), np.nanmax(by_row, axis=1)
        centre = self.predict(x, ensemble=self.method == "enbpi")
        return centre, centre

    def _plus(self, x: F64, confidence: float, narrow: bool) -> Interval:
        by_row, alpha = self._by_row(x), 1.0 - confidence
        if self.score.symmetric:
            size = np.abs(self.scores)
            return Interval(lower(self.score.at(by_row, -size), alpha), upper(self.score.at(by_row, size), confidence))
        below = narrowest(self.scores, alpha) if narrow else alpha / 2.0
        each = self.score.at(by_row, self.scores)
        return Interval(lower(each, below), upper(each, confidence + below))


def by_left_out(predictions: F64, left_out: Mask, aggregate: str) -> F64:
    """Return the aggregate of the models that left out each row of the past.

    Parameters
    ----------
    predictions
        Shape (m, n_models).
    left_out
        Shape (n, n_models).
    aggregate
        ``mean`` or ``median``.

    Returns
    -------
    Shape (m, n); NaN in the column of a row that every model has seen.
    """
    m, n = len(predictions), len(left_out)
    found = np.full((m, n), np.nan)
    # Rows that the same models left out share a column: with folds there are few of those.
    groups, at = np.unique(left_out, axis=0, return_inverse=True)
    for g, models in enumerate(groups):
        if models.any():
            chosen = predictions[:, models]
            joined = chosen.mean(axis=1) if aggregate == "mean" else np.median(chosen, axis=1)
            found[:, at.ravel() == g] = joined[:, None]
    return found


def cross_conformal(
    fit: Fit,
    x: F64,
    y: F64,
    folds: Iterable[Fold],
    method: str = "plus",
    score: Score | None = None,
    aggregate: str = "mean",
) -> CrossConformal:
    """Return conformal intervals by models that each leave some rows out.

    Parameters
    ----------
    fit
        Makes a model of rows.
    x, y
        Shape (n, k) and (n,).
    folds
        Who leaves out what, see ``folds``; none are needed by ``naive``.
    method, aggregate
        See ``CrossConformal``.
    score
        One without a scale; ``Absolute()`` where None.

    Raises
    ------
    ConfigError
        Another method or aggregate, no folds, or every model has seen every row.

    References
    ----------
    Barber, Candes, Ramdas and Tibshirani (2021), "Predictive inference with the jackknife+"; Kim, Xu and Barber (2020);
    Xu and Xie (2021).
    """
    if method not in METHODS:
        raise ConfigError("conformal", "method", method, f"one of {', '.join(METHODS)}")
    if aggregate not in AGGREGATES:
        raise ConfigError("conformal", "aggregate", aggregate, f"one of {', '.join(AGGREGATES)}")
    kind = Absolute() if score is None else score
    model = fit(x, y)
    if method == "naive":
        return CrossConformal(
            method, aggregate, kind, model, (), np.empty((len(y), 0), np.bool_), kind.signed(y, model(x))
        )
    parts = list(folds)
    models = tuple(fit(x[part.train], y[part.train]) for part in parts)
    left_out = np.zeros((len(y), len(parts)), np.bool_)
    predictions = np.full((len(y), len(parts)), np.nan)
    for i, part in enumerate(parts):
        left_out[part.held, i] = True
        if len(part.held):
            predictions[part.held, i] = models[i](x[part.held])
    seen = left_out.any(axis=1)
    if not seen.any():
        raise ConfigError("conformal", "rows that a model left out", 0, "at least 1: more folds or resamples")
    scores = np.full(len(y), np.nan)
    join = np.nanmean if aggregate == "mean" else np.nanmedian
    scores[seen] = kind.signed(y[seen], join(predictions[seen], axis=1))
    return CrossConformal(method, aggregate, kind, model, models, left_out, scores)
