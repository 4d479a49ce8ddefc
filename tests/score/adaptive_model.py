"""A model of format 3 whose bounds stand in its rows, so that a test says what each interval is."""

import numpy as np

from processors.score.adaptive import step_of
from processors.score.model import Model
from tests.score.gold_rows import make_gold
from tests.score.test_format_2 import INPUTS, make_card, make_file

HALF = 1.645
"""Nine in ten of the moves of a steady market."""


def adaptive_bytes(**more):
    """Return the file; scores are those of normal moves, strangeness that of the mean square of three normal inputs."""
    rng = np.random.default_rng(4)
    moves, inputs = np.abs(rng.standard_normal(200)) / HALF, rng.standard_normal((999, 3))
    fields = {
        "validity_centre": (0.0, 0.0, 0.0), "validity_scale": (1.0, 1.0, 1.0),
        "validity_scores": tuple(np.sort((inputs**2).mean(axis=1)).tolist()), "adaptive_gamma": step_of(15),
        "adaptive_scores": tuple(np.sort(moves).tolist()), "label_stretch_max": 2.0, "horizon_bars": {"1m": 15},
    }  # fmt: skip
    return make_file(make_card(**{**fields, **more}))


def adaptive_model(**more):
    """Return the model, loaded."""
    return Model(adaptive_bytes(**more), "adaptive.onnx")


def broken_gold(n, *, wild_from, times=3.0, symbol="EURUSD:FX", seed=0):
    """Return rows whose bounds are -1.645 and 1.645, and whose moves grow at a row, unseen by their volatility."""
    gold = make_gold(n, symbol=symbol, seed=seed, skill=0.0)
    step = np.diff(np.log(gold["meta.close"]), prepend=np.log(1.38))
    step[wild_from:] *= times
    gold["meta.close"] = 1.38 * np.exp(np.cumsum(step))
    gold["meta.realized_vol"] = 6e-5
    gold[INPUTS[0].name], gold[INPUTS[2].name] = -HALF, HALF
    return gold
