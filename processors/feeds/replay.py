"""The pure part of a replay: recorded files in, exactly the records that Kafka gets out, with clock marks.

Called by the publisher, and by training, back-fills and tests through ``recorded_batches``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from processors.bars.config import BarsConfig
from processors.configuration import configured
from processors.feeds import kernel, port
from processors.feeds.files import Recording, open_recording
from processors.feeds.merge import Ticks, merge, rebatched
from processors.feeds.partitioner import Partitioner
from processors.reconcile.config import ReconcileConfig
from processors.runtime.batch import I64, Columns, EncodedBatch, MessageBatch
from processors.runtime.memory import message_batch
from processors.runtime.strings import STRINGS
from processors.topology import platform_partitions
from schemas.vendors import CLOCK_VENDOR, load_vendors

BATCH_ROWS = 20_000
"""Ticks encoded at a time: few enough to keep a progress bar moving, enough to make Python's share small."""


@dataclass(frozen=True, slots=True)
class MarkRule:
    """When clock marks are published, so that event time passes in partitions that are quiet.

    Parameters
    ----------
    quiet_s
        Silence of one partition before it gets a mark: so late at most it is told that its sources are stale. 15: a
        quiet hour costs 240 records with those that close its minutes.
    gap_s
        Silence of all partitions that counts as a gap (a weekend, two recordings of different years).
    after_gap_start_s
        Time of the mark that opens a gap, after the last tick: bars of its minute close, nothing later.
    before_tick_s
        How much earlier than the tick after it a mark is, beside what ticks are behind the clock of late. 0.1: ticks
        of several sources come up to 0.05 s out of order.
    closes_after_s
        Each minute is closed by a mark whose time is so long after its end: the lateness that the stages allow.
    lag_s_max
        A tick further behind the clock is late in any case. As far as a feed may be before reconcile calls it idle.
    at_end_s
        Time of the last mark, after the last tick: allowed lateness passes and open bars close.
    """

    quiet_s: float = 15.0
    gap_s: float = 120.0
    after_gap_start_s: float = 60.0
    before_tick_s: float = 0.1
    closes_after_s: float = (ReconcileConfig().lateness_ms + BarsConfig().allowed_lateness_ms) / 1000
    lag_s_max: float = ReconcileConfig().idle_ms / 1000
    at_end_s: float = 300.0

    @classmethod
    def from_environment(cls) -> "MarkRule":
        """Return the rule that fits the lateness which the stages of this environment allow."""
        reconcile, bars = configured("reconcile", ReconcileConfig()), configured("bars", BarsConfig())
        return cls(
            closes_after_s=(reconcile.lateness_ms + bars.allowed_lateness_ms) / 1000,
            lag_s_max=reconcile.idle_ms / 1000,
        )


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
        Number of clock marks among the records; a step may be of marks alone.
    """

    batches: list[EncodedBatch]
    ticks: Columns
    clock_ns: int
    marks: int


def steps(
    recording: Recording,
    *,
    partitions: int | None = None,
    batch_rows: int = BATCH_ROWS,
    slice_ns: int | None = None,
    limit: int | None = None,
    begin_ns: int | None = None,
    end_ns: int | None = None,
) -> Iterator[Step]:
    """Yield what is to be published, step by step.

    Parameters
    ----------
    partitions
        None for those of the platform, ``platform_partitions``.
    batch_rows
        Most ticks of one step.
    slice_ns
        Most time by the recording's clock that a step spans, for a paced replay; None for no bound.
    limit
        Most ticks in all.
    begin_ns, end_ns
        Only ticks with an event time in ``[begin_ns, end_ns)``.
    """
    encoder = _Encoder(partitions or platform_partitions())
    parts = _limited(_between(merge(recording), begin_ns, end_ns), limit)
    for batch in rebatched(parts, batch_rows):
        for ticks in [batch] if slice_ns is None else _sliced(batch, slice_ns):
            yield from encoder.steps(ticks, paced=slice_ns is not None)
    if encoder.clock_ns:
        yield encoder.end()


def recorded_batches(
    files: Sequence[Path | str], partitions: int | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[MessageBatch]:
    """Yield the records of ``ticks.raw.v1`` as a consumer would get them after ``mps replay`` into an empty topic.

    Offsets count from 0 in each partition; None stands for the platform's number of them, as in ``steps``. Same files
    in the same order: same records, byte for byte.

    Raises
    ------
    ConfigError
        A file is missing, empty, truncated or of an unknown form.
    """
    partitions = partitions or platform_partitions()
    offsets = [0] * partitions
    for step in steps(open_recording(files), partitions=partitions, batch_rows=batch_rows):
        for batch in step.batches:
            yield message_batch(batch, offsets[batch.partition])
            offsets[batch.partition] += len(batch)


class _Encoder:
    """Adds marks and encodes by partition; its state is what each partition last heard."""

    def __init__(self, partitions: int) -> None:
        self._partitioner = Partitioner(partitions)
        self._heard, self._told = np.zeros(partitions + 1, np.int64), np.zeros(partitions, np.int64)
        self._lag = np.zeros(3, np.int64)
        self._rule = MarkRule.from_environment()
        self._vendors = load_vendors()
        self._no_key = STRINGS.code("")

    @property
    def clock_ns(self) -> int:
        """The recording's clock at the last tick, 0 before the first."""
        return int(self._heard[-1])

    def steps(self, ticks: Ticks, *, paced: bool) -> Iterator[Step]:
        """Yield the records of these ticks and of the marks between them.

        Parameters
        ----------
        paced
            Marks that are due before the first tick are steps of their own, so that they do not wait for it. Each
            partition has the same records in the same order either way.
        """
        partition, key = self._partitioner.of(port.longs(ticks.columns, "symbol_id"))
        position, target, time, due = self._find_marks(ticks, partition)
        early = (position == 0) & (due < ticks.clock[0]) & paced
        for at in np.unique(due[early]):
            mine = early & (due == at)
            yield self._only_marks(time[mine], target[mine], int(at))
        position, target, time = position[~early], target[~early], time[~early]
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
        yield Step(self._encode(columns, partition, key), ticks.columns, self.clock_ns, len(position))

    def end(self) -> Step:
        """Return the marks that close the stream, one a partition."""
        partition = np.arange(self._partitioner.partitions)
        time = np.full(len(partition), self.clock_ns + int(self._rule.at_end_s * 1e9))
        return self._only_marks(time, partition, self.clock_ns)

    def _find_marks(self, ticks: Ticks, partition: I64) -> tuple[I64, I64, I64, I64]:
        rule = self._rule
        event = port.longs(ticks.columns, "ts_event")
        if self._vendors.has_lags:
            # As reconcile will see it.
            event = event - self._vendors.lag_ns(*(port.longs(ticks.columns, c) for c in ("vendor", "venue")))
        seconds = (
            rule.quiet_s, rule.gap_s, rule.after_gap_start_s, rule.before_tick_s, rule.closes_after_s, rule.lag_s_max,
        )  # fmt: skip
        position, target, time, due = kernel.clock_marks(
            ticks.clock, event, partition, self._heard, self._told, self._lag, *(round(s * 1e9) for s in seconds)
        )
        return position, target, time, due

    def _only_marks(self, time: I64, partition: I64, clock_ns: int) -> Step:
        batches = self._encode(self._marks(time), partition, np.full(len(partition), self._no_key))
        return Step(batches, port.raw_ticks(0), clock_ns, len(partition))

    def _marks(self, time: I64) -> Columns:
        marks = port.raw_ticks(len(time))
        marks["kind"] = port.kind_index("heartbeat")
        marks["vendor"] = STRINGS.code(CLOCK_VENDOR)
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
