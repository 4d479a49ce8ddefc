"""Weights: uptime, reliability and latency as a source's own ticks teach them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.reconcile.config import ReconcileConfig
from processors.reconcile.weights import open_between
from tests.reconcile.ticks import COMPILING, Run, heartbeat, quote, trade

CONFIG = ReconcileConfig()
NEW = CONFIG.prior_up_share * (CONFIG.prior_good + 1) / (CONFIG.prior_good + CONFIG.prior_cut + 1)


def test_a_new_source_starts_with_its_prior() -> None:
    """Half of the time up, eight of ten ticks good and its first one, no latency."""
    run = Run()
    run.feed(quote("FXCM", 0, 1.38, 1.39))
    assert run.source("EURUSD:FX", "FXCM")["trust"] == pytest.approx(NEW)


def test_a_silence_costs_uptime_and_heartbeats_pay_for_it() -> None:
    """Ten minutes without a tick: 2 of them fresh, all of them where the vendor's heartbeats go on."""
    trust = []
    for beats in (False, True):
        run = Run()
        run.feed(quote("FXCM", 0, 1.38, 1.39), heartbeat("FXCM", 0))
        if beats:
            run.feed(*(heartbeat("FXCM", at) for at in range(5, 600, 5)))
        run.feed(quote("FXCM", 600, 1.38, 1.39))
        source = run.source("EURUSD:FX", "FXCM")
        trust.append(source["trust"])
        assert source["open_s"] == pytest.approx(600)
        assert source["fresh_s"] == pytest.approx(595 if beats else 120)
    assert trust[0] < trust[1]


def test_a_weekend_costs_no_uptime_and_forgets_nothing() -> None:
    """From Friday's last tick to Sunday's first, the market was open for a minute."""
    friday_close_s = 2 * 86_400 + 6 * 3_600
    run = Run()
    run.feed(
        quote("FXCM", friday_close_s - 60, 1.38, 1.39), quote("FXCM", friday_close_s + 48 * 3_600 + 600, 1.38, 1.39)
    )
    source = run.source("EURUSD:FX", "FXCM")
    # Stale from two minutes on: those count as open, as do the ten minutes of Sunday.
    assert source["open_s"] == pytest.approx(120 + 600)
    assert source["ticks"] > 1.8


def test_a_clock_behind_the_exchange_is_no_latency() -> None:
    """A recorder 1.27 s behind its exchange: what counts is the wait beyond the least."""
    run = Run()
    run.feed(*(trade("BINANCE", at, 100.0, recv_s=at - 1.27 + 0.004 * (at % 2)) for at in range(2000)))
    source = run.source("BTC-USD:CRYPTO", "BINANCE")
    assert source["delay_ms_min"] == pytest.approx([-1270, -1270])
    assert latency_ms(source) == pytest.approx(2, rel=0.05)


def latency_ms(source: np.void) -> float:
    """Return the latency of a source by its definition: what its mean delay is over the least."""
    return float(max(source["delay_ms"] / source["ticks"] - source["delay_ms_min"].min(), 0.0))


def learnt(delays_ms: list[float], step_s: float, *, odd_ms: float = math.nan) -> float:
    """Return 1 / (1 ms + latency) after a tick of each delay, one of them with another one where that is given."""
    ticks = [trade("A", at * step_s, 100.0, recv_s=at * step_s + ms / 1e3) for at, ms in enumerate(delays_ms)]
    if not math.isnan(odd_ms):
        ticks[5]["ts_recv"] = ticks[5]["ts_event"] + round(odd_ms * 1e6)
    run = Run()
    run.feed(*ticks)
    assert run.fates == {"consensus": len(ticks)}
    return 1 / (1 + latency_ms(run.source("BTC-USD:CRYPTO", "A")))


@settings(deadline=None, max_examples=20)
@given(
    step_s=st.floats(4, 10), odd_ms=st.floats(-CONFIG.future_ms, CONFIG.future_ms),
    spread_ms=st.floats(1, 50), seed=st.integers(0, 99),
)  # fmt: skip
def test_one_false_stamp_is_forgotten_in_six_half_lives(
    step_s: float, odd_ms: float, spread_ms: float, seed: int
) -> None:
    """As long ahead of its receipt as is believed: the latency is soon near to what it would have been."""
    n = 6 + math.ceil(6 * CONFIG.half_life_s / step_s)
    delays = (5 + spread_ms * np.random.default_rng(seed).random(n)).tolist()
    assert learnt(delays, step_s, odd_ms=odd_ms) == pytest.approx(learnt(delays, step_s), rel=0.2)


def test_a_clock_that_is_set_is_no_latency_for_ever() -> None:
    """A recorder's clock goes forward by a second: after ten half-lives nobody knows."""
    n = math.ceil(10 * CONFIG.half_life_s / 10)
    steady = [2.0 + at % 3 for at in range(n)]
    moved = [ms - 1000 * (at < 20) for at, ms in enumerate(steady)]
    assert learnt(moved, 10) == pytest.approx(learnt(steady, 10), rel=0.1)


def test_half_of_the_past_is_forgotten_in_a_half_life() -> None:
    """Of one tick, half a tick is left an hour later."""
    run = Run()
    run.feed(*(trade("A", at, 100.0) for at in (0, 3600)))
    assert run.source("BTC-USD:CRYPTO", "A")["ticks"] == pytest.approx(1.5)


def test_a_source_that_is_cut_loses_reliability() -> None:
    """One vendor 1 % off all the time: the trust in it falls under the others'."""
    run = Run()
    run.feed(
        *(
            trade(v, at + i * 0.1, p)
            for at in range(60)
            for i, (v, p) in enumerate(zip("ABC", (100, 101, 100.01), strict=True))
        )
    )
    trust = {v: run.source("BTC-USD:CRYPTO", v)["trust"] for v in "ABC"}
    assert trust["B"] < 0.2 * min(trust["A"], trust["C"])


@COMPILING
@given(st.lists(st.integers(0, 100), max_size=8, unique=True), st.integers(0, 100), st.integers(0, 100))
def test_open_time_is_counted_instant_by_instant(edges: list[int], begin: int, end: int) -> None:
    """The overlap of an interval with the segments is the number of its instants inside one."""
    edges = sorted(edges)[: len(edges) // 2 * 2]
    opens, closes = np.array(edges[::2], np.int64), np.array(edges[1::2], np.int64)
    inside = [t for t in range(begin, end) if any(a <= t < b for a, b in zip(opens, closes, strict=True))]
    assert open_between(opens, closes, begin, max(begin, end)) == len(inside)
