"""The file of the first format: one LightGBM, its Platt scaling folded into the leaves, and a gate of its own.

logit = intercept + slope * sum of leaves
"""

import json
from typing import Any

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from offline.export.errors import ExportError
from offline.export.lightgbm_trees import lightgbm_forest, refuse_unexportable
from offline.export.trees import IR_VERSION, LEAF, OPSET, OPSET_ML, edge_rows, ensemble_node
from processors.score.model import ModelCard

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

PARITY_TOLERANCE = 2e-6
"""Largest difference of the log-odds, as a share of the largest they can be: float32 sums of some hundred leaves stay
below it, a row that takes another branch is a hundred times above. A share, since calibration shrinks all leaves."""


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
    node = ensemble_node(lightgbm_forest(booster), "logit", slope, intercept)
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
    x = np.concatenate([real, edge_rows((lightgbm_forest(booster),), real)])
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
    return sum(
        max(abs(v) for v, f in zip(t.value, t.feature, strict=True) if f == LEAF)
        for t in lightgbm_forest(booster).trees
    )


def sidecar(report: dict[str, Any]) -> str:
    """Return a report as JSON text, the same for the same report."""
    return json.dumps(report, indent=2, sort_keys=True) + "\n"
