"""TFT and N-BEATS: they learn, are the same twice, go on after a kill, and their graphs are themselves."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest

from offline.export.fold import fold
from offline.export.gate import check
from offline.export.head import Head, PlattCurve
from offline.models.deep.fitted import DeepFitted
from offline.models.deep.nbeats import NbeatsParameters
from offline.models.deep.tft import TftEstimator, TftParameters
from offline.models.estimator import make_estimator, no_progress
from processors.errors import ConfigError
from processors.score.inputs import Input
from processors.score.model import ModelCard
from tests.offline.models.deep.support import BARS, INPUTS, make, make_samples

KINDS = ("tft", "nbeats")
CLASSES = {"tft": TftParameters, "nbeats": NbeatsParameters}


def fit(kind, *, seed=7, checkpoint=None, progress=no_progress, start=None, train=None, **changes):
    """Return a fit of the small samples."""
    train = train or make_samples(300)
    return make(kind, **changes).fit(
        train, make_samples(120, seed=1), seed=seed, progress=progress, checkpoint=checkpoint, start=start
    )


@pytest.fixture(scope="module")
def fits():
    """Return one fit of each kind."""
    return {kind: fit(kind) for kind in KINDS}


def session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_what_is_there(kind, fits):
    """On rows it has not seen it tells up from down, and its interval holds about what it says."""
    new = make_samples(800, seed=2)
    raw = fits[kind].predict(new.x)
    assert ((raw.logit > 0) == (new.up > 0)).mean() > 0.7
    inside = (new.move >= raw.quantiles[:, 0]) & (new.move <= raw.quantiles[:, 2])
    assert 0.7 < inside.mean() < 0.99
    assert (np.diff(raw.quantiles, axis=1) >= 0).all()
    assert fits[kind].losses[-1] < fits[kind].losses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind, fits):
    """Fitted twice, the graph is the same to the byte; with another seed it is another."""
    again = fit(kind)
    assert again.graph().SerializeToString() == fits[kind].graph().SerializeToString()
    other = fit(kind, seed=8)
    assert other.graph().SerializeToString() != again.graph().SerializeToString()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_killed_goes_on_and_ends_in_the_same_bytes(kind, fits, tmp_path):
    """Killed with -9 between two passes and called again, it ends as it would have undisturbed, and is then done."""
    path = tmp_path / "fit"
    command = [sys.executable, "-m", "tests.offline.models.deep.child", kind, str(path), "60"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert "pass 1" in child.stdout.readline()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    told = []
    resumed = fit(kind, checkpoint=path, progress=lambda step, share: told.append((step, share)))
    assert "pass 2" in told[0][0]
    assert told[-1][1] == 1.0
    assert resumed.graph().SerializeToString() == fits[kind].graph().SerializeToString()
    assert resumed.losses == fits[kind].losses
    told.clear()
    fit(kind, checkpoint=path, progress=lambda step, share: told.append((step, share)))
    assert len(told) == 1


def test_a_checkpoint_of_another_fit_or_a_cut_one_is_not_used(tmp_path):
    """A file of another seed, of other samples, or cut short begins the fit anew and is written over."""
    path = tmp_path / "fit"
    fit("tft", seed=1, checkpoint=path, epochs_max=1)
    whole = path.read_bytes()
    for content in (whole, whole[:100], b"", b"no file of ours"):
        path.write_bytes(content)
        told = []
        fit("tft", seed=2, checkpoint=path, epochs_max=1, progress=lambda step, _: told.append(step))  # noqa: B023
        assert "pass 1" in told[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_is_the_trainer(kind, fits):
    """The graph gives what JAX gives within 1e-5, on rows with nulls and infinities and on edges of the scaling."""
    base = make_samples(400, seed=3).x
    run = session(fits[kind].graph())
    for x in (base, fits[kind].edge_rows(base)):
        raw = fits[kind].predict(x)
        logit, quantiles = run.run(["logit", "quantiles"], {"x": x})
        np.testing.assert_allclose(logit[:, 0], raw.logit, rtol=0, atol=1e-5)
        np.testing.assert_allclose(quantiles, raw.quantiles, rtol=0, atol=1e-5)
        assert np.isfinite(logit).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_passes_the_gate_of_the_export(kind, fits):
    """Folded with calibration and bounds the file passes the gate: parity, order, and each row's bits in any batch."""
    ones = {"1m": (1.5,)}
    card = ModelCard(
        name=kind, inputs=tuple(Input(f"features.i{j}", "raw") for j in range(INPUTS)), required=(), pack_id="p",
        pack_hash="h", horizon_bars={"1m": 15}, regimes=("trend",), gain_vols=ones, loss_vols=ones,
        residual_quantiles={}, coverage=0.9, calibration=(0.9, 0.05), trained_until_ns=0, seed=7,
        dataset_sha256="ab" * 32, versions={}, kind=kind, window_bars=BARS, batch_rows=fits[kind].batch_rows,
        recipe_id="r", recipe_hash="h", data_snapshot_id="3", calibration_method="platt", conformal_method="cqr",
    )  # fmt: skip
    head = Head(PlattCurve(0.9, 0.05), 0.1, 0.1)
    raw = fold(fits[kind].graph(), head, card)
    check(raw, fits[kind], head, make_samples(150, seed=4).x, tolerance=2e-5, alone_max=100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_has_the_same_bits_wherever_it_stands_in_a_batch(kind, fits):
    """At the card's batch size, any order and any neighbours give each row the same bits; another size would not."""
    x = make_samples(200, seed=5).x
    size = fits[kind].batch_rows
    run = session(fits[kind].graph())

    def scored(rows):
        parts = [run.run(None, {"x": rows[i : i + size]}) for i in range(0, len(rows) // size * size, size)]
        return np.concatenate([np.concatenate(part, axis=1) for part in parts])

    alone = np.stack([scored(np.repeat(x[i : i + 1], size, axis=0))[0] for i in range(len(x))])
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(x))
        found = scored(x[order])
        assert found.tobytes() == alone[order][: len(found)].tobytes()


def test_weights_are_respected():
    """Samples of no weight teach nothing: with wrong ones beside the right, the fit is that of the right."""
    good = make_samples(300)
    wrong = replace(good, move=-good.move, up=1.0 - good.up, weight=np.zeros(300))
    half = replace(good, weight=np.where(np.arange(300) % 2, 1.0, 0.0))
    mixed = replace(
        good,
        move=np.where(half.weight > 0, good.move, wrong.move),
        up=np.where(half.weight > 0, good.up, wrong.up),
        weight=half.weight,
    )
    raw = fit("tft", train=mixed).predict(make_samples(300, seed=2).x)
    expected = fit("tft", train=half).predict(make_samples(300, seed=2).x)
    np.testing.assert_array_equal(raw.logit, expected.logit)


@pytest.mark.parametrize("kind", KINDS)
def test_importance_names_the_inputs_that_tell(kind, fits):
    """The input that makes the move weighs most, those that never move nothing; asked twice, it is the same."""
    x = make_samples(300, seed=6).x
    found = fits[kind].importance(x)
    assert found.argmax() == 0
    assert found[1] > 0
    assert (found[3:] == 0).all()
    np.testing.assert_array_equal(found, fits[kind].importance(x))


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_is_refined_and_frozen_layers_stay(kind, fits):
    """A fit that begins with another keeps its scaling and what is frozen, and moves the rest."""
    layer = {"tft": "past.", "nbeats": "mix."}[kind]
    base = fits[kind]
    tuned = fit(kind, start=base, train=make_samples(200, seed=9), frozen=(layer,), learning_rate=1e-3, epochs_max=1)
    for name, value in base.params.items():
        stays = name.startswith((layer, "scale."))
        assert np.array_equal(value, tuned.params[name]) == stays or value.size == 0, name
    with pytest.raises(ConfigError, match="frozen"):
        fit(kind, frozen=("nosuch.",))
    wider = make(kind, **({"hidden": 12} if kind == "tft" else {"channels": 4}))
    with pytest.raises(ConfigError, match="start"):
        wider.fit(make_samples(50), make_samples(9), seed=1, progress=no_progress, checkpoint=None, start=base)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_survives_its_bytes(kind, fits):
    """Written and read again, a fit predicts the same."""
    again = DeepFitted.from_bytes(fits[kind].to_bytes(), CLASSES)
    x = make_samples(50, seed=8).x
    np.testing.assert_array_equal(again.predict(x).logit, fits[kind].predict(x).logit)
    assert again.parameters == fits[kind].parameters


def test_static_inputs_steer_and_are_exported():
    """Inputs named as static are read off the newest row, and the graph still is the trainer."""
    estimator = TftEstimator(TftParameters(window_bars=BARS, hidden=8, heads=2, static_inputs=(1, 2), epochs_max=1))
    got = estimator.fit(make_samples(100), make_samples(50), seed=1, progress=no_progress, checkpoint=None)
    x = make_samples(60, seed=3).x
    raw = got.predict(x)
    logit = session(got.graph()).run(["logit"], {"x": x})[0]
    np.testing.assert_allclose(logit[:, 0], raw.logit, rtol=0, atol=1e-5)
    older = x.copy()
    # Where it was null it stays so: the share of nulls is another variable.
    older[:, :-1, 1] = np.where(np.isnan(x[:, :-1, 1]), np.nan, 9.0)
    np.testing.assert_array_equal(got.predict(older).logit, raw.logit)


def test_what_cannot_be_fitted_is_said():
    """Wrong parameters and samples are refused with what is allowed."""
    for kind, given in (("tft", {"heads": 3}), ("tft", {"window_bars": 1}), ("nbeats", {"stacks": ["waves"]}),
                        ("nbeats", {"width": 0}), ("tft", {"dropout": 0.95})):  # fmt: skip
        with pytest.raises(ConfigError, match=f"model {kind}"):
            make_estimator(kind, given)
    made = make_estimator("tft", {"window_bars": 6, "static_inputs": [99]})
    with pytest.raises(ConfigError, match="static_inputs"):
        made.fit(make_samples(20), make_samples(9), seed=1, progress=no_progress, checkpoint=None)
    with pytest.raises(ConfigError, match="window of 32"):
        make_estimator("tft").fit(make_samples(20), make_samples(9), seed=1, progress=no_progress, checkpoint=None)
