"""Calibrations against an independent library, loops and data that were made to be calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.isotonic import IsotonicRegression

from offline import calibrators as c
from offline.calibration import log_loss, platt, sigmoid
from processors.errors import ConfigError

ROWS = st.lists(st.tuples(st.floats(-3, 3).map(lambda x: round(x, 1)), st.booleans(), st.floats(0.1, 2)),
                min_size=2, max_size=40)  # fmt: skip


def columns(rows):
    return (np.array([float(r[i]) for r in rows]) for i in range(3))


@settings(deadline=None)
@given(ROWS, st.lists(st.floats(-4, 4), min_size=1, max_size=9))
def test_isotonic_is_that_of_the_library(rows, new):
    """Curve and values between its points are those of scikit-learn, flat outside."""
    raw, up, weight = columns(rows)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(raw, up, weight)
    assert c.fit_isotonic(raw, up, weight).probability(np.array(new)) == pytest.approx(theirs.predict(new), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(ROWS)
def test_beta_is_the_minimum_within_its_bounds(rows):
    """A bounded search of the same loss finds nothing lower, and the curve never falls."""
    raw, up, weight = columns(rows)
    found = c.fit_beta(raw, up, weight)
    design = np.stack([np.log(sigmoid(raw)), -np.log(sigmoid(-raw)), np.ones(len(raw))])

    def loss(theta):
        z = theta @ design
        nll = weight @ (np.logaddexp(0, z) - up * z)
        return float(nll + 0.5 * c.BETA_PRECISION * theta @ theta)

    least = optimize.minimize(loss, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)], method="L-BFGS-B",
                              options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-10})  # fmt: skip
    assert min(found.a, found.b) >= 0
    assert loss(np.array([found.a, found.b, found.c])) <= least.fun + 1e-5 * max(1.0, abs(least.fun))
    assert (np.diff(found.probability(np.linspace(-9, 9, 50))) >= 0).all()


@pytest.mark.parametrize("method", c.FITS)
def test_what_was_distorted_is_put_right(method):
    """Log-odds that are twice too bold lose less in the log after calibration, and the order of rows stays."""
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 1, 30_000)
    up = (rng.random(30_000) < sigmoid(0.5 * raw + 0.1)).astype(float)
    found = c.calibrated(method, raw[:20_000], up[:20_000])
    later, came = raw[20_000:], up[20_000:]
    assert log_loss(found.probability(later), came) < log_loss(sigmoid(later), came) - 0.01
    grid = np.linspace(-2, 2, 9)
    assert found.probability(grid) == pytest.approx(sigmoid(0.5 * grid + 0.1), abs=0.04)
    assert (np.diff(found.probability(np.sort(later))) >= 0).all()


def test_platt_is_what_models_are_deployed_with():
    """The interface has the very numbers that the baseline exports."""
    rng = np.random.default_rng(1)
    raw, up, weight = rng.normal(0, 1, 300), (rng.random(300) < 0.6).astype(float), rng.uniform(0.1, 1, 300)
    found = c.calibrated("platt", raw, up, weight)
    assert (found.slope, found.intercept) == platt(raw, up, weight)


def test_beta_bends_what_platt_cannot():
    """Where only probabilities above one half were too bold, beta calibration has the lower loss."""
    rng = np.random.default_rng(2)
    raw = rng.normal(0, 2, 60_000)
    truth = np.where(raw > 0, 0.25 * raw, raw)
    up = (rng.random(60_000) < sigmoid(truth)).astype(float)
    losses = {m: log_loss(c.calibrated(m, raw[:50_000], up[:50_000]).probability(raw[50_000:]), up[50_000:])
              for m in c.FITS}  # fmt: skip
    assert losses["beta"] < losses["platt"] - 0.002
    assert losses["isotonic"] < losses["platt"] - 0.002


def test_a_model_that_points_the_wrong_way_is_flat():
    """No calibration turns a model around."""
    raw = np.linspace(-2, 2, 400)
    up = (raw < 0).astype(float)
    for method in c.FITS:
        assert np.ptp(c.calibrated(method, raw, up).probability(raw)) < 1e-6


def test_regimes_have_their_own_where_they_have_rows():
    """A regime with rows is calibrated by them, one without and one never seen by all rows."""
    rng = np.random.default_rng(3)
    regime = np.repeat([0, 1, 2], [5000, 5000, 20])
    raw = rng.normal(0, 1, len(regime))
    up = (rng.random(len(regime)) < sigmoid(np.where(regime == 0, 1.0, 0.1) * raw)).astype(float)
    found = c.calibrated_by_regime("beta", raw, up, regime)
    assert set(found.own) == {0, 1}
    one = np.array([1.5] * 4)
    p = found.probability(one, np.array([0, 1, 2, 7]))
    assert p[0] == pytest.approx(sigmoid(np.array(1.5)), abs=0.05)
    assert p[1] == pytest.approx(sigmoid(np.array(0.15)), abs=0.05)
    assert p[2] == p[3] == found.pooled.probability(one)[0]
    weighed = c.calibrated_by_regime("platt", raw, up, regime, np.full(len(raw), 1 / 60))
    assert weighed.own == {}


@pytest.mark.parametrize("build", [
    lambda: c.calibrated("magic", np.ones(3), np.ones(3)), lambda: c.calibrated("beta", np.empty(0), np.empty(0)),
    lambda: c.calibrated("beta", np.ones(3), np.ones(2)), lambda: c.calibrated("platt", np.full(3, np.inf), np.ones(3)),
    lambda: c.calibrated("isotonic", np.ones(3), np.ones(3), np.zeros(3)),
])  # fmt: skip
def test_what_cannot_be_calibrated_is_refused(build):
    """Another method, no rows, log-odds that are no numbers and weights of nothing are ConfigErrors."""
    with pytest.raises(ConfigError):
        build()
