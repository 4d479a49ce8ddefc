"""Splitters against plain counting, and what must hold for every split."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.validation.combinatorial import CombinatorialPurged, optimal_folds
from offline.validation.kfold import PurgedKFold
from offline.validation.periods import PeriodWalkForward
from offline.validation.walk_forward import WalkForward
from processors.errors import ConfigError

SIZES = st.integers(1, 8)
GAPS = st.integers(0, 3)


@given(st.integers(5, 60), SIZES, SIZES, GAPS, GAPS, st.booleans(), st.booleans())
def test_walk_forward_never_looks_ahead(n, test_size, train_size, purged, embargo, expand, reduce):
    """Training ends the gap before the test, tests follow each other without hole or overlap, and reach the end."""
    gap = purged + embargo
    cv = WalkForward(test_size, train_size, expand_train=expand, reduce_test=reduce, purged_size=purged,
                     embargo_size=embargo)  # fmt: skip
    if train_size + gap >= n:
        with pytest.raises(ConfigError):
            list(cv.split(n))
        return
    splits = list(cv.split(n))
    for split in splits:
        assert split.train[-1] == split.test[0] - gap - 1
        assert (split.train[0] == 0) if expand else (len(split.train) == train_size)
        assert (np.diff(split.train) == 1).all()
    judged = np.concatenate([s.test for s in splits]) if splits else np.empty(0)
    n_judged = n - train_size - gap
    assert judged.tolist() == list(range(n - n_judged, n if reduce else n - n_judged % test_size))


@settings(deadline=None)
@given(st.data())
def test_combinatorial_holds_out_every_choice_and_purges_by_distance(data):
    """A row trains if and only if no test row is within the purge, nor within purge and embargo before it."""
    n_folds = data.draw(st.integers(3, 6))
    held, purged, embargo = data.draw(st.integers(2, n_folds - 1)), data.draw(GAPS), data.draw(GAPS)
    n = n_folds * (purged + embargo + 2) + data.draw(st.integers(0, 20))
    cv = CombinatorialPurged(n_folds, held, purged, embargo)
    splits = list(cv.split(n))
    assert len(splits) == cv.n_splits == len({tuple(s.test) for s in splits})
    for split in splits:
        tested = set(split.test.tolist())
        near = {t + d for t in tested for d in range(-purged, purged + embargo + 1)}
        assert split.train.tolist() == [i for i in range(n) if i not in near]


@given(st.integers(3, 7).flatmap(lambda k: st.tuples(st.just(k), st.integers(2, k - 1))))
def test_each_path_judges_every_row_once(numbers):
    """A path takes each fold from another split that holds it out, and no split judges a fold on two paths."""
    cv = CombinatorialPurged(*numbers)
    n = cv.n_folds * 2
    splits, used = list(cv.split(n * 2)), set()
    for path in cv.paths(n * 2):
        assert np.concatenate([rows for _, rows in path]).tolist() == list(range(n * 2))
        for fold, (split, rows) in enumerate(path):
            assert np.isin(rows, splits[split].test).all()
            assert (split, fold) not in used
            used.add((split, fold))
    for i, held in enumerate(cv.test_set_index):
        for fold, path in zip(held, cv.path_ids[i], strict=True):
            assert cv.recombined_paths[fold, path] == i


@given(st.integers(3, 40), st.integers(1, 30), st.integers(1, 40))
def test_optimal_folds_are_the_best_of_all(n, size, paths):
    """The pair that is found costs no more than any other."""

    def cost(pair):
        folds, held = pair
        cv = CombinatorialPurged.__new__(CombinatorialPurged)
        object.__setattr__(cv, "n_folds", folds)
        object.__setattr__(cv, "n_test_folds", held)
        return abs(cv.n_test_paths - paths) / paths + abs(n / folds * (folds - held) - size) / size

    best = min(cost((f, h)) for f in range(3, n + 1) for h in range(2, f))
    assert cost(optimal_folds(n, size, paths)) == pytest.approx(best)


@given(st.integers(2, 6), st.integers(6, 40), GAPS, GAPS)
def test_kfold_judges_each_row_once_and_trains_on_none_beside_it(k, n, purged, embargo):
    """Tests partition the rows; a training row is farther from the test than the purge, behind it the embargo too."""
    splits = list(PurgedKFold(k, purged, embargo).split(n))
    assert np.concatenate([s.test for s in splits]).tolist() == list(range(n))
    for split in splits:
        first, last = split.test[0], split.test[-1]
        wanted = [i for i in range(n) if i < first - purged or i > last + purged + embargo]
        assert split.train.tolist() == wanted


def test_more_than_whole_folds_fall_to_the_last():
    """Eleven rows in four folds: the last one has five, and every row is judged."""
    assert [len(s.test) for s in PurgedKFold(4).split(11)] == [2, 2, 2, 5]
    with pytest.raises(ConfigError, match="n_folds"):
        list(PurgedKFold(4).split(3))


@settings(deadline=None, max_examples=50)
@given(st.integers(20, 400), SIZES, st.integers(1, 6), GAPS, st.booleans(), st.sampled_from(["MS", "W", "WOM-3FRI"]))
def test_periods_begin_tests_at_their_borders(n, test_size, train_size, purged, previous, freq):
    """Tests follow each other, each begins at the row of a period's start, and training ends the purge before it."""
    days = pd.bdate_range("2021-01-05", periods=n)
    borders = pd.date_range(days[0], days[-1], freq=freq)
    side = [days[days <= b][-1] if previous else days[days >= b][0] for b in borders if b <= days[-1]]
    splits = list(PeriodWalkForward(test_size, train_size, freq, previous=previous, reduce_test=True,
                                    purged_size=purged).split(days))  # fmt: skip
    for split in splits:
        assert days[split.test[0]] in side
        if len(split.train):
            assert split.train[-1] == split.test[0] - purged - 1
    for a, b in pairwise(splits):
        assert a.test[-1] + 1 == b.test[0]
    if splits:
        assert splits[-1].test[-1] == n - 1
    assert len(splits) == len(range(0, max(len(side) - train_size, 0), test_size))


def test_a_span_of_time_trains_no_longer_than_it():
    """With a span of time, training begins on the last row at or before that long before the test, and is purged."""
    days = pd.bdate_range("2021-01-04", periods=300)
    splits = list(PeriodWalkForward(1, pd.DateOffset(months=2), "MS", purged_size=2).split(days))
    assert splits
    for split in splits:
        border = days[split.test[0]]
        start = pd.Timestamp(border.year, border.month, 1) - pd.DateOffset(months=2)
        assert days[split.train[0]] <= start < days[split.train[0] + 1]
        assert split.train[-1] == split.test[0] - 3


@pytest.mark.parametrize("build", [
    lambda: WalkForward(0, 1), lambda: WalkForward(1, 1, purged_size=-1), lambda: WalkForward(1.5, 2),
    lambda: WalkForward(True, 2), lambda: CombinatorialPurged(2, 2), lambda: CombinatorialPurged(5, 1),
    lambda: CombinatorialPurged(5, 5), lambda: CombinatorialPurged(40, 20), lambda: PurgedKFold(1),
    lambda: PeriodWalkForward(1, 1, "never"), lambda: PeriodWalkForward(1, 0, "MS"),
    lambda: list(CombinatorialPurged(3, 2, 3, 1).split(12)), lambda: optimal_folds(2, 1, 1),
    lambda: list(PeriodWalkForward(1, 1, "MS").split(pd.DatetimeIndex(["2021-02-01", "2021-01-01"]))),
])  # fmt: skip
def test_numbers_out_of_range_are_refused_by_name(build):
    """A size that cannot be is a ConfigError that names it."""
    with pytest.raises(ConfigError):
        build()
