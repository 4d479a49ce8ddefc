"""Kafka's hash and the clock marks, against obvious versions of themselves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.feeds import kernel

S = 1_000_000_000
MINUTE = 60 * S
RULE = (15 * S, 120 * S, 60 * S, S // 10, 2 * S, 10 * S)
"""Quiet, gap, mark after a gap's start, before a tick, minutes close, most lag: nanoseconds."""
START = 1_398_900_000 * S
"""A full minute."""
Step = tuple[int, int, int]
COMPILING = settings(deadline=None)
"""The first example waits for the compiler."""


def naive_murmur2(data: bytes) -> int:
    """Return MurmurHash2 of the Java client, with Python's whole numbers."""
    m, wrap = 0x5BD1E995, 1 << 32
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m % wrap
        k = (k ^ k >> 24) * m % wrap
        h = h * m % wrap ^ k
    if data[whole:]:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m % wrap
    h = (h ^ h >> 13) * m % wrap
    return h ^ h >> 15


def naive_marks(clock: list[int], lags: list[int], partition: list[int], n: int) -> list[tuple[int, int, int, int]]:
    """Return marks as (position, partition, time, due), in the kernel's order, by the rule's own words."""
    quiet, gap, after, before, closes, most = RULE
    heard, told = [clock[0]] * n, [clock[0] // MINUTE * MINUTE + closes] * n
    last = clock[0]
    out = []
    for i, (now, mine) in enumerate(zip(clock, partition, strict=True)):
        recent = [
            lag for t, lag in zip(clock[:i], lags[:i], strict=True)
            if lag <= most and t // MINUTE >= last // MINUTE - 1
        ]  # fmt: skip
        behind = before + max(0, *recent, 0)
        ends = range(START, now + 1, MINUTE)
        for p in range(n):
            if now - last > gap:
                first = max(last + after, told[p])
                told[p] = max(now - behind, first)
                out += [(i, p, first, now), (i, p, told[p], now)]
                heard[p] = now
                continue
            for end in ends:
                time = end + closes
                if told[p] < time <= now - behind:
                    out.append((i, p, time, max(time + behind, last)))
                    told[p], heard[p] = time, max(heard[p], time + behind)
            if p != mine and now - heard[p] >= quiet:
                told[p] = max(told[p], now - behind)
                out.append((i, p, told[p], now))
                heard[p] = now
        heard[mine] = last = now
    return out


class Marks:
    """The kernel with what it keeps from call to call."""

    def __init__(self, function=kernel.clock_marks) -> None:
        self.function = function
        self.kept = [np.zeros(n, np.int64) for n in (5, 4, 3)]

    def __call__(self, clock: list[int], lags: list[int], partition: list[int]) -> list[tuple[int, int, int, int]]:
        """Return the marks as a list of (position, partition, time, due)."""
        ticks = (np.array(v, np.int64) for v in (clock, np.subtract(clock, lags), partition))
        return [tuple(map(int, mark)) for mark in zip(*self.function(*ticks, *self.kept, *RULE), strict=True)]


def test_the_hash_has_the_values_of_kafkas_own_client() -> None:
    """The hash has the values of Kafka's own client: those that its unit tests list."""
    known = {
        b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829, b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }  # fmt: skip
    for key, signed in known.items():
        assert kernel.murmur2(np.frombuffer(bytearray(key), np.uint8)) == signed % (1 << 32)


@given(st.binary(max_size=40))
def test_the_hash_is_that_of_an_obvious_version_for_any_bytes(key: bytes) -> None:
    """The hash is that of an obvious version for any bytes, none included."""
    data = np.frombuffer(bytearray(key), np.uint8) if key else np.zeros(0, np.uint8)
    assert kernel.murmur2(data) == naive_murmur2(key)


steps_of_ticks = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 3 * S, 9 * S, 15 * S, 58 * S, 60 * S, 119 * S, 120 * S, 121 * S, 10_000 * S]),
        st.sampled_from([0, 0, 0, -S, 1, S // 20, 4 * S, 10 * S, 11 * S]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=40,
)


def columns_of(steps: list[Step]) -> tuple[list[int], list[int], list[int]]:
    """Return clock, lag and partition of ticks given by their steps."""
    pause, lags, partition = zip(*steps, strict=True)
    return (START + 5 * S + np.cumsum(pause)).tolist(), list(lags), list(partition)


@settings(max_examples=60, deadline=None)
@given(steps_of_ticks, st.integers(0, 40))
def test_marks_are_those_of_an_obvious_version_wherever_the_ticks_are_cut(steps, cut) -> None:
    """Marks are those of an obvious version of the rule, wherever the ticks are cut, compiled or not."""
    clock, lags, partition = columns_of(steps)
    expected = naive_marks(clock, lags, partition, 4)
    for function in (kernel.clock_marks, kernel.clock_marks.py_func):
        assert Marks(function)(clock, lags, partition) == expected
    marks, cut = Marks(), min(cut, len(clock))
    first = marks(clock[:cut], lags[:cut], partition[:cut]) if cut else []
    rest = marks(clock[cut:], lags[cut:], partition[cut:]) if cut < len(clock) else []
    assert first + [(i + cut, p, t, due) for i, p, t, due in rest] == expected


@COMPILING
@given(steps_of_ticks)
def test_no_partition_is_left_without_time_for_long(steps) -> None:
    """Told of each minute's end, and never behind the clock by more than quiet time and lag; no time goes back."""
    clock, lags, partition = columns_of(steps)
    by_tick: dict[int, list[tuple[int, int, int]]] = {}
    for i, *mark in Marks()(clock, lags, partition):
        by_tick.setdefault(i, []).append(tuple(mark))
    heard, told = dict.fromkeys(range(4), clock[0]), dict.fromkeys(range(4), 0)
    for i, now in enumerate(clock):
        for p, time, due in by_tick.get(i, []):
            assert told[p] <= time <= now - S // 10
            assert clock[i - 1] <= due <= now
            heard[p] = told[p] = time
        heard[partition[i]] = now
        # Quiet time, and what a mark stays behind: 10 s of lag at most, and a tenth of a second.
        assert min(heard.values()) >= now - 25_100_000_000
        if now - clock[0] >= 2 * MINUTE + 12_100_000_000:
            assert min(told.values()) >= (now - 12_100_000_000) // MINUTE * MINUTE + 2 * S


@COMPILING
@given(steps_of_ticks)
def test_a_mark_breaks_no_promise_where_lags_are_steady(steps) -> None:
    """Where no tick is further behind the clock than those before it were, none is older than a mark before it."""
    clock, _, partition = columns_of(steps)
    lags = [4 * S] * len(clock)
    promised = dict.fromkeys(range(4), 0)
    by_tick: dict[int, list[tuple[int, int]]] = {}
    for i, p, time, _ in Marks()(clock, lags, partition):
        by_tick.setdefault(i, []).append((p, time))
    for i, now in enumerate(clock):
        promised |= dict(by_tick.get(i, []))
        assert now - 4 * S >= promised[partition[i]]


def test_a_minute_is_told_to_be_over_two_seconds_after_its_end_at_once() -> None:
    """To every partition, busy or quiet, and due by the clock, not at the next tick, which may be long after."""
    clock = [START + 58 * S, START + 61 * S, START + 66 * S]
    assert Marks()(clock, [0, 0, 0], [2, 2, 2]) == [(2, p, START + 62 * S, START + 62 * S + S // 10) for p in range(4)]


def test_a_slow_feed_is_waited_for() -> None:
    """Where ticks come 4 s behind the clock, so do marks; a tick from long ago makes nobody wait."""
    clock = [START + 58 * S, START + 61 * S, START + 66 * S, START + 67 * S]
    ends = [(3, p, START + 62 * S, START + 66 * S + S // 10) for p in range(4)]
    assert Marks()(clock, [0, 4 * S, 0, 0], [2, 2, 2, 2]) == ends
    assert Marks()(clock, [0, 3_600 * S, 0, 0], [2, 2, 2, 2]) == [
        (2, p, START + 62 * S, START + 62 * S + S // 10) for p in range(4)
    ]


def test_a_gap_of_years_takes_two_marks_a_partition() -> None:
    """A gap of years takes two marks a partition: 60 s after the last tick, and just before the next."""
    begin, end = 1_399_000_000 * S, 1_723_000_000 * S
    assert Marks()([begin, end], [0, 0], [2, 0]) == [
        (1, p, t, end) for p in range(4) for t in (begin + 60 * S, end - S // 10)
    ]
