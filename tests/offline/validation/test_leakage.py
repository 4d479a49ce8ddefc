"""Overlap of labels against every pair, and splits of panels that must be clear of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.validation.combinatorial import CombinatorialPurged
from offline.validation.kfold import PurgedKFold
from offline.validation.leakage import LeakageError, check_leakage, overlaps, purge
from offline.validation.panel import Panel, split_panel, split_symbols
from offline.validation.walk_forward import WalkForward
from processors.errors import ConfigError

LABELS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=12)


def columns(labels):
    ts = np.array([a for a, _ in labels], np.int64)
    return ts, ts + np.array([b for _, b in labels], np.int64)


@given(LABELS, LABELS, st.integers(0, 5))
def test_overlap_is_that_of_any_pair(train, test, embargo):
    """A label overlaps where it shares time with the joined, widened span of the test labels."""
    ts, end = columns(train)
    test_ts, test_end = columns(test)
    naive = []
    for a, b in zip(ts, end, strict=True):
        inside = any(u - embargo < b and a < v + embargo for u, v in zip(test_ts, test_end, strict=True))
        naive.append(inside)
    assert overlaps(ts, end, test_ts, test_end, embargo).tolist() == naive


@pytest.fixture
def panel():
    """Return rows of five symbols, unordered, whose labels last from one to nine times."""
    rng = np.random.default_rng(3)
    ts, symbol = np.repeat(np.arange(100) * 10, 5), np.tile(np.arange(5), 100)
    order = rng.permutation(500)
    return Panel(ts[order], ts[order] + rng.integers(1, 90, 500), symbol[order])


SPLITTERS = [WalkForward(15, 20, expand_train=True), PurgedKFold(4), CombinatorialPurged(5, 2)]


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("embargo", [0, 35])
def test_a_panel_split_does_not_leak_and_takes_out_no_more_than_it_must(panel, splitter, embargo):
    """No training label overlaps, times stay together over symbols, and every row left out of training would leak."""
    n = 0
    for split, plain in zip(split_panel(splitter, panel, embargo), splitter.split(100), strict=True):
        n += 1
        check_leakage(split.train, split.test, panel.ts_ns, panel.end_ns, embargo)
        assert set(panel.ts_ns[split.test] // 10) == set(plain.test)
        assert len(split.test) == 5 * len(plain.test)
        chosen = np.flatnonzero(np.isin(panel.ts_ns // 10, plain.train))
        for row in np.setdiff1d(chosen, split.train):
            with pytest.raises(LeakageError):
                check_leakage(np.array([row]), split.test, panel.ts_ns, panel.end_ns, embargo)
    assert n > 2


def test_without_purge_it_is_refused(panel):
    """The same split by rows alone is refused, and the error counts and names the rows."""
    test = np.flatnonzero(panel.ts_ns >= 500)
    train = np.flatnonzero(panel.ts_ns < 500)
    with pytest.raises(LeakageError, match=rf"of {len(train)} training labels overlap the test window from 500"):
        check_leakage(train, test, panel.ts_ns, panel.end_ns)
    check_leakage(purge(train, test, panel.ts_ns, panel.end_ns), test, panel.ts_ns, panel.end_ns)
    with pytest.raises(LeakageError, match="1 rows train and judge"):
        check_leakage(test[:1], test, panel.ts_ns, panel.end_ns)


def test_labels_that_only_touch_do_not_leak():
    """A label known at the very time of the first test row is fair; one nanosecond later it is not."""
    ts, end = np.array([0, 10]), np.array([10, 20])
    check_leakage(np.array([0]), np.array([1]), ts, end)
    # Nor does one that begins when the last test label is known.
    check_leakage(np.array([1]), np.array([0]), ts, end)
    with pytest.raises(LeakageError):
        check_leakage(np.array([0]), np.array([1]), ts, end + np.array([1, 0]))
    with pytest.raises(LeakageError):
        check_leakage(np.array([0]), np.array([1]), ts, end, embargo_ns=1)
    with pytest.raises(ConfigError, match="labels"):
        overlaps(np.array([5]), np.array([4]), ts, end)


def test_symbols_apart_are_in_no_training_row(panel):
    """Each group of symbols judges in every window, and trains in none where it judges."""
    judged = set()
    for split in split_symbols(WalkForward(20, 30), panel, 2):
        assert not set(panel.symbol[split.train]) & set(panel.symbol[split.test])
        judged |= set(split.test.tolist())
        check_leakage(split.train, split.test, panel.ts_ns, panel.end_ns)
    assert judged == {int(i) for i in np.flatnonzero((panel.ts_ns >= 300) & (panel.ts_ns < 900))}
