"""Samples made up for tests: inputs of several sizes, nulls in some, and a move that some of them know a little of."""

import numpy as np

from offline.models.estimator import Samples
from processors.score.inputs import Input
from processors.score.model import ModelCard

N_INPUTS = 6
INPUTS = tuple(Input(f"features.f{i}", "raw") for i in range(N_INPUTS))
SMALL = {
    "linear": {},
    "lgbm": {"rounds": 25, "patience": 5, "learning_rate": 0.1, "num_leaves": 7},
    "xgb": {"rounds": 25, "patience": 5, "eta": 0.1, "max_depth": 3},
}
"""Kind -> parameters with which it is trained in a second."""


def make_samples(n=1200, seed=0):
    """Return n samples; no two inputs have the same size, one is never null, one has infinities."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, N_INPUTS))
    x[:, 1] *= 1e-6
    x[:, 2] += 1e6
    x[:, 3] = np.round(x[:, 3], 1)
    x[rng.random((n, N_INPUTS)) < 0.05] = np.nan
    x[:, 4] = rng.standard_normal(n)
    x[rng.random(n) < 0.01, 5] = np.inf
    known = np.nan_to_num(x[:, 0]) + 0.5 * x[:, 4]
    move = 0.4 * known + rng.standard_normal(n) * (1.0 + 0.3 * np.abs(x[:, 4]))
    weight = rng.uniform(0.5, 1.5, n)
    up = (move > 0).astype(np.float64)
    return Samples(x.astype(np.float32), move, up, weight, rng.integers(0, 3, n), np.zeros(n, np.int64))


def make_card(**more):
    """Return a card of format 2 of these inputs."""
    fields = {
        "name": "test", "inputs": INPUTS, "required": (), "pack_id": "p", "pack_hash": "h", "horizon_bars": {"1m": 3},
        "regimes": ("trend",), "gain_vols": {"1m": (0.8,)}, "loss_vols": {"1m": (0.7,)}, "residual_quantiles": {},
        "coverage": 0.9, "calibration": (), "trained_until_ns": 1, "seed": 1, "dataset_sha256": "0", "versions": {},
        "kind": "lgbm", "recipe_id": "r", "recipe_hash": "rh", "data_snapshot_id": "7", "calibration_method": "platt",
        "conformal_method": "cqr",
    }  # fmt: skip
    return ModelCard(**{**fields, **more})
