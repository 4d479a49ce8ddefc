"""Kafka's hash and the clock marks, against obvious versions of themselves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.feeds import kernel

S = 1_000_000_000
RULE = (10 * S, 120 * S, 60 * S, 1 * S)


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


def naive_marks(clock: list[int], partition: list[int], n: int) -> list[tuple[int, int, int]]:
    """Return marks as (position, partition, time), in the kernel's order, by the rule's own words."""
    quiet, gap, after, before = RULE
    heard = [clock[0]] * n
    last = clock[0]
    out = []
    for i, (now, mine) in enumerate(zip(clock, partition, strict=True)):
        if now - last > gap:
            out += [(i, p, t) for p in range(n) for t in (last + after, now - before)]
            heard = [now] * n
        for p in range(n):
            if p != mine and now - heard[p] >= quiet:
                out.append((i, p, now - before))
                heard[p] = now
        heard[mine] = last = now
    return out


def marks(clock: list[int], partition: list[int], heard: np.ndarray, function=kernel.clock_marks):
    """Return the kernel's marks as a list of (position, partition, time)."""
    found = function(np.array(clock, np.int64), np.array(partition, np.int64), heard, *RULE)
    return [tuple(int(v) for v in mark) for mark in zip(*found, strict=True)]


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


ticks = st.lists(
    st.tuples(st.sampled_from([0, 1, 3 * S, 9 * S, 10 * S, 119 * S, 120 * S, 121 * S, 10_000 * S]), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(ticks, st.integers(0, 40))
def test_marks_are_those_of_an_obvious_version_wherever_the_ticks_are_cut(steps, cut) -> None:
    """Marks are those of an obvious version of the rule, wherever the ticks are cut, compiled or not."""
    clock = (1_398_900_000 * S + np.cumsum([step for step, _ in steps])).tolist()
    partition = [p for _, p in steps]
    expected = naive_marks(clock, partition, 4)
    for function in (kernel.clock_marks, kernel.clock_marks.py_func):
        assert marks(clock, partition, np.zeros(5, np.int64), function) == expected
    heard, cut = np.zeros(5, np.int64), min(cut, len(clock))
    first = marks(clock[:cut], partition[:cut], heard) if cut else []
    rest = marks(clock[cut:], partition[cut:], heard) if cut < len(clock) else []
    assert first + [(i + cut, p, t) for i, p, t in rest] == expected


@given(ticks)
def test_no_partition_is_left_without_time_for_long(steps) -> None:
    """While ticks go on, no partition is left behind the clock by more than the quiet time, and none runs ahead."""
    clock = (1_398_900_000 * S + np.cumsum([step for step, _ in steps])).tolist()
    partition = [p for _, p in steps]
    by_tick: dict[int, list[tuple[int, int]]] = {}
    for i, p, time in marks(clock, partition, np.zeros(5, np.int64)):
        by_tick.setdefault(i, []).append((p, time))
    told = dict.fromkeys(range(4), clock[0])
    for i, now in enumerate(clock):
        for p, time in by_tick.get(i, []):
            assert told[p] <= time <= now - S
            told[p] = time
        told[partition[i]] = now
        assert min(told.values()) > now - 11 * S


def test_a_gap_of_years_takes_two_marks_a_partition() -> None:
    """A gap of years takes two marks a partition: 60 s after the last tick, and 1 s before the next."""
    begin, end = 1_399_000_000 * S, 1_723_000_000 * S
    assert marks([begin, end], [2, 0], np.zeros(5, np.int64)) == [
        (1, p, t) for p in range(4) for t in (begin + 60 * S, end - S)
    ]
