"""Several recorded files as one stream in publish order, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from processors.feeds import port
from processors.feeds.files import FeedFile, Recording
from processors.runtime.batch import I64, Columns


@dataclass(slots=True)
class Ticks:
    """Ticks in publish order with the recording's clock.

    Parameters
    ----------
    columns
        n rows of RawTick.
    clock
        Shape (n,), ns: receive time put right by the file's clock skew, so about event time, and never falling. It
        paces the replay and tells quiet partitions the time; unlike ``ts_event`` no single wrong row can move it.
    """

    columns: Columns
    clock: I64

    def __len__(self) -> int:
        """Return the number of ticks."""
        return len(self.columns)

    def take(self, index: np.ndarray | slice) -> "Ticks":
        """Return the ticks at ``index``."""
        return Ticks(self.columns.take(index), self.clock[index])


def joined(parts: list[Ticks]) -> Ticks:
    """Return parts one after another."""
    if len(parts) == 1:
        return parts[0]
    ints = np.hstack([p.columns.ints for p in parts])
    floats = np.hstack([p.columns.floats for p in parts])
    return Ticks(Columns(parts[0].columns.layout, ints, floats), np.concatenate([p.clock for p in parts]))


def merge(recording: Recording) -> Iterator[Ticks]:
    """Yield all ticks by receive time; ties by the order of the files, then by the order in the file.

    A form without receive times is ordered by event time, which is its ``ts_recv`` too.
    """
    cursors = [_Cursor(f) for f in recording.files]
    latest = np.int64(0)
    while True:
        # Later rows of an open file are at its last buffered time or after: everything before the earliest such
        # time is complete.
        open_cursors = [c for c in cursors if c.refill()]
        if not open_cursors and not any(len(c.buffer or ()) for c in cursors):
            return
        until = min((c.last for c in open_cursors), default=None)
        ready = [part for c in cursors if (part := c.pop_before(until)) is not None]
        if not ready:
            # The whole buffer of some file is one instant: it must grow.
            min(open_cursors, key=lambda c: c.last).grow()
            continue
        ticks = joined(ready)
        if len(ready) > 1:
            ticks = ticks.take(np.argsort(port.longs(ticks.columns, "ts_recv"), kind="stable"))
        ticks.clock = np.maximum(np.maximum.accumulate(ticks.clock), latest)
        latest = np.int64(ticks.clock[-1])
        yield ticks


class _Cursor:
    """One file being read: a buffer of its next ticks."""

    def __init__(self, file: FeedFile) -> None:
        self._parts = file.ticks()
        self._skew_ns = file.skew_ns
        self.buffer: Ticks | None = None
        self.last = np.int64(0)
        self.open = True

    def refill(self) -> bool:
        """Fill an empty buffer; return whether more rows may follow those in it."""
        if not self.buffer and self.open:
            self.grow()
        return self.open

    def grow(self) -> None:
        """Append the file's next rows to the buffer."""
        columns = next(self._parts, None)
        if columns is None:
            self.open = False
            return
        recv = port.longs(columns, "ts_recv")
        part = Ticks(columns, recv + self._skew_ns)
        self.buffer = joined([self.buffer, part]) if self.buffer else part
        self.last = np.int64(recv[-1])

    def pop_before(self, until: np.int64 | None) -> Ticks | None:
        """Take the buffered ticks before a time, all where it is None; None where there are none."""
        if not self.buffer:
            return None
        recv = port.longs(self.buffer.columns, "ts_recv")
        n = len(recv) if until is None else int(np.searchsorted(recv, until))
        if n == 0:
            return None
        out, rest = self.buffer.take(slice(0, n)), self.buffer.take(slice(n, None))
        self.buffer = rest if len(rest) else None
        return out


def rebatched(parts: Iterator[Ticks], rows: int) -> Iterator[Ticks]:
    """Yield the same ticks in batches of ``rows``, the last one shorter."""
    held: list[Ticks] = []
    n_held = 0
    for part in parts:
        at = 0
        while n_held + len(part) - at >= rows:
            n = rows - n_held
            yield joined([*held, part.take(slice(at, at + n))])
            held, n_held, at = [], 0, at + n
        if at < len(part):
            held.append(part.take(slice(at, None)))
            n_held += len(part) - at
    if held:
        yield joined(held)
