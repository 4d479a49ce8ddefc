"""Planted leaks are caught by name, and honest sets pass."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from offline.datasets import leakage
from offline.datasets.build import from_rows
from offline.datasets.encoders import TargetEncoder
from offline.datasets.leakage import FITTED, LABEL, LATER, check_features, check_fitted, find_feature_leaks
from offline.datasets.sources import GoldRows
from offline.export.errors import ExportError
from offline.models.deep.fitted import DeepFitted
from offline.models.deep.nbeats import NbeatsParameters
from offline.models.deep.scaling import fit_scaling
from offline.models.linear import LinearEstimator, scaling
from offline.recipes.recipe import (
    Encoder,
    LabelSpec,
    ModelRecipe,
    ModelSpec,
    Transformation,
    UniverseSpec,
    ValidationSpec,
    check_servable,
)
from offline.training.encoding import fit_encoding
from offline.training.fitting import check_scaling, train
from offline.training.folds import folds_of
from offline.training.parts import parts_of
from offline.validation.leakage import LeakageError, check_leakage
from processors.errors import ConfigError
from tests.score.gold_rows import concat, make_gold

PLANT = "rsi_14_value"
SYMBOLS = ("EURUSD:FX", "GBPUSD:FX", "NZDUSD:FX")


def honest(n=1200, seed=0):
    """Return rows whose one-bar return is that of their price, and whose other features know nothing of the next."""
    gold = make_gold(n, seed=seed, symbol="EURUSD:FX" if seed == 0 else "NZDUSD:FX", skill=0.0)
    step = np.diff(np.log(np.asarray(gold["meta.close"])), prepend=np.nan)
    step[0] = 0.0
    gold["features.log_return_1"] = step
    gold["features.log_return_5"] = np.convolve(step, np.ones(5))[:n]
    return gold


RECIPE = ModelRecipe(
    "test", LabelSpec(15), UniverseSpec("1m"), ModelSpec("lgbm"), feature_packs=("core_value_v1",),
    transformations=(Transformation("lag", (PLANT, "log_return_1"), (1, 2)),),
)  # fmt: skip


def the_set(plant=None, recipe=RECIPE):
    gold = concat(honest(), honest(seed=3))
    if plant is not None:
        gold[f"features.{PLANT}"] = plant(gold)
    return from_rows(recipe, GoldRows(gold, None, "made up"))[0]


def test_an_honest_set_passes():
    """No finding among the features, lags of returns and of others included."""
    data = the_set()
    assert find_feature_leaks(data) == []
    check_features(data)


def ahead(gold, bars):
    price = np.log(np.asarray(gold["meta.close"]))
    out = np.roll(price, -bars) - price
    out[-bars:] = 0.0
    return out


@pytest.mark.parametrize(
    ("kind", "plant"),
    [
        (LABEL, lambda g: ahead(g, 15)),
        (LABEL, lambda g: ahead(g, 15) ** 2),
        (LABEL, lambda g: np.sign(ahead(g, 15))),
        (LABEL, lambda g: ahead(g, 15) + 3e-4 * np.random.default_rng(1).standard_normal(len(g))),
        (LATER, lambda g: ahead(g, 1)),
        (LATER, lambda g: np.roll(np.asarray(g["features.log_return_5"]), -1)),
        (LATER, lambda g: np.roll(np.asarray(g["features.bar_close_position"]), -2)),
    ],
    ids=["label", "square", "sign", "noisy", "next return", "shifted return", "shifted other"],
)
def test_a_feature_that_knows_is_caught_by_name(kind, plant):
    """The label, functions of it, returns to come, and another feature of later bars."""
    data = the_set(plant, replace(RECIPE, transformations=()))
    assert [(leak.kind, leak.name) for leak in find_feature_leaks(data)] == [(kind, f"features.{PLANT}")]
    with pytest.raises(LeakageError, match=rf"{kind}: features\.{PLANT}"):
        check_features(data)


def test_every_symbol_is_looked_at_where_rows_are_too_many(monkeypatch):
    """Two of three symbols know the label, and a third of the rows is looked at: they are among these."""
    parts = [make_gold(1200, seed=seed, symbol=s, skill=0.0) for seed, s in enumerate(SYMBOLS)]
    for gold in parts[1:]:
        gold[f"features.{PLANT}"] = ahead(gold, 15) / 2.3e-4
    data = from_rows(replace(RECIPE, transformations=()), GoldRows(concat(*parts), None, "made up"))[0]
    monkeypatch.setattr(leakage, "ROWS_MAX", len(data) // 3)
    assert data.symbol[data.at[:6]].tolist() == [0, 1, 2, 0, 1, 2]
    assert [(leak.kind, leak.name) for leak in find_feature_leaks(data)] == [(LABEL, f"features.{PLANT}")]


def test_a_label_in_the_test_window_is_caught():
    """Folds of a recipe pass; training labels that reach into the window do not, nor does a row that does both."""
    data = the_set()
    ts, recipe = data.ts_ns[data.at], replace(RECIPE, validation=ValidationSpec(folds=2, embargo_bars=5))
    fold = folds_of(recipe, data, np.arange(len(data)))[0]
    test = fold.tests[0]
    before = np.flatnonzero(ts < ts[test[0]])
    assert len(fold.train) < len(before)
    with pytest.raises(LeakageError, match=r"training labels overlap"):
        check_leakage(before, test, ts, data.end_ns, 0)
    with pytest.raises(LeakageError, match=r"1 rows train and judge"):
        check_leakage(np.append(fold.train, test[5]), test, ts, data.end_ns, 0)


def test_a_scaling_that_was_fitted_on_all_rows_is_caught():
    """Training passes with an honest one; those of all rows, and of others, are told apart."""
    data = the_set()
    parts = parts_of(np.arange(len(data)), data.ts_ns[data.at], data.end_ns, 0)
    recipe = replace(RECIPE, model=ModelSpec("linear"), transformations=())
    fitted = train(recipe, data, parts, None, quiet).fitted
    check_scaling("linear", fitted, data, parts.fit, None)
    x = data.x[data.at]
    for seen, whose in ((x, "those of all rows"), (x[parts.fit + 1], "of other rows")):
        fitted.centre, fitted.scale = scaling(seen)
        with pytest.raises(LeakageError, match=rf"{FITTED}: scaling of linear: .*{whose}"):
            check_scaling("linear", fitted, data, parts.fit, None)
    network = fit_scaling(x[parts.fit])
    for seen, caught in ((x[parts.fit], False), (x, True)):
        deep = DeepFitted(NbeatsParameters(window_bars=4), fit_scaling(seen))
        assert set(network) == set(deep.params)
        with pytest.raises(LeakageError, match="those of all rows") if caught else nullcontext():
            check_scaling("nbeats", deep, data, parts.fit, None)


def test_an_estimator_that_peeks_at_all_rows_fails_its_run(monkeypatch):
    """The check is part of training, not of this test."""
    data = the_set()
    parts = parts_of(np.arange(len(data)), data.ts_ns[data.at], data.end_ns, 0)
    of_all = scaling(data.x[data.at])
    honest_fit = LinearEstimator.fit

    def peek(self, train, valid, **more):
        fitted = honest_fit(self, train, valid, **more)
        fitted.centre, fitted.scale = of_all
        return fitted

    monkeypatch.setattr(LinearEstimator, "fit", peek)
    with pytest.raises(LeakageError, match=rf"{FITTED}: scaling of linear: .*those of all rows"):
        train(replace(RECIPE, model=ModelSpec("linear"), transformations=()), data, parts, None, quiet)


def test_an_encoder_is_fitted_inside_the_fold():
    """Labels of rows to stop on, to calibrate and to judge move nothing; one fitted on all rows is caught."""
    recipe = replace(RECIPE, model=ModelSpec("linear"), encoders=(Encoder("root"),), transformations=())
    data = the_set(recipe=recipe)
    assert data.inputs[-1].name == "category(root)"
    parts = parts_of(np.arange(len(data)), data.ts_ns[data.at], data.end_ns, 0)
    found = fit_encoding(recipe, data, parts.fit)
    other = data.target.copy()
    other[np.setdiff1d(np.arange(len(data)), parts.fit)] += 100.0
    again = fit_encoding(recipe, replace(data, target=other), parts.fit)
    np.testing.assert_array_equal(found.fitted[0].statistics(), again.fitted[0].statistics())
    np.testing.assert_array_equal(found.values, again.values)
    # A row to learn from sees no label but those known at its time; any other row that of its category.
    x = found.learnt(data.x[data.at], np.arange(len(data)))
    np.testing.assert_array_equal(x[parts.fit, -1], found.values[:, 0].astype(np.float32))
    assert len(np.unique(x[parts.calibrate, -1])) == 2 == len(data.symbols)
    model = train(recipe, data, parts, None, quiet)
    assert model.fitted.predict(data.x[data.at[:5]]).logit.shape == (5,)
    with pytest.raises(ExportError, match="encoders"):
        model.fitted.graph()
    with pytest.raises(ConfigError, match="encoders is 'root': leave them out to export"):
        check_servable(recipe)
    category = data.x[data.at, -1].astype(np.int64)
    encoder = TargetEncoder()
    of_all = encoder.fit(category, data.target).statistics()
    with pytest.raises(LeakageError, match=rf"{FITTED}: root: .*those of all rows"):
        check_fitted("root", of_all, lambda c, t: encoder.fit(c, t).statistics(), parts.fit, category, data.target)


def quiet(_step, _share):
    """Say nothing."""
