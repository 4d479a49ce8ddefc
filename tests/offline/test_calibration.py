"""Platt scaling, log loss and the area under the curve against naive oracles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline import calibration as c
from offline.evaluation import auc_standard_error

BITS = st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=2, max_size=40)


def test_platt_finds_the_slope_of_honest_data():
    """With many independent rows, the slope and intercept that made the data are found."""
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 2, 40_000)
    up = (rng.random(40_000) < 1 / (1 + np.exp(-(0.6 * raw - 0.3)))).astype(float)
    slope, intercept = c.platt(raw, up, np.ones(40_000))
    assert slope == pytest.approx(0.6, abs=0.03)
    assert intercept == pytest.approx(-0.3, abs=0.05)


def test_platt_is_the_minimum_of_its_posterior():
    """No step away from the solution lowers the penalised loss."""
    rng = np.random.default_rng(1)
    raw, up, weight = rng.normal(0, 1, 300), (rng.random(300) < 0.6).astype(float), rng.uniform(0.1, 1, 300)

    def loss(a, b):
        p = [1 / (1 + math.exp(-(a * r + b))) for r in raw]
        nll = -sum(w * math.log(q if u else 1 - q) for q, u, w in zip(p, up, weight, strict=True))
        return nll + a * a / 2 / c.SLOPE_DEVIATION**2 + b * b / 2 / c.INTERCEPT_DEVIATION**2

    raw = np.where(up > 0, raw + 0.5, raw)
    slope, intercept = c.platt(raw, up, weight)
    assert slope > 0
    for da, db in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert loss(slope + da, intercept + db) > loss(slope, intercept)


def test_a_model_that_points_the_wrong_way_is_silenced():
    """A model that points the wrong way gets the slope zero, and few rows move nothing far."""
    raw = np.linspace(-2, 2, 200)
    slope, _ = c.platt(raw, (raw < 0).astype(float), np.ones(200))
    assert slope == 0.0
    slope, intercept = c.platt(np.array([3.0, 2.0]), np.array([1.0, 1.0]), np.full(2, 1 / 15))
    assert 0 < slope < 0.2
    assert abs(intercept) < 0.01


@settings(deadline=None)
@given(BITS)
def test_auc_is_the_share_of_pairs_in_order(pairs):
    """The area equals the share of (up, down) pairs in the right order, ties half."""
    p, up = np.array([a for a, _ in pairs]).round(1), np.array([float(b) for _, b in pairs])
    ups, downs = p[up > 0], p[up == 0]
    if len(ups) == 0 or len(downs) == 0:
        assert math.isnan(c.auc(p, up))
        return
    naive = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a in ups for b in downs])
    assert c.auc(p, up) == pytest.approx(naive)


@settings(deadline=None)
@given(BITS)
def test_log_loss_is_the_mean_surprise(pairs):
    """The log loss is the mean of minus log of the probability of what happened."""
    p, up = np.array([a for a, _ in pairs]), np.array([float(b) for _, b in pairs])
    naive = -sum(math.log(a if b else 1 - a) for a, b in pairs) / len(pairs)
    assert c.log_loss(p, up) == pytest.approx(naive)


def test_the_standard_error_of_no_skill_is_the_rank_sums():
    """At one half, the formula is near that of the rank-sum statistic."""
    assert auc_standard_error(0.5, 0.5, 200) == pytest.approx(math.sqrt(201 / (12 * 100 * 100)), rel=0.01)
