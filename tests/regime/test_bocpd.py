"""Change points of several values against the definition, and what pruning may cost."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from processors.regime import bocpd as b
from processors.regime import kernel as k

Array = NDArray[np.float64]


def prior_of(d: int) -> Array:
    """Return a prior for D values."""
    return np.array([0.8, d + 1.5, 1.7])


class Runs:
    """The kernel over one series."""

    def __init__(self, d: int, n_max: int, floor: float, longest: int) -> None:
        self.prior, self.n_max, self.floor, self.n = prior_of(d), n_max, floor, 1
        self.norm = b.density_norm(self.prior[b.NU], d, longest + 1)
        self.length, self.p = np.zeros(n_max + 1), np.zeros(n_max + 1)
        self.mean, self.scatter = np.zeros((n_max + 1, d)), np.zeros((n_max + 1, d, d))
        self.p[0], self.scatter[0] = 1.0, self.prior[b.PSI] * np.eye(d)
        self.work = np.empty((n_max + 1 + d, d + 1))

    def add(self, x: Array, hazard: float) -> tuple[float, float]:
        """Add a value; return the share pruned and the log density."""
        self.n, dropped, log_density = b.step(
            x, hazard, self.prior, self.norm, self.n_max, self.floor, self.n, self.length, self.p, self.mean,
            self.scatter, self.work,
        )  # fmt: skip
        return dropped, log_density

    def posterior(self, longest: int) -> Array:
        """Return the probability of each run length."""
        out = np.zeros(longest + 1)
        out[self.length[: self.n].astype(int)] = self.p[: self.n]
        return out


def log_evidence(x: Array, prior: Array) -> float:
    """Return the log marginal likelihood of a run's values, shape (n, D), in closed form."""
    n, d = x.shape
    kappa, nu, psi = prior
    mean = x.mean(axis=0) if n else np.zeros(d)
    scatter = psi * np.eye(d) + (x - mean).T @ (x - mean) + kappa * n / (kappa + n) * np.outer(mean, mean)

    def log_gamma(v: float) -> float:
        return sum(math.lgamma((v - i) / 2) for i in range(d))

    return float(
        -n * d / 2 * math.log(math.pi) + log_gamma(nu + n) - log_gamma(nu) + nu / 2 * d * math.log(psi)
        - (nu + n) / 2 * np.linalg.slogdet(scatter)[1] + d / 2 * math.log(kappa / (kappa + n))
    )  # fmt: skip


def oracle(x: Array, hazard: Array, prior: Array) -> list[tuple[Array, float]]:
    """Return posterior and log density after each value: each run from its own values, none pruned."""
    joint, out = np.zeros(1), []
    for t in range(1, len(x) + 1):
        grown = joint + [log_evidence(x[t - 1 - r : t], prior) - log_evidence(x[t - 1 - r : t - 1], prior)
                         for r in range(t)]  # fmt: skip
        total = np.logaddexp.reduce(grown)
        joint = np.r_[total + math.log(hazard[t - 1]), grown + math.log1p(-hazard[t - 1])] - total
        out.append((np.exp(joint), float(total)))
    return out


def changing(seed: int, n: int, d: int) -> Array:
    """Return values whose mean, then deviation, then correlation change."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[n // 4 :, 0] += 2
    x[n // 2 :] *= 0.4
    x[3 * n // 4 :, -1] = x[3 * n // 4 :, 0] + 0.1 * x[3 * n // 4 :, -1]
    return x


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_the_posterior_equals_the_definition_where_nothing_is_pruned(d):
    """With room for every run, probabilities and densities equal those computed from the definition."""
    x, hazard = changing(d, 60, d), np.random.default_rng(9).uniform(1e-3, 0.1, 60)
    runs = Runs(d, 61, 0.0, 61)
    for t, (expected, log_density) in enumerate(oracle(x, hazard, prior_of(d))):
        dropped, ours = runs.add(x[t], hazard[t])
        assert dropped == 0
        assert ours == pytest.approx(log_density, abs=1e-8)
        np.testing.assert_allclose(runs.posterior(t + 1), expected, 1e-8, 1e-10)


def test_one_value_is_the_normal_gamma_run():
    """With D of 1, nu of two alpha and psi of two beta, it is the univariate kernel."""
    x, runs = changing(5, 80, 1), Runs(1, 81, 0.0, 81)
    alpha, beta0 = runs.prior[b.NU] / 2, runs.prior[b.PSI] / 2
    norm = k.student_norm(runs.prior[b.KAPPA], alpha, 82)
    p, mean, beta, end = np.zeros(82), np.zeros(82), np.zeros(82), 0
    p[0], beta[0] = 1.0, beta0
    for t in range(80):
        end = k.run_length_step(x[t, 0], 0.02, np.array([runs.prior[b.KAPPA], alpha, beta0]), norm, p, mean, beta, end)
        runs.add(x[t], 0.02)
        np.testing.assert_allclose(runs.posterior(81), p, 1e-8, 1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1 << 30), d=st.integers(1, 3), n_max=st.integers(2, 12),
    floor=st.sampled_from([0.0, 1e-4, 1e-2]), wild=st.floats(0.1, 30),
)  # fmt: skip
def test_pruning_costs_no_more_than_the_mass_it_forgot(seed, d, n_max, floor, wild):
    """On any data the pruned posterior is as near to the whole one, in total variation, as the mass lost.

    The mass lost follows from what the kernel gives back: its densities and shares pruned multiply to the evidence of
    the hypotheses it kept, and the whole evidence is the oracle's.
    """
    rng = np.random.default_rng(seed)
    x = changing(seed, 40, d) * np.where(rng.random((40, 1)) < 0.1, wild, 1.0)
    hazard = rng.uniform(1e-3, 0.2, 40)
    runs, kept, whole = Runs(d, n_max, floor, 50), 0.0, 0.0
    for t, (expected, log_density) in enumerate(oracle(x, hazard, prior_of(d))):
        dropped, ours = runs.add(x[t], hazard[t])
        kept, whole = kept + ours + math.log1p(-dropped), whole + log_density
        lost = 1 - math.exp(kept - whole)
        assert runs.n <= n_max
        assert dropped <= floor * (t + 2) + (1 if t + 2 > n_max else 0)
        assert -1e-9 <= lost <= 1
        assert 0.5 * np.abs(runs.posterior(t + 1) - expected).sum() <= lost + 1e-9
        assert runs.p[: runs.n].sum() == pytest.approx(1, abs=1e-12)


def test_the_mass_lost_is_expected_to_be_what_was_pruned():
    """On data that the model itself makes, the mean mass lost is at most the mean sum of the shares pruned."""
    hazard, n, losses, sums = 0.05, 30, [], []
    kappa, nu, psi = prior_of(1)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        x = np.empty((n, 1))
        for t in range(n):
            if t == 0 or rng.random() < hazard:
                variance = psi / 2 / rng.gamma(nu / 2)
                mean = rng.normal(0, math.sqrt(variance / kappa))
            x[t] = rng.normal(mean, math.sqrt(variance))
        few, all_of_them = Runs(1, 3, 1e-3, 40), Runs(1, 40, 0.0, 40)
        kept, whole, lost, pruned = 0.0, 0.0, 0.0, 0.0
        for t in range(n):
            dropped, ours = few.add(x[t], hazard)
            kept, whole = kept + ours + math.log1p(-dropped), whole + all_of_them.add(x[t], hazard)[1]
            pruned += dropped
        lost = 1 - math.exp(kept - whole)
        losses.append(lost)
        sums.append(pruned)
    error = np.std(np.subtract(losses, sums)) / math.sqrt(len(losses))
    assert np.mean(losses) > 0.01, "the case must prune something"
    assert np.mean(losses) <= np.mean(sums) + 3 * error


def test_a_run_at_the_end_forgets():
    """Values far older than the longest run have no say in its statistics, and the mass stays 1."""
    last = []
    for begin in (0.0, 3.0):
        runs = Runs(2, 20, 1e-9, 30)
        rng = np.random.default_rng(7)
        for value in np.r_[np.full((40, 2), begin), rng.normal(size=(900, 2))]:
            runs.add(value, 1e-4)
        assert runs.length[: runs.n].max() == 30
        last.append((runs.mean[runs.n - 1].copy(), runs.scatter[runs.n - 1].copy()))
    np.testing.assert_allclose(last[0][0], last[1][0], 0, 1e-6)
    np.testing.assert_allclose(last[0][1], last[1][1], 1e-6)
    # Its scatter is that of about 30 values, not of 900.
    assert 15 < last[0][1][0, 0] < 60


@pytest.mark.parametrize("kind", ["mean", "deviation", "correlation"])
def test_a_change_of_each_kind_is_found(kind):
    """Forty values after mean, deviation or correlation changed, the most probable run began near there."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(160, 2))
    if kind == "mean":
        x[120:, 0] += 2
    elif kind == "deviation":
        x[120:] *= 3
    else:
        x[120:, 1] = 0.95 * x[120:, 0] + 0.31 * x[120:, 1]
    runs = Runs(2, 64, 1e-6, 200)
    for value in x:
        runs.add(value, 0.005)
    assert abs(np.argmax(runs.posterior(200)) - 40) <= 6
