"""Faults as pure transformations of raw ticks: the records of a log in, the log as it would be with the fault out.

A fault falls on chosen rows and nothing else: all other records keep their bytes and their order. The same seed gives
the same faults.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from processors.feeds import port
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.strings import STRINGS

MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000

SPIKE_BPS = (20.0, 100.0)
"""A bad print: far outside any disagreement of vendors, near enough to pass a check for digits."""
REPEAT_LATER_ROWS = 40
"""A repeat comes up to so many records after the first."""
LOST_SHARE = SPIKE_SHARE = LATE_SHARE = REPEAT_SHARE = 0.5
"""Share of the vendor's records in its window that a fault of single records falls on."""
NEAR_S = 1.5
"""A reordering within the 2 s for which reconcile waits."""
FAR_S = (4.0, 8.0)
"""A reordering beyond it."""
BEHIND_S = 5.0
"""A clock behind by more than the lateness, and by less than makes a feed idle."""
AHEAD_S = 60.0
"""A clock ahead by more than reconcile believes (5 s)."""

Rows = I64
"""Positions in the log that a fault falls on, ascending."""
Injection = Callable[[Columns, Rows, np.random.Generator], tuple[Columns, int]]


def _some(rows: Rows, share: float, rng: np.random.Generator) -> Rows:
    return rows[rng.random(len(rows)) < share]


def lost(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:
    """Lose some of the records: packets that never came."""
    return silent(ticks, _some(rows, LOST_SHARE, rng), rng)


def silent(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:  # noqa: ARG001 - one form
    """Lose all of the records: an outage."""
    keep = np.ones(len(ticks), np.bool_)
    keep[rows] = False
    return ticks.take(keep), len(rows)


def repeated(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:
    """Publish some of the records once more, a little later: a reconnect that begins too early."""
    chosen = _some(rows, REPEAT_SHARE, rng)
    place = np.minimum(chosen + rng.integers(1, REPEAT_LATER_ROWS, len(chosen)), len(ticks) - 1)
    order = np.argsort(np.concatenate([2 * np.arange(len(ticks)), 2 * place + 1]), kind="stable")
    return ticks.take(np.concatenate([np.arange(len(ticks)), chosen])[order]), len(chosen)


def _delayed(ticks: Columns, rows: Rows, delay_ns: I64) -> Columns:
    """Return the log with some records arriving later than they did."""
    arrival = np.maximum.accumulate(port.longs(ticks, "ts_recv"))
    arrival[rows] += delay_ns
    return ticks.take(np.argsort(arrival, kind="stable"))


def reordered(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:
    """Let some records be overtaken by less than the allowed lateness."""
    chosen = _some(rows, LATE_SHARE, rng)
    return _delayed(ticks, chosen, (rng.uniform(0.0, NEAR_S, len(chosen)) * 1e9).astype(np.int64)), len(chosen)


def late(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:
    """Let some records be overtaken by more than the allowed lateness."""
    chosen = _some(rows, LATE_SHARE, rng)
    return _delayed(ticks, chosen, (rng.uniform(*FAR_S, len(chosen)) * 1e9).astype(np.int64)), len(chosen)


def _copied(ticks: Columns) -> Columns:
    return ticks.take(np.arange(len(ticks)))


def _moved(ticks: Columns, rows: Rows, seconds: float) -> tuple[Columns, int]:
    out = _copied(ticks)
    port.longs(out, "ts_event")[rows] += int(seconds * 1e9)
    return out, len(rows)


def ahead(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:  # noqa: ARG001 - one form
    """Stamp the records a minute too late: times from the future."""
    return _moved(ticks, rows, AHEAD_S)


def behind(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:  # noqa: ARG001 - one form
    """Stamp the records seconds too early."""
    return _moved(ticks, rows, -BEHIND_S)


def spiked(ticks: Columns, rows: Rows, rng: np.random.Generator) -> tuple[Columns, int]:
    """Move bid and ask of some records far away, either way."""
    chosen = _some(rows, SPIKE_SHARE, rng)
    out = _copied(ticks)
    factor: F64 = 1.0 + 1e-4 * rng.choice((-1.0, 1.0), len(chosen)) * rng.uniform(*SPIKE_BPS, len(chosen))
    for name in ("price", "bid", "ask"):
        out[name][chosen] *= factor  # type: ignore[operator]
    return out, len(chosen)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it happens.

    Parameters
    ----------
    begin_min, end_min
        Window in minutes after the start of the session, by event time.
    vendor
        Whose records; of all vendors where empty.
    """

    name: str
    inject: Injection
    begin_min: float
    end_min: float
    vendor: str

    def window_ns(self, start_ns: int) -> tuple[int, int]:
        """Return begin and end of the window."""
        return start_ns + int(self.begin_min * MINUTE_NS), start_ns + int(self.end_min * MINUTE_NS)

    def apply(self, ticks: Columns, start_ns: int, seed: int) -> tuple[Columns, int]:
        """Return the log with this fault, and how many records it fell on."""
        begin, end = self.window_ns(start_ns)
        at = port.longs(ticks, "ts_event")
        mine = (at >= begin) & (at < end)
        if self.vendor:
            mine &= port.longs(ticks, "vendor") == STRINGS.code(self.vendor)
        return self.inject(ticks, np.flatnonzero(mine), np.random.default_rng(seed))


def schedule(vendor: str) -> tuple[Fault, ...]:
    """Return the faults of a session of 30 minutes, each in its own window with a quiet time after it.

    Parameters
    ----------
    vendor
        Who is at fault; the last one, a hole in the recording, takes all vendors.
    """
    return (
        Fault("drop", lost, 2, 4, vendor),
        Fault("repeat", repeated, 5, 7, vendor),
        Fault("reorder within 2 s", reordered, 8, 10, vendor),
        Fault("reorder beyond 2 s", late, 11, 12.5, vendor),
        Fault("clock ahead 60 s", ahead, 13.5, 14.4, vendor),
        # The stamps of the fault before reach a minute beyond its window.
        Fault("spike", spiked, 15.5, 17, vendor),
        Fault("outage", silent, 18, 22, vendor),
        Fault("hole of all vendors", silent, 23.5, 25.2, ""),
        Fault("clock behind 5 s", behind, 27, 28.5, vendor),
    )


def with_faults(ticks: Columns, faults: tuple[Fault, ...], start_ns: int, seed: int) -> tuple[Columns, list[int]]:
    """Return the log with all faults, and how many records each fell on."""
    injected = []
    for i, fault in enumerate(faults):
        ticks, n = fault.apply(ticks, start_ns, seed + i)
        injected.append(n)
    return ticks, injected
