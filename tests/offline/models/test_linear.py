"""The linear baseline against solvers of others and its own limits."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from offline.models.estimator import no_progress
from offline.models.linear import CUT, LinearEstimator, LinearParameters, scaled, scaling
from offline.models.newton import LogisticLoss, PinballLoss, minimise
from processors.errors import ConfigError
from tests.offline.models.samples import make_samples


def problem(n=400, k=4, seed=0):
    rng = np.random.default_rng(seed)
    design = np.column_stack([rng.standard_normal((n, k)), np.ones(n)])
    y = design @ np.array([0.8, -0.4, 0.0, 0.2, 0.3]) + rng.standard_t(4, n)
    weight = rng.uniform(0.5, 1.5, n)
    return design, y, weight / weight.sum()


def test_the_logistic_line_is_that_of_a_general_optimiser():
    """Newton's line is that of a quasi-Newton method on the same penalised likelihood."""
    design, y, weight = problem()
    up, penalty = (y > 0).astype(float), 0.01

    def total(line):
        value = design @ line
        return weight @ np.logaddexp(0.0, np.where(up > 0.5, -value, value)) + 0.5 * penalty * (line[:-1] @ line[:-1])

    other = minimize(total, np.zeros(5), method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(minimise(LogisticLoss(up), design, weight, penalty, np.zeros(5)), other, atol=1e-4)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_the_quantile_line_is_that_of_a_linear_program(level):
    """The loss of the smoothed line is within a thousandth of the least there is, by linear programming."""
    design, y, weight = problem()
    n, k = design.shape
    cost = np.concatenate([np.zeros(k), level * weight, (1 - level) * weight])
    equal = np.hstack([design, np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * k + [(0, None)] * (2 * n)
    least = linprog(cost, A_eq=equal, b_eq=y, bounds=bounds).fun
    loss = PinballLoss(y, level)
    line = minimise(loss, design, weight, 1e-9, np.zeros(k))
    assert least <= weight @ loss.exact(design @ line) < least * 1.001


def test_scaling_bears_outliers_nulls_and_constants():
    """Centre and scale are those of the bulk; a null is the centre, an infinity the cut, a constant input 0."""
    x = make_samples(2000).x
    x[:5, 0] = 3e38
    x[:, 3] = np.nan
    x[:, 5] = 7.0
    centre, scale = scaling(x)
    assert abs(centre[0]) < 0.2
    assert 0.8 < scale[0] < 1.2
    assert scale[1] == pytest.approx(1e-6, rel=0.2)
    assert (scale[3], scale[5]) == (1.0, 1.0)
    z = scaled(np.array([[np.nan, np.inf, -np.inf, 0.0, 3e38, 7.0]], np.float32), centre, scale)
    assert z[0].tolist() == [0.0, CUT, -CUT, 0.0, CUT, 0.0]


def test_the_samples_to_stop_on_choose_the_penalty():
    """On noise the strongest penalty is taken, on a strong signal a weak one, without samples the strongest."""
    s = make_samples(300, seed=3)
    noise = make_samples(300, seed=4)
    estimator = LinearEstimator(LinearParameters(penalties=(10.0, 1e-4)))

    def size(train, valid):
        fitted = estimator.fit(train, valid, seed=1, progress=no_progress, checkpoint=None)
        return float(np.abs(fitted.lines[0, :-1]).max())

    assert size(s, noise) > 0.3
    assert size(s, s.take(np.arange(0))) < 0.05
    with pytest.raises(ConfigError, match="samples to learn from"):
        estimator.fit(s.take(np.arange(0)), s, seed=1, progress=no_progress, checkpoint=None)
