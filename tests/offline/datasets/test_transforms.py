"""Transformations and labels against obvious loops; nothing looks ahead."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.datasets.transforms import CODES, group_begin, transform
from offline.labels import forward_sharpe, triple_barrier


def computed(kind, x, group, bars):
    out = np.empty(len(x), np.float32)
    transform(CODES[kind], x, group_begin(group), bars, out)
    return out


def naive(kind, x, group, bars):
    out = []
    for i in range(len(x)):
        past = [float(x[j]) for j in range(i + 1) if group[j] == group[i]]
        if kind in ("lag", "difference"):
            value = math.nan if len(past) <= bars else past[-1 - bars] if kind == "lag" else past[-1] - past[-1 - bars]
        else:
            window = past[-bars:]
            if len(past) < bars or any(math.isnan(v) for v in window):
                value = math.nan
            elif kind == "zscore":
                deviation = np.std(window, ddof=1) if max(window) > min(window) else math.nan
                value = (window[-1] - np.mean(window)) / deviation
            else:
                less, equal = sum(v < window[-1] for v in window), sum(v == window[-1] for v in window)
                value = (less + (equal + 1) / 2) / bars
        out.append(value)
    return np.array(out, np.float32)


values = st.lists(st.tuples(st.integers(0, 2), st.one_of(st.integers(-5, 5), st.just(math.nan))), max_size=40)


@settings(deadline=None)
@given(values, st.sampled_from(sorted(CODES)), st.integers(2, 6))
def test_transformations_are_those_of_the_obvious_loop(rows, kind, bars):
    """Lags, differences, z-scores and ranks within a group, null where a window is not full or has a null."""
    rows = sorted(rows, key=lambda r: r[0])
    group, x = np.array([g for g, _ in rows], np.int64), np.array([v for _, v in rows], np.float32)
    np.testing.assert_allclose(computed(kind, x, group, bars), naive(kind, x, group, bars), rtol=1e-6, atol=1e-7)


def test_what_comes_later_changes_nothing():
    """A series cut anywhere gives the same bits."""
    x = np.random.default_rng(1).standard_normal(200).astype(np.float32)
    group = np.repeat([0, 1], 100)
    for kind in CODES:
        whole = computed(kind, x, group, 7)
        for cut in (1, 50, 101, 150):
            assert computed(kind, x[:cut].copy(), group[:cut], 7).tobytes() == whole[:cut].tobytes()


rows_of_labels = st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 3)), max_size=40)


@settings(deadline=None)
@given(rows_of_labels, st.integers(2, 5), st.booleans())
def test_labels_are_those_of_the_obvious_loop(rows, h, sign):
    """Sharpe ratios, and barriers with the bars after which each is touched."""
    rows = sorted(rows, key=lambda r: r[0])
    group = np.array([g for g, _ in rows], np.int64)
    close = np.exp(0.01 * np.cumsum(np.array([m for _, m in rows], np.float64)))
    n = len(rows)
    unit = np.full(n, 0.011)
    unit[::7] = 0.0
    got, hit, bars = np.empty(n), np.empty(n), np.empty(n, np.int64)
    forward_sharpe(group, close, h, got)
    triple_barrier(group, close, unit, h, 2.0, 1.5, sign, hit, bars)
    for i in range(n):
        later = [j for j in range(i + 1, n) if group[j] == group[i]][:h]
        steps = np.diff(np.log(close[[i, *later]]))
        # Equal steps differ in their last bit.
        if len(later) < h:
            assert math.isnan(got[i])
        elif np.ptp(steps) > 1e-9:
            assert math.isclose(got[i], steps.mean() / steps.std(ddof=1), rel_tol=1e-6, abs_tol=1e-9)
        want = (math.nan, 0)
        for k, j in enumerate(later if unit[i] > 0 else []):
            move = math.log(close[j] / close[i]) / unit[i]
            if move >= 2 or move <= -1.5:
                want = (math.copysign(1, move), j - i)
            elif k == h - 1:
                want = (float(np.sign(move)) if sign else 0.0, j - i)
            else:
                continue
            break
        assert bars[i] == want[1]
        np.testing.assert_equal(hit[i], want[0])
