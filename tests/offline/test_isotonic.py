"""The kernel of isotonic calibration against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.isotonic import pool_adjacent_violators


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=1, max_size=12))
def test_pooled_values_are_the_nearest_that_never_fall(rows):
    """Each value is the largest over beginnings of the smallest over ends of the weighted mean between."""
    value, weight = (np.array([r[i] for r in rows]) for i in range(2))
    found, n = pool_adjacent_violators(value, weight), len(value)

    def mean(a, b):
        return float(value[a : b + 1] @ weight[a : b + 1] / weight[a : b + 1].sum())

    naive = [max(min(mean(a, b) for b in range(i, n)) for a in range(i + 1)) for i in range(n)]
    assert found == pytest.approx(naive)
    assert pool_adjacent_violators.py_func(value, weight).tolist() == found.tolist()
