"""Scaling: fitted on rows with outliers and nulls, the same in JAX as by hand."""

import numpy as np

from offline.models.deep.jax_ops import JaxOps
from offline.models.deep.scaling import CLIP_SDS, fit_scaling, scaled


def test_an_outlier_does_not_set_the_scale_and_is_clipped():
    """One absurd row moves mean and deviation by little; it and infinities end at the clip, nulls at 0."""
    rng = np.random.default_rng(0)
    rows = (3.0 + 2.0 * rng.standard_normal((2000, 3))).astype(np.float32)
    rows[5, 0] = 1e12
    rows[:, 2] = np.nan
    found = fit_scaling(rows)
    assert abs(found["scale.mean"][0] - 3.0) < 0.2
    assert abs(1 / found["scale.inverse"][0] - 2.0) < 0.2
    x = np.array([[[1e12, np.nan, 1.0], [-np.inf, 3.0, np.nan]]], np.float32)
    out = np.asarray(scaled(JaxOps(found), x, 3))
    np.testing.assert_allclose(out[0, :, 0], [CLIP_SDS, -CLIP_SDS], rtol=1e-5)
    assert out[0, 0, 1] == 0
    assert (out[0, :, 2] == 0).all()
    np.testing.assert_allclose(out[0, :, 3], [1 / 3, 1 / 3], rtol=1e-6)


def test_an_input_that_does_not_move_says_nothing():
    """A constant has no deviation: it is 0 whatever comes, large constants among them."""
    rows = np.full((100, 2), [1e30, 0.1], np.float32)
    found = fit_scaling(rows)
    x = np.array([[[1e30, 5.0]], [[-1e38, np.inf]]], np.float32)
    assert (np.asarray(scaled(JaxOps(found), x, 2)) == 0).all()
