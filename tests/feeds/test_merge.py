"""Files merged by time."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.feeds import port
from processors.feeds.merge import Ticks, merge, rebatched
from processors.runtime.batch import Columns


@dataclass
class FakeFile:
    """Ticks in chunks; the number of a tick tells its file and place."""

    chunks: list[list[int]]
    number: int
    skew_ns: int = 0
    first: list[int] = field(default_factory=lambda: [0])

    def ticks(self):
        """Yield the chunks as columns."""
        place = 0
        for times in self.chunks:
            columns = port.raw_ticks(len(times))
            columns["ts_recv"] = columns["ts_event"] = np.array(times)
            columns["seq"] = self.number * 1000 + place + np.arange(len(times))
            place += len(times)
            yield columns


@dataclass
class FakeRecording:
    """What `merge` takes."""

    files: list[FakeFile]


@st.composite
def recordings(draw) -> FakeRecording:
    """Return up to four files of few distinct times, so that ties within and across files and chunks are common."""
    files = []
    for number in range(draw(st.integers(1, 4))):
        times = sorted(draw(st.lists(st.integers(1, 12), min_size=1, max_size=30)))
        cuts = sorted(draw(st.sets(st.integers(1, max(1, len(times) - 1)), max_size=6)))
        edges = [0, *[c for c in cuts if c < len(times)], len(times)]
        chunks = [times[a:b] for a, b in pairwise(edges)]
        files.append(FakeFile(chunks, number, skew_ns=draw(st.integers(-3, 3))))
    return FakeRecording(files)


@given(recordings())
def test_merged_ticks_are_those_of_a_stable_sort_by_time_then_file_then_row(recording: FakeRecording) -> None:
    """Merged ticks are those of one stable sort by time, then file, then row, however the files are cut."""
    oracle = []
    for file in recording.files:
        times = [t for chunk in file.chunks for t in chunk]
        oracle += [(t, file.number, i) for i, t in enumerate(times)]
    expected = [number * 1000 + i for _, number, i in sorted(oracle)]
    parts = list(merge(recording))  # type: ignore[arg-type]
    merged = [int(n) for part in parts for n in port.longs(part.columns, "seq")]
    assert merged == expected
    clock = np.concatenate([part.clock for part in parts])
    assert (np.diff(clock) >= 0).all()


@given(recordings())
def test_the_clock_is_the_latest_receive_time_put_right_by_its_files_skew(recording: FakeRecording) -> None:
    """The clock is the latest receive time so far, put right by its file's skew."""
    parts = list(merge(recording))  # type: ignore[arg-type]
    latest = -(10**9)
    for part in parts:
        for n, recv, clock in zip(
            port.longs(part.columns, "seq"), port.longs(part.columns, "ts_recv"), part.clock, strict=True
        ):
            latest = max(latest, int(recv) + recording.files[int(n) // 1000].skew_ns)
            assert clock == max(latest, 0)


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 7))
def test_batches_hold_the_same_ticks_and_all_but_the_last_are_full(sizes: list[int], rows: int) -> None:
    """Batches hold the same ticks in the same order, and all but the last are full."""
    times = iter(range(1, 1000))
    parts = []
    for size in sizes:
        columns: Columns = port.raw_ticks(size)
        columns["ts_recv"] = [next(times) for _ in range(size)]
        parts.append(Ticks(columns, port.longs(columns, "ts_recv") + 5))
    batches = list(rebatched(iter(parts), rows))
    assert [t for b in batches for t in port.longs(b.columns, "ts_recv").tolist()] == list(range(1, sum(sizes) + 1))
    assert [t for b in batches for t in b.clock.tolist()] == list(range(6, sum(sizes) + 6))
    assert all(len(b) == rows for b in batches[:-1])
    assert not batches or 0 < len(batches[-1]) <= rows
