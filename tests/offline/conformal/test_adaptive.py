"""Levels that follow coverage: the bound of the paper, for every stream that can be thought of."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.conformal.adaptive import IntervalTracker, aci_step, coverage_bound
from offline.conformal.quantiles import upper
from processors.errors import ConfigError

STREAM = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300)


@settings(deadline=None)
@given(STREAM, st.floats(0.02, 0.98), st.floats(0.001, 2.0), st.integers(1, 50), st.floats(0.01, 0.99))
def test_coverage_is_within_the_bound_whatever_comes(stream, target, gamma, window, start):
    """Gibbs and Candes, proposition 4.1: the share outside is near the target for any stream and any first level."""
    tracker = IntervalTracker(target, gamma, window, alpha=start)
    for n, y in enumerate(stream, 1):
        tracker.observe(0.0, y)
        assert abs(tracker.n_missed / n - target) <= coverage_bound(n, gamma, start) + 1e-9
        assert -gamma <= tracker.alpha <= 1 + gamma


@given(st.floats(0.05, 0.5), st.floats(0.01, 0.5))
def test_an_adversary_cannot_break_the_bound_but_breaks_a_clipped_level(target, gamma):
    """Each observation lies just outside: the level falls below 0 and holds; clipped, it forgets what it owes."""
    alpha, clipped, missed, missed_clipped, n = target, target, 0, 0, 2000
    for _ in range(n):
        covered, covered_clipped = alpha <= 0, clipped <= 0
        missed, missed_clipped = missed + (not covered), missed_clipped + (not covered_clipped)
        alpha = aci_step(alpha, target, gamma, covered=covered)
        clipped = aci_step(clipped, target, gamma, covered=covered_clipped, clip=True)
        assert 0 <= clipped <= 1
    assert abs(missed / n - target) <= coverage_bound(n, gamma, target)
    assert missed_clipped >= missed


def test_a_clipped_level_can_miss_far_too_often():
    """With large steps, every second observation is missed where one of twenty may be."""
    alpha, missed = 0.05, 0
    for _ in range(1000):
        missed += alpha > 0
        alpha = aci_step(alpha, 0.05, 0.5, covered=alpha <= 0, clip=True)
    assert missed / 1000 > 0.05 + coverage_bound(1000, 0.5, 0.05)


@settings(deadline=None)
@given(STREAM, st.integers(1, 9), st.floats(0.05, 0.9))
def test_the_reach_is_the_conformal_bound_of_the_last_errors(stream, window, target):
    """The sorted window holds the last errors, and the reach is the bound of the library."""
    tracker, errors = IntervalTracker(target, 0.05, window), []
    for y in stream:
        last = np.array(errors[-window:])
        wanted = math.inf if tracker.alpha <= 0 else float(upper(last, 1 - tracker.alpha)) if len(last) else math.inf
        assert tracker.reach() == (-math.inf if tracker.alpha >= 1 else wanted)
        before, size = tracker.alpha, tracker.reach()
        assert tracker.interval(1.0) == (1.0 - size, 1.0 + size)
        covered = tracker.observe(1.0, y)
        assert covered == (abs(y - 1.0) <= size)
        assert tracker.alpha == aci_step(before, target, 0.05, covered=covered)
        errors.append(abs(y - 1.0))


def test_a_drift_is_followed():
    """When errors grow tenfold, a bound of long ago misses most of them, the tracker one of ten in the long run."""
    rng = np.random.default_rng(0)
    tracker = IntervalTracker(0.1, 0.02, 200)
    y = np.r_[rng.normal(0, 1, 500), rng.normal(0, 10, 1500)]
    missed = [not tracker.observe(0.0, one) for one in y]
    assert np.mean(missed[500:]) < 0.14
    assert np.mean(missed[1000:]) == pytest.approx(0.1, abs=0.03)
    assert np.mean(np.abs(y[500:]) > np.quantile(np.abs(y[:500]), 0.9)) > 0.7


def test_what_is_no_number_changes_nothing():
    """An observation that is NaN is refused, and the tracker goes on as before."""
    tracker = IntervalTracker(0.1)
    with pytest.raises(ConfigError, match="came nan"):
        tracker.observe(1.0, math.nan)
    assert (tracker.n, tracker.alpha, tracker.reach()) == (0, 0.1, math.inf)


@pytest.mark.parametrize("settings_of", [{"target": 0.0}, {"target": 1.0}, {"target": 0.1, "gamma": 0.0},
                                         {"target": 0.1, "window": 0}])  # fmt: skip
def test_numbers_out_of_range_are_refused(settings_of):
    """A target, step or window that cannot be is a ConfigError."""
    with pytest.raises(ConfigError):
        IntervalTracker(**settings_of)
