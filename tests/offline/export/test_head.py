"""The head: NumPy and nodes say the same, to the bit alone and in a batch; curves never fall."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from offline.calibration import sigmoid
from offline.calibrators import FITS, ByRegime, Platt, calibrated
from offline.export.errors import ExportError
from offline.export.head import BetaCurve, Head, IsotonicCurve, Nodes, PlattCurve, curve_of
from offline.models.estimator import Raw

STEEP = IsotonicCurve(np.array([-2.0, -0.5, -0.4999999, 0.0, 1e-7, 2.5]), np.array([0.0, 0.1, 0.4, 0.4, 0.7, 1.0]))
CURVES = {
    "same": PlattCurve(), "platt": PlattCurve(0.7, -0.1), "flat": PlattCurve(0.0, 0.2),
    "beta": BetaCurve(1.3, 0.6, 0.1),
    "half": BetaCurve(0.0, 0.8, -0.2), "isotonic": STEEP, "one": IsotonicCurve(np.array([0.3]), np.array([0.6])),
    "two": IsotonicCurve(np.array([-1.0, 1.0]), np.array([0.2, 0.9])),
}  # fmt: skip


def session_of(head):
    """Return the head alone: raw logit and quantiles in, the three outputs out."""
    nodes = Nodes()
    head.write(nodes, "a", "b")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes.nodes, "head", [value("a", TensorProto.FLOAT, ["n", 1]), value("b", TensorProto.FLOAT, ["n", 3])],
        [value(n, TensorProto.FLOAT, ["n", w]) for n, w in (("logit", 1), ("quantiles", 3), ("bounds", 2))],
        nodes.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def raw_rows(n=5000, seed=0):
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 2, n).astype(np.float32)
    logit[:12] = [0, -0.0, 40, -40, 1e-38, 3e38, -3e38, -0.5, 2.5, -2, 1e-7, 5e-8]
    return logit, rng.normal(0, 1, (n, 3)).astype(np.float32)


def run(session, logit, quantiles):
    return session.run(["logit", "quantiles", "bounds"], {"a": logit[:, None], "b": quantiles})


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(("down", "up"), [(0.3, 0.3), (-0.7, 0.1)])
def test_nodes_compute_what_numpy_means(name, down, up):
    """Of any log-odds and quantiles the nodes compute what NumPy does in float64, rounded to float32."""
    head = Head(CURVES[name], down, up)
    logit, quantiles = raw_rows()
    got = run(session_of(head), logit, quantiles)
    want = head.apply(Raw(logit.astype(np.float64), quantiles.astype(np.float64)))
    assert [g.shape for g in got] == [(5000, 1), (5000, 3), (5000, 2)]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g.reshape(w.shape), w, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize("name", CURVES)
def test_a_row_alone_has_its_bits_in_any_batch(name):
    """Exponentials and logarithms too give a row the same bits alone, in any batch and at any place of it."""
    session, (logit, quantiles) = session_of(Head(CURVES[name], -0.9, 0.2)), raw_rows(3000, seed=1)
    whole = run(session, logit, quantiles)
    for size in (1, 2, 3, 7, 64, 1024):
        parts = [run(session, logit[i : i + size], quantiles[i : i + size]) for i in range(0, 3000, size)]
        for one, many in zip(whole, zip(*parts, strict=True), strict=True):
            assert np.concatenate(many).tobytes() == one.tobytes()


@pytest.mark.parametrize("name", CURVES)
def test_curves_never_fall_and_stay_finite(name):
    """Calibrated log-odds never fall with the raw ones, in float32 and beside every corner, and are finite."""
    raw = np.sort(raw_rows(20000, seed=2)[0])
    corners = STEEP.raw.astype(np.float32)
    raw = np.sort(np.concatenate([raw, *(np.nextafter(corners, np.float32(s)) for s in (-9, 9)), corners]))
    got = run(session_of(Head(CURVES[name], 0.0, 0.0)), raw, np.zeros((len(raw), 3), np.float32))[0][:, 0]
    # A line through the largest float32 is as large itself.
    assert np.isfinite(got).all()
    assert (np.diff(got) >= 0).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.floats(-5, 5), st.floats(-5, 5))
def test_bounds_never_cross(quantiles, down, up):
    """Whatever quantiles and offsets are, quantiles ascend and bounds do, and wide ones are moved by the offsets."""
    _, ordered, bounds = Head(PlattCurve(), down, up).apply(Raw(np.zeros(1), np.array([quantiles])))
    assert ordered[0].tolist() == sorted(quantiles)
    assert bounds[0, 0] <= bounds[0, 1]
    if ordered[0, 0] - down <= ordered[0, 2] + up:
        assert bounds[0].tolist() == [ordered[0, 0] - down, ordered[0, 2] + up]


def test_beta_with_equal_sides_is_platt():
    """Beta calibration with a = b is Platt's line, as its paper says."""
    raw = np.linspace(-20, 20, 101)
    np.testing.assert_allclose(BetaCurve(0.8, 0.8, 0.3).log_odds(raw), PlattCurve(0.8, 0.3).log_odds(raw), atol=1e-12)


def test_impossible_heads_are_refused():
    """Curves that fall or are no numbers, and offsets that hold everything, are refused."""
    for make in (
        lambda: PlattCurve(-0.1, 0.0), lambda: BetaCurve(-1.0, 1.0, 0.0), lambda: PlattCurve(float("nan"), 0.0),
        lambda: IsotonicCurve(np.array([1.0, 1.0]), np.array([0.1, 0.2])),
        lambda: IsotonicCurve(np.array([1.0, 2.0]), np.array([0.3, 0.2])),
        lambda: IsotonicCurve(np.zeros(0), np.zeros(0)),
        lambda: IsotonicCurve(np.array([1.0, 2.0]), np.array([0.3, 1.2])), lambda: Head(PlattCurve(), np.inf, 0.0),
    ):  # fmt: skip
        with pytest.raises(ExportError):
            make()


@pytest.mark.parametrize("method", FITS)
def test_the_curve_of_a_calibration_is_what_it_says(method):
    """Of each method the graph's curve gives the probabilities of the calibration itself."""
    rng = np.random.default_rng(3)
    raw = rng.normal(0, 2, 2000)
    fitted = calibrated(method, raw, (rng.random(2000) < sigmoid(0.7 * raw - 0.2)).astype(float))
    np.testing.assert_allclose(sigmoid(curve_of(fitted).log_odds(raw)), fitted.probability(raw), atol=2e-6)


def test_a_calibration_that_says_no_known_curve_is_refused_whatever_its_fields_are_called():
    """Slope and intercept of something else are not taken for Platt's; one a regime has no curve."""

    @dataclass
    class Silent:
        slope: float
        intercept: float

    @dataclass
    class Temperature(Silent):
        def curve(self):
            return "temperature", {"slope": self.slope, "intercept": self.intercept}

    for other, said in (
        (Silent(0.5, 0.1), "Silent .says no curve"), (Temperature(0.5, 0.1), "Temperature .temperature"),
        (ByRegime(Platt(1.0, 0.0), {}), "ByRegime"),
    ):  # fmt: skip
        with pytest.raises(ExportError, match=said):
            curve_of(other)
    assert curve_of(Platt(0.5, 0.1)) == PlattCurve(0.5, 0.1)
