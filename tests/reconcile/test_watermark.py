"""The watermark: the slowest active feed less the lateness, never back, never held by a clock or by a dead feed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.config import ReconcileConfig
from processors.reconcile.tables import TABLES
from processors.times import LONG_AGO
from processors.watermark import advance
from schemas.vendors import CLOCK_VENDOR
from tests.reconcile.ticks import COMPILING, SECOND, T0, Raw, Run, heartbeat, quote, trade

SPECS = {t.name: t for t in TABLES}
LATENESS, IDLE = 2, 10
MARKS = 3
"""The feed that is the log's own clock: its beats are marks."""
Event = tuple[int, int, bool]
Received = tuple[int, int, int, bool]
CONFIG = ReconcileConfig()
AHEAD_S = CONFIG.future_ms / 1000


def watermarks(events: list[Event]) -> list[int]:
    """Return the watermark after each (feed, time, is it a tick), received at once."""
    return received([(f, ts, ts, tick) for f, ts, tick in events])


def received(events: list[Received]) -> list[int]:
    """Return the watermark after each (feed, event time, receive time, is it a tick)."""
    partition, feeds = np.array([SPECS["partition"].fresh]), np.array([SPECS["feeds"].fresh] * 4)
    return [
        advance(partition, feeds, 4, f, ts, recv, tick, f == MARKS and not tick, LATENESS, IDLE)
        for f, ts, recv, tick in events
    ]


def naive(events: list[Received]) -> list[int]:
    """Return the same by its definition, from the whole past."""
    out, mark = [], LONG_AGO
    for i in range(len(events)):
        past = [(f, min(ts, recv), tick) for f, ts, recv, tick in events[: i + 1]]
        newest = {f: max(ts for g, ts, _ in past if g == f) for f in {f for f, _, _ in past}}
        active = {f: ts for f, ts in newest.items() if ts >= max(newest.values()) - IDLE}
        ticking = {f for f, _, tick in past if tick}
        f, ts, tick = past[-1]
        slowest = min([ts for f, ts in active.items() if f in ticking] or active.values())
        mark = max(mark, (ts if f == MARKS and not tick else slowest) - LATENESS)
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


def test_a_mark_of_the_logs_own_clock_waits_for_no_feed() -> None:
    """It says that nothing before it is to come, of feeds too that spoke a moment ago; a beat says so of its own."""
    assert watermarks([(0, 100, True), (1, 97, True), (MARKS, 103, False), (0, 104, True)]) == [98, 98, 101, 101]
    assert watermarks([(0, 100, True), (1, 97, True), (2, 103, False), (0, 104, True)]) == [98, 98, 98, 98]


def test_the_stage_takes_beats_of_the_clock_vendor_for_marks() -> None:
    """Its heartbeats, and neither those of another vendor nor its ticks."""
    run = Run()
    rows = run.feed(
        quote("FXCM", 0, 1.1, 1.2), quote("OANDA", 3, 1.1, 1.2), heartbeat("GATEWAY", 5),
        quote(CLOCK_VENDOR, 5, 1.1, 1.2), heartbeat(CLOCK_VENDOR, 6),
    )  # fmt: skip
    assert [(row["watermark"] - T0) / SECOND for row in rows] == [-2, -2, -2, -2, 4]


def honest(n: int) -> list[Raw]:
    """Return two vendors' quotes of n seconds, one a second each, received a tenth of a second later."""
    return [
        quote(vendor, at + offset, 1.1, 1.2, recv_s=at + offset + 0.1)
        for at in range(n)
        for vendor, offset in (("FXCM", 0.0), ("OANDA", 0.5))
    ]


@pytest.mark.parametrize("ahead_s", [AHEAD_S, AHEAD_S + 0.001, 30.0, 59.0, 86_400.0])
@pytest.mark.parametrize("kind", ["quote", "heartbeat", "lone quote"])
def test_one_tick_from_the_future_does_not_make_the_others_late(kind: str, ahead_s: float) -> None:
    """Of a vendor or a heartbeat, refused or just not: every honest tick before and after it counts, late by nothing.

    Nor of a vendor that is alone in its partition, where no other feed holds the watermark back.
    """
    at = 60.0
    odd = heartbeat("FXCM", at + ahead_s) if kind == "heartbeat" else quote("FXCM", at + ahead_s, 1.1, 1.2)
    odd["ts_recv"] -= round(ahead_s * 10**9)
    ticks = [tick for tick in honest(120) if kind != "lone quote" or tick["vendor"] == "FXCM"]
    half = len(ticks) // 2
    run = Run()
    out = run.feed(*ticks[:half], odd, *ticks[half:])
    good = [row for row in out if row["ts_recv"] != odd["ts_recv"]]
    assert len(good) == len(ticks)
    assert not any(row["late"] for row in good)
    assert run.fates.get("dead", 0) == (ahead_s > AHEAD_S)


@pytest.mark.parametrize("kind", ["quote", "heartbeat"])
def test_a_clock_ahead_in_both_times_makes_no_other_feed_idle(kind: str) -> None:
    """Where the log does not tell, event and receipt may both be ahead: feeds that speak still hold the watermark."""
    at = 60.0 + AHEAD_S
    odd = heartbeat("gateway", at) if kind == "heartbeat" else quote("DUKAS", at, 1.1, 1.2)
    ticks = honest(120)
    out = Run().feed(*ticks[:120], odd, *ticks[120:])
    assert sum(row["late"] for row in out) == 0


def test_a_recorder_behind_its_exchange_holds_the_watermark_back_by_as_much() -> None:
    """Received 1.27 s before they happened: the watermark lags by that and the lateness, and no tick is late."""
    ticks = [
        trade(vendor, at / 4, 100.0, recv_s=at / 4 - behind)
        for at in range(400)
        for vendor, behind in (("BINANCE", 1.27), ("COINBASE", -0.02))
    ]
    out = Run().feed(*ticks)
    assert not any(row["late"] for row in out)
    lag_s = np.array([(row["ts_event"] - row["watermark"]) / 1e9 for row in out if row["source"] == "BINANCE"])
    np.testing.assert_allclose(lag_s[4:], 1.27 + CONFIG.lateness_ms / 1000)


@COMPILING
@given(st.lists(st.tuples(*[st.integers(0, 3), st.integers(0, 60), st.integers(-12, 12), st.booleans()]), max_size=60))
def test_the_watermark_agrees_with_its_definition_and_never_goes_back(
    events: list[tuple[int, int, int, bool]],
) -> None:
    """Kept step by step, it is what the whole past gives, whatever is received early or late."""
    stamped = [(f, ts, ts + delay, tick) for f, ts, delay, tick in events]
    got = received(stamped)
    assert got == naive(stamped)
    assert got == sorted(got)


@COMPILING
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 60), st.booleans()), max_size=40))
def test_no_watermark_is_ahead_of_every_receipt(events: list[Received]) -> None:
    """Whatever event times say, the watermark stays the lateness behind the newest receipt."""
    for i, mark in enumerate(received(events)):
        assert mark <= max(recv for _, _, recv, _ in events[: i + 1]) - LATENESS


def test_a_source_whose_clock_is_behind_sets_no_standing_consensus_into_its_time() -> None:
    """Its ticks hold the watermark back, so they are not late; 2 s behind they count, further they stand alone."""
    for behind_s, counted in ((2.0, True), (2.5, False)):
        run = Run()
        run.feed(*(trade(v, at, 100.0) for at in range(5, 20) for v in ("A", "B")))
        run.feed(*(trade("C", at - behind_s, 100.0) for at in range(5, 20)))
        run.feed(trade("A", 21, 101.0), trade("B", 21, 101.0))
        (tick,) = run.feed(trade("C", 21 - behind_s, 101.1))
        assert tick["late"] == 0
        assert tick["price"] == (101.0 if counted else 101.1)
        assert (tick["weight"] is not None) == counted
        assert tick["vendors"] == (("A", "B", "C") if counted else ("C",))
