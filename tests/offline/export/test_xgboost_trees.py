"""XGBoost to ONNX: what is exact, and what is refused by name."""

import json

import numpy as np
import pytest
import xgboost as xgb

from offline.export import xgboost_trees
from offline.export.errors import ExportError
from offline.export.xgboost_trees import base_margin, xgboost_forest
from tests.offline.models.samples import make_samples

S = make_samples(400, seed=20)
X = np.nan_to_num(S.x, nan=np.nan, posinf=9.0)


def train(rounds=3, label=None, x=X, **params):
    rows = xgb.DMatrix(x, S.up if label is None else label, nthread=1, **params.pop("rows", {}))
    return xgb.train(
        {"nthread": 1, "max_depth": 3, "verbosity": 0, "objective": "binary:logistic", **params}, rows, rounds
    )


def test_thresholds_leaves_and_base_are_the_boosters_own():
    """Walking the trees in float32 gives the booster's margins, at thresholds too; the base is the score's log-odds."""
    booster = train(5, base_score=0.3)
    forest = xgboost_forest(booster)
    assert forest.base == pytest.approx(np.log(0.3 / 0.7))
    rows = X.copy()
    tree = forest.trees[0]
    rows[:50, tree.feature[0]] = np.float32(tree.threshold[0])
    margins = booster.inplace_predict(rows, predict_type="margin")
    for row, margin in zip(rows, margins, strict=True):
        total = forest.base
        for t in forest.trees:
            node = 0
            while t.feature[node] >= 0:
                v = row[t.feature[node]]
                left = t.null_goes_left[node] if np.isnan(v) else v < np.float32(t.threshold[node])
                node = t.left[node] if left else t.right[node]
            total += t.value[node]
        assert total == pytest.approx(margin, abs=1e-6)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"booster": "dart"}, "booster=dart"),
        ({"booster": "gblinear", "max_depth": None}, "booster=gblinear"),
        ({"objective": "reg:squarederror"}, "objective=reg:squarederror"),
        ({"objective": "binary:hinge"}, "objective=binary:hinge"),
        ({"objective": "multi:softprob", "num_class": 2}, "num_class=2"),
        (
            {"objective": "reg:quantileerror", "quantile_alpha": [0.05, 0.5], "label": S.move},
            "quantile_alpha=5E-2,5E-1",
        ),
    ],
)
def test_what_is_no_sum_of_plain_trees_is_refused_by_name(params, named):
    """Each form that ONNX has no words for is refused with its name."""
    with pytest.raises(ExportError, match=named):
        xgboost_forest(train(**{k: v for k, v in params.items() if v is not None or k == "label"}))


def test_categories_are_refused():
    """A booster with categories is refused."""
    x = X.copy()
    x[:, 3] = np.arange(len(x)) % 5
    kinds = {"feature_types": ["q", "q", "q", "c", "q", "q"], "enable_categorical": True}
    booster = train(5, label=(x[:, 3] % 2).astype(float), x=x, rows=kinds, max_cat_to_onehot=1)
    with pytest.raises(ExportError, match="enable_categorical"):
        xgboost_forest(booster)


def test_trees_after_the_best_round_are_refused():
    """A booster that stopped early must be cut to its best round first: ONNX would take all of its trees."""
    rng = np.random.default_rng(0)
    rows = xgb.DMatrix(rng.standard_normal((300, 6)), rng.integers(0, 2, 300), nthread=1)
    other = xgb.DMatrix(rng.standard_normal((300, 6)), rng.integers(0, 2, 300), nthread=1)
    params = {"objective": "binary:logistic", "nthread": 1, "eta": 0.5}
    booster = xgb.train(params, rows, 50, evals=[(other, "v")], early_stopping_rounds=5, verbose_eval=False)
    with pytest.raises(ExportError, match="cut it to"):
        xgboost_forest(booster)
    assert len(xgboost_forest(booster[: booster.best_iteration + 1]).trees) == booster.best_iteration + 1


def test_base_scores_of_all_versions_are_read():
    """One number, with brackets from 3.1 on; a probability becomes log-odds, a quantile stays."""
    assert base_margin("[5E-1]", "binary:logistic") == 0.0
    assert base_margin("2.5E-1", "binary:logistic") == pytest.approx(np.log(1 / 3))
    assert base_margin("[-1.691457E0]", "reg:quantileerror") == -1.691457
    with pytest.raises(ExportError, match="base score"):
        base_margin("[1E0]", "binary:logistic")


def test_leaves_of_vectors_are_refused():
    """A tree with vectors for leaves is refused, as its model file tells it."""
    learner = json.loads(bytes(train().save_raw("json")))["learner"]
    xgboost_trees.refuse_unexportable(learner)
    learner["gradient_booster"]["model"]["trees"][0]["tree_param"]["size_leaf_vector"] = "2"
    with pytest.raises(ExportError, match="multi_output_tree"):
        xgboost_trees.refuse_unexportable(learner)
    learner["learner_model_param"]["num_target"] = "2"
    with pytest.raises(ExportError, match="num_target=2, multi_strategy"):
        xgboost_trees.refuse_unexportable(learner)
