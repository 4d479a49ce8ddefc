"""Horizons against the obvious loop: where they end, and what voids them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.datasets.horizons import horizons_of

MINUTE = 60_000_000_000
SYMBOLS = ("NOBODY", "KNOWS", "THESE")
"""No instruments: they have no calendar, and their market never closes."""


def naive(ts, symbol, close, h):
    """Return for each row its end and return, or None where rows end before or a horizon takes twice its bars."""
    found = []
    for i in range(len(ts)):
        later = [j for j in range(i + 1, len(ts)) if symbol[j] == symbol[i]]
        whole = len(later) >= h and ts[later[h - 1]] - ts[i] < 2.0 * h * MINUTE
        found.append((later[h - 1], math.log(close[later[h - 1]] / close[i])) if whole else None)
    return found


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=40), st.integers(1, 5))
def test_a_horizon_is_that_of_the_obvious_loop(rows, h):
    """It ends at the h-th next row of its symbol; void across a hole or the end of the rows."""
    rows = sorted(rows, key=lambda r: r[0])
    symbol = np.array([s for s, _ in rows], np.int64)
    ts = np.cumsum(np.array([d for _, d in rows], np.int64)) * MINUTE
    close = 1.0 + 0.01 * np.arange(len(rows)) ** 1.5
    found = horizons_of(ts, symbol, SYMBOLS, close, "1m", h)
    assert not found.over_closed.any()
    assert not found.split_inside.any()
    known = found.has_outcome(over_closed_hours=False)
    for i, want in enumerate(naive(ts.tolist(), symbol.tolist(), close.tolist(), h)):
        assert known[i] == (want is not None)
        if want is not None:
            end, log_return = want
            assert found.end[i] == end
            assert math.log(found.value[end] / found.value[i]) == pytest.approx(log_return)


def test_every_reason_voids_and_closed_hours_only_where_they_do():
    """EURUSD from Friday to Sunday: the weekend counts unless it is asked for; holes and the end always do."""
    friday = 1_700_258_400_000_000_000  # 2023-11-17 22:00 UTC, when the week of currencies ends
    ts = friday + MINUTE * np.array([-2, -1, 0, 48 * 60 + 1, 48 * 60 + 2, 48 * 60 + 9, 48 * 60 + 10], np.int64)
    symbol, close = np.zeros(len(ts), np.int64), np.full(len(ts), 1.1)
    found = horizons_of(ts, symbol, ("EURUSD:FX",), close, "1m", 2)
    assert found.after_end.tolist() == [False] * 5 + [True] * 2
    assert found.over_closed.tolist() == [False, True, True, False, False, False, False]
    assert found.stretched.tolist() == [False, False, False, True, True, False, False]
    assert found.has_outcome(over_closed_hours=False).tolist() == [True] + [False] * 6
    assert found.has_outcome(over_closed_hours=True).tolist() == [True] * 3 + [False] * 4
