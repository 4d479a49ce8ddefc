"""The window of sequence numbers: what is a repeat, what is late, what is a new numbering."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.tables import TABLES
from processors.reconcile.window import BREAK_NS, seen_before
from processors.times import DAY_NS
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


def test_numbers_that_begin_anew_near_the_highest_are_new_on_another_day_or_after_a_break() -> None:
    """300 numbers and then 1: within a session a repeat. What comes again with a time of the day before is one too."""
    for later in (DAY_NS, BREAK_NS + 300):
        first, second = [(i, i) for i in range(1, 301)], [(i, later + i) for i in range(1, 401)]
        assert feed(*first, *second) == [False] * 700
        assert feed(*first, *second[:5], *first[280:], *second[:5], *second[5:]) == (
            [False] * 305 + [True] * 25 + [False] * 395
        )
    assert feed(*first, (1, 301), (1, BREAK_NS)) == [False] * 300 + [True] * 2


def test_numbers_that_go_on_are_no_new_ones_over_midnight() -> None:
    """Neither what was sent before a cut nor what overtakes others: twins have one time, and little falls little."""
    numbers = [(1000 + i, DAY_NS + i - 20) for i in range(40)]
    assert feed(*numbers, *numbers) == [False] * 40 + [True] * 40
    # Before midnight 1019 came, after it and stamped later 1010 to 1018, which were seen or were not.
    late = [(1000 + i, DAY_NS + i) for i in range(10, 19)]
    assert feed(*numbers[:15], numbers[19], *late) == [False] * 16 + [True] * 5 + [False] * 4


@COMPILING
@given(
    st.lists(st.integers(2, 1500), min_size=1, max_size=4),
    st.integers(0, 1),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 1000)), max_size=8),
)
def test_each_number_of_each_session_is_new_once(
    lengths: list[int], first: int, again: list[tuple[float, int]]
) -> None:
    """Sessions of any length that begin with one number; a reconnect sends the last ticks again, with their times."""
    sent = [(first + i, DAY_NS * day + i) for day, n in enumerate(lengths) for i in range(n)]
    rows = [(tick, False) for tick in sent]
    for share, back in sorted(again, reverse=True):
        at = round(share * len(sent))
        rows[at:at] = [(tick, True) for tick in sent[max(at - back, 0) : at]]
    assert feed(*(tick for tick, _ in rows)) == [is_repeat for _, is_repeat in rows]


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
