"""Scalers and target encoders: what they learn, and that a row never sees its own target."""

import numpy as np
import pytest

from offline.datasets.encoders import Scaler, TargetEncoder
from processors.errors import ConfigError


def test_a_scaler_gives_centre_0_and_scale_1():
    """Nulls and infinities are not learnt from, a constant column keeps its scale, nulls stay null."""
    x = np.random.default_rng(1).normal(3, 2, (500, 4)).astype(np.float32)
    x[:, 1] = 7
    x[::5, 2] = np.nan
    x[3, 0] = np.inf
    x[:, 3] = np.nan
    for scaler in (Scaler(), Scaler(robust=True)):
        out = scaler.fit(x).transform(x)
        assert out.dtype == np.float32
        assert abs(np.delete(out[:, 0], 3).mean()) < 0.1
        assert 0.8 < np.nanstd(out[:, 2]) < 1.2
        assert not out[:, 1].any()
        np.testing.assert_array_equal(np.isnan(out), np.isnan(x))


def test_an_encoder_shrinks_categories_of_few_rows():
    """The mean of a category, drawn to the mean of all by the smoothing; one that was not seen is the mean of all."""
    category, target = np.array([5, 5, 5, 9]), np.array([1.0, 2.0, 3.0, 10.0])
    fitted = TargetEncoder(smoothing=2.0).fit(category, target)
    np.testing.assert_allclose(fitted.transform(np.array([5, 9, 7])), [(6 + 2 * 4) / 5, (10 + 2 * 4) / 3, 4.0])
    with pytest.raises(ConfigError, match="smoothing"):
        TargetEncoder(-1.0)


def test_training_rows_see_only_labels_that_were_known():
    """Against the obvious loop, for rows in any order."""
    rng = np.random.default_rng(3)
    n = 120
    ts, category, target = rng.permutation(n) * 10, rng.integers(0, 3, n), rng.standard_normal(n)
    end = ts + rng.integers(1, 90, n)
    got = TargetEncoder(smoothing=5.0).expanding(category, target, ts, end)
    for i in range(n):
        known = end <= ts[i]
        prior = target[known].mean() if known.any() else 0.0
        own = known & (category == category[i])
        assert got[i] == pytest.approx((target[own].sum() + 5.0 * prior) / (own.sum() + 5.0))
