"""The watermark: the slowest active feed less the lateness, never back, never held by a clock or by a dead feed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.tables import NEVER, TABLES
from processors.watermark import advance
from tests.reconcile.ticks import COMPILING

SPECS = {t.name: t for t in TABLES}
LATENESS, IDLE = 2, 10
Event = tuple[int, int, bool]


def watermarks(events: list[Event]) -> list[int]:
    """Return the watermark after each (feed, time, is it a tick)."""
    partition, feeds = np.array([SPECS["partition"].fresh]), np.array([SPECS["feeds"].fresh] * 4)
    return [advance(partition, feeds, 4, f, ts, tick, LATENESS, IDLE) for f, ts, tick in events]


def naive(events: list[Event]) -> list[int]:
    """Return the same by its definition, from the whole past."""
    out, mark = [], NEVER
    for i in range(len(events)):
        past = events[: i + 1]
        newest = {f: max(ts for g, ts, _ in past if g == f) for f in {f for f, _, _ in past}}
        active = {f: ts for f, ts in newest.items() if ts >= max(newest.values()) - IDLE}
        ticking = {f for f, _, tick in past if tick}
        mark = max(mark, min([ts for f, ts in active.items() if f in ticking] or active.values()) - LATENESS)
        out.append(mark)
    return out


def test_the_slowest_active_feed_holds_the_watermark() -> None:
    """The lateness behind it, until it is idle."""
    assert watermarks([(0, 100, True), (1, 90, True), (0, 105, True), (1, 99, True), (0, 109, True)]) == [
        98, 98, 103, 103, 103,
    ]  # fmt: skip
    assert watermarks([(0, 100, True), (1, 101, True), (0, 106, True), (0, 111, True), (0, 112, True)])[2:] == [
        99, 99, 110,
    ]  # fmt: skip


def test_a_heartbeat_moves_its_feed_on() -> None:
    """A feed without ticks but with heartbeats holds nothing up."""
    assert watermarks([(0, 100, True), (1, 100, True), (0, 108, True), (1, 108, False)]) == [98, 98, 98, 106]


def test_a_clock_heard_in_quiet_times_does_not_hold_busy_times_back() -> None:
    """Its mark closes the quiet; what comes after does not wait for it."""
    assert watermarks([(0, 100, True), (2, 130, False), (0, 131, True), (0, 135, True)]) == [98, 128, 129, 133]


@COMPILING
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.booleans()), max_size=60))
def test_the_watermark_agrees_with_its_definition_and_never_goes_back(events: list[Event]) -> None:
    """Kept step by step, it is what the whole past gives."""
    got = watermarks(events)
    assert got == naive(events)
    assert got == sorted(got)
