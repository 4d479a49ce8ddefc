"""Change points of recorded series: the Nile, and series whose law is known."""

import math
from itertools import chain, combinations, pairwise

import numpy as np
import pytest
from scipy import stats

from offline.regime import laws
from offline.regime.segments import PRIOR, change_points
from processors.regime import kernel as k
from processors.regime.config import RegimeConfig


@pytest.fixture(name="nile", scope="module")
def _nile():
    """Return the yearly flow of the Nile at Aswan from 1871 on."""
    nile = pytest.importorskip("statsmodels.datasets.nile", reason="statsmodels ships the series")
    return nile.load_pandas().data["volume"].to_numpy(float)


def test_the_nile_changes_in_1898(nile):
    """One change, within a year of 1898, as every study of the series has it."""
    years = [1871 + at for at in change_points(nile)]
    assert len(years) == 1, years
    assert abs(years[0] - 1898) <= 1


def test_the_stage_own_run_lengths_find_1898_too(nile):
    """With the stage's prior and hazard the most probable run of the last 20 years began within a year of 1898."""
    config, x = RegimeConfig(), (nile - nile.mean()) / nile.std()
    n = len(x) + 1
    norm = k.student_norm(config.prior_kappa, config.prior_alpha, n)
    p, mean, beta, end = np.zeros(n), np.zeros(n), np.zeros(n), 0
    p[0], beta[0] = 1.0, config.prior_beta
    began = []
    for t, value in enumerate(x):
        end = k.run_length_step(value, config.hazard_scale, np.ones(3), norm, p, mean, beta, end)
        began.append(1871 + t - int(np.argmax(p[1:])))
    assert all(abs(year - 1898) <= 1 for year in began[-20:]), began[-20:]


USUAL, SCALE = np.empty(3), np.array([0.3])


def told(y, law):
    """Return the log density of a series under one law as one segment, by adding value after value."""
    s, total = laws.fresh(SCALE, PRIOR)[0, law], 0.0
    for t in range(1, len(y)):
        out = np.empty(laws.N_NUMBERS)
        laws.add_to_law(law, y[t], y[t - 1], t / len(y), -math.inf, 0.0, s, out)
        total, s = out[laws.LOG_WEIGHT] - math.log(1 / 3), out
    return total


@pytest.mark.parametrize("law", range(laws.N_LAWS))
def test_the_density_of_a_law_is_that_of_bayesian_regression(law):
    """Added up over values without shocks it is the density of a conjugate regression written out with matrices."""
    rng = np.random.default_rng(1)
    y = rng.normal(size=30).cumsum()
    lag, t = y[:-1], np.arange(1, 30) / 30
    shape, drift, level, slope = PRIOR[:4]
    noise = SCALE[0] ** 2
    design, values, precision, mean = {
        laws.WALK: (np.ones((29, 1)), y[1:] - lag, [drift], [0.0]),
        laws.AROUND: (np.column_stack([np.ones(29), lag]), y[1:], [level * noise, slope * noise], [0.0, 1.0]),
        laws.LINE: (np.column_stack([np.ones(29), t]), y[1:], [level * noise, level * noise], [0.0, 0.0]),
    }[law]
    # All values together are a multivariate Student's t.
    covariance = np.eye(29) + design @ np.diag(1 / np.array(precision)) @ design.T
    expected = stats.multivariate_t.logpdf(values, design @ mean, noise * covariance, df=2 * shape)
    assert told(y, law) == pytest.approx(expected, abs=1e-8)


def test_a_segment_is_the_mean_of_its_laws_by_what_they_did():
    """Weights are the laws' densities so far over their sum, and the density of a value is the mean by these."""
    y = np.random.default_rng(2).normal(size=12).cumsum()
    s, total = laws.fresh(SCALE, PRIOR)[0], 0.0
    for t in range(1, len(y)):
        out = np.empty_like(s)
        density, shock = laws.add(y[t], y[t - 1], t / len(y), 1e-12, s, out, USUAL)
        total, s = total + density, out
        assert 0 <= shock < 1e-6
    alone = np.array([told(y, law) for law in range(laws.N_LAWS)])
    assert total == pytest.approx(np.log(np.exp(alone).mean()), abs=1e-6)
    np.testing.assert_allclose(np.exp(s[:, laws.LOG_WEIGHT]), np.exp(alone) / np.exp(alone).sum(), atol=1e-6)


def test_a_shock_tells_nothing_of_the_law():
    """A value far out is a shock with a chance near one, and leaves the law as it was."""
    s = laws.fresh(SCALE, PRIOR)[0]
    out = np.empty_like(s)
    _, shock = laws.add(50.0, 0.0, 0.1, 0.02, s, out, USUAL)
    assert shock > 0.9
    quiet, wild = (np.abs(one[:, laws.RATE] - s[:, laws.RATE]).max() for one in (s, out))
    assert quiet == 0
    assert wild < 5.0


def best_of_all(y, hazard):
    """Return the best segmentation by trying each: positions of its changes, and its log density."""
    n, found = len(y), {}
    start = laws.fresh(SCALE, PRIOR)
    for changes in chain.from_iterable(combinations(range(2, n), size) for size in range(n - 1)):
        total = 0.0
        for begin, end in pairwise([1, *changes, n]):
            s, counts = start.copy(), np.zeros((1, 2))
            for t in range(begin, end):
                out, grown = np.empty_like(s), np.zeros((1, 2))
                age = (t - begin + 1) / n
                total += laws.grow(y[t], y[t - 1], age, t == begin, PRIOR, s, out, counts, grown, USUAL)
                s, counts = out, grown
        found[changes] = total + len(changes) * math.log(hazard) + (n - 2 - len(changes)) * math.log1p(-hazard)
    return max(found, key=found.get)


@pytest.mark.parametrize("seed", range(4))
def test_the_segmentation_is_the_best_of_all(seed):
    """Over every way to cut nine values, with changes likely enough that there are some."""
    y = np.random.default_rng(seed).normal(size=9)
    y[4:] += 4 * (seed % 3)
    y = ((y - y.mean()) / y.std())[:, None]
    length = np.zeros(9, np.int64)
    laws.segment_lengths(y, 0.4, PRIOR, laws.fresh(SCALE, PRIOR), length)
    found, t = [], 8
    while t >= 1:
        t -= int(length[t])
        found.append(t + 1)
    assert tuple(sorted(x for x in found if x > 1)) == best_of_all(y, 0.4)


def autoregression(rng, b, n):
    """Return values that come back to their mean by 1 - b."""
    x = np.zeros(n)
    for t in range(1, n):
        x[t] = b * x[t - 1] + rng.normal()
    return x


ONE_LAW = {
    "a level": lambda rng: rng.normal(0, 1, 300),
    "a walk": lambda rng: rng.normal(0, 1, 300).cumsum(),
    "a slow wave": lambda rng: autoregression(rng, 0.8, 300),
    "a line": lambda rng: 0.05 * np.arange(300) + rng.normal(0, 1, 300),
    "a season": lambda rng: 3 * np.sin(2 * np.pi * np.arange(240) / 12) + rng.normal(0, 0.5, 240),
    "jumps that keep coming": lambda rng: np.tile(8 - 0.25 * np.arange(30), 10) + rng.normal(0, 0.1, 300),
    "a level with outliers": lambda rng: rng.normal(0, 1, 300) + 15 * (rng.random(300) < 0.02),
    "steps of one size": lambda rng: rng.integers(-1, 2, 300).cumsum().astype(float),
}


@pytest.mark.parametrize("name", list(ONE_LAW))
@pytest.mark.parametrize("seed", range(3))
def test_one_law_is_one_segment(name, seed):
    """Nothing of what keeps its law has a change."""
    assert change_points(ONE_LAW[name](np.random.default_rng(seed))) == []


def cut(*parts):
    """Return parts as one series, and where each but the first begins."""
    return np.concatenate(parts), np.cumsum([len(part) for part in parts])[:-1]


CHANGES = {
    "a level": lambda r: cut(r.normal(0, 1, 150), r.normal(3, 1, 150)),
    "levels to and fro": lambda r: cut(*(r.normal(6 * (i % 2), 1, 60) for i in range(6))),
    "a drift": lambda r: (np.r_[r.normal(0.3, 0.3, 100), r.normal(-0.3, 0.3, 100)].cumsum(), [100]),
    "a line": lambda r: (np.r_[0.2 * np.arange(100), 20 - 0.2 * np.arange(100)] + r.normal(0, 0.5, 200), [100]),
    "a noise": lambda r: cut(r.normal(0, 1, 150), r.normal(0, 5, 150)),
}


@pytest.mark.parametrize("name", list(CHANGES))
@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_anything_in_the_law_is_found(name, seed):
    """Of level, drift, slope or noise: as many as there are, within five values."""
    values, known = CHANGES[name](np.random.default_rng(seed))
    found = change_points(values)
    assert len(found) == len(known)
    assert np.abs(np.array(found) - known).max() <= 5


@pytest.mark.parametrize("seed", range(5))
def test_a_jump_is_found_and_a_random_walk_is_one_segment(seed):
    """A jump of ten deviations is found within a value, also where another series shares it; a walk has no change."""
    rng = np.random.default_rng(seed)
    jump = np.r_[rng.normal(0, 1, 60), rng.normal(10, 1, 70)]
    for values in (jump, np.column_stack([jump, rng.normal(size=130)])):
        found = change_points(values)
        assert len(found) == 1
        assert abs(found[0] - 60) <= 1
    assert change_points(rng.normal(size=200).cumsum()) == []


def test_missing_values_and_flat_series_are_no_evidence():
    """Missing values do not hide a jump; a flat, an empty and a one-value series have no change."""
    rng = np.random.default_rng(3)
    values = np.r_[rng.normal(0, 1, 60), rng.normal(10, 1, 70)]
    values[[0, 20, 21, 100]] = np.nan
    assert [abs(at - 60) <= 1 for at in change_points(values)] == [True]
    assert change_points(np.full(50, 3.0)) == change_points(np.zeros(0)) == change_points(np.ones(1)) == []
    assert change_points(np.full(50, np.nan)) == []
    late = np.r_[np.full(5, np.nan), rng.normal(0, 1, 60), rng.normal(10, 1, 70)]
    assert [abs(at - 65) <= 1 for at in change_points(np.column_stack([late, np.full(135, np.nan)]))] == [True]


def test_unit_and_origin_do_not_matter():
    """A series in another unit has the same change points."""
    rng = np.random.default_rng(4)
    values = np.r_[rng.normal(0, 1, 50), rng.normal(0, 6, 50)]
    assert change_points(values) == change_points(1000 * values + 7) != []
