"""What is known of vendors beforehand: twin lines, late stamps, and whose volume counts."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.vendors import Vendor
from tests.reconcile.ticks import COMPILING, SECOND, T0, Run, quote, trade

LINES = [Vendor("CME_B", "*", "venue", "CME_A", 0.0)]
TAPES = [Vendor(name, "*", "consolidated", "", 0.0) for name in ("A", "B", "C")]


@given(st.data())
@COMPILING
def test_of_twin_lines_the_first_counts_and_each_fills_the_gaps_of_the_other(data: st.DataObject) -> None:
    """Whatever each line lost, and whichever was first, every event that one of them had comes out once."""
    events = [trade("CME_A", i, 100.0 + i, seq=i) for i in range(12)]
    lost_a = data.draw(st.sets(st.integers(0, 11)))
    lost_b = data.draw(st.sets(st.integers(0, 11)))
    rows = []
    for i, event in enumerate(events):
        pair = [event] * (i not in lost_a) + [event | {"vendor": "CME_B"}] * (i not in lost_b)
        rows += pair[::-1] if data.draw(st.booleans()) else pair
    run = Run(vendors=LINES)
    out = run.feed(*rows)
    had = [i for i in range(12) if i not in lost_a & lost_b]
    assert [t["ts_event"] for t in out] == [T0 + i * SECOND for i in had]
    assert {(t["source"], t["vendors"]) for t in out} <= {("CME_A", ("CME_A",))}
    assert run.fates.get("duplicate", 0) == len(rows) - len(had)


def test_a_vendor_that_stamps_late_is_put_in_its_time() -> None:
    """Its lag is taken off before anything looks at the time, so that it shows as latency and costs trust."""
    run = Run(vendors=[Vendor("SLOW", "*", "venue", "", 300.0)])
    for i in range(20):
        slow = quote("SLOW", i + 0.3, 1.38, 1.3801)
        (tick, _) = run.feed(slow, quote("FAST", i + 0.3, 1.38, 1.3801))
        assert tick["ts_event"] == T0 + i * SECOND
    assert run.source("EURUSD:FX", "SLOW")["last_ns"] == T0 + 19 * SECOND


def test_volumes_of_venues_add_up_and_tapes_are_not_counted_twice() -> None:
    """Three tapes tell the same trades: the volume is that of one of them; two venues tell their own: it is the sum."""
    tapes, venues = Run(vendors=TAPES), Run()
    sizes = [5.0, 1.0, 7.0]
    told = [trade(v, i, 100.0, size) for i, size in enumerate(sizes) for v in "ABC"]
    for run, expected in ((tapes, sum(sizes)), (venues, 3 * sum(sizes))):
        assert sum(t["size"] or 0.0 for t in run.feed(*told)) == expected


def test_a_venue_beside_a_tape_adds_no_volume() -> None:
    """Its trades are on the tape already; while no tape speaks, they count."""
    run = Run(vendors=TAPES)
    (first,) = run.feed(trade("X", 0, 100.0, 3.0))
    assert first["size"] == 3.0
    tape, venue = run.feed(trade("A", 1, 100.0, 5.0), trade("X", 2, 100.0, 5.0))
    assert (tape["size"], venue["size"]) == (5.0, None)


class Volumes:
    """The volume of each minute from sums of every tape that are kept for ever."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.limit_s = run.stage.config.limits["crypto"].trade_silence_ms / 1000
        self.last: dict[str, int] = {}
        self.sums: dict[tuple[str, int], float] = {}
        self.counted: dict[int, float] = {}

    def take(self, vendor: str, at_s: int, size: float, tick: dict[str, Any]) -> float:
        """Return what a trade adds: what it moves the largest median of its minute by, so far."""
        if not tick["late"]:
            self.last[vendor] = max(at_s, self.last.get(vendor, at_s))
        elif vendor not in self.last:
            return size
        minute = at_s // 60
        fresh = {v for v, t in self.last.items() if t + self.limit_s > at_s} | {vendor}
        # Of older minutes than the newest six with trades the sums are gone.
        if len([m for m in self.counted if m > minute]) >= 6:
            return size if fresh == {vendor} else 0.0
        self.sums[vendor, minute] = self.sums.get((vendor, minute), 0.0) + size
        before = self.counted.setdefault(minute, 0.0)
        self.counted[minute] = max(before, self._median(minute, fresh))
        return self.counted[minute] - before

    def _median(self, minute: int, fresh: set[str]) -> float:
        values = sorted((self.sums.get((v, minute), 0.0), v) for v in fresh)
        cumulated = np.cumsum([float(self.run.source("BTC-USD:CRYPTO", v)["trust"]) for _, v in values])
        return values[int(np.flatnonzero(2 * cumulated >= cumulated[-1] * (1 - 1e-12))[0])][0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"),
            st.integers(0, 70),  # seconds since the trade before
            st.sampled_from((0, 0, 0, 5, 70, 130, 200, 400)),  # and by how many it comes late
            st.integers(1, 9),
        ),
        min_size=1,
        max_size=60,
    )
)
@COMPILING
def test_the_volume_of_a_minute_is_the_weighted_median_of_the_tapes(told: list[tuple[str, int, int, int]]) -> None:
    """Against an oracle that sums every tape anew: what came late counts in its minute as long as it is held."""
    run, now = Run(vendors=TAPES), 400
    volumes = Volumes(run)
    for vendor, step_s, late_s, size in told:
        now += step_s
        (tick,) = run.feed(trade(vendor, now - late_s, 100.0, float(size), recv_s=now))
        assert (tick["size"] or 0.0) == volumes.take(vendor, now - late_s, float(size), tick)


def test_a_late_trade_of_tapes_counts_once_in_its_minute() -> None:
    """Of one tape whatever the minute; of two only in the newest six, since of older ones the sums are gone."""
    for tapes, oldest in (("A", 7.0), ("AB", 0.0)):
        run = Run(vendors=TAPES)
        run.feed(*(trade(v, 60 * i, 100.0, 5.0) for i in range(9) for v in tapes))
        for at, expected in ((30, oldest), (150, oldest), (190, 7.0), (430, 7.0)):
            told = run.feed(*(trade(v, at, 100.0, 7.0, recv_s=481) for v in tapes))
            assert all(tick["late"] for tick in told)
            assert sum(tick["size"] or 0.0 for tick in told) == expected
