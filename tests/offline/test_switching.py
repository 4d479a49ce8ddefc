"""The Markov-switching filter and smoother against every path written out, and against statsmodels."""

import itertools
from itertools import pairwise

import numpy as np
import pytest

from offline.regime.switching import MarkovSwitching, expected_durations, marginal, stationary
from processors.errors import ConfigError


def random_model(seed, k, order, n, *, tvtp=False, switching_ar=True, switching_variance=True):
    """Return a model with a regressor and random values, and parameters for it."""
    rng = np.random.default_rng(seed)
    z = np.column_stack([np.ones(n), rng.normal(size=n)]) if tvtp else None
    model = MarkovSwitching(rng.normal(size=n), k, order, exog=rng.normal(size=(n, 1)), exog_tvtp=z,
                            switching_variance=switching_variance, switching_ar=switching_ar)  # fmt: skip
    chain = rng.dirichlet(np.full(k, 2.0), size=k)[:, :-1].T.ravel()
    params = np.r_[rng.normal(size=2 * k * (k - 1)) if tvtp else chain, rng.normal(size=2 * k),
                   rng.uniform(0.5, 2, k if switching_variance else 1),
                   0.3 * rng.normal(size=order * (k if switching_ar else 1))]  # fmt: skip
    return model, params


def by_paths(model, params):
    """Return last filtered and all smoothed probabilities and the log likelihood, from every path of regimes.

    A path begins as many regimes before the first value as the density looks back, and one at the least.
    """
    k, p, n = model.k_regimes, model.order, len(model.endog)
    lags, chain = max(p, 1), model.transitions(params)[0]
    _, beta, variance, phi = model.unpack(params)
    level = model.regressors @ beta.T
    smoothed, last = np.zeros((k, n - p)), np.zeros(k)
    for path in itertools.product(range(k), repeat=lags + n - p):
        weight = stationary(chain)[path[0]]
        for before, now in pairwise(path):
            weight *= chain[now, before]
        for t in range(p, n):
            regimes = path[t - p + lags :: -1]
            mean = level[t, regimes[0]] + sum(
                phi[regimes[0], j - 1] * (model.endog[t - j] - level[t - j, regimes[j]]) for j in range(1, p + 1)
            )
            v = variance[regimes[0]]
            weight *= np.exp(-0.5 * (model.endog[t] - mean) ** 2 / v) / np.sqrt(2 * np.pi * v)
        for t in range(n - p):
            smoothed[path[lags + t], t] += weight
        last[path[-1]] += weight
    return last / last.sum(), smoothed / smoothed.sum(axis=0), np.log(last.sum())


@pytest.mark.parametrize(("k", "order"), [(2, 0), (2, 1), (2, 2), (3, 1)])
def test_filter_and_smoother_equal_the_sum_over_all_paths(k, order):
    """Last filtered and all smoothed probabilities, and the likelihood, are those of all paths of regimes."""
    model, params = random_model(k + 10 * order, k, order, 6 if k == 3 else 8)
    filtered = model.filter(params)
    last, smoothed, log_likelihood = by_paths(model, params)
    assert filtered.log_likelihood.sum() == pytest.approx(log_likelihood, abs=1e-9)
    np.testing.assert_allclose(marginal(filtered.filtered)[:, -1], last, 1e-9)
    np.testing.assert_allclose(marginal(model.smooth(filtered)), smoothed, 1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("k", "order", "tvtp", "switching_ar"),
    [
        (2, 0, False, True),
        (3, 0, False, True),
        (3, 0, True, True),
        (2, 1, True, True),
        (2, 3, True, False),
        (3, 2, False, True),
    ],
)
def test_it_agrees_with_statsmodels(k, order, tvtp, switching_ar):
    """Predicted, filtered and smoothed joint probabilities and the likelihood are those of statsmodels.

    With one variance for all regimes where the order is 2 or more: statsmodels 0.15 then takes the variance of a
    lagged regime (its array of variances lines up with the wrong axis); the definition has that of the regime now.
    """
    api = pytest.importorskip("statsmodels.tsa.api", reason="statsmodels is the oracle")
    model, params = random_model(3 * k + order, k, order, 60, tvtp=tvtp, switching_ar=switching_ar,
                                 switching_variance=order < 2)  # fmt: skip
    arguments = {"exog": model.exog, "exog_tvtp": model.exog_tvtp, "switching_variance": order < 2,
                 "switching_exog": True}  # fmt: skip
    theirs = (
        api.MarkovAutoregression(model.endog, k, order, switching_ar=switching_ar, **arguments)
        if order else api.MarkovRegression(model.endog, k, **arguments)
    ).smooth(params)  # fmt: skip
    ours = model.filter(params)
    assert ours.log_likelihood.sum() == pytest.approx(theirs.llf, abs=1e-8)
    np.testing.assert_allclose(ours.predicted, theirs.predicted_joint_probabilities, 1e-7, 1e-10)
    np.testing.assert_allclose(ours.filtered, theirs.filtered_joint_probabilities, 1e-7, 1e-10)
    np.testing.assert_allclose(model.smooth(ours), theirs.smoothed_joint_probabilities, 1e-6, 1e-9)


def test_the_filter_knows_nothing_of_the_future():
    """Another future leaves every filtered probability before it as it was, bit for bit; the smoother's change."""
    model, params = random_model(4, 2, 1, 40)
    changed = model.endog.copy()
    changed[25:] += 5
    other = MarkovSwitching(changed, 2, 1, exog=model.exog, switching_variance=True)
    a, b = model.filter(params), other.filter(params)
    assert a.filtered[..., :24].tobytes() == b.filtered[..., :24].tobytes()
    assert not np.allclose(model.smooth(a)[..., :24], other.smooth(b)[..., :24])


def test_outliers_are_no_loss_of_probability():
    """A value a thousand deviations away leaves probabilities that sum to 1."""
    model, params = random_model(5, 3, 1, 30)
    model.endog[10] = 1000.0
    filtered = model.filter(params)
    np.testing.assert_allclose(marginal(filtered.filtered).sum(axis=0), 1, 0, 1e-12)


def test_durations_are_the_mean_of_the_geometric_law():
    """A regime that stays with 0.9 lasts ten steps."""
    assert expected_durations(np.array([[[0.9, 0.5], [0.1, 0.5]]]))[0] == pytest.approx([10, 2])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"k_regimes": 1}, "k_regimes"), ({"k_regimes": 2, "trend": "q"}, "trend"),
     ({"k_regimes": 2, "order": 9}, "order"), ({"k_regimes": 2, "exog": np.ones(3)}, "exog")],
)  # fmt: skip
def test_a_model_that_makes_no_sense_is_refused(arguments, word):
    """A wrong argument is named."""
    with pytest.raises(ConfigError, match=word):
        MarkovSwitching(np.zeros(5), **arguments)


def test_a_row_of_parameters_of_another_length_is_refused():
    """One parameter too many is an error, not a wrong answer."""
    model, params = random_model(1, 2, 0, 10)
    with pytest.raises(ConfigError, match="number of parameters"):
        model.filter(np.r_[params, 0.0])
