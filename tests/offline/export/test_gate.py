"""File and gate: whole files pass, planted faults are caught and named."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import onnx
import pytest
from onnx import helper

from offline.export import lightgbm_trees
from offline.export.errors import ExportError
from offline.export.fold import fold
from offline.export.gate import check, wild_rows
from offline.export.head import BetaCurve, Head, IsotonicCurve, PlattCurve
from offline.models.lgbm import LgbmFitted
from processors.errors import ConfigError
from processors.score.model import Model
from tests.offline.models.samples import N_INPUTS, SMALL, make_card, make_samples

REAL = make_samples(300, seed=11).x
HEADS = {
    "platt": Head(PlattCurve(0.7, 0.1), 0.2, 0.2),
    "beta": Head(BetaCurve(1.2, 0.5, 0.1), -0.1, 0.3),
    "isotonic": Head(IsotonicCurve(np.linspace(-1, 1, 40), np.linspace(0.0, 1.0, 40) ** 2), -3.0, -3.0),
}


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("head", HEADS)
def test_a_whole_file_passes_and_is_the_same_again(kind, head, fits):
    """Each kind with each calibration passes the gate; folding again gives the same bytes; the card is in the file."""
    card = make_card(kind=kind, calibration_method=head)
    raw = fold(fits(kind).graph(), HEADS[head], card)
    seen = check(raw, fits(kind), HEADS[head], REAL, alone_max=200)
    assert seen.real == 300
    assert seen.edge > 20
    assert max(seen.difference.values()) < 1e-4
    assert fold(fits(kind).graph(), HEADS[head], card) == raw
    assert Model(raw, "m").card == card


@pytest.mark.parametrize("kind", ["lgbm", "xgb"])
def test_edge_rows_reach_their_splits(kind, fits):
    """Of the four rows of a split, those at it and above it, and one of these and the null, end in different leaves."""
    forest = fits(kind).forests()[0]
    tree = forest.trees[0]
    rows = type(fits(kind)).edge_rows(fits(kind), REAL)[: 4 * sum(f >= 0 for f in tree.feature)]

    def way(row):
        node, passed = 0, []
        while tree.feature[node] >= 0:
            v, t = row[tree.feature[node]], np.float32(tree.threshold[node])
            left = v <= t if forest.mode == "BRANCH_LEQ" else v < t
            left = tree.null_goes_left[node] if np.isnan(v) else left
            passed.append((node, bool(left)))
            node = tree.left[node] if left else tree.right[node]
        return dict(passed)

    reached = set()
    for i in range(0, len(rows), 4):
        below, at, above, _ = (way(r) for r in rows[i : i + 4])
        side = [n for n in below if n in above and below[n] != above[n]]
        assert side
        assert below[side[0]]
        assert not above[side[0]]
        # A float32 threshold of XGBoost is the first value that goes right.
        assert at[side[0]]
        reached.add(side[0])
    assert len(reached) == len(rows) // 4


def test_wild_rows_hold_every_value_in_every_input():
    """Each input is null, infinite, huge, tiny and zero once, alone and with all others; windows have it in front."""
    rows = wild_rows(REAL)
    assert rows.shape == (9 * (N_INPUTS + 1), N_INPUTS)
    assert np.isnan(rows[9 * N_INPUTS]).all()
    for j in range(N_INPUTS):
        assert np.isnan(rows[9 * j, j])
        assert rows[9 * j + 2, j] == -np.inf
    windows = wild_rows(np.ones((5, 4, 3), np.float32))
    assert windows.shape == (36, 4, 3)
    assert np.isnan(windows[0]).sum() == 1
    assert np.isnan(windows[0, 3, 0])


def test_a_threshold_rounded_to_nearest_is_caught(fits, monkeypatch):
    """Thresholds as converters round them are caught, and the row, an input and both values are named."""
    monkeypatch.setattr(lightgbm_trees, "exact_threshold", lambda t: float(np.float32(np.clip(t, -3e38, 3e38))))
    raw = fold(fits("lgbm").graph(), HEADS["platt"], make_card())
    with pytest.raises(ExportError, match=r"row \d+: the file says .*, what it was made of says .*input features\.f\d"):
        check(raw, fits("lgbm"), HEADS["platt"], REAL)


def zeros_as_nulls():
    """Return a model whose trees read zeros as nulls, and its real rows, some of them zero."""
    s = make_samples(1500, seed=12)
    s.x[::3, 3] = 0.0
    s.up[::3] = 1.0
    texts = []
    for more in ({"objective": "binary"}, *({"objective": "quantile", "alpha": a} for a in (0.05, 0.5, 0.95))):
        rows = lgb.Dataset(s.x, s.up if more["objective"] == "binary" else s.move, params={"zero_as_missing": True})
        params = {"zero_as_missing": True, "verbose": -1, "num_threads": 1, "num_leaves": 7, "seed": 1, **more}
        texts.append(lgb.train(params, rows, 10).model_to_string())
    return tuple(texts), s.x[:300]


def test_zeros_read_as_nulls_are_refused_and_would_be_caught(monkeypatch):
    """LightGBM's zero_as_missing is refused by name; let through, the gate catches it at the input that is zero."""
    texts, real = zeros_as_nulls()
    with pytest.raises(ExportError, match="zero_as_missing"):
        LgbmFitted(texts)
    monkeypatch.setattr("offline.models.lgbm.refuse_unexportable", lambda *_: None)
    monkeypatch.setattr(lightgbm_trees, "_null_goes_left", lambda node: node["default_left"])
    fitted = LgbmFitted(texts)
    raw = fold(fitted.graph(), HEADS["platt"], make_card())
    with pytest.raises(ExportError, match=r"real row \d+: .*input features\.f3, which is 0\.0"):
        check(raw, fitted, HEADS["platt"], real)


@pytest.mark.parametrize("other", [HEADS["beta"], replace(HEADS["platt"], curve=PlattCurve(0.7, 0.1001)),
                                   replace(HEADS["platt"], up=0.2001), replace(HEADS["platt"], down=0.1)])  # fmt: skip
def test_another_calibration_or_offset_is_caught(fits, other):
    """A file with the calibration or the offsets of another model is caught, by a ten-thousandth."""
    raw = fold(fits("lgbm").graph(), other, make_card())
    with pytest.raises(ExportError, match="no single input"):
        check(raw, fits("lgbm"), HEADS["platt"], REAL)


def test_quantiles_in_another_order_are_caught(fits):
    """A file whose quantiles are not sorted, and one whose bounds are those of others, do not pass."""
    model = onnx.load_from_string(fold(fits("lgbm").graph(), HEADS["platt"], make_card()))
    for node in model.graph.node:
        if node.op_type == "TopK":
            next(a for a in node.attribute if a.name == "largest").i = 1
    props = {p.key: p.value for p in model.metadata_props}
    with pytest.raises(ConfigError, match="graph_sha256"):
        Model(model.SerializeToString(), "m")
    from processors.score.wire import graph_sha256

    helper.set_model_props(model, props | {"mps.graph_sha256": graph_sha256(model.SerializeToString())})
    with pytest.raises(ExportError, match="quantiles of real row 0 cross"):
        check(model.SerializeToString(), fits("lgbm"), HEADS["platt"], REAL)


def test_a_row_unlike_itself_in_a_batch_is_caught():
    """A graph in which a row depends on its batch is caught: here by the mean over the rows."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("ReduceSum", ["mean"], ["total"], keepdims=1),
        helper.make_node("ReduceSum", ["x", "one"], ["own"], keepdims=1),
        helper.make_node("Mul", ["total", "small"], ["shift"]),
        helper.make_node("Add", ["own", "shift"], ["logit"]),
        helper.make_node("Concat", ["own", "own", "own"], ["quantiles"], axis=1),
    ]
    constants = [helper.make_tensor("one", 7, [1], [1]), helper.make_tensor("small", 1, [], [1e-6])]
    graph = helper.make_graph(
        nodes, "g", [value("x", 1, ["n", N_INPUTS])], [value("logit", 1, ["n", 1]), value("quantiles", 1, ["n", 3])],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    class Sum:
        def predict(self, x):
            from offline.models.estimator import Raw

            own = x.astype(np.float64).sum(axis=1)
            return Raw(own, np.stack([own] * 3, axis=1))

        def edge_rows(self, base):
            return base[:0]

    head = Head(PlattCurve(), 0.0, 0.0)
    raw = fold(model, head, make_card())
    real = np.random.default_rng(0).standard_normal((100, N_INPUTS)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("offline.export.gate.wild_rows", lambda base: base[:0])
        with pytest.raises(ExportError, match=r"in a batch of 7, .*score unlike themselves"):
            check(raw, Sum(), head, real, tolerance=1e-3)


def test_a_graph_of_another_form_is_refused(fits):
    """Cards of format 1, other inputs, windows the graph does not read, and old operators are refused."""
    graph = fits("linear").graph()
    for card, named in (
        (make_card(kind="", residual_quantiles={"1m": (-1.0, 1.0)}), "format 1"),
        (make_card(inputs=make_card().inputs[:2]), "2 inputs"),
        (make_card(window_bars=4), "4 bars"),
    ):  # fmt: skip
        with pytest.raises(ExportError, match=named):
            fold(graph, HEADS["platt"], card)
    graph.opset_import[0].version = 12
    with pytest.raises(ExportError, match="opset 12"):
        fold(graph, HEADS["platt"], make_card())
    graph.opset_import[0].version = 17
    graph.graph.output[0].name = "y"
    with pytest.raises(ExportError, match="y"):
        fold(graph, HEADS["platt"], make_card())
