"""Intervals against plain counting and against the promise that they make."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.conformal import quantiles as q
from offline.conformal.cross import AGGREGATES, METHODS, by_left_out, cross_conformal
from offline.conformal.folds import block_resamples, drawing, k_folds, leave_one_out, resamples
from offline.conformal.quantile_regression import calibrate_quantiles
from offline.conformal.scores import Absolute, Gamma, Normalised, score_named
from offline.conformal.split import calibrate, reach
from offline.conformal.validity import p_values, valid
from processors.errors import ConfigError

SCORES = st.lists(st.floats(-50, 50).map(lambda x: round(x, 2)), min_size=1, max_size=30)


def least_squares(x, y):
    weights = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    return lambda new: np.column_stack([new, np.ones(len(new))]) @ weights


@given(SCORES, st.integers(1, 99))
def test_a_bound_is_the_smallest_that_holds_often_enough(values, percent):
    """Of n + 1 exchangeable scores, a share of at least the level is not above the bound, and no smaller one does."""
    n, level = len(values), percent / 100
    bound = float(q.upper(np.array(values), level))
    enough = [v for v in sorted(values) if 100 * sum(w <= v for w in values) >= percent * (n + 1)]
    assert bound == (enough[0] if enough else math.inf)
    assert float(q.lower(np.array(values), 1 - level)) == -float(q.upper(-np.array(values), level))


def test_rows_without_a_score_do_not_count():
    """NaN is no score: bounds are those of the others, for one row of scores or many, and too few are infinite."""
    scores = np.array([3.0, np.nan, 1.0, 2.0])
    assert q.upper(scores, 0.75) == 3.0
    assert q.upper(scores, 0.76) == np.inf
    assert q.lower(scores, 0.25) == 1.0
    assert q.upper(np.stack([scores, scores + 1]), 0.5).tolist() == [2.0, 3.0]
    assert q.upper(np.full(3, np.nan), 0.5) == np.inf


def test_a_row_that_every_model_has_seen_has_no_score():
    """With two resamples many rows have none; bounds come of those that have."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(0, 1, (50, 1)), rng.normal(0, 1, 50)
    for method in ("base", "plus", "minmax", "enbpi"):
        found = cross_conformal(least_squares, x, y, resamples(50, 2, drawing(0)), method)
        assert 0 < np.isnan(found.scores).sum() < 40
        assert np.isfinite(found.interval(x, 0.8)).all()


def test_levels_are_decimals():
    """A level that a float does not hold exactly is meant as it is written."""
    for percent in range(1, 100):
        for n in range(1, 400):
            assert q.rank(percent / 100, n) == min(-(-percent * (n + 1) // 100), n + 1)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.8, 0.9]), st.booleans(), st.booleans())
def test_split_intervals_cover_as_promised(seed, confidence, symmetric, skewed):
    """Over many calibration sets the share inside is the confidence, and at most one part in n + 1 more, or two."""
    rng, n, sets = np.random.default_rng(seed), 39, 3000
    draws = rng.exponential(1, (sets, n + 1)) if skewed else rng.normal(0, 1, (sets, n + 1))
    if symmetric:
        bound = q.upper(np.abs(draws[:, :n]), confidence)
        inside = np.abs(draws[:, n]) <= bound
    else:
        alpha = 1 - confidence
        inside = (draws[:, n] >= q.lower(draws[:, :n], alpha / 2)) & (
            draws[:, n] <= q.upper(draws[:, :n], 1 - alpha / 2)
        )
    assert confidence - 0.04 < inside.mean() < confidence + 2 / (n + 1) + 0.04


@given(SCORES, st.sampled_from(["absolute", "gamma", "residual_normalized"]))
def test_scores_and_their_inverses(values, name):
    """The observation that has the score of an observation is that one."""
    y = np.abs(np.array(values)) + 1
    prediction, scale = np.linspace(2, 9, len(y)), np.linspace(0.5, 3, len(y))
    score = score_named(name)
    assert score.at(prediction, score.signed(y, prediction, scale), scale) == pytest.approx(y)
    assert score_named(name, symmetric=not score.symmetric).symmetric != score.symmetric


def test_scores_shape_intervals():
    """Gamma intervals grow with the prediction, normalised ones with the scale, and sides differ where errors do."""
    rng = np.random.default_rng(0)
    y = 10 + rng.exponential(1, 200)
    two = np.array([10.0, 20.0])
    gamma = calibrate(y, np.full(200, 10.0), Gamma()).interval(two, 0.9)
    assert (gamma.high - gamma.low)[1] == pytest.approx(2 * (gamma.high - gamma.low)[0])
    assert (gamma.high - two)[0] > (two - gamma.low)[0] + 1
    scaled = calibrate(y, np.full(200, 10.0), Normalised(), np.ones(200)).interval(two, 0.9, np.array([1.0, 3.0]))
    assert (scaled.high - two)[1] == pytest.approx(3 * (scaled.high - two)[0])
    wide = calibrate(y, np.full(200, 10.0), Absolute(symmetric=False)).interval(two, 0.9)
    narrow = calibrate(y, np.full(200, 10.0), Absolute(symmetric=False)).interval(two, 0.9, narrow=True)
    assert (narrow.high - narrow.low < wide.high - wide.low).all()
    few = calibrate(y[:5], np.full(5, 10.0)).interval(two, 0.9)
    assert np.isinf(few.low).all()
    assert np.isinf(few.high).all()


@settings(max_examples=40)
@given(SCORES, st.integers(5, 60))
def test_narrow_is_never_infinite_where_halves_are_not(values, percent):
    """The narrowest share bounds both sides wherever the scores can."""
    scores, alpha = np.array(values), percent / 100
    found = reach(scores, 1 - alpha, symmetric=False, narrow=True)
    if np.isfinite(reach(scores, 1 - alpha, symmetric=False)).all():
        assert np.isfinite(found).all()
        assert found.low <= found.high


def test_conformalised_quantiles_move_until_they_hold():
    """Bounds that are too tight widen, too wide ones shrink, and a new row is inside as often as asked."""
    rng = np.random.default_rng(1)
    for reach_of in (0.3, 3.0):
        y, new = rng.standard_t(4, 4000), rng.standard_t(4, 4000)
        tight = np.full(4000, reach_of)
        for symmetric in (True, False):
            found = calibrate_quantiles(y, -tight, tight, symmetric=symmetric).interval(-tight, tight, 0.8)
            assert ((new >= found.low) & (new <= found.high)).mean() == pytest.approx(0.8, abs=0.025)
    crossed = calibrate_quantiles(np.zeros(99), np.full(99, -5.0), np.full(99, 5.0)).interval(
        np.array([1.0]), np.array([2.0]), 0.5
    )
    assert crossed.low == crossed.high == 1.5


@pytest.mark.parametrize("aggregate", AGGREGATES)
@given(st.integers(0, 50))
def test_aggregates_by_row_are_plain_loops(aggregate, seed):
    """Each row of the past has the aggregate of the models that have not seen it."""
    rng = np.random.default_rng(seed)
    predictions, left_out = rng.normal(0, 1, (4, 5)), rng.random((7, 5)) < 0.4
    found = by_left_out(predictions, left_out, aggregate)
    for j, models in enumerate(left_out):
        for i, row in enumerate(predictions):
            if models.any():
                assert found[i, j] == pytest.approx(getattr(np, aggregate)(row[models]))
            else:
                assert np.isnan(found[i, j])


def test_jackknife_plus_by_hand():
    """Of five rows and the mean as model: bounds are order statistics of leave-one-out mean plus and minus error."""
    y, x = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.zeros((5, 0))
    found = cross_conformal(lambda _, y: lambda new: np.full(len(new), y.mean()), x, y, leave_one_out(5))
    interval = found.interval(np.zeros((1, 0)), 0.6)
    means = (y.sum() - y) / 4
    high, low = sorted(means + abs(y - means)), sorted(means - abs(y - means))
    # The fourth of five from below: ceil(0.6 * 6).
    assert interval.high[0] == pytest.approx(high[3])
    assert interval.low[0] == pytest.approx(low[1])


@pytest.mark.parametrize("method", [m for m in METHODS if m != "naive"])
@pytest.mark.parametrize("folds", ["k", "resamples", "blocks"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_every_method_covers_new_rows(method, folds, symmetric):
    """Of rows that no model has seen, about nine of ten lie inside at 0.9."""
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (700, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.standard_t(5, 700)
    parts = {
        "k": lambda: k_folds(200, 5), "resamples": lambda: resamples(200, 20, drawing(3)),
        "blocks": lambda: block_resamples(200, 20, drawing(3), length=10, overlapping=True),
    }[folds]()  # fmt: skip
    found = cross_conformal(least_squares, x[:200], y[:200], parts, method, Absolute(symmetric))
    interval = found.interval(x[200:], 0.9)
    inside = ((y[200:] >= interval.low) & (y[200:] <= interval.high)).mean()
    assert 0.84 < inside < 0.97
    later = found.observe(x[200:400], 3 * y[200:400])
    assert (later.interval(x[400:], 0.9).high - later.interval(x[400:], 0.9).low).mean() > 1.5 * (
        interval.high - interval.low
    ).mean()


def test_naive_intervals_are_too_narrow():
    """A model that knows its rows by heart has no errors on them, so the folds must."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(0, 1, (60, 1)), rng.normal(0, 1, 60)

    def nearest(seen, told):
        return lambda new: told[np.abs(seen[:, 0][None] - new[:, :1]).argmin(axis=1)]

    naive = cross_conformal(nearest, x, y, [], "naive").interval(x, 0.9)
    crossed = cross_conformal(nearest, x, y, k_folds(60, 6), "base").interval(x, 0.9)
    assert (naive.high - naive.low).max() == 0
    assert (crossed.high - crossed.low).min() > 2


@given(st.integers(2, 40), st.integers(0, 9))
def test_folds_leave_out_what_they_do_not_train_on(n, seed):
    """No row is on both sides; folds leave each row out once; blocks follow each other."""
    order = np.random.default_rng(seed).permutation(n)
    kinds = {"k": k_folds(n, min(n, 3), order), "loo": leave_one_out(n), "again": resamples(n, 4, drawing(seed)),
             "few": resamples(n, 4, drawing(seed), 3)}  # fmt: skip
    for name, parts in kinds.items():
        found = list(parts)
        for train, held in found:
            assert sorted({*train, *held}) == list(range(n))
            assert not set(train) & set(held)
        if name in ("k", "loo"):
            assert sorted(np.concatenate([held for _, held in found])) == list(range(n))
    for overlapping in (True, False):
        for train, held in block_resamples(n, 3, drawing(seed), length=2, overlapping=overlapping):
            pairs = train.reshape(-1, 2)
            assert (pairs[:, 1] == pairs[:, 0] + 1).all()
            assert overlapping or (pairs[:, 0] % 2 == 0).all()
            assert sorted({*train, *held}) == list(range(n))


@given(SCORES, SCORES)
def test_p_values_count(scores, new):
    """The p-value is one more than the scores at least as large, over one more than all."""
    a = np.array(scores)
    assert p_values(a, np.array(new)).tolist() == [(1 + sum(s >= v for s in scores)) / (len(scores) + 1) for v in new]


def test_ordinary_rows_are_filtered_as_rarely_as_said():
    """At most one of ten exchangeable rows falls to a bound of 0.1, nearly all strange ones do; rows must do for it."""
    rng = np.random.default_rng(5)
    kept = [valid(rng.normal(0, 1, 99), rng.normal(0, 1, 1), 0.1)[0] for _ in range(3000)]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02)
    assert valid(rng.normal(0, 1, 99), np.array([9.0, -9.0]), 0.05).tolist() == [False, True]
    with pytest.raises(ConfigError, match="at least 20"):
        valid(np.zeros(19), np.zeros(1), 0.05)


X, Y = np.zeros((6, 1)), np.arange(6.0)


@pytest.mark.parametrize("build", [
    lambda: q.check_confidence(1.0), lambda: calibrate(np.empty(0), np.empty(0)), lambda: score_named("laplace"),
    lambda: calibrate(-np.ones(3), np.ones(3), Gamma()), lambda: calibrate(np.ones(3), np.zeros(3), Gamma()),
    lambda: calibrate(np.ones(3), np.ones(3), Normalised()),
    lambda: reach(np.ones(3), 0.5, symmetric=True, narrow=True),
    lambda: calibrate(np.ones(3), np.ones(3), Normalised(), np.zeros(3)), lambda: list(k_folds(3, 4)),
    lambda: calibrate_quantiles(np.ones(2), np.ones(3), np.ones(3)), lambda: valid(np.ones(9), np.ones(1), 1.0),
    lambda: list(block_resamples(9, 1, drawing(0))), lambda: list(block_resamples(9, 1, drawing(0), 2, 3)),
    lambda: list(block_resamples(9, 1, drawing(0), length=10)), lambda: list(block_resamples(9, 1, drawing(0), 0)),
    lambda: cross_conformal(least_squares, X, Y, leave_one_out(6), "magic"),
    lambda: cross_conformal(least_squares, X, Y, leave_one_out(6), aggregate="mode"),
    lambda: cross_conformal(least_squares, X, Y, [], "plus"),
    lambda: cross_conformal(least_squares, X, Y, [], "naive").predict(X, ensemble=True),
    lambda: cross_conformal(least_squares, X, Y, leave_one_out(6)).observe(np.zeros((7, 1)), np.ones(7)),
])  # fmt: skip
def test_what_cannot_be_is_refused_by_name(build):
    """A number, name or row that cannot be is a ConfigError."""
    with pytest.raises(ConfigError):
        build()
