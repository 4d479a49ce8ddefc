"""Weights: uptime, reliability and latency as a source's own ticks teach them."""

import numpy as np
import pytest
from hypothesis import given
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
    assert run.source("EURUSD:FX", "FXCM")["weight"] == pytest.approx(NEW)


def test_a_silence_costs_uptime_and_heartbeats_pay_for_it() -> None:
    """Ten minutes without a tick: 2 of them fresh, all of them where the vendor's heartbeats go on."""
    weights = []
    for beats in (False, True):
        run = Run()
        run.feed(quote("FXCM", 0, 1.38, 1.39), heartbeat("FXCM", 0))
        if beats:
            run.feed(*(heartbeat("FXCM", at) for at in range(5, 600, 5)))
        run.feed(quote("FXCM", 600, 1.38, 1.39))
        source = run.source("EURUSD:FX", "FXCM")
        weights.append(source["weight"])
        assert source["open_s"] == pytest.approx(600)
        assert source["fresh_s"] == pytest.approx(595 if beats else 120)
    assert weights[0] < weights[1]


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
    assert source["delay_ms_min"] == pytest.approx(-1270)
    # On average 2 ms over the least.
    assert source["weight"] == pytest.approx(1 / (2 + 1), rel=0.05)


def test_half_of_the_past_is_forgotten_in_a_half_life() -> None:
    """Of one tick, half a tick is left an hour later."""
    run = Run()
    run.feed(*(trade("A", at, 100.0) for at in (0, 3600)))
    assert run.source("BTC-USD:CRYPTO", "A")["ticks"] == pytest.approx(1.5)


def test_a_source_that_is_cut_loses_reliability() -> None:
    """One vendor 1 % off all the time: its weight falls under the others'."""
    run = Run()
    run.feed(
        *(
            trade(v, at + i * 0.1, p)
            for at in range(60)
            for i, (v, p) in enumerate(zip("ABC", (100, 101, 100.01), strict=True))
        )
    )
    weight = {v: run.source("BTC-USD:CRYPTO", v)["weight"] for v in "ABC"}
    assert weight["B"] < 0.2 * min(weight["A"], weight["C"])


@COMPILING
@given(st.lists(st.integers(0, 100), max_size=8, unique=True), st.integers(0, 100), st.integers(0, 100))
def test_open_time_is_counted_instant_by_instant(edges: list[int], begin: int, end: int) -> None:
    """The overlap of an interval with the segments is the number of its instants inside one."""
    edges = sorted(edges)[: len(edges) // 2 * 2]
    opens, closes = np.array(edges[::2], np.int64), np.array(edges[1::2], np.int64)
    inside = [t for t in range(begin, end) if any(a <= t < b for a, b in zip(opens, closes, strict=True))]
    assert open_between(opens, closes, begin, max(begin, end)) == len(inside)
