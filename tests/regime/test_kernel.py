"""The regime's kernel against change-point detection written out from the definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from processors.regime import kernel as k
from processors.regime.config import RegimeConfig

Array = NDArray[np.float64]
PRIOR = (1.0, 1.5, 0.7)


def posterior(x: Array, hazard: Array, prior: tuple[float, float, float], longest: int) -> list[Array]:
    """Return the run-length posterior after each value, from the kernel."""
    norm = k.student_norm(prior[0], prior[1], longest + 1)
    p, mean, beta = np.zeros(longest + 1), np.zeros(longest + 1), np.zeros(longest + 1)
    p[0], beta[0], end, out = 1.0, prior[2], 0, []
    for value, h in zip(x, hazard, strict=True):
        end = k.run_length_step(value, h, np.array(prior), norm, p, mean, beta, end)
        out.append(p[: end + 1].copy())
    return out


def log_evidence(segment: Array, prior: tuple[float, float, float]) -> float:
    """Return the log marginal likelihood of one run's values under the prior, in closed form."""
    kappa, alpha, beta = prior
    n = len(segment)
    mean = segment.mean() if n else 0.0
    kappa_n, alpha_n = kappa + n, alpha + n / 2
    beta_n = beta + 0.5 * ((segment - mean) ** 2).sum() + kappa * n * mean**2 / (2 * kappa_n)
    return (
        math.lgamma(alpha_n) - math.lgamma(alpha) + alpha * math.log(beta) - alpha_n * math.log(beta_n)
        + 0.5 * (math.log(kappa) - math.log(kappa_n)) - n / 2 * math.log(2 * math.pi)
    )  # fmt: skip


def oracle(x: Array, hazard: Array, prior: tuple[float, float, float]) -> list[Array]:
    """Return the run-length posterior after each value: every run from its own values, in logs, nothing carried on."""
    joint, out = np.zeros(1), []
    for t in range(1, len(x) + 1):
        predictive = np.array(
            [log_evidence(x[t - 1 - r : t], prior) - log_evidence(x[t - 1 - r : t - 1], prior) for r in range(t)]
        )
        grown = joint + predictive
        change = np.logaddexp.reduce(grown + math.log(hazard[t - 1]))
        joint = np.r_[change, grown + math.log1p(-hazard[t - 1])]
        joint -= np.logaddexp.reduce(joint)
        out.append(np.exp(joint))
    return out


def changing(seed: int, n: int) -> Array:
    """Return values whose mean and deviation change twice."""
    third = np.arange(n) * 3 // n
    return np.random.default_rng(seed).normal(np.choose(third, [0, 3, 3]), np.choose(third, [1, 1, 0.2]))


@pytest.mark.parametrize("seed", range(4))
def test_the_posterior_equals_the_definition_where_nothing_is_cut(seed: int) -> None:
    """With room for every run length, all probabilities equal those computed from the definition to 1e-10."""
    x, hazard = changing(seed, 120), np.random.default_rng(seed + 9).uniform(1e-4, 0.1, 120)
    for ours, expected in zip(posterior(x, hazard, PRIOR, 130), oracle(x, hazard, PRIOR), strict=True):
        np.testing.assert_allclose(ours, expected, 1e-10, 1e-10)


def test_the_cut_keeps_all_mass_and_the_last_run_forgets() -> None:
    """With few run lengths the mass stays 1, and values older than the longest run have no say in its statistics."""
    x, hazard = changing(1, 400), np.full(400, 0.01)
    for p in posterior(x, hazard, PRIOR, 30):
        assert p.sum() == pytest.approx(1, abs=1e-12)
    last = []
    for begin in (0.0, 50.0):
        n = 31
        norm, p, mean, beta = k.student_norm(1.0, 1.0, n), np.zeros(n), np.zeros(n), np.ones(n)
        p[0], end = 1.0, 0
        for value in np.r_[np.full(40, begin), np.linspace(-1, 1, 60)]:
            end = k.run_length_step(value, 0.01, np.ones(3), norm, p, mean, beta, end)
        last.append((mean[-1], beta[-1]))
    assert last[0] == last[1]


def test_a_change_is_found_soon_after_it_came() -> None:
    """Ten values after the mean moved by three deviations, the most probable run is about ten long."""
    x = changing(5, 150)[:60]
    p = posterior(x, np.full(60, 0.01), PRIOR, 100)[-1]
    assert abs(int(np.argmax(p)) - 10) <= 1


def run(returns: Array, config: RegimeConfig | None = None) -> tuple[Array, Array]:
    """Return the outputs and the warm flags of one series."""
    config = config or RegimeConfig()
    n = config.run_length_bars_max + 1
    s, p, mean, beta = np.zeros(k.N_SCALARS), np.zeros(n), np.zeros(n), np.zeros(n)
    s[k.PREVIOUS], p[0], beta[0] = np.nan, 1.0, config.prior_beta
    norm = k.student_norm(config.prior_kappa, config.prior_alpha, n)
    out, warm = np.empty((len(returns), k.N_OUT)), np.zeros(len(returns), bool)
    for i, r in enumerate(returns):
        warm[i] = k.step(r, config.parameters(), norm, s, p, mean, beta, out[i])
    return out, warm


def test_the_hazard_is_c_times_the_deviation_of_return_changes_within_its_bounds() -> None:
    """The hazard before a return equals min(H_max, max(H_min, c sigma_dR)) computed from all returns before it."""
    config = RegimeConfig(hazard_scale=0.05, hazard_min=0.045, hazard_max=0.055)
    rng = np.random.default_rng(3)
    r = np.r_[np.nan, rng.normal(0, 1, 200) * np.exp(np.cumsum(rng.normal(0, 0.1, 200)))]
    r[[50, 51, 90]] = np.nan
    out, _ = run(r, config)
    for t in range(len(r)):
        before = r[:t][~np.isnan(r[:t])]
        expected = 0.05
        if len(before) >= config.returns_min:
            age = np.cumsum(~np.isnan(r[:t])[::-1])[::-1]
            w = np.where(np.isnan(r[:t]), 0, config.slow_decay ** (age - 1.0))
            sigma = math.sqrt((w * np.nan_to_num(r[:t]) ** 2).sum() / w.sum())
            d = np.diff(r[:t])[~np.isnan(np.diff(r[:t]))]
            w = config.fast_decay ** np.arange(len(d))[::-1]
            expected = 0.05 * math.sqrt((w * d**2).sum() / w.sum()) / (math.sqrt(2) * sigma)
        assert out[t, k.HAZARD] == pytest.approx(min(0.055, max(0.045, expected)), rel=1e-10)
    assert {0.045, 0.055} < set(out[:, k.HAZARD]), "the case must reach both bounds"


def test_the_regime_does_not_depend_on_the_unit_of_returns() -> None:
    """Returns a thousand times as large give the same regimes: every quantity is relative to the series' own scale."""
    r = changing(2, 300) * 1e-4
    np.testing.assert_allclose(run(r)[0], run(1000 * r)[0], 1e-7)


@pytest.mark.parametrize(
    ("mean", "deviation", "name"),
    [(0.0, 1.0, k.MEANREV), (0.6, 1.0, k.TREND), (-0.6, 1.0, k.TREND), (0.0, 2.5, k.STRESS)],
)
def test_the_label_is_what_the_returns_are(mean: float, deviation: float, name: int) -> None:
    """After a calm stretch, a drift is a trend, more than twice the deviation is stress, and more calm is meanrev."""
    rng = np.random.default_rng(11)
    out, _ = run(1e-4 * np.r_[rng.normal(0, 1, 800), rng.normal(mean, deviation, 100)])
    labels = [k.label(y) for y in out[-70:]]
    assert labels.count(name) >= 60


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e3, 1e3), st.sampled_from([0.0, 1e-300, 1e-9, math.nan])), max_size=120),
    st.integers(7, 40),
)
def test_probabilities_are_probabilities_whatever_the_returns(returns: list[float], longest: int) -> None:
    """For any finite or missing returns: probabilities that sum to 1, hazard and run length in their bounds."""
    config = RegimeConfig(run_length_bars_max=longest, returns_min=2, observations_min=2)
    out, warm = run(np.array(returns), config)
    assert np.isfinite(out).all()
    assert (out[:, :4] >= 0).all()
    assert (out[:, :4] <= 1).all()
    np.testing.assert_allclose(out[:, :3].sum(axis=1), 1, 0, 1e-12)
    assert ((out[:, k.HAZARD] >= config.hazard_min) & (out[:, k.HAZARD] <= config.hazard_max)).all()
    assert ((out[:, k.RUN_LENGTH] >= 0) & (out[:, k.RUN_LENGTH] <= longest)).all()
    assert (np.diff(warm.astype(int)) >= 0).all()


def test_before_it_is_warm_the_regime_says_nothing() -> None:
    """The three probabilities are a third each until enough returns came, the label is meanrev; a missing one waits."""
    r = np.r_[np.nan, np.random.default_rng(1).normal(0, 1, 60)]
    r[10] = np.nan
    out, warm = run(r)
    config = RegimeConfig()
    first = 2 + config.returns_min + config.observations_min - 1
    assert warm.tolist() == [False] * first + [True] * (len(r) - first)
    assert (out[:first, :3] == 1 / 3).all()
    assert {k.label(y) for y in out[:first]} == {k.MEANREV}


def test_the_compiled_kernel_equals_its_python_form() -> None:
    """The same arithmetic without the compiler gives the same posterior."""
    x = changing(7, 60)
    norm, prior = k.student_norm(1.0, 1.0, 41), np.ones(3)
    results = []
    for step in (k.run_length_step, k.run_length_step.py_func):
        p, mean, beta, end = np.zeros(41), np.zeros(41), np.ones(41), 0
        p[0] = 1.0
        for value in x:
            end = step(value, 0.02, prior, norm, p, mean, beta, end)
        results.append(p)
    np.testing.assert_allclose(results[0], results[1], 1e-12, 1e-300)
