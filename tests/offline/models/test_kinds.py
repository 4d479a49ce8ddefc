"""All kinds of table models: what is promised of each, by one suite."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest

from offline.models import linear
from offline.models.estimator import Samples, make_estimator, no_progress
from offline.models.kinds import KINDS
from processors.errors import ConfigError
from tests.offline.models.samples import N_INPUTS, SMALL, make_samples

TABLES = tuple(SMALL)


class KilledError(Exception):
    """Stands for the end of a process."""


def fit(kind, checkpoint=None, progress=no_progress, seed=1, train=None, valid=None, **more):
    train, valid = train or make_samples(), make_samples(400, seed=1) if valid is None else valid
    estimator = make_estimator(kind, {**SMALL[kind], **more})
    return estimator.fit(train, valid, seed=seed, progress=progress, checkpoint=checkpoint)


def graph_bytes(fitted):
    return fitted.graph().SerializeToString(deterministic=True)


def loss(fitted, s):
    raw = fitted.predict(s.x)
    return float(np.logaddexp(0.0, np.where(s.up > 0.5, -raw.logit, raw.logit)).mean())


@pytest.mark.parametrize("kind", TABLES)
def test_a_model_learns_what_there_is_to_learn(kind, fits):
    """Log-odds beat the base rate on new samples, and quantiles hold about the share that they shall."""
    s = make_samples(3000, seed=2)
    assert loss(fits(kind), s) < 0.66
    quantiles = fits(kind).predict(s.x).quantiles
    below = (s.move[:, None] < quantiles).mean(axis=0)
    np.testing.assert_allclose(below, [0.05, 0.5, 0.95], atol=0.05)


@pytest.mark.parametrize("kind", TABLES)
def test_no_time_is_spent_on_moves_that_are_all_alike(kind, fits, monkeypatch):
    """Their quantiles are these moves, without a search or a second round; the log-odds are as ever."""
    steps, minimise = Counter(), linear.minimise

    def counted(loss, *more):
        steps[type(loss).__name__] += 1
        return minimise(loss, *more)

    monkeypatch.setattr(linear, "minimise", counted)
    train, valid = (replace(s, move=np.full(len(s), 0.25)) for s in (make_samples(), make_samples(400, seed=1)))
    fitted = fit(kind, train=train, valid=valid, progress=lambda step, _share: steps.update([step]))
    x = make_samples(300, seed=3).x
    np.testing.assert_array_equal(fitted.predict(x).logit, fits(kind).predict(x).logit)
    np.testing.assert_allclose(fitted.predict(x).quantiles, 0.25, atol=1e-6)
    assert all(steps[name] <= 2 for name in ("low", "middle", "high"))
    assert "PinballLoss" not in steps


@pytest.mark.parametrize("kind", TABLES)
def test_the_graph_is_what_the_interface_says(kind, fits):
    """The graph maps x to logit and quantiles in float32, and computes what the trainer predicts."""
    x = make_samples(300, seed=3).x
    session = ort.InferenceSession(graph_bytes(fits(kind)), providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == ["logit", "quantiles"]
    logit, quantiles = session.run(None, {"x": x})
    raw = fits(kind).predict(x)
    assert (logit.dtype, logit.shape, quantiles.shape) == (np.float32, (300, 1), (300, 3))
    assert (raw.logit.dtype, raw.quantiles.dtype) == (np.float64, np.float64)
    np.testing.assert_allclose(logit[:, 0], raw.logit, atol=1e-5)
    np.testing.assert_allclose(quantiles, raw.quantiles, atol=1e-5)


@pytest.mark.parametrize("kind", TABLES)
def test_killed_and_resumed_equals_undisturbed(kind, fits, tmp_path):
    """A fit that is killed in each of its parts and called again ends in the same bytes, and repeats no whole part."""
    path, steps = tmp_path / "fit" / "part.json", []

    def kill_in_new_part(step, _share):
        if step not in steps:
            steps.append(step)
            if len(steps) > 1:
                raise KilledError

    for _ in range(5):
        try:
            resumed = fit(kind, path, kill_in_new_part)
            break
        except KilledError:
            continue
    assert len(json.loads(path.read_text())["parts"]) == 4
    assert graph_bytes(resumed) == graph_bytes(fits(kind))
    rounds = []
    assert graph_bytes(fit(kind, path, lambda _, share: rounds.append(share))) == graph_bytes(resumed)
    # All parts were kept: nothing but the end of each is told.
    assert rounds == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("kind", TABLES)
def test_a_checkpoint_of_another_fit_is_not_used(kind, fits, tmp_path):
    """What was kept of other samples, or is no checkpoint at all, changes nothing."""
    path = tmp_path / "part.json"
    fit(kind, path, train=make_samples(1200, seed=9))
    assert graph_bytes(fit(kind, path)) == graph_bytes(fits(kind))
    path.write_text('{"fit": 3')
    assert graph_bytes(fit(kind, path)) == graph_bytes(fits(kind))


@pytest.mark.parametrize("kind", ["lgbm", "xgb"])
def test_the_seed_is_all_the_chance_there_is(kind, fits):
    """The same seed gives the same bytes, another one others."""
    assert graph_bytes(fit(kind)) == graph_bytes(fits(kind))
    assert graph_bytes(fit(kind, seed=2)) != graph_bytes(fits(kind))


@pytest.mark.parametrize("kind", ["lgbm", "xgb"])
def test_boosters_stop_early_and_tell_each_round(kind):
    """On noise a booster stops early and keeps its best, without samples to stop on it does not; rounds are told."""
    rng = np.random.default_rng(4)
    noise = make_samples(600, seed=5)
    noise = Samples(rng.standard_normal((600, N_INPUTS)).astype(np.float32), noise.move, noise.up, noise.weight,
                    noise.regime, noise.group)  # fmt: skip
    told = []
    stopped = fit(kind, progress=lambda step, share: told.append((step, share)), train=noise, rounds=60)
    assert all(len(f.trees) < 40 for f in stopped.forests())
    assert [s for _, s in told] == sorted(s for _, s in told)
    assert {name for name, _ in told} == {"probability", "low", "middle", "high"}
    whole = fit(kind, train=noise, valid=make_samples(5).take(np.arange(0)), rounds=60)
    assert all(len(f.trees) == 60 for f in whole.forests())


@pytest.mark.parametrize("kind", TABLES)
def test_weights_count(kind):
    """Samples of weight zero are as good as absent to the fit of a line, and others pull where they are heavier."""
    s = make_samples(800, seed=6)
    heavy = Samples(s.x, s.move, s.up, np.where(s.up > 0.5, 3.0, 1.0), s.regime, s.group)
    light = Samples(s.x, s.move, s.up, np.ones(len(s)), s.regime, s.group)
    x = make_samples(500, seed=7).x
    more, less = (fit(kind, train=t, valid=t.take(np.arange(0))).predict(x) for t in (heavy, light))
    assert more.logit.mean() > less.logit.mean() + 0.3
    assert more.quantiles[:, 1].mean() > less.quantiles[:, 1].mean() + 0.1


@pytest.mark.parametrize("kind", TABLES)
def test_importance_finds_the_inputs_that_matter(kind, fits):
    """The two inputs that know of the move matter most, and more the one that knows more."""
    weights = fits(kind).importance(make_samples(300, seed=8).x)
    assert weights.shape == (N_INPUTS,)
    assert np.argsort(weights)[::-1][:2].tolist() == [0, 4]


def test_shap_values_add_up_to_the_log_odds(fits):
    """What importance is the mean of are shares of the log-odds: with their base they add up to it."""
    x = make_samples(50, seed=8).x
    booster = fits("lgbm").boosters[0]
    shares = booster.predict(x.astype(np.float64), pred_contrib=True)
    np.testing.assert_allclose(shares.sum(axis=1), fits("lgbm").predict(x).logit, atol=1e-9)
    np.testing.assert_allclose(np.abs(shares[:, :-1]).mean(axis=0), fits("lgbm").importance(x))


@pytest.mark.parametrize("kind", TABLES)
def test_an_unknown_parameter_is_named_beside_the_allowed_ones(kind):
    """A parameter that a kind does not have is refused with all that it has; so are values of no use."""
    with pytest.raises(ConfigError, match=rf"model {kind}: depht is 3.*coverage"):
        make_estimator(kind, {"depht": 3})
    for bad in ({"coverage": 1.5}, {"coverage": "wide"}, {"coverage": True}):
        with pytest.raises(ConfigError, match="coverage"):
            make_estimator(kind, bad)
    assert make_estimator(kind, {"coverage": 0.8}).given.coverage == 0.8


def test_parameters_have_types():
    """An int is a float where one is wanted, never the other way round; lists are read element by element."""
    assert make_estimator("linear", {"penalties": [1, 0.5]}).given.penalties == (1.0, 0.5)
    for kind, bad in (("lgbm", {"rounds": 1.5}), ("xgb", {"max_depth": 0}), ("linear", {"penalties": []}),
                      ("linear", {"penalties": 0.1}), ("lgbm", {"bagging_fraction": float("nan")})):  # fmt: skip
        with pytest.raises(ConfigError, match=next(iter(bad))):
            make_estimator(kind, bad)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    """A kind that is none is refused with all kinds."""
    with pytest.raises(ConfigError, match=", ".join(KINDS)):
        make_estimator("forest")


def test_samples_that_no_loss_can_take_are_refused():
    """Lengths that differ, moves that are no numbers and outcomes beside 0 and 1 are refused."""
    s = make_samples(10)
    nan = np.full(10, np.nan)
    for bad in ({"move": s.move[:5]}, {"move": nan}, {"weight": -s.weight}, {"up": s.up + 0.5}):
        with pytest.raises(ConfigError, match="samples"):
            Samples(**{**{k: getattr(s, k) for k in Samples.__slots__}, **bad})
    assert len(s.take(np.arange(3))) == 3
