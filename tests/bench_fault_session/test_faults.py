"""Faults fall on what they should and on nothing else, and the report sees what it should."""

from functools import cache

import numpy as np
import pytest

from bench.fault_session import faults as f
from bench.fault_session import live, report
from bench.fault_session import session as s
from bench.fault_session.outputs import Outputs
from processors.feeds import port
from processors.runtime.strings import STRINGS


@cache
def session(panel=s.MAJORITY):
    """Return a panel."""
    return s.make_session(panel)


@cache
def outputs(panel=s.MAJORITY):
    """Return what the in-memory driver makes of a panel."""
    return live.run_offline(session(panel))[0]


def table_of(panel=s.MAJORITY, variants=None):
    """Return the rows of a panel, of other outputs if they are given."""
    found, missing, reordered = live.run_offline(session(panel))
    return report.rows_of(session(panel), variants or found, missing, reordered)


def rows(ticks):
    """Return each record as bytes, in order."""
    return [a.tobytes() + b.tobytes() for a, b in zip(ticks.ints.T, ticks.floats.T, strict=True)]


@pytest.mark.parametrize("fault", f.schedule(s.THIRD), ids=lambda fault: fault.name)
def test_a_fault_falls_on_its_vendor_in_its_window_and_on_nothing_else(fault):
    """All records but those of the vendor in the window keep their bytes and their order; the same seed, the same."""
    clean = session().logs[0]
    faulty, n = fault.apply(clean, s.START_NS, seed=3)
    begin, end = fault.window_ns(s.START_NS)

    def others(ticks):
        at, vendor = port.longs(ticks, "ts_recv"), port.longs(ticks, "vendor")
        mine = (at >= begin) & (at < end + f.SECOND_NS)
        if fault.vendor:
            mine &= vendor == STRINGS.code(fault.vendor)
        return rows(ticks.take(~mine))

    assert n > 25
    assert rows(faulty) != rows(clean)
    assert others(faulty) == others(clean)
    again, _ = fault.apply(clean, s.START_NS, seed=3)
    assert rows(again) == rows(faulty)


def test_each_fault_does_what_it_says():
    """Lost and silent take records away, a repeat adds equal ones, a reordering changes the order alone."""
    clean = session().logs[0]
    by_name = {fault.name: fault.apply(clean, s.START_NS, seed=5) for fault in f.schedule(s.THIRD)}
    n = len(clean)
    for name in ("drop", "outage", "hole of all vendors"):
        assert len(by_name[name][0]) == n - by_name[name][1]
    repeat, times = by_name["repeat"]
    assert len(repeat) == n + times
    assert set(rows(repeat)) == set(rows(clean))
    for name in ("reorder within 2 s", "reorder beyond 2 s"):
        assert sorted(rows(by_name[name][0])) == sorted(rows(clean))
    for name, seconds in (("clock ahead 60 s", 60), ("clock behind 5 s", -5)):
        moved, times = by_name[name]
        off = port.longs(moved, "ts_event") - port.longs(clean, "ts_event")
        assert sorted(set(off.tolist())) == sorted({0, seconds * 10**9})
        assert np.count_nonzero(off) == times
    spiked, times = by_name["spike"]
    # The closing mark has no bid: NaN, which is not itself.
    ratio = np.abs(spiked["bid"] / clean["bid"] - 1)[:-1][(clean["bid"] != spiked["bid"])[:-1]]
    assert len(ratio) == times
    assert ratio.min() >= 19.9e-4
    assert ratio.max() <= 101e-4


@pytest.mark.parametrize("panel", s.PANELS)
def test_every_fault_leaves_its_mark_and_no_bar_differs_without_a_reason(panel):
    """In memory: every mark is as due, outvoted minutes are equal or explained, and no price is out of range."""
    table = table_of(panel)
    assert [(r.fault, m) for r in table for m in r.marks if not m.ok] == []
    assert [r.fault for r in table if report.unexplained(r)] == []
    assert report.outside(session(panel), outputs(panel)[2]) == 0


def test_an_outvoted_vendor_changes_no_bar_by_drop_repeat_order_false_clock_spike_or_outage():
    """Where others that agree hold the majority, those faults leave every outvoted minute as it was, bit for bit."""
    table = {r.fault: r.bars for r in table_of()}
    exact = ("drop", "repeat", "reorder within 2 s", "reorder beyond 2 s", "clock ahead 60 s", "clock behind 5 s")
    exact += ("spike", "outage")
    assert {name: table[name].different for name in exact} == dict.fromkeys(exact, 0)
    assert sum(table[name].equal for name in exact) >= 15


def test_where_all_count_the_same_a_fault_moves_no_bar_by_more_than_a_pip():
    """Of three vendors that count alike each may be the median: its loss moves a bar by less than a spread."""
    for row in table_of("close"):
        assert row.bars.off_pips_max < 1.0
        assert row.bars.equal + row.bars.different <= 2


def test_a_bar_that_differs_without_a_reason_is_seen():
    """A bar of the faulty run that is a tick off is found, and one that is far off is out of range too."""
    clean, without, faulty = outputs()
    start = s.START_NS + 15 * f.MINUTE_NS
    for off, out in ((s.TICK_SIZE, 0), (0.01, 1)):
        changed = [r | {"h": r["h"] + off} if r["ts_start"] == start else r for r in faulty.bars]
        wrong = Outputs(faulty.ticks, changed, faulty.freshness, faulty.dead, faulty.fates)
        table = {r.fault: r for r in table_of(variants=[clean, without, wrong])}
        assert report.unexplained(table["spike"]) == 1
        assert report.outside(session(), wrong) == out


def test_a_run_without_faults_has_no_marks():
    """Of the clean run in place of the faulty one, not one mark of a fault that must be there is."""
    clean, without, _ = outputs()
    for row in report.rows_of(session(), [clean, without, clean], 0, 0):
        assert not all(m.ok for m in row.marks), row.fault
        assert row.bars.different == row.bars.counted_different == 0
