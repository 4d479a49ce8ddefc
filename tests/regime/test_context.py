"""What a bar tells, and its cluster, against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.regime import cluster, context
from processors.regime.config import RegimeConfig


def told(returns, ranges):
    """Return what each bar of one series tells, shape (n, N_TOLD), NaN where nothing."""
    c, state = RegimeConfig().context_parameters(), np.zeros(context.N_STATE)
    state[context.PREVIOUS] = np.nan
    out = np.full((len(returns), context.N_TOLD), np.nan)
    for i, (r, size) in enumerate(zip(returns, ranges, strict=True)):
        context.observe(r, size, c, state, out[i])
    return out


def weighted(values, keep):
    """Return the exponential mean of values, the last the heaviest."""
    w = keep ** np.arange(len(values))[::-1]
    return float(w @ values / w.sum())


def test_each_number_is_its_definition():
    """Return, range, correlation, momentum and volatility equal those computed from the whole past at each bar."""
    config, rng = RegimeConfig(), np.random.default_rng(1)
    r = rng.normal(size=120) * 1e-4 * np.repeat([1, 3], 60)
    size = np.abs(r) + np.abs(rng.normal(size=120)) * 1e-4
    out = told(r, size)
    xs, cs = [], []
    for t in range(120):
        if t < config.returns_min:
            assert np.isnan(out[t]).all()
            continue
        sigma = math.sqrt(weighted(r[:t] ** 2, config.slow_decay))
        x = np.clip(r[t] / sigma, -8, 8)
        logs = np.log(size[:t])
        mean = weighted(logs, config.slow_decay)
        deviation = math.sqrt(weighted(logs**2, config.slow_decay) - mean**2)
        momentum = sum(0.06 * 0.94**i * v for i, v in enumerate(xs[::-1])) * math.sqrt(1.94 / 0.06)
        assert out[t, context.X] == pytest.approx(x)
        assert out[t, context.V] == pytest.approx(np.clip((np.log(size[t]) - mean) / deviation, -4, 4), rel=1e-6)
        assert out[t, context.M] == pytest.approx(momentum, abs=1e-12)
        if xs:
            cs.append(x * xs[-1] / math.sqrt((1 + x * x) * (1 + xs[-1] ** 2)))
            assert out[t, context.C] == pytest.approx(cs[-1])
            assert out[t, context.AUTOCORRELATION] == pytest.approx(weighted(np.array(cs), 0.94))
        xs.append(x)
        assert out[t, context.LOG_VOL] == pytest.approx(0.5 * math.log(weighted(np.array(xs) ** 2, 0.94)))


def test_a_gap_ends_the_neighbours():
    """A bar without return tells nothing, and the next has no correlation but all else."""
    rng = np.random.default_rng(2)
    r = rng.normal(size=60) * 1e-4
    r[40] = np.nan
    out = told(r, np.abs(r))
    assert np.isnan(out[40, [context.X, context.V, context.C]]).all()
    assert np.isnan(out[41, context.C])
    assert np.isfinite(out[41, [context.X, context.V, context.M]]).all()
    assert np.isfinite(out[42]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(
    st.one_of(st.floats(-1e3, 1e3), st.sampled_from([0.0, math.nan, 1e-300])),
    st.one_of(st.floats(0, 1e3), st.sampled_from([0.0, math.nan])),
), max_size=90))  # fmt: skip
def test_what_is_told_is_finite_and_bounded(bars):
    """Whatever returns and ranges: numbers within their bounds, none infinite."""
    out = told(*np.array(bars).reshape(-1, 2).T)
    assert not np.isinf(out).any()
    assert (np.abs(np.nan_to_num(out[:, context.X])) <= 8).all()
    assert (np.abs(np.nan_to_num(out[:, context.V])) <= 4).all()
    assert (np.abs(np.nan_to_num(out[:, context.C])) <= 1).all()


def test_a_range_that_is_not_known_is_the_size_of_the_return():
    """Missing ranges give the numbers that ranges as large as the returns give."""
    r = np.random.default_rng(3).normal(size=60) * 1e-4
    assert told(r, np.full(60, np.nan)).tobytes() == told(r, np.abs(r)).tobytes()


def test_the_named_places_are_their_own_clusters():
    """Each start is nearest to itself, and of equally near ones the lowest number is taken."""
    for i, place in enumerate(cluster.START):
        assert cluster.nearest(place, cluster.START, cluster.SCALE) == i
    assert cluster.nearest(np.zeros(1), np.array([[1.0], [-1.0]]), np.ones(1)) == 0


def test_a_cluster_is_told_first_and_learned_then():
    """Prototypes are the mean of their start, worth the prior, and of the situations that they won."""
    rng = np.random.default_rng(4)
    z = cluster.START[rng.integers(0, 6, 500)] + 0.3 * rng.normal(size=(500, 4)) * cluster.SCALE
    prototypes, won, sums = cluster.START.copy(), np.zeros(6), 50 * cluster.START
    n = np.full(6, 50.0)
    for one in z:
        expected = int((((one - sums / n[:, None]) / cluster.SCALE) ** 2).sum(axis=1).argmin())
        assert cluster.step(one, 50.0, 1e-9, prototypes, won, cluster.SCALE) == expected
        sums[expected] += one
        n[expected] += 1
    np.testing.assert_allclose(prototypes, sums / n[:, None], 1e-9, 1e-12)
