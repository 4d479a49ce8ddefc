"""Sharpe ratios with their doubt, and tests of luck: against plain loops, simulations and each other."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.sandwich_covariance import S_hac_simple

from offline.statistics import deflated as f
from offline.statistics import sharpe as s
from offline.statistics import superior as p
from offline.statistics.bootstrap import stationary_bootstrap
from offline.statistics.moments import kurtosis, skewness
from offline.statistics.overfitting import backtest_overfitting, sharpe_of_columns
from processors.errors import ConfigError


def autoregressive(rng, n, rho, mean=0.05):
    noise, x = rng.normal(0, 1, n), np.zeros(n)
    for i in range(1, n):
        x[i] = rho * x[i - 1] + noise[i]
    return mean + x * math.sqrt(1 - rho**2)


def test_without_lags_the_long_run_variance_is_that_of_the_moments():
    """The delta method of independent returns is Mertens' formula, and of many normal ones Lo's."""
    x = np.random.default_rng(0).gamma(2.0, 0.02, 400) - 0.03
    hac = s.sharpe_estimate(x, method="hac", lags=0)
    # Ours divides by the sample deviation with n - 1, the influence by that with n.
    assert hac.standard_error == pytest.approx(s.sharpe_estimate(x, method="moments").standard_error, rel=2e-3)
    z = np.random.default_rng(1).normal(0.1, 1, 200_000)
    found = [s.sharpe_estimate(z, method=m).standard_error for m in s.METHODS]
    assert found == pytest.approx([found[0]] * 3, rel=0.02)


@given(st.integers(0, 12))
def test_long_run_variance_is_that_of_statsmodels(lags):
    """Weights fall linearly to zero behind the last lag."""
    x = np.random.default_rng(5).normal(0, 1, 60)
    assert s.long_run_variance(x, lags) == pytest.approx(S_hac_simple(x[:, None], nlags=lags)[0, 0] / 60)


def test_intervals_cover_as_often_as_they_say():
    """Of dependent returns, nine of ten intervals at 90 % hold the true ratio; those that ignore it hold far fewer."""
    rng, inside = np.random.default_rng(7), {"hac": 0, "normal": 0}
    for _ in range(400):
        x = autoregressive(rng, 2000, 0.3)
        for method in inside:
            e = s.sharpe_estimate(x, 0.9, method, lags=15 if method == "hac" else None)
            inside[method] += e.low <= 0.05 <= e.high
    assert inside["hac"] / 400 == pytest.approx(0.9, abs=0.05)
    assert inside["normal"] / 400 < 0.82


def test_annualising_knows_of_autocorrelation():
    """Of an autoregressive series the long ratio is that of summed returns; of independent ones the root."""
    rng = np.random.default_rng(3)
    x = autoregressive(rng, 400_000, 0.6)
    sums = x.reshape(-1, 10).sum(axis=1)
    naive = sums.mean() / sums.std(ddof=1)
    assert s.annualised_sharpe(x, 10) == pytest.approx(naive, rel=0.03)
    assert s.annualised_sharpe(x, 10, autocorrelated=False) > 1.5 * naive
    assert s.annualised_sharpe(x[:50], 1) == s.sharpe_of_period(x[:50])
    assert s.annualised_sharpe(x, 10, lags=0) == pytest.approx(s.annualised_sharpe(x, 10, autocorrelated=False))
    with pytest.raises(ConfigError, match="lags is -1"):
        s.annualised_sharpe(x, 10, lags=-1)


@pytest.mark.parametrize("n", [60, 252, 1000])
def test_a_year_of_independent_returns_is_not_flattered(n):
    """The ratio is about that of the root of the periods, however short the series."""
    rng = np.random.default_rng(11)
    series = [rng.normal(0.06, 1.0, n) for _ in range(300)]
    ratio = [s.annualised_sharpe(x) / s.annualised_sharpe(x, autocorrelated=False) for x in series]
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.1)
    assert np.isnan(ratio).mean() < 0.02


def test_probabilities_by_hand():
    """Values of the papers: a ratio of 0.458 a month over 2 years, skew -2.448 and kurtosis 10.164, is 0.913 sure."""
    assert f.probabilistic_sharpe(0.458, 0.0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=0.001)
    # The Deflated Sharpe Ratio, section "A numerical example".
    best = f.expected_maximum_sharpe(100, 0.5 / 250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert f.probabilistic_sharpe(2.5 / math.sqrt(250), best, 1250, -3, 10) == pytest.approx(0.9004, abs=1e-3)


@given(st.floats(0.01, 1.0), st.floats(0.6, 0.99), st.floats(-1, 0.5), st.floats(2.5, 12))
def test_the_track_record_is_just_long_enough(ratio, confidence, skew, kurt):
    """At the minimum length the probability is the confidence; a shorter one has less."""
    n = f.minimum_track_record(ratio, 0.0, confidence, skew, kurt)
    if s.variance_of_sharpe(ratio, skew, kurt) <= 0:
        return
    shares = [f.probabilistic_sharpe(ratio, 0.0, max(math.floor(n), 2), skew, kurt),
              f.probabilistic_sharpe(ratio, 0.0, math.ceil(n) + 1, skew, kurt)]  # fmt: skip
    assert shares[1] >= confidence - 1e-9
    if n >= 2:
        assert shares[0] <= confidence + 1e-9
    assert f.minimum_track_record(ratio, ratio) == math.inf


def test_more_trials_deflate_more():
    """The probability falls with the number of trials; one trial is the probabilistic ratio."""
    x = np.random.default_rng(0).normal(0.1, 1, 500)
    found = [f.deflated_sharpe_ratio(x, n, 0.002) for n in (1, 2, 10, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == f.probabilistic_sharpe_ratio(x)
    lucky = np.random.default_rng(1).normal(0, 0.05, (4000, 50)).max(axis=1).mean()
    assert f.expected_maximum_sharpe(50, 0.05**2) == pytest.approx(lucky, rel=0.02)


def test_leans_ratio_is_more_certain_than_the_papers():
    """Excess kurtosis in place of kurtosis makes a smaller variance; equal returns are no skill."""
    x = np.random.default_rng(0).normal(0.1, 1, 300)
    assert f.probabilistic_sharpe_ratio_of_lean(x) > f.probabilistic_sharpe_ratio(x) > 0.5
    assert f.probabilistic_sharpe_ratio_of_lean(np.full(9, 0.1)) == 0.0
    assert math.isnan(f.probabilistic_sharpe_ratio(np.full(9, 0.1)))
    assert skewness(x) == pytest.approx(0, abs=0.5)
    assert kurtosis(x) == pytest.approx(3, abs=1)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.floats(1, 20), st.integers(0, 99))
def test_bootstrap_rows_follow_each_other_within_blocks(n, samples, block, seed):
    """Rows are in range, the same for the same seed, and go on by one, around the end, where no block begins."""
    rows = stationary_bootstrap(n, samples, block, np.random.default_rng(seed))
    again = stationary_bootstrap(n, samples, block, np.random.default_rng(seed))
    assert rows.shape == (samples, n)
    assert (rows == again).all()
    assert ((rows >= 0) & (rows < n)).all()
    assert stationary_bootstrap(n, 3, 1e12, np.random.default_rng(seed))[0].tolist() == [
        (stationary_bootstrap(n, 3, 1e12, np.random.default_rng(seed))[0, 0] + i) % n for i in range(n)
    ]


def test_blocks_have_the_mean_length():
    """Blocks of mean 8 break every eighth row."""
    rows = stationary_bootstrap(1000, 200, 8.0, np.random.default_rng(0))
    breaks = ((np.diff(rows, axis=1) - 1) % 1000 != 0).mean()
    assert breaks == pytest.approx(1 / 8, abs=0.005)


def test_bootstrap_variance_is_that_of_the_bootstrap():
    """The closed form is the variance of the resampled means."""
    x = autoregressive(np.random.default_rng(2), 80, 0.4)[:, None]
    rows = stationary_bootstrap(80, 40_000, 6.0, np.random.default_rng(3))
    assert p.bootstrap_variance(x, 6.0)[0] == pytest.approx(80 * x[rows][:, :, 0].mean(axis=1).var(), rel=0.03)


def test_luck_is_called_luck_and_skill_skill():
    """Without merit p-values are spread out; one good model among many is found, and bad ones do not hide it."""
    rng = np.random.default_rng(4)
    found = [p.superior_predictive_ability(rng.normal(0, 1, (150, 8)), 200, 1.0, i) for i in range(120)]
    rejected = np.mean([one.consistent < 0.1 for one in found])
    assert rejected == pytest.approx(0.1, abs=0.08)
    assert all(one.lower <= one.consistent <= one.upper for one in found)
    models = rng.normal(0, 1, (300, 40))
    models[:, 7] += 0.25
    models[:, 8:] -= 1.0
    one = p.superior_predictive_ability(models, 500, 2.0)
    assert one.best == 7
    assert one.consistent < 0.02
    check = p.reality_check(models, 500, 2.0)
    assert check.best == 7
    assert p.superior_predictive_ability(models, 500, 2.0) == one
    assert p.superior_predictive_ability(-np.abs(models), 100).consistent == 1.0


def test_superior_ability_by_loops():
    """P-values are those of a plain walk over resamples and models; a model far below takes no part in luck."""
    rng = np.random.default_rng(9)
    x = rng.normal([0.15, 0.0, -0.8, -1.5], 1.0, (60, 4))
    n, root, samples = 60, math.sqrt(60), 300
    found = p.superior_predictive_ability(x, samples, 4.0, 5)
    spread = [math.sqrt(v) for v in p.bootstrap_variance(x, 4.0)]
    mean = [float(np.mean(x[:, k])) for k in range(4)]
    statistic = max(0.0, *(root * mean[k] / spread[k] for k in range(4)))
    bound = [-spread[k] * math.sqrt(2 * math.log(math.log(n)) / n) for k in range(4)]
    assert [mean[k] < bound[k] for k in range(4)] == [False, False, True, True]
    centres = {
        "lower": [max(m, 0.0) for m in mean], "upper": mean,
        "consistent": [m if m >= b else 0.0 for m, b in zip(mean, bound, strict=True)],
    }  # fmt: skip
    rows = stationary_bootstrap(n, samples, 4.0, np.random.default_rng(5))
    for name, centre in centres.items():
        luck = [max(0.0, *(root * (np.mean(x[r, k]) - centre[k]) / spread[k] for k in range(4))) for r in rows]
        assert getattr(found, name) == pytest.approx(np.mean([one >= statistic for one in luck]))
    assert found.statistic == pytest.approx(statistic)
    assert found.lower <= found.consistent < found.upper


def test_overfitting_by_loops():
    """The logits are those of a plain walk over all halves, best in sample by its Sharpe ratio."""
    x = np.random.default_rng(6).normal(0, 1, (50, 5))
    found = backtest_overfitting(x, 6)
    parts, logits = np.split(x[2:], 6), []
    for chosen in combinations(range(6), 3):
        inside = np.concatenate([parts[i] for i in chosen])
        outside = np.concatenate([parts[i] for i in range(6) if i not in chosen])
        best = max(range(5), key=lambda m: inside[:, m].mean() / inside[:, m].std(ddof=1))
        ratio = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        rank = sorted(ratio).index(ratio[best]) + 1
        logits.append(math.log(rank / (6 - rank)))
    assert found.logits == pytest.approx(logits)
    assert found.probability == np.mean(np.array(logits) <= 0)


def test_overfitting_tells_skill_from_luck():
    """A model that is better throughout is not overfit; the best of noise is, about every second time."""
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 1, (480, 20))
    skill = noise.copy()
    skill[:, 3] += 0.4
    assert backtest_overfitting(skill, 8).probability < 0.05
    assert np.mean(
        [backtest_overfitting(rng.normal(0, 1, (160, 10)), 8).probability for _ in range(30)]
    ) == pytest.approx(0.5, abs=0.12)
    assert sharpe_of_columns(np.array([[0.0, 0.1], [0.0, 0.1]])).tolist() == [0.0, math.inf]


@pytest.mark.parametrize("build", [
    lambda: s.sharpe_estimate(np.ones(5), method="guess"), lambda: s.sharpe_estimate(np.ones(5), 1.0),
    lambda: s.long_run_variance(np.ones(3), -1), lambda: s.annualised_sharpe(np.ones(3), 0),
    lambda: f.probabilistic_sharpe(0.1, 0, 1), lambda: f.expected_maximum_sharpe(0, 1.0),
    lambda: f.expected_maximum_sharpe(3, -1.0), lambda: f.minimum_track_record(0.1, 0, 0.3),
    lambda: stationary_bootstrap(0, 1, 1.0, np.random.default_rng(0)),
    lambda: stationary_bootstrap(3, 1, 0.5, np.random.default_rng(0)),
    lambda: p.superior_predictive_ability(np.ones((5, 2))), lambda: p.reality_check(np.ones(5)),
    lambda: p.reality_check(np.full((5, 2), np.nan)), lambda: backtest_overfitting(np.ones((20, 2)), 5),
    lambda: backtest_overfitting(np.ones((20, 1)), 4), lambda: backtest_overfitting(np.ones((6, 2)), 4),
])  # fmt: skip
def test_what_cannot_be_judged_is_refused_by_name(build):
    """A number out of range is a ConfigError."""
    with pytest.raises(ConfigError):
        build()
