"""Export: exact thresholds, refused options, and a gate that catches what it is for."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.export import baseline as export
from offline.export import lightgbm_trees
from offline.export.errors import ExportError
from processors.score.inputs import Input
from processors.score.model import Model, ModelCard

N_INPUTS = 5
CARD = ModelCard(
    name="test", inputs=tuple(Input(f"features.f{i}", "raw") for i in range(N_INPUTS)), required=(), pack_id="p",
    pack_hash="h", horizon_bars={"1m": 3}, regimes=("trend",), gain_vols={"1m": (0.8,)}, loss_vols={"1m": (0.7,)},
    residual_quantiles={"1m": (-1.0, 1.0)}, coverage=0.9, calibration=(0.7, 0.1), trained_until_ns=1, seed=1,
    dataset_sha256="0", versions={},
)  # fmt: skip


def rows(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, N_INPUTS))
    x[:, 1] *= 1e-6
    x[:, 2] += 1e6
    x[rng.random((n, N_INPUTS)) < 0.05] = np.nan
    # One input without nulls in training: there LightGBM reads a null as zero.
    x[:, 4] = rng.standard_normal(n)
    up = (np.nan_to_num(x[:, 0]) + x[:, 4] + rng.standard_normal(n) > 0).astype(float)
    return x, up


def booster(rounds=40, **more):
    x, up = rows()
    params = {"objective": "binary", "num_leaves": 15, "verbose": -1, "seed": 1, "num_threads": 1, **more}
    return lgb.train(params, lgb.Dataset(x, up), rounds)


@settings(deadline=None)
@given(st.floats(allow_nan=False, width=64))
def test_a_floored_threshold_decides_every_float32_alike(threshold):
    """For float32 x, ``x <= t`` is the same as ``x <= floor32(t)``."""
    floored = lightgbm_trees.floor32(threshold)
    at = np.float32(floored)
    assert float(at) == floored
    assert floored <= threshold
    with np.errstate(over="ignore"):
        assert float(np.nextafter(at, np.float32(np.inf))) > threshold or at == np.inf


def test_values_too_small_for_lightgbm_stay_with_zero():
    """A split beside zero sends values within 1e-35 where the booster sends them: with zero."""
    x, up = rows()
    x[:, 0] = np.where(np.arange(len(x)) % 3 == 0, 0.0, np.sign(x[:, 4]) * np.abs(x[:, 3]))
    trees = lgb.train({"objective": "binary", "num_threads": 1, "verbose": -1, "seed": 1}, lgb.Dataset(x, up), 20)
    assert "e-35" in trees.model_to_string()
    tiny = np.zeros((9, N_INPUTS), np.float32)
    tiny[:, 0] = [0.0, -0.0, 1e-35, -1e-35, 1e-36, -1e-36, 1.1e-35, -1.1e-35, 1e-44]
    export.check_parity(export.to_onnx(trees, CARD), trees, CARD.calibration, tiny)


def test_the_file_computes_what_the_booster_computes():
    """Nulls, thresholds and calibration are carried over: parity holds on rows and on every split."""
    trees, x = booster(), rows(seed=1)[0].astype(np.float32)
    raw = export.to_onnx(trees, CARD)
    assert export.check_parity(raw, trees, CARD.calibration, x) < 1e-5
    session = ort.InferenceSession(raw, providers=["CPUExecutionProvider"])
    got = session.run(None, {"x": x})[0].reshape(-1)
    want = 0.7 * trees.predict(x.astype(np.float64), raw_score=True) + 0.1
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert Model(raw, "m").card == CARD


def test_a_single_leaf_and_a_calibration_of_zero_are_models_too():
    """A booster that found no split, and a slope of zero, export to a constant."""
    x, up = rows(100)
    stump = lgb.train(
        {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 90}, lgb.Dataset(x, up), 2
    )
    export.check_parity(export.to_onnx(stump, CARD), stump, CARD.calibration, x.astype(np.float32))
    card = replace(CARD, calibration=(0.0, 0.2))
    raw = export.to_onnx(booster(), card)
    logit = ort.InferenceSession(raw).run(None, {"x": x.astype(np.float32)})[0]
    assert np.unique(logit).tolist() == pytest.approx([0.2])


def test_parity_catches_a_threshold_rounded_to_nearest(monkeypatch):
    """A threshold rounded to the nearest float32, as converters do, is caught by the gate."""
    trees, x = booster(), rows(seed=1)[0].astype(np.float32)
    monkeypatch.setattr(lightgbm_trees, "exact_threshold", lambda t: float(np.float32(np.clip(t, -3e38, 3e38))))
    rounded = export.to_onnx(trees, CARD)
    monkeypatch.undo()
    with pytest.raises(ExportError, match="differ on"):
        export.check_parity(rounded, trees, CARD.calibration, x)


@pytest.mark.parametrize("slope", [1.0, 1e-3])
def test_parity_catches_one_null_sent_the_wrong_way(monkeypatch, slope):
    """Nulls sent the wrong way are caught, however small calibration makes the leaves."""
    trees, x = booster(), rows(seed=1)[0].astype(np.float32)
    right = lightgbm_trees._null_goes_left
    monkeypatch.setattr(lightgbm_trees, "_null_goes_left", lambda node: not right(node))
    raw = export.to_onnx(trees, replace(CARD, calibration=(slope, 0.0)))
    with pytest.raises(ExportError, match="differ on"):
        export.check_parity(raw, trees, (slope, 0.0), x)


def test_parity_catches_another_calibration():
    """A file with another calibration than the card's is caught."""
    trees, x = booster(), rows(seed=1)[0].astype(np.float32)
    raw = export.to_onnx(trees, CARD)
    with pytest.raises(ExportError):
        export.check_parity(raw, trees, (0.7, 0.1001), x)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"linear_tree": True}, "linear_tree"),
        ({"zero_as_missing": True}, "zero_as_missing"),
        ({"sigmoid": 2.0}, "sigmoid:2"),
        ({"objective": "regression"}, "objective=regression"),
        ({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, "boosting=rf"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("reloaded", [False, True])
def test_options_without_an_onnx_form_are_refused(params, named, reloaded):
    """An option that ONNX has no words for is refused by name, also of a booster read back from its text."""
    x, up = rows(500)
    trees = lgb.train(
        {"objective": "binary", "num_threads": 1, "num_leaves": 4, "verbose": -1, **params}, lgb.Dataset(x, up), 3
    )
    if reloaded:
        trees = lgb.Booster(model_str=trees.model_to_string())
    with pytest.raises(ExportError, match=named):
        export.to_onnx(trees, CARD)


def test_categories_and_a_wrong_number_of_inputs_are_refused():
    """A categorical split, and a booster of other inputs than the card, are refused."""
    rng = np.random.default_rng(2)
    x = np.stack([rng.integers(0, 6, 800).astype(float), *rng.standard_normal((4, 800))], axis=1)
    up = (x[:, 0] % 2).astype(float)
    rows_ = lgb.Dataset(x, up, categorical_feature=[0], params={"verbose": -1})
    with pytest.raises(ExportError, match="no ONNX form"):
        export.to_onnx(lgb.train({"objective": "binary", "num_threads": 1, "verbose": -1}, rows_, 3), CARD)
    with pytest.raises(ExportError, match="card names 1"):
        export.to_onnx(booster(2), replace(CARD, inputs=CARD.inputs[:1]))
