"""Planted leaks are caught by name, and honest sets pass."""

from dataclasses import replace

import numpy as np
import pytest

from offline.datasets.build import from_rows
from offline.datasets.encoders import Scaler, TargetEncoder
from offline.datasets.leakage import (
    FITTED,
    LABEL,
    LATER,
    WINDOW,
    check_causal,
    check_features,
    check_fitted,
    check_windows,
    find_feature_leaks,
)
from offline.datasets.sources import GoldRows
from offline.datasets.transforms import CODES, group_begin, transform
from offline.recipes.recipe import LabelSpec, ModelRecipe, ModelSpec, Transformation, UniverseSpec
from offline.validation.leakage import LeakageError
from tests.score.gold_rows import concat, make_gold

PLANT = "rsi_14_value"


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


def test_a_column_that_looks_ahead_is_caught_by_name():
    """A transformation whose values change when the future is cut off, beside one that does not."""
    x = np.random.default_rng(2).standard_normal(500).astype(np.float32)

    def compute(rows, *, leaking):
        part = x[:rows].copy()
        out = np.empty(rows, np.float32)
        transform(CODES["zscore"], part, group_begin(np.zeros(rows, np.int64)), 20, out)
        whole = (part - part.mean()) / part.std() if leaking else out
        return np.column_stack([out, whole])

    check_causal(lambda rows: compute(rows, leaking=False), 500, ["rolling", "whole"])
    with pytest.raises(LeakageError, match=rf"{LATER}: whole: other values"):
        check_causal(lambda rows: compute(rows, leaking=True), 500, ["rolling", "whole"])


def test_a_label_in_the_test_window_is_caught():
    """Training labels that reach into the window, and a row that does both; a purged split passes."""
    data = the_set()
    test = np.flatnonzero(data.ts_ns[data.at] > np.quantile(data.ts_ns[data.at], 0.7))
    before = np.setdiff1d(np.arange(len(data)), test)
    clean = before[data.end_ns[before] <= data.ts_ns[data.at[test[0]]]]
    check_windows(data, clean, test)
    with pytest.raises(LeakageError, match=rf"{WINDOW}: .*training labels overlap"):
        check_windows(data, before, test)
    with pytest.raises(LeakageError, match=rf"{WINDOW}: 1 rows train and judge"):
        check_windows(data, np.append(clean, test[5]), test)


def test_what_was_fitted_on_all_rows_is_caught():
    """Scalers and encoders; those of the fold pass, and those of other rows are told apart."""
    data = the_set()
    x, train = data.x[data.at], np.arange(len(data) // 2)
    category = data.regime[data.at]
    for scaler in (Scaler(), Scaler(robust=True)):
        check_fitted("scaler", scaler.fit(x[train]), scaler.fit, train, x)
        with pytest.raises(LeakageError, match=rf"{FITTED}: scaler: .*those of all rows"):
            check_fitted("scaler", scaler.fit(x), scaler.fit, train, x)
        with pytest.raises(LeakageError, match=rf"{FITTED}: scaler: .*of other rows"):
            check_fitted("scaler", scaler.fit(x[train + 1]), scaler.fit, train, x)
    encoder = TargetEncoder()
    fold = encoder.fit(category[train], data.target[train])
    check_fitted("regimes", fold, encoder.fit, train, category, data.target)
    with pytest.raises(LeakageError, match=rf"{FITTED}: regimes"):
        check_fitted("regimes", encoder.fit(category, data.target), encoder.fit, train, category, data.target)
