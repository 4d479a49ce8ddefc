"""Freshness of sources: fresh, delayed, stale, closed, on whole seconds of the watermark's clock."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.freshness import CLOSED, DELAYED, FRESH, STALE, state_at
from tests.reconcile.ticks import COMPILING, SECOND, T0, Run, heartbeat, quote

FX_STALE_S = 120


def changes(run: Run) -> list[tuple[str, str, str, float]]:
    """Return source, previous state, state and time in seconds after T0 of the last batch."""
    return [(r["source"], r["previous"], r["state"], (r["ts"] - T0) / SECOND) for r in run.freshness]


def test_a_source_that_falls_silent_is_delayed_then_stale_then_fresh_again() -> None:
    """Each change once, at the second at which it happened, though the watermark came there in one leap."""
    run = Run()
    run.feed(quote("FXCM", 0, 1.38, 1.39))
    assert changes(run) == [], "the second before the first tick shows no source"
    run.feed(quote("FXCM", 5, 1.38, 1.39))
    assert changes(run) == [("FXCM", "none", "fresh", -1)]
    run.feed(heartbeat("replay", 400))
    assert changes(run) == [
        ("FXCM", "fresh", "delayed", 5 + FX_STALE_S / 2),
        ("FXCM", "delayed", "stale", 5 + FX_STALE_S),
    ]
    delayed, stale = run.freshness
    assert (delayed["age_ms"], stale["age_ms"], stale["threshold_ms"]) == (60_000, 120_000, 120_000)
    assert delayed["since"] == T0 - SECOND
    assert stale["since"] == delayed["ts"]
    run.feed(quote("FXCM", 400, 1.38, 1.39), heartbeat("replay", 411))
    assert changes(run) == [("FXCM", "stale", "fresh", 399)]


def test_no_second_of_a_leap_is_left_out() -> None:
    """Sources heard a second apart are delayed a second apart, though the watermark passed both at once."""
    run = Run()
    run.feed(*(quote(f"V{at}", at, 1.38, 1.39) for at in range(5)), heartbeat("replay", 100))
    assert [c for c in changes(run) if c[2] == "delayed"] == [
        (f"V{at}", "fresh", "delayed", at + 60) for at in range(5)
    ]


def test_a_closed_market_is_closed_not_stale() -> None:
    """Over a weekend: closed at Friday 17:00 New York, and open again, still silent, on Sunday 17:00."""
    friday_close_s = 2 * 86_400 + 6 * 3_600
    run = Run()
    run.feed(quote("FXCM", friday_close_s - 30, 1.38, 1.39), heartbeat("replay", friday_close_s + 48 * 3_600 + 1000))
    assert [(a, b, t - friday_close_s) for _, a, b, t in changes(run)] == [
        ("none", "fresh", -31), ("fresh", "closed", 0), ("closed", "stale", 48 * 3_600),
    ]  # fmt: skip


def test_sources_change_in_the_order_of_time_then_of_first_sight() -> None:
    """Two vendors that fall silent together change in the order in which they were first heard."""
    run = Run()
    run.feed(quote("OANDA", 0, 1.38, 1.39), quote("FXCM", 0, 1.38, 1.39), heartbeat("replay", 300))
    assert [c[:3] for c in changes(run)][2:] == [
        ("OANDA", "fresh", "delayed"), ("FXCM", "fresh", "delayed"),
        ("OANDA", "delayed", "stale"), ("FXCM", "delayed", "stale"),
    ]  # fmt: skip


def test_a_clock_is_no_source() -> None:
    """The replay's clock ticks for everyone and has no freshness of its own; years of it end at once."""
    run = Run()
    run.feed(heartbeat("replay", 0), heartbeat("replay", 10 * 365 * 86_400))
    assert run.freshness == []
    assert run.fates == {"clock": 2}


@COMPILING
@given(st.integers(0, 60), st.integers(2, 15), st.lists(st.integers(0, 60), max_size=6, unique=True))
def test_the_next_change_is_never_missed(last: int, stale: int, edges: list[int]) -> None:
    """Between an instant and the one that is told as the next change, the state is the same, at each instant."""
    edges = sorted(edges)[: len(edges) // 2 * 2]
    opens, closes = np.array(edges[::2], np.int64), np.array(edges[1::2], np.int64)

    def naive(t: int) -> int:
        if not any(a <= t < b for a, b in zip(opens, closes, strict=True)):
            return CLOSED
        return STALE if t - last >= stale else DELAYED if t - last >= stale / 2 else FRESH

    for t in range(70):
        state, until = state_at(last, stale, opens, closes, t)
        assert state == naive(t)
        assert until > t
        assert all(naive(u) == state for u in range(t, min(until, 80)))
