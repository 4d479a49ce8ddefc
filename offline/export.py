"""LightGBM to ONNX without a bit of doubt: exact thresholds, refused options, a gate that compares both.

The trees are written as one ``TreeEnsembleRegressor`` whose leaves and base value hold the calibrated log-odds:

    logit = intercept + slope * sum of leaves

Four things go wrong when trees are carried over, and each is handled here:

- LightGBM compares float64, ONNX float32. ``x <= t`` for a float32 x is exactly ``x <= floor32(t)``; a threshold that
  is rounded to the nearest float32 sends values at the threshold the other way.
- LightGBM reads values within 1e-35 of zero as zero, ONNX does not.
- A null goes left or right by the split's own rule, or counts as 0 where the split saw none in training.
- Options that ONNX has no words for (linear leaves, zeros as nulls, averaged forests, categories) would be dropped in
  silence: they are refused.
"""

import json
from typing import Any

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from processors.errors import PlatformError
from processors.score.model import ModelCard

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

OPSET, OPSET_ML, IR_VERSION = 17, 3, 8
"""Read by every onnxruntime since 1.12."""
PARITY_TOLERANCE = 2e-6
"""Largest difference of the log-odds, as a share of the largest they can be: float32 sums of some hundred leaves stay
below it, a row that takes another branch is a hundred times above. A share, since calibration shrinks all leaves."""


ZERO = float(np.float32(1e-35))
"""LightGBM's ``kZeroThreshold``; also a split at zero itself is stored as plus or minus this."""


class ExportError(PlatformError):
    """The model cannot be exported as it is; nothing was written."""


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
    return floor32(threshold)


def refuse_unexportable(booster: lgb.Booster) -> None:
    """Refuse a booster whose predictions ONNX cannot express.

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
    if objective[0] != "binary":
        bad.append(f"objective={objective[0]}")
    bad += [o for o in objective if o.startswith("sigmoid:") and float(o.partition(":")[2]) != 1.0]
    if bad:
        raise ExportError(f"LightGBM model cannot be exported to ONNX with {', '.join(bad)}")


def flatten(booster: lgb.Booster, slope: float) -> dict[str, list[Any]]:
    """Return the trees as attributes of a ``TreeEnsembleRegressor``, leaves times ``slope``.

    Raises
    ------
    ExportError
        A split is no plain ``<=``, or reads zeros as nulls.
    """
    a: dict[str, list[Any]] = {
        "nodes_" + k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids",
                                   "falsenodeids", "missing_value_tracks_true")
    }  # fmt: skip
    a |= {"target_" + k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree, info in enumerate(booster.dump_model()["tree_info"]):
        # Pre-order with an own stack: a deep tree must not meet Python's recursion limit.
        stack: list[tuple[dict[str, Any], int, str]] = [(info["tree_structure"], -1, "")]
        n_nodes, first = 0, len(a["nodes_treeids"])
        while stack:
            node, parent, branch = stack.pop()
            if parent >= 0:
                a[f"nodes_{branch}nodeids"][first + parent] = n_nodes
            is_split = "split_feature" in node
            null_goes_left = is_split and _null_goes_left(node)
            a["nodes_treeids"].append(tree)
            a["nodes_nodeids"].append(n_nodes)
            a["nodes_featureids"].append(node["split_feature"] if is_split else 0)
            a["nodes_modes"].append("BRANCH_LEQ" if is_split else "LEAF")
            a["nodes_values"].append(exact_threshold(float(node["threshold"])) if is_split else 0.0)
            a["nodes_truenodeids"].append(0)
            a["nodes_falsenodeids"].append(0)
            a["nodes_missing_value_tracks_true"].append(int(null_goes_left))
            if is_split:
                stack += [(node["right_child"], n_nodes, "false"), (node["left_child"], n_nodes, "true")]
            else:
                a["target_treeids"].append(tree)
                a["target_nodeids"].append(n_nodes)
                a["target_ids"].append(0)
                a["target_weights"].append(slope * float(node["leaf_value"]))
            n_nodes += 1
    return a


def _null_goes_left(node: dict[str, Any]) -> bool:
    """Return whether a null takes the true branch of a split."""
    if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
        raise ExportError(f"split {node['decision_type']} with nulls as {node['missing_type']} has no ONNX form")
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    # The split saw no null in training: LightGBM reads one as zero.
    return float(node["threshold"]) >= 0.0


def to_onnx(booster: lgb.Booster, card: ModelCard) -> bytes:
    """Return the ONNX file of a booster with its calibration folded in and its card as metadata.

    The same booster and card give the same bytes.

    Raises
    ------
    ExportError
        The booster cannot be expressed, or reads another number of inputs than the card names.
    """
    refuse_unexportable(booster)
    if booster.num_feature() != len(card.inputs):
        raise ExportError(f"booster reads {booster.num_feature()} inputs, card names {len(card.inputs)}")
    slope, intercept = card.calibration
    attributes: dict[str, Any] = dict(flatten(booster, slope))
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["logit"], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
        post_transform="NONE", base_values=[intercept], **attributes,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        card.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(card.inputs)])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="mps")
    helper.set_model_props(model, card.to_properties())
    onnx.checker.check_model(model, full_check=True)
    raw: bytes = model.SerializeToString(deterministic=True)
    return raw


def threshold_rows(booster: lgb.Booster, base: F32) -> F32:
    """Return rows that stand on every split: its threshold, and one float32 below and above it.

    Parameters
    ----------
    base
        Shape (m, n_inputs), real rows to take the other inputs from, in turn.

    Returns
    -------
    Shape (4 * number of distinct splits, n_inputs); the fourth row of each split has a null there.
    """
    splits: set[tuple[int, float]] = set()
    stack = [t["tree_structure"] for t in booster.dump_model()["tree_info"]]
    while stack:
        node = stack.pop()
        if "split_feature" in node:
            splits.add((node["split_feature"], float(node["threshold"])))
            stack += [node["left_child"], node["right_child"]]
    rows = np.empty((4 * len(splits), base.shape[1]), np.float32)
    for i, (feature, threshold) in enumerate(sorted(splits)):
        at = np.float32(floor32(threshold))
        rows[4 * i : 4 * i + 4] = base[i % len(base)]
        with np.errstate(over="ignore"):
            below, above = (np.nextafter(at, np.float32(to)) for to in (-np.inf, np.inf))
        rows[4 * i : 4 * i + 4, feature] = (below, at, above, np.nan)
    return rows


def check_parity(raw: bytes, booster: lgb.Booster, calibration: tuple[float, float], real: F32) -> float:
    """Compare the file with the booster on real rows and on every split; return the largest difference.

    Parameters
    ----------
    raw
        The ONNX file.
    real
        Shape (m, n_inputs), real rows.

    Raises
    ------
    ExportError
        The log-odds differ by more than ``PARITY_TOLERANCE`` allows, or a row alone scores unlike the row in its batch.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    x = np.concatenate([real, threshold_rows(booster, real)])
    got = session.run(None, {"x": x})[0].reshape(-1)
    slope, intercept = calibration
    want = slope * np.asarray(booster.predict(x.astype(np.float64), raw_score=True)) + intercept
    allowed = PARITY_TOLERANCE * (abs(intercept) + slope * _largest_sum(booster))
    difference = np.abs(got.astype(np.float64) - want)
    worst = int(difference.argmax())
    if not difference[worst] <= allowed:
        n_bad = int((difference > allowed).sum())
        raise ExportError(
            f"ONNX and LightGBM differ on {n_bad} of {len(x)} rows, by up to {difference[worst]:.2e} in log-odds "
            f"(row {worst}); at most {allowed:.2e} is allowed"
        )
    for i in np.linspace(0, len(x) - 1, 64).astype(int):
        if session.run(None, {"x": x[i : i + 1]})[0][0, 0].tobytes() != got[i].tobytes():
            raise ExportError(f"row {i} scores unlike itself in a batch")
    return float(difference[worst])


def _largest_sum(booster: lgb.Booster) -> float:
    """Return the sum over the trees of their largest leaf, a bound of the raw log-odds."""
    largest: dict[int, float] = {}
    for tree, info in enumerate(booster.dump_model()["tree_info"]):
        stack = [info["tree_structure"]]
        while stack:
            node = stack.pop()
            if "split_feature" in node:
                stack += [node["left_child"], node["right_child"]]
            else:
                largest[tree] = max(largest.get(tree, 0.0), abs(float(node["leaf_value"])))
    return sum(largest.values())


def versions() -> dict[str, str]:
    """Return the versions of the libraries that make and read a model."""
    return {m.__name__: m.__version__ for m in (lgb, np, onnx, ort)}


def sidecar(report: dict[str, Any]) -> str:
    """Return a report as JSON text, the same for the same report."""
    return json.dumps(report, indent=2, sort_keys=True) + "\n"
