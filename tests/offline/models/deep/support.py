"""Small windows with something to learn, and small networks to learn it."""

import numpy as np

from offline.models.deep.nbeats import NbeatsEstimator, NbeatsParameters
from offline.models.deep.tft import TftEstimator, TftParameters
from offline.models.estimator import Samples

BARS, INPUTS = 6, 5
SMALL = {"window_bars": BARS, "epochs_max": 15, "batch_rows": 64, "learning_rate": 0.01}


def make(kind, **changes):
    """Return a small estimator of a kind."""
    if kind == "tft":
        return TftEstimator(TftParameters(**{**SMALL, "hidden": 8, "heads": 2, **changes}))
    return NbeatsEstimator(NbeatsParameters(**{**SMALL, "width": 16, "channels": 3, "dropout": 0.1, **changes}))


def make_samples(n, seed=0, *, skill=1.5, windows=BARS):
    """Return n samples of windows that overlap: the move follows the newest first input and the mean of the second.

    Inputs differ in size by four orders; some are null, a few infinite; the fourth never moves, the last is all null.
    """
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n + windows - 1, INPUTS))
    x = np.lib.stride_tricks.sliding_window_view(rows, windows, axis=0).transpose(0, 2, 1).copy()
    move = skill * (x[:, -1, 0] + 0.7 * x[:, :, 1].mean(axis=1)) + rng.standard_normal(n)
    x = x * np.array([1e-3, 1.0, 30.0, 0.0, 1.0]) + np.array([1e-3, 0.0, 100.0, 7.0, 0.0])
    x[rng.random(x.shape) < 0.03] = np.nan
    x[::37, 0, 2] = np.inf
    x[:, :, 4] = np.nan
    weight = rng.uniform(0.5, 1.5, n)
    group = rng.integers(0, 3, n)
    return Samples(x.astype(np.float32), move, (move > 0).astype(float), weight, rng.integers(0, 3, n), group)
