"""Breakdown at half of the weight: a minority cannot move the consensus out of the sound range, a majority can."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from processors.reconcile.robust import lower_weighted_median
from tests.reconcile.ticks import COMPILING

PRICES = st.floats(1e-3, 1e6)
WEIGHTS = st.floats(1e-3, 1e3)
SOURCES = st.lists(st.tuples(PRICES, WEIGHTS), min_size=1, max_size=16)


def consensus(sources: list[tuple[float, float]]) -> float:
    """Return the consensus of sources given as (price, weight), in any order."""
    ordered = sorted(sources)
    price, weight = (np.array([s[i] for s in ordered]) for i in range(2))
    return float(lower_weighted_median(price, weight, len(ordered)))


@COMPILING
@given(SOURCES, SOURCES)
def test_less_than_half_of_the_weight_cannot_leave_the_sound_range(sound, corrupt) -> None:
    """Whatever the corrupt ones say, and however many they are, as long as they weigh less than the sound ones."""
    heavy, light = sum(w for _, w in sound), sum(w for _, w in corrupt)
    assume(light < heavy * (1 - 1e-9))
    prices = [p for p, _ in sound]
    assert min(prices) <= consensus(sound + corrupt) <= max(prices)


@COMPILING
@given(SOURCES, SOURCES, st.sampled_from([1e-3, 1e9]))
def test_more_than_half_of_the_weight_carries_it_anywhere(sound, corrupt, target) -> None:
    """Corrupt sources that agree on a price get it, above or below, once they weigh more than the sound ones."""
    heavy, light = sum(w for _, w in corrupt), sum(w for _, w in sound)
    assume(heavy > light * (1 + 1e-9))
    assert consensus(sound + [(target, w) for _, w in corrupt]) == target


@COMPILING
@given(st.floats(0.01, 100.0), st.integers(1, 12), st.data())
def test_the_step_is_at_half(weight: float, n: int, data: st.DataObject) -> None:
    """Of 2 n + 1 sources of equal weight, n corrupt ones move nothing out of the range, and n + 1 carry it away."""
    sound = data.draw(st.lists(st.floats(99.0, 101.0), min_size=n + 1, max_size=n + 1))
    up = data.draw(st.booleans())
    wrong = 1e6 if up else 1e-6
    held = consensus([(p, weight) for p in sound] + [(wrong, weight)] * n)
    carried = consensus([(p, weight) for p in sound[:n]] + [(wrong, weight)] * (n + 1))
    assert min(sound) <= held <= max(sound)
    assert carried == wrong
