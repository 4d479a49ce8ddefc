"""The hidden Markov model against plain probabilities, and what its learning may and may not do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offline.regime import hindsight
from processors.regime import hmm
from processors.regime.config import HmmConfig

Array = NDArray[np.float64]


def run(x: Array, m: Array, config: HmmConfig, decay: float = 0.999) -> tuple[Array, Array]:
    """Return the filtered probabilities of a series, shape (n, 3), and the sums after it."""
    p, sums, work = np.full(3, 1 / 3), np.zeros((3, hmm.N_SUMS)), np.empty((8, 3))
    out = np.empty((len(x), 3))
    for t in range(len(x)):
        hmm.step(x[t], m[t], config.parameters(decay), p, sums, work)
        out[t] = p
    return out, sums


def momentum(x: Array) -> Array:
    """Return the momentum before each value, written out from its definition."""
    keep = 0.94
    return np.array([
        (1 - keep) * sum(keep**i * x[t - 1 - i] for i in range(min(t, 300))) * np.sqrt((1 + keep) / (1 - keep))
        for t in range(len(x))
    ])  # fmt: skip


def model_of(config: HmmConfig, sums: Array) -> tuple[Array, Array, Array]:
    """Return phi, sigma and chain."""
    phi, sigma, chain = np.empty(3), np.empty(3), np.empty((3, 3))
    hmm.model(config.parameters(0.999), sums, phi, sigma, chain)
    return phi, sigma, chain


def test_with_fixed_parameters_the_filter_is_the_forward_recursion():
    """The probabilities are the forward pass, in plain numbers, each row divided by its sum."""
    rng, config = np.random.default_rng(1), HmmConfig(adapt=False)
    x = rng.normal(size=80) * np.repeat([0.7, 2.0], 40)
    m = momentum(x)
    phi, sigma, chain = model_of(config, np.zeros((3, hmm.N_SUMS)))
    density = np.exp(-0.5 * ((x[:, None] - phi * m[:, None]) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    ahead = hindsight.forward(np.full(3, 1 / 3) @ chain, chain, density)
    np.testing.assert_allclose(run(x, m, config)[0], ahead / ahead.sum(axis=1, keepdims=True), 1e-9)


def test_what_is_learned_is_the_weighted_past():
    """Each bar's parameters are those of exponential sums over all bars before it, recomputed from nothing."""
    rng, config, decay = np.random.default_rng(2), HmmConfig(prior_bars=20.0), 0.97
    x = rng.normal(size=60) * np.repeat([0.7, 2.5, 0.8], 20)
    m = momentum(x)
    ours, _ = run(x, m, config, decay)
    p, gone, moves = np.full(3, 1 / 3), [], []
    for t in range(60):
        sums = np.zeros((3, hmm.N_SUMS))
        for i, (g, move) in enumerate(zip(gone, moves, strict=True)):
            weight = decay ** (t - 1 - i)
            sums[:, :4] += weight * g[:, None] * [1.0, m[i] ** 2, x[i] * m[i], x[i] ** 2]
            sums[:, 4:] += weight * move
        phi, sigma, chain = model_of(config, sums)
        density = np.exp(-0.5 * ((x[t] - phi * m[t]) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        joint = p[:, None] * chain * density
        moves.append(joint / joint.sum())
        p = moves[-1].sum(axis=0)
        gone.append(p)
        np.testing.assert_allclose(ours[t], p, 1e-8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-8, 8), st.floats(-10, 10)), min_size=1, max_size=80), st.booleans(),
    st.floats(1, 1000),
)  # fmt: skip
def test_probabilities_sum_to_one_and_regimes_keep_their_meaning(bars, adapt, prior_bars):
    """Whatever the returns: probabilities, a trend that goes on, a reversion that reverts, a stress that is wide."""
    config = HmmConfig(adapt=adapt, prior_bars=prior_bars)
    x, m = np.array(bars).T
    out, sums = run(x, m, config)
    assert np.isfinite(out).all()
    assert (out >= 0).all()
    np.testing.assert_allclose(out.sum(axis=1), 1, 0, 1e-12)
    phi, sigma, chain = model_of(config, sums)
    assert phi[hmm.TREND] > 0 > phi[hmm.MEANREV]
    assert sigma[hmm.STRESS] >= config.stress_ratio * max(sigma[:2]) * (1 - 1e-12)
    assert (chain > 0).all()
    np.testing.assert_allclose(chain.sum(axis=1), 1, 0, 1e-12)


def test_it_tells_the_regimes_of_a_series_that_has_them():
    """Of a chain whose regimes trend, revert and are wild, most bars get the right one; trends are the hardest."""
    rng = np.random.default_rng(5)
    truth = np.repeat(rng.permutation(np.arange(30) % 3), 100)
    x, fast = np.empty(3000), 0.0
    m = np.empty(3000)
    for t in range(3000):
        m[t] = fast * np.sqrt(1.94 / 0.06)
        x[t] = rng.normal([0.5, -0.5, 0.0][truth[t]] * m[t], [0.7, 0.7, 2.5][truth[t]])
        x[t] = np.clip(x[t], -8, 8)
        fast = 0.94 * fast + 0.06 * x[t]
    config = HmmConfig(phi_trend=0.4, phi_meanrev=-0.4)
    found = run(x, m, config)[0].argmax(axis=1)
    right = [np.mean(found[truth == s] == s) for s in range(3)]
    assert right[hmm.STRESS] > 0.9
    assert right[hmm.TREND] > 0.5
    assert right[hmm.MEANREV] > 0.5


def test_an_impossible_value_leaves_the_prediction():
    """A value that no regime can have weighs nothing: the probabilities stay the predicted ones, finite."""
    p, before = np.array([0.5, 0.5]), np.empty(2)
    assert hmm.forward_step(np.full(2, -np.inf), np.array([[0.9, 0.1], [0.2, 0.8]]), p, before) == -np.inf
    assert p == pytest.approx([0.55, 0.45])
