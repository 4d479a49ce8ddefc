"""XGBoost: one booster for the probability, and one for each of three quantiles of the move."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import xgboost as xgb

from offline.export.trees import Forest, edge_rows, forests_graph
from offline.export.xgboost_trees import xgboost_forest
from offline.models.checkpoint import Checkpoint, fingerprint
from offline.models.estimator import F32, F64, Progress, Raw, Samples
from offline.models.parts import fit_parts, is_settled, labels, level, weight
from offline.models.table_parameters import XgbParameters

_LARGEST = np.finfo(np.float32).max


class _Note(xgb.callback.TrainingCallback):
    """Tells the share of the rounds that is done."""

    def __init__(self, note: Callable[[float], None], rounds: int) -> None:
        self._note, self._rounds = note, rounds

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 (XGBoost's signature)
        """Tell it, and go on."""
        self._note((epoch + 1) / self._rounds)
        return False


class XgbEstimator:
    """Learns the four boosters, one after another."""

    kind: ClassVar[str] = "xgb"
    parameters: ClassVar[type] = XgbParameters

    def __init__(self, parameters: XgbParameters | None = None) -> None:
        self.window_bars = 1
        self.given = parameters or XgbParameters()

    def fit(
        self, train: Samples, valid: Samples, *, seed: int, progress: Progress, checkpoint: Path | None
    ) -> "XgbFitted":
        """Return the boosters; see ``Estimator.fit``."""
        kept = Checkpoint(checkpoint, fingerprint(self.kind, self.given, seed, xgb.__version__, train, valid))
        return XgbFitted(fit_parts(kept, lambda part, note: self._booster(part, train, valid, seed, note), progress))

    def _booster(self, part: int, train: Samples, valid: Samples, seed: int, note: Callable[[float], None]) -> str:
        """Return one booster in XGBoost's binary form as text, cut to its best round."""
        params, (label, valid_label) = self.given.booster(seed), labels(part, train, valid)
        if part == 0:
            # One loss on either side of the stop: the log-likelihood.
            params |= {"objective": "binary:logistic", "eval_metric": "logloss"}
        else:
            # A leaf of a quantile has no second derivatives but its rows.
            alpha = level(part, self.given.coverage)
            params |= {"objective": "reg:quantileerror", "quantile_alpha": alpha, "eval_metric": "quantile"}
        rounds = 1 if is_settled(part, train) else self.given.rounds
        rows = _matrix(train.x, self.given.threads, label=label, weight=weight(part, train))
        stops = len(valid) > 0 and self.given.patience > 0
        watched = (
            [(_matrix(valid.x, self.given.threads, label=valid_label, weight=weight(part, valid)), "valid")]
            if stops
            else []
        )
        booster = xgb.train(
            params, rows, rounds, evals=watched, verbose_eval=False,
            early_stopping_rounds=self.given.patience if stops else None,
            callbacks=[_Note(note, rounds)],
        )  # fmt: skip
        if stops:
            booster = booster[: booster.best_iteration + 1]
        return base64.b64encode(bytes(booster.save_raw("ubj"))).decode()


def _matrix(x: F32, threads: int, **more: F64) -> xgb.DMatrix:
    """Return rows as XGBoost trains on them: it refuses infinities, and the largest numbers fall on the same side."""
    return xgb.DMatrix(np.clip(x, -_LARGEST, _LARGEST), nthread=threads, missing=np.nan, **more)


class XgbFitted:
    """Four boosters, as they were read from their binary form: one that was kept on disk is the same.

    Parameters
    ----------
    texts
        Each of ``offline.models.parts.PARTS`` in XGBoost's binary form, in base 64.

    Raises
    ------
    ExportError
        A booster has no ONNX form.
    """

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.texts = texts
        self.boosters = tuple(_read(text) for text in texts)
        self._forests = tuple(xgboost_forest(b) for b in self.boosters)

    def predict(self, x: F32) -> Raw:
        """Return the margins, sums of float32."""
        rows = np.ascontiguousarray(x, np.float32)
        found = [np.asarray(b.inplace_predict(rows, predict_type="margin"), np.float64) for b in self.boosters]
        return Raw(found[0], np.stack(found[1:], axis=1))

    def forests(self) -> tuple[Forest, ...]:
        """Return the trees of each booster."""
        return self._forests

    def graph(self) -> onnx.ModelProto:
        """Return the boosters as nodes of one graph."""
        logit, low, middle, high = self._forests
        return forests_graph(self.boosters[0].num_features(), logit, (low, middle, high))

    def edge_rows(self, base: F32) -> F32:
        """Return rows that reach every split of every booster and stand on it."""
        return edge_rows(self._forests, base)

    def importance(self, x: F32) -> F64:
        """Return the mean absolute SHAP value of each input in the log-odds, shape (n_inputs,).

        References
        ----------
        Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees".
        """
        shares = self.boosters[0].predict(_matrix(x, 1), pred_contribs=True)
        return np.asarray(np.abs(shares[:, :-1]).mean(axis=0), np.float64)


def _read(text: str) -> xgb.Booster:
    booster = xgb.Booster({"nthread": 1, "verbosity": 0})
    booster.load_model(bytearray(base64.b64decode(text)))
    return booster
