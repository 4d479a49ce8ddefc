"""The window of sequence numbers: what is a repeat, what is late, what is a new numbering."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.tables import TABLES
from processors.reconcile.window import seen_before
from tests.reconcile.ticks import COMPILING

SOURCES = next(t for t in TABLES if t.name == "sources")


def feed(*numbers: tuple[int, int], kind: int = 0) -> list[bool]:
    """Return whether each (seq, time) was seen before."""
    row = np.array([SOURCES.fresh])
    return [seen_before(row, 0, kind, seq, ts) for seq, ts in numbers]


def test_a_number_is_new_once() -> None:
    """The second time it is a repeat, however late it comes in the window."""
    assert feed((5, 1), (5, 1), (6, 2), (5, 1), (6, 9)) == [False, True, False, True, True]


def test_a_number_out_of_order_is_accepted_once() -> None:
    """900 numbers back is in the window."""
    assert feed((1000, 5), (100, 4), (100, 4), (101, 4)) == [False, False, True, False]


def test_a_number_under_the_window_is_a_repeat_unless_time_has_moved_on() -> None:
    """A vendor that numbers each session from 0 is heard in the second session; a replay of the first is not."""
    assert feed((90_000, 50), (3, 49), (3, 50), (3, 51), (4, 52), (3, 51), (90_001, 53), (4, 52)) == [
        False, True, True, False, False, True, False, True,
    ]  # fmt: skip


def test_numbers_at_the_ends_of_their_type_do_not_overflow() -> None:
    """From the least to the greatest long and back."""
    low, high = -(2**63) + 1, 2**63 - 1
    assert feed((low, 1), (high, 2), (high, 3), (low, 2), (low, 4), (low, 5)) == [
        False, False, True, True, False, True,
    ]  # fmt: skip


def test_trades_and_quotes_are_numbered_apart() -> None:
    """The same number of a trade and of a quote are two events."""
    row = np.array([SOURCES.fresh])
    assert [seen_before(row, 0, kind, 7, 1) for kind in (0, 1, 0, 1)] == [False, False, True, True]


@COMPILING
@given(
    st.lists(
        st.builds(lambda block, at: 64 * block + at, st.integers(-20, 20), st.sampled_from([0, 1, 63])), max_size=200
    )
)
def test_the_window_agrees_with_a_set_of_all_numbers(numbers: list[int]) -> None:
    """At one and the same time: seen, or under the window of sixteen blocks of 64 below the highest."""
    seen: set[int] = set()
    expected = []
    for seq in numbers:
        under = bool(seen) and seq // 64 <= max(seen) // 64 - 16
        expected.append(seq in seen or under)
        if not under:
            seen.add(seq)
    assert feed(*((seq, 1) for seq in numbers), kind=1) == expected
