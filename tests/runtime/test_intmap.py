"""The map of packed keys."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.runtime.intmap import MISSING, IntMap, place_of

KEY = st.integers(0, 2**63 - 1)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(KEY, st.integers(-5, 2**31)), unique_by=lambda x: x[0], max_size=300), st.lists(KEY))
def test_it_finds_what_a_dict_finds(pairs: list[tuple[int, int]], others: list[int]) -> None:
    """It finds what a dict finds, in the dict's words, whatever is put at once."""
    found, oracle = IntMap(), dict(pairs)
    for part in (pairs[:7], pairs[7:8], pairs[8:]):
        found.put(np.array([k for k, _ in part], np.int64), np.array([v for _, v in part], np.int64))
    wanted = [k for k, _ in pairs] + others
    out = np.empty(len(wanted), np.int64)
    first = found.find(np.array(wanted, np.int64), out)
    assert out.tolist() == [oracle.get(k, MISSING) for k in wanted]
    assert first == next((i for i, k in enumerate(wanted) if k not in oracle), -1)
    assert len(found) == len(oracle)


def test_keys_that_differ_in_their_upper_part_alone_do_not_crowd() -> None:
    """Keys that differ in their upper part alone do not crowd: packed codes of many symbols of one vendor."""
    for shift in (0, 21, 32, 42):
        keys = (np.arange(2000) << shift) | 5 if shift else np.arange(2000)
        found = IntMap()
        found.put(keys, np.arange(2000))
        steps = [
            (place_of(int(k), found.keys) - place_of(int(k), np.full(len(found.keys), -1))) % len(found.keys)
            for k in keys
        ]
        assert np.mean(steps) < 2.0
        assert max(steps) < 64


def test_a_cleared_map_is_empty() -> None:
    """A cleared map is empty."""
    found = IntMap()
    found.put(np.arange(100), np.arange(100))
    found.clear()
    assert len(found) == 0
    assert found.find(np.arange(100), np.empty(100, np.int64)) == 0


def test_one_key_is_found_as_many_are() -> None:
    """One key is found as many are, and is missing where they are."""
    found = IntMap()
    found.put(np.array([7 << 42, 9]), np.array([3, 4]))
    assert [found.get(k) for k in (7 << 42, 9, 7)] == [3, 4, MISSING]
