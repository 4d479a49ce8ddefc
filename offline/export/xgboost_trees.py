"""XGBoost's trees, exactly: it compares float32 with ``x < t`` as ONNX can, so thresholds are carried over as they are.

What is not in the trees must be said beside them: the base score, a probability in the model of log-odds. What ONNX has
no words for, or what is no plain sum of trees (dart's weights, linear boosters, leaves of vectors, categories), is
refused by name.
"""

import json
import math
from typing import Any

import xgboost as xgb

from offline.export.errors import ExportError
from offline.export.trees import BELOW, Forest, Tree

OBJECTIVES = ("binary:logistic", "reg:quantileerror")
LOGISTIC = OBJECTIVES[0]


def refuse_unexportable(learner: dict[str, Any]) -> None:
    """Refuse a learner, as JSON, whose margins are no sum of plain trees.

    Raises
    ------
    ExportError
        Names every option in the way.
    """
    bad = []
    booster = learner["gradient_booster"]
    parameters, objective = learner["learner_model_param"], learner["objective"]
    if booster["name"] != "gbtree":
        bad.append(f"booster={booster['name']}")
    if objective["name"] not in OBJECTIVES:
        bad.append(f"objective={objective['name']}")
    levels = objective.get("quantile_loss_param", {}).get("quantile_alpha", "[]").strip("[]()").split(",")
    if len(levels) > 1:
        bad.append(f"quantile_alpha={','.join(levels)} (a booster for each level can)")
    if int(parameters.get("num_target", "1")) > 1 and len(levels) == 1:
        bad.append(f"num_target={parameters['num_target']}")
    if int(parameters.get("num_class", "0")) > 0:
        bad.append(f"num_class={parameters['num_class']}")
    trees = booster.get("model", {}).get("trees", [])
    if any(int(t["tree_param"].get("size_leaf_vector", "1")) > 1 for t in trees):
        bad.append("multi_strategy=multi_output_tree")
    if any(t["categories_nodes"] or any(t["split_type"]) for t in trees) or "c" in learner.get("feature_types", ()):
        bad.append("enable_categorical")
    if bad:
        raise ExportError(f"XGBoost model cannot be exported to ONNX with {', '.join(bad)}")


def xgboost_forest(booster: xgb.Booster) -> Forest:
    """Return the trees of a booster, all of them: one that stopped early is cut to its best round before.

    Raises
    ------
    ExportError
        The booster cannot be expressed, or holds trees after its best round.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    refuse_unexportable(learner)
    best = booster.attr("best_iteration")
    rounds = booster.num_boosted_rounds()
    if best is not None and int(best) + 1 < rounds:
        raise ExportError(f"XGBoost model has {rounds} rounds, its best is {best}: cut it to booster[:{int(best) + 1}]")
    base = base_margin(learner["learner_model_param"]["base_score"], learner["objective"]["name"])
    return Forest(BELOW, [_tree(t) for t in learner["gradient_booster"]["model"]["trees"]], base)


def base_margin(base_score: str, objective: str) -> float:
    """Return what a model begins its sum with: the stated score, in log-odds where it is a probability."""
    # One number, from 3.1 on in brackets.
    score = float(base_score.strip("[]"))
    if objective != LOGISTIC:
        return score
    if not 0.0 < score < 1.0:
        raise ExportError(f"XGBoost model has the base score {score}: it must lie between 0 and 1")
    return math.log(score) - math.log1p(-score)


def _tree(stated: dict[str, Any]) -> Tree:
    tree = Tree()
    left, right, condition = stated["left_children"], stated["right_children"], stated["split_conditions"]
    stack = [(0, -1, "")]
    while stack:
        node, parent, branch = stack.pop()
        if left[node] >= 0:
            number = tree.add_split(
                stated["split_indices"][node], condition[node], null_goes_left=bool(stated["default_left"][node])
            )
            stack += [(right[node], number, "right"), (left[node], number, "left")]
        else:
            # A leaf keeps its value where a split keeps its threshold.
            number = tree.add_leaf(condition[node])
        tree.link(parent, branch, number)
    return tree
