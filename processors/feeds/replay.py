"""The pure part of a replay: recorded files in, exactly the records that Kafka gets out, with clock marks.

Called by the publisher, and by training, back-fills and tests through ``recorded_batches``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from processors.feeds import kernel, port
from processors.feeds.files import Recording, open_recording
from processors.feeds.merge import Ticks, merge, rebatched
from processors.feeds.partitioner import Partitioner
from processors.runtime.batch import I64, Columns, EncodedBatch, MessageBatch
from processors.runtime.memory import message_batch
from processors.runtime.strings import STRINGS
from processors.topology import PARTITIONS

BATCH_ROWS = 20_000
"""Ticks encoded at a time: few enough to keep a progress bar moving, enough to make Python's share small."""

MARK_VENDOR = "replay"


@dataclass(frozen=True, slots=True)
class MarkRule:
    """When clock marks are published, so that event time passes in partitions that are quiet.

    Parameters
    ----------
    quiet_s
        Silence of one partition before it gets a mark: a minute bar of a quiet symbol closes at most so late, at
        the price of 360 records an hour.
    gap_s
        Silence of all partitions that counts as a gap (a weekend, two recordings of different years).
    after_gap_start_s
        Time of the mark that opens a gap, after the last tick: bars of its minute close, nothing later.
    before_tick_s
        How much earlier than the tick after it a mark is. Ticks of several sources come up to 0.05 s out of order.
    at_end_s
        Time of the last mark, after the last tick: allowed lateness passes and open bars close.
    """

    quiet_s: float = 10.0
    gap_s: float = 120.0
    after_gap_start_s: float = 60.0
    before_tick_s: float = 1.0
    at_end_s: float = 300.0


MARKS = MarkRule()


@dataclass(slots=True)
class Step:
    """Records to publish now, in order within each partition.

    Parameters
    ----------
    batches
        At most one a partition, by ascending partition; ticks and marks.
    ticks
        The ticks among them, in publish order.
    clock_ns
        The recording's clock at the last of them.
    marks
        Number of clock marks among the records.
    """

    batches: list[EncodedBatch]
    ticks: Columns
    clock_ns: int
    marks: int


def steps(
    recording: Recording,
    *,
    partitions: int = PARTITIONS,
    batch_rows: int = BATCH_ROWS,
    slice_ns: int | None = None,
    limit: int | None = None,
    begin_ns: int | None = None,
    end_ns: int | None = None,
) -> Iterator[Step]:
    """Yield what is to be published, step by step.

    Parameters
    ----------
    batch_rows
        Most ticks of one step.
    slice_ns
        Most time by the recording's clock that a step spans, for a paced replay; None for no bound.
    limit
        Most ticks in all.
    begin_ns, end_ns
        Only ticks with an event time in ``[begin_ns, end_ns)``.
    """
    encoder = _Encoder(partitions)
    parts = _limited(_between(merge(recording), begin_ns, end_ns), limit)
    for batch in rebatched(parts, batch_rows):
        for ticks in [batch] if slice_ns is None else _sliced(batch, slice_ns):
            yield encoder.step(ticks)
    if encoder.clock_ns:
        yield encoder.end()


def recorded_batches(
    files: Sequence[Path | str], partitions: int = PARTITIONS, batch_rows: int = BATCH_ROWS
) -> Iterator[MessageBatch]:
    """Yield the records of ``ticks.raw.v1`` as a consumer would get them after ``mps replay`` into an empty topic.

    Offsets count from 0 in each partition. Same files in the same order: same records, byte for byte.

    Raises
    ------
    ConfigError
        A file is missing, empty, truncated or of an unknown form.
    """
    offsets = [0] * partitions
    for step in steps(open_recording(files), partitions=partitions, batch_rows=batch_rows):
        for batch in step.batches:
            yield message_batch(batch, offsets[batch.partition])
            offsets[batch.partition] += len(batch)


class _Encoder:
    """Adds marks and encodes by partition; its state is what each partition last heard."""

    def __init__(self, partitions: int, rule: MarkRule = MARKS) -> None:
        self._partitioner = Partitioner(partitions)
        self._heard = np.zeros(partitions + 1, np.int64)
        self._rule = rule
        self._no_key = STRINGS.code("")

    @property
    def clock_ns(self) -> int:
        """The recording's clock at the last tick, 0 before the first."""
        return int(self._heard[-1])

    def step(self, ticks: Ticks) -> Step:
        """Return the records of these ticks and of the marks between them."""
        partition, key = self._partitioner.of(port.longs(ticks.columns, "symbol_id"))
        rule = self._rule
        limits = (rule.quiet_s, rule.gap_s, rule.after_gap_start_s, rule.before_tick_s)
        position, target, time = kernel.clock_marks(
            ticks.clock, partition, self._heard, *(int(seconds * 1e9) for seconds in limits)
        )
        columns = ticks.columns
        if len(position):
            marks = self._marks(time)
            # A mark stands before the tick at its position.
            order = np.argsort(np.concatenate([2 * np.arange(len(ticks)) + 1, 2 * position]), kind="stable")
            columns = Columns(
                columns.layout,
                np.hstack([columns.ints, marks.ints])[:, order],
                np.hstack([columns.floats, marks.floats])[:, order],
            )
            partition = np.concatenate([partition, target])[order]
            key = np.concatenate([key, np.full(len(target), self._no_key)])[order]
        return Step(self._encode(columns, partition, key), ticks.columns, self.clock_ns, len(position))

    def end(self) -> Step:
        """Return the marks that close the stream, one a partition."""
        partition = np.arange(self._partitioner.partitions)
        time = np.full(len(partition), self.clock_ns + int(self._rule.at_end_s * 1e9))
        batches = self._encode(self._marks(time), partition, np.full(len(partition), self._no_key))
        return Step(batches, port.raw_ticks(0), self.clock_ns, len(partition))

    def _marks(self, time: I64) -> Columns:
        marks = port.raw_ticks(len(time))
        marks["kind"] = port.kind_index("heartbeat")
        marks["vendor"] = STRINGS.code(MARK_VENDOR)
        marks["ts_event"] = marks["ts_recv"] = time
        return marks

    def _encode(self, columns: Columns, partition: I64, key: I64) -> list[EncodedBatch]:
        out = []
        for p in range(self._partitioner.partitions):
            mine = np.flatnonzero(partition == p)
            if len(mine):
                out.append(port.codec().encode(port.RAW_TOPIC, p, columns.take(mine), key[mine]))
        return out


def _between(parts: Iterator[Ticks], begin_ns: int | None, end_ns: int | None) -> Iterator[Ticks]:
    for part in parts:
        time = port.longs(part.columns, "ts_event")
        keep = np.ones(len(part), np.bool_)
        if begin_ns is not None:
            keep &= time >= begin_ns
        if end_ns is not None:
            keep &= time < end_ns
        if keep.all():
            yield part
        elif keep.any():
            yield part.take(np.flatnonzero(keep))


def _limited(parts: Iterator[Ticks], limit: int | None) -> Iterator[Ticks]:
    left = limit
    for part in parts:
        if left is None:
            yield part
            continue
        yield part.take(slice(0, left))
        left -= len(part)
        if left <= 0:
            return


def _sliced(ticks: Ticks, slice_ns: int) -> Iterator[Ticks]:
    """Yield the ticks of each interval of the recording's clock."""
    bounds = np.flatnonzero(np.diff(ticks.clock // slice_ns)) + 1
    edges = [0, *bounds.tolist(), len(ticks)]
    for a, b in pairwise(edges):
        yield ticks.take(slice(a, b))
