"""How strange a row is: the p-value of the row, the gate, and what is left of many scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.conformal.validity import p_values, thinned, valid
from offline.training.conformal import spread_of
from processors.errors import ConfigError
from processors.runtime.strings import STRINGS
from processors.score.config import ScoreConfig
from processors.score.score import score_rows
from processors.score.validity import strangeness_of
from tests.score.adaptive_model import adaptive_model
from tests.score.gold_rows import make_gold
from tests.score.test_format_2 import INPUTS

SCORES = st.lists(st.floats(0.0, 100.0), min_size=1, max_size=120)


def ordinary(n, seed=0):
    """Return gold rows whose inputs are normal, as the model's calibration was."""
    gold, rng = make_gold(n, seed=seed), np.random.default_rng(100 + seed)
    for i in INPUTS:
        gold[i.name] = rng.standard_normal(n)
    return gold


def gated(signals):
    """Return which signals have the gate."""
    return np.array(["low_validity" in STRINGS.array(int(g)) for g in signals["gates"]])


def test_ordinary_rows_are_gated_at_the_stated_rate_and_outliers_nearly_always():
    """One in a hundred ordinary rows at most, by the binomial law; nearly every planted outlier; none holds a size."""
    model, n, level = adaptive_model(), 20_000, 0.01
    gold = ordinary(n)
    signals = score_rows(model, ScoreConfig(), gold).signals
    low = gated(signals)
    assert ((signals["validity"] < level) == low).all()
    # The calibration is itself a sample of 999: both vary.
    sd = math.sqrt(level * (1 - level) * (1 / n + 1 / 999))
    assert level - 1 / 1000 - 4 * sd <= low.mean() <= level + 4 * sd
    assert (signals["sizing.nav_frac"][low] == 0).all()
    strange = gold.take(slice(0, 300))
    for i, name in enumerate(i.name for i in INPUTS):
        strange[name][i::3] += 8.0
    assert gated(score_rows(model, ScoreConfig(), strange).signals).mean() > 0.99


def test_the_gate_can_be_set_and_turned_off():
    """The level is the configuration's; at 0 no row is gated, and the value is told all the same."""
    model, gold = adaptive_model(), ordinary(3_000)
    wide = score_rows(model, ScoreConfig(validity_min=0.2), gold).signals
    off = score_rows(model, ScoreConfig(validity_min=0.0), gold).signals
    assert abs(gated(wide).mean() - 0.2) < 0.05
    assert not gated(off).any()
    assert off["validity"].tobytes() == wide["validity"].tobytes()
    with pytest.raises(ConfigError, match=r"guards\.validity_min"):
        ScoreConfig(validity_min=1.0)


def test_a_model_of_an_earlier_format_tells_no_validity(model, later):
    """Of a file without scores the value is null and nothing is gated, whatever the level."""
    signals = score_rows(model, ScoreConfig(validity_min=0.9), later).signals
    assert np.isnan(signals["validity"]).all()
    assert not gated(signals).any()


def test_strangeness_is_the_mean_square_over_what_is_known():
    """By hand: nulls and inputs that never moved are left out; an infinite input is infinitely strange."""
    x = np.array([[1.0, 2.0, 9.0], [np.nan, -4.0, 9.0], [np.inf, 0.0, 0.0], [np.nan, np.nan, 5.0]], np.float32)
    found = strangeness_of(x, np.array([0.0, 1.0, 0.0]), np.array([2.0, 0.5, 0.0]))
    np.testing.assert_array_equal(found, [(0.25 + 4.0) / 2, 100.0, np.inf, 0.0])


def test_the_spread_of_an_input_is_taken_from_its_finite_values():
    """Median and the distance that one in a hundred passes; the farthest where that is nothing; 0 of a constant."""
    n = 1001
    x = np.zeros((n, 3), np.float32)
    x[:, 0] = np.arange(n) - 500
    x[0, 1], x[1, 1], x[2, 1] = 7.0, np.inf, np.nan
    centre, scale = spread_of(x)
    assert centre.tolist() == [0.0, 0.0, 0.0]
    assert scale.tolist() == [pytest.approx(495.0), 7.0, 0.0]


@settings(deadline=None)
@given(SCORES, SCORES, st.integers(1, 130))
def test_few_scores_tell_nearly_what_all_do_and_never_less(scores, new, most):
    """A p-value by those that are left is not below that by all, nor above by more than a step of each."""
    left = thinned(np.array(scores), most)
    n, k = len(scores), len(left)
    assert k == min(n, most)
    by_all, by_few = p_values(np.array(scores), np.array(new)), p_values(left, np.array(new))
    assert (by_few >= by_all - 1e-12).all()
    assert (by_few <= by_all + 1 / (k + 1) + 1 / (n + 1) + 1e-12).all()


@settings(deadline=None)
@given(SCORES, SCORES)
def test_the_gate_is_what_research_calls_valid(scores, new):
    """The compiled value is the obvious one, and the gate's comparison that of ``valid``."""
    found = p_values(np.array(scores), np.array(new))
    assert found.tolist() == [(1 + sum(a >= one for a in scores)) / (len(scores) + 1) for one in new]
    if len(scores) > 2:
        assert valid(np.array(scores), np.array(new), 0.5).tolist() == (found >= 0.5).tolist()
