"""Labels against the obvious loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.labels import forward_log_return

MINUTE = 60_000_000_000


def naive(ts, group, close, h, stretch):
    out = []
    for i in range(len(ts)):
        later = [j for j in range(i + 1, len(ts)) if group[j] == group[i]]
        if len(later) < h or ts[later[h - 1]] - ts[i] > stretch * h * MINUTE:
            out.append((math.nan, -1))
        else:
            j = later[h - 1]
            out.append((math.log(close[j] / close[i]), ts[j]))
    return out


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=40), st.integers(1, 5))
def test_labels_are_those_of_the_obvious_loop(rows, horizon):
    """A label is the log return to the h-th next row of its group, void across a hole or the end."""
    rows = sorted(rows, key=lambda r: r[0])
    group = np.array([g for g, _ in rows], np.int64)
    ts = np.cumsum(np.array([d for _, d in rows], np.int64)) * MINUTE
    close = 1.0 + 0.01 * np.arange(len(rows)) ** 1.5
    n = len(rows)
    value, end = np.empty(n), np.empty(n, np.int64)
    forward_log_return(ts, group, close, np.full(n, MINUTE), np.full(n, horizon), 2.0, value, end)
    want = naive(ts.tolist(), group.tolist(), close.tolist(), horizon, 2.0)
    for i, (v, e) in enumerate(want):
        assert end[i] == e
        assert value[i] == pytest.approx(v, nan_ok=True)
        assert e == -1 or e > ts[i]
