"""LightGBM: one booster for the probability, and one for each of three quantiles of the move."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np
import onnx

from offline.export.lightgbm_trees import lightgbm_forest, refuse_unexportable
from offline.export.trees import Forest, edge_rows, forests_graph
from offline.models.checkpoint import Checkpoint, fingerprint
from offline.models.estimator import F32, F64, Progress, Raw, Samples
from offline.models.parts import fit_parts, is_settled, labels, level, weight
from offline.models.table_parameters import LgbmParameters


class LgbmEstimator:
    """Learns the four boosters, one after another."""

    kind: ClassVar[str] = "lgbm"
    parameters: ClassVar[type] = LgbmParameters

    def __init__(self, parameters: LgbmParameters | None = None) -> None:
        self.window_bars = 1
        self.given = parameters or LgbmParameters()

    def fit(
        self, train: Samples, valid: Samples, *, seed: int, progress: Progress, checkpoint: Path | None
    ) -> "LgbmFitted":
        """Return the boosters; see ``Estimator.fit``."""
        kept = Checkpoint(checkpoint, fingerprint(self.kind, self.given, seed, lgb.__version__, train, valid))
        return LgbmFitted(fit_parts(kept, lambda part, note: self._booster(part, train, valid, seed, note), progress))

    def _booster(self, part: int, train: Samples, valid: Samples, seed: int, note: Callable[[float], None]) -> str:
        """Return one booster as its text, cut to its best round."""
        params, (label, valid_label) = self.given.booster(seed), labels(part, train, valid)
        if part == 0:
            params |= {"objective": "binary"}
        else:
            params |= {"objective": "quantile", "alpha": level(part, self.given.coverage)}
        rounds = 1 if is_settled(part, train) else self.given.rounds
        rows = lgb.Dataset(train.x, label, weight=weight(part, train), params={"verbose": -1})
        callbacks: list[Any] = [lambda env: note((env.iteration + 1) / rounds)]
        stops = len(valid) > 0 and self.given.patience > 0
        if stops:
            callbacks.append(lgb.early_stopping(self.given.patience, verbose=False))
        watched = [lgb.Dataset(valid.x, valid_label, weight=weight(part, valid), reference=rows)] if stops else []
        booster = lgb.train(params, rows, rounds, valid_sets=watched, callbacks=callbacks)
        text: str = booster.model_to_string(num_iteration=booster.best_iteration if stops else None)
        return text


class LgbmFitted:
    """Four boosters, as they were read from their texts: one that was kept on disk is the same.

    Parameters
    ----------
    texts
        LightGBM's own form of each of ``offline.models.parts.PARTS``.

    Raises
    ------
    ExportError
        A booster has no ONNX form.
    """

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.texts = texts
        self.boosters = tuple(lgb.Booster(model_str=text) for text in texts)
        refuse_unexportable(self.boosters[0])
        for booster in self.boosters[1:]:
            refuse_unexportable(booster, ("quantile",))

    def predict(self, x: F32) -> Raw:
        """Return the sums of leaves, in float64."""
        rows = x.astype(np.float64)
        found = [np.asarray(b.predict(rows, raw_score=True, num_threads=1), np.float64) for b in self.boosters]
        return Raw(found[0], np.stack(found[1:], axis=1))

    def forests(self) -> tuple[Forest, ...]:
        """Return the trees of each booster."""
        return tuple(lightgbm_forest(b) for b in self.boosters)

    def graph(self) -> onnx.ModelProto:
        """Return the boosters as nodes of one graph."""
        logit, low, middle, high = self.forests()
        return forests_graph(self.boosters[0].num_feature(), logit, (low, middle, high))

    def edge_rows(self, base: F32) -> F32:
        """Return rows that reach every split of every booster and stand on it."""
        return edge_rows(self.forests(), base)

    def importance(self, x: F32) -> F64:
        """Return the mean absolute SHAP value of each input in the log-odds, shape (n_inputs,).

        References
        ----------
        Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees".
        """
        shares = np.asarray(self.boosters[0].predict(x.astype(np.float64), pred_contrib=True, num_threads=1))
        return np.asarray(np.abs(shares[:, :-1]).mean(axis=0), np.float64)
