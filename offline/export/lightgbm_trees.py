"""LightGBM's trees, exactly.

Five things go wrong when they are carried over, and each is handled here:

- LightGBM compares float64, ONNX float32. ``x <= t`` for a float32 x is exactly ``x <= floor32(t)``; a threshold that
  is rounded to the nearest float32 sends values at the threshold the other way.
- LightGBM reads values within 1e-35 of zero as zero, ONNX does not.
- LightGBM reads infinities as plus and minus 1e300, and a split that holds back nothing but nulls is ``<= 1e300``.
- A null goes left or right by the split's own rule, or counts as 0 where the split saw none in training.
- Options that ONNX has no words for (linear leaves, zeros as nulls, averaged forests, categories) would be dropped in
  silence: they are refused.
"""

import math
from typing import Any

import lightgbm as lgb
import numpy as np

from offline.export.errors import ExportError
from offline.export.trees import AT_MOST, Forest, Tree

ZERO = float(np.float32(1e-35))
"""LightGBM's ``kZeroThreshold``; also a split at zero itself is stored as plus or minus this."""

INFINITY = 1e300
"""What LightGBM reads and writes an infinity as (``Common::AvoidInf``)."""


def floor32(threshold: float) -> float:
    """Return the largest float32 that is not above a float64."""
    # Beyond the float32 range: infinity, or the largest finite value.
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
        return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf)))


def exact_threshold(threshold: float) -> float:
    """Return the float32 that splits all float32 values as LightGBM splits them at a float64.

    LightGBM reads a value within ``ZERO`` of zero as zero: such values stay together on zero's side.
    """
    if abs(threshold) <= ZERO:
        return ZERO if threshold >= 0.0 else float(np.nextafter(np.float32(-ZERO), np.float32(-np.inf)))
    # An infinity is within the largest threshold: nothing but a null is not.
    return math.inf if threshold >= INFINITY else floor32(threshold)


def refuse_unexportable(booster: lgb.Booster, objectives: tuple[str, ...] = ("binary",)) -> None:
    """Refuse a booster whose predictions ONNX cannot express.

    Parameters
    ----------
    objectives
        What the booster may have been trained for.

    Raises
    ------
    ExportError
        Names every option in the way.
    """
    text = booster.model_to_string(num_iteration=1)
    stated = dict(line[1:-1].split(": ", 1) for line in text.splitlines() if line.startswith("[") and ": " in line)
    params = {**stated, **{k: str(v) for k, v in booster.params.items()}}
    objective = booster.dump_model(num_iteration=1)["objective"].split()
    bad = [f"{k}={params[k]}" for k in ("linear_tree", "zero_as_missing") if params.get(k, "0") not in ("0", "False")]
    if params.get("boosting") in ("rf", "random_forest"):
        bad.append(f"boosting={params['boosting']}")
    if objective[0] not in objectives:
        bad.append(f"objective={objective[0]}")
    bad += [o for o in objective if o.startswith("sigmoid:") and float(o.partition(":")[2]) != 1.0]
    if bad:
        raise ExportError(f"LightGBM model cannot be exported to ONNX with {', '.join(bad)}")


def lightgbm_forest(booster: lgb.Booster) -> Forest:
    """Return the trees of a booster.

    Raises
    ------
    ExportError
        A split is no plain ``<=``, or reads zeros as nulls.
    """
    return Forest(AT_MOST, [_tree(info["tree_structure"]) for info in booster.dump_model()["tree_info"]])


def _tree(root: dict[str, Any]) -> Tree:
    tree = Tree()
    # Pre-order with an own stack: a deep tree must not meet Python's recursion limit.
    stack: list[tuple[dict[str, Any], int, str]] = [(root, -1, "")]
    while stack:
        node, parent, branch = stack.pop()
        if "split_feature" in node:
            # First, since it refuses splits whose threshold is no number.
            left = _null_goes_left(node)
            number = tree.add_split(
                node["split_feature"], exact_threshold(float(node["threshold"])), null_goes_left=left
            )
            stack += [(node["right_child"], number, "right"), (node["left_child"], number, "left")]
        else:
            number = tree.add_leaf(float(node["leaf_value"]))
        tree.link(parent, branch, number)
    return tree


def _null_goes_left(node: dict[str, Any]) -> bool:
    """Return whether a null takes the true branch of a split."""
    if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
        raise ExportError(f"split {node['decision_type']} with nulls as {node['missing_type']} has no ONNX form")
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    # The split saw no null in training: LightGBM reads one as zero.
    return float(node["threshold"]) >= 0.0
