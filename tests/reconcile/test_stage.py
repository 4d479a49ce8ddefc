"""The stage as a whole: every fate, every rule, and every trap of the recorded markets."""

import math

import pytest

from processors.reconcile.config import FEEDS_MAX, SOURCES_MAX, ReconcileConfig
from processors.reconcile.stage import ReconcileStage
from processors.times import LONG_AGO
from schemas.vendors import Vendor
from tests.reconcile.ticks import SECOND, T0, Run, columns, heartbeat, quote, raw, trade

LATENESS_S = ReconcileConfig().lateness_ms / 1000


def test_a_consensus_tick_carries_what_all_fresh_sources_say() -> None:
    """Every field, from two vendors that differ in all of them."""
    run = Run()
    run.feed(quote("OANDA", 0, 1.38000, 1.38012), quote("FXCM", 0.5, 1.38005, 1.38007))
    (tick,) = run.feed(quote("FXCM", 1, 1.38006, 1.38009, bid_size=1e6, ask_size=2e6, recv_s=1.25))
    assert tick == {
        "symbol_id": "EURUSD:FX", "source": "FXCM", "kind": "quote", "ts_event": T0 + SECOND,
        "ts_recv": T0 + SECOND + SECOND // 4, "watermark": T0 - 2 * SECOND, "price": pytest.approx(1.380075),
        # OANDA's value is a second old, so FXCM is the heavier.
        "size": None, "bid": 1.38006, "ask": 1.38009, "n_src": 2, "outlier": 0, "late": 0, "stale": 0,
        "dispersion": pytest.approx(0.000015 / 2), "sigma": pytest.approx(1.38006 * 0.3e-4), "raw_offset": 2,
        "weight": pytest.approx(6.7787, rel=1e-4), "cut": (), "phase": "continuous", "seq": None,
        "vendors": ("FXCM", "OANDA"), "weights": (70, 30), "missing_since": None, "missing": None,
    }  # fmt: skip


def test_a_source_is_named_by_vendor_and_venue() -> None:
    """Vendor alone where it is the venue; each venue is a source of its own; names are sorted."""
    run = Run()
    ticks = run.feed(trade("B", 0, 100.0, venue="Z"), trade("B", 1, 100.0, venue="Y"), trade("B", 2, 100.0))
    assert [t["source"] for t in ticks] == ["B/Z", "B/Y", "B"]
    assert ticks[-1]["vendors"] == ("B", "B/Y", "B/Z")


def test_trades_and_quotes_are_kept_apart() -> None:
    """A quote does not move the price of trades, nor a trade that of quotes."""
    run = Run()
    a, b, c = run.feed(
        trade("A", 0, 100.0, 3.0), raw("quote", "A", 1, symbol_id="BTC-USD:CRYPTO", bid=99.0, ask=103.0),
        trade("A", 2, 100.5, 4.0),
    )  # fmt: skip
    assert (a["price"], b["price"], c["price"]) == (100.0, 101.0, 100.5)
    assert (b["bid"], b["ask"], b["size"], c["bid"], c["size"]) == (99.0, 103.0, None, None, 4.0)


@pytest.mark.parametrize(
    ("tick", "error", "reason"),
    [
        (quote("FXCM", 0, 1.3868, 1.3867), "crossed_quote", "EURUSD:FX FXCM: bid 1.3868 is above ask 1.3867"),
        (quote("FXCM", 0, None, None), "bad_quote", "bid nan and ask nan"),
        (quote("FXCM", 0, 0.0, 0.0), "bad_quote", "one must be positive"),
        (quote("FXCM", 0, -1.0, 1.38), "bad_quote", "none negative"),
        (quote("FXCM", 0, 1.38, math.inf), "bad_quote", "infinite"),
        (quote("FXCM", 0, 1.38, 1.39, bid_size=-5.0), "bad_size", "bid_size -5.0"),
        (trade("X", 0, math.nan), "bad_price", "trade price nan is not a positive number"),
        (trade("X", 0, -3.0), "bad_price", "BTC-USD:CRYPTO X: trade price -3.0"),
        (trade("X", 0, 0.0), "bad_price", "0.0"),
        (trade("X", 0, math.inf), "bad_price", "inf"),
        (trade("X", 0, 100.0, -1.0), "bad_size", "size -1.0: a size is neither negative nor infinite"),
        (trade("X", 0, 100.0, symbol_id="GHOST:US"), "unknown_symbol", "GHOST:US X: trade of a symbol"),
        (trade("X", 0, 100.0, symbol_id=""), "unknown_symbol", "(no symbol) X"),
        (trade("X", 5.001, 100.0, recv_s=0), "bad_time", "5.001 s after receive time"),
        (trade("X", -1e9, 100.0), "bad_time", "is not between 1990 and 2100"),
        (trade("X", 0, 100.0) | {"ts_event": 1_399_474_800}, "bad_time", "event time 1399474800 ns"),
        (raw("heartbeat", "X", 0, symbol_id="GHOST:US"), "unknown_symbol", "heartbeat of a symbol"),
    ],
)
def test_a_broken_rule_sends_the_row_to_the_dead_letter_with_the_reason(tick, error, reason) -> None:
    """And nothing of it stays: no source, no watermark, no consensus."""
    run = Run()
    assert run.feed(tick) == []
    assert run.fates == {"dead": 1}
    ((got, text),) = run.reasons
    assert got == error
    assert reason in text
    assert len(run.state["sources"]) == len(run.state["feeds"]) == 0
    assert run.state["partition"].rows["watermark_ns"][0] == LONG_AGO


def test_crossed_vendor_quotes_go_and_locked_ones_stay() -> None:
    """FXCM crosses in one tick of ten: the good rows around are not touched."""
    run = Run()
    ticks = run.feed(quote("FXCM", 0, 1.1, 1.2), quote("FXCM", 1, 1.21, 1.2), quote("FXCM", 2, 1.15, 1.15))
    assert [(t["bid"], t["ask"]) for t in ticks] == [(1.1, 1.2), (1.15, 1.15)]
    assert run.fates == {"consensus": 2, "dead": 1}


def test_a_zero_size_is_a_size() -> None:
    """Gold futures print trades of size 0; a trade without a size keeps none."""
    ticks = Run().feed(trade("A", 0, 100.0, 0.0), trade("A", 1, 100.0, None))
    assert [t["size"] for t in ticks] == [0.0, None]


def test_a_recorder_behind_the_exchange_is_normal() -> None:
    """Receive time 1.27 s before event time is a tick; more than five is from the future."""
    run = Run()
    ticks = run.feed(
        trade("B", 10, 100.0, recv_s=8.73), trade("B", 15, 100.0, recv_s=10), trade("B", 15.01, 100.0, recv_s=10)
    )
    assert [t["ts_event"] - T0 for t in ticks] == [10 * SECOND, 15 * SECOND]
    assert run.fates == {"consensus": 2, "dead": 1}


def test_a_tick_received_after_it_was_logged_is_from_the_future() -> None:
    """A broken recorder stamps both times an hour ahead: the log knows better, and the ticks after it are not late."""
    batch = columns([trade("A", 0, 100.0), trade("A", 3600, 100.0), trade("A", 1, 101.0)])
    batch.logged_ms[:] = T0 // 10**6 + 5_000
    stage = ReconcileStage()
    output = stage.step(stage.open(), batch)
    assert {fate: n for fate, n in output.counts.items() if n} == {"consensus": 2, "dead": 1}
    assert [(r.row, r.error) for r in output.rejected] == [(1, "bad_time")]
    assert "is 3595.000 s after it came to the log" in output.rejected[0].reason


def test_prints_that_look_alike_are_no_duplicates() -> None:
    """Same millisecond, price and size: two trades, unless the number is the same. Without numbers nothing repeats."""
    run = Run()
    run.feed(*(trade("A", 0, 100.0, seq=s) for s in (1, 2, 2, 3)), trade("A", 0, 100.0), trade("A", 0, 100.0))
    assert run.fates == {"consensus": 5, "duplicate": 1}


def test_the_same_number_of_another_source_is_no_duplicate() -> None:
    """Numbers belong to symbol, vendor and venue."""
    run = Run()
    run.feed(trade("A", 0, 100.0, seq=1), trade("B", 0, 100.0, seq=1), trade("A", 0, 100.0, seq=1, venue="X"))
    run.feed(trade("A", 0, 100.0, seq=1, symbol_id="ETH-USD:CRYPTO"), trade("B", 0, 100.0, seq=1))
    assert run.fates == {"consensus": 1, "duplicate": 1}


def test_a_late_tick_keeps_its_own_price_and_moves_nothing_back() -> None:
    """Published as late, an outlier where the market cannot have moved so far, and forgotten but for its number."""
    run = Run()
    run.feed(trade("A", 0, 100.0), trade("B", 8, 100.1), trade("A", 8, 100.2, seq=7))
    before = run.source("BTC-USD:CRYPTO", "A").copy()
    late, again = run.feed(trade("A", 5.9, 90.0, 2.0, seq=6)), run.feed(trade("A", 5.9, 90.0, 2.0, seq=6))
    assert again == []
    (tick,) = late
    assert (tick["late"], tick["outlier"], tick["price"], tick["size"], tick["vendors"]) == (1, 1, 90.0, 2.0, ())
    (near,) = run.feed(trade("A", 5.8, 100.3, 2.0, seq=5))
    assert (near["late"], near["outlier"], near["price"], near["vendors"]) == (1, 0, 100.3, ("A",))
    after = run.source("BTC-USD:CRYPTO", "A")
    for name in ("trade", "trade_ns", "last_ns", "trust", "ticks"):
        assert before[name] == after[name]


def test_a_late_tick_of_a_lone_source_keeps_its_own_price() -> None:
    """What the market was then, only this source says; the price that stands is one of the future."""
    run = Run()
    run.feed(trade("A", 0, 100.0), trade("A", 10, 120.0))
    assert [(t["price"], t["late"], t["vendors"]) for t in run.feed(trade("A", 5, 101.0))] == [(101.0, 1, ("A",))]
    run.feed(quote("F", 10, 1.1, 1.3))
    (tick,) = run.feed(quote("F", 5, 1.0, 1.1))
    assert (tick["bid"], tick["ask"], tick["price"], tick["late"]) == (1.0, 1.1, 1.05, 1)


def test_a_source_that_died_judges_nobody() -> None:
    """A late source is heard where the others have been silent for longer than the limit; else it is not."""
    run = Run()
    run.feed(quote("A", 0, 1.1, 1.2), trade("A", 0, 100.0))
    run.feed(heartbeat("replay", 5))
    (silent,), (cut,) = run.feed(quote("B", 2, 1.1, 1.2)), run.feed(trade("B", 2, 120.0))
    assert (silent["late"], silent["price"], cut["late"], cut["outlier"]) == (1, None, 1, 1)
    run.feed(heartbeat("replay", 600))
    for at in (590, 591):
        (told,), (kept,) = run.feed(quote("B", at, 1.1, 1.2)), run.feed(trade("B", at, 120.0))
        assert (told["late"], told["bid"], told["ask"]) == (1, 1.1, 1.2)
        assert (kept["late"], kept["price"], kept["outlier"]) == (1, 120.0, 0)


def test_no_price_of_a_later_minute_gets_into_an_earlier_one() -> None:
    """In time, but of a minute that another source is past: it comes with its own price, not with the future's."""
    run = Run()
    run.feed(trade("A", 58, 100.0), trade("B", 58, 100.0), trade("A", 60.1, 100.4))
    (tick,) = run.feed(trade("B", 59.9, 100.1))
    assert (tick["late"], tick["price"], tick["vendors"], tick["ts_event"]) == (0, 100.1, ("B",), T0 + 59_900_000_000)


def test_a_trade_of_a_past_minute_is_judged_once() -> None:
    """What the market has moved since decides: cut, unreliable and without volume, or none of these."""
    tapes = [Vendor(name, "*", "consolidated", "", 0.0) for name in "ABC"]
    for price, cut in ((100.1, False), (90.0, True)):
        run = Run(vendors=tapes)
        run.feed(*(trade(v, 50 + i, 100.0, 5.0) for i, v in enumerate("ABC")), trade("A", 60.1, 100.4, 5.0))
        good = float(run.source("BTC-USD:CRYPTO", "B")["good"])
        (tick,) = run.feed(trade("B", 59.9, price, 7.0))
        assert (bool(tick["outlier"]), run.fates) == (cut, {"cut" if cut else "consensus": 1})
        assert (float(run.source("BTC-USD:CRYPTO", "B")["good"]) < good) is cut
        # Counted with the other tapes: one of three that told 7 more does not move their median.
        assert tick["size"] == (7.0 if cut else None)


def test_a_tick_on_the_watermark_is_not_late() -> None:
    """No tick before it is expected; one at it is."""
    run = Run()
    run.feed(trade("A", 10, 100.0))
    ticks = run.feed(trade("A", 10 - LATENESS_S, 100.0), trade("A", 10 - LATENESS_S - 1e-9, 100.0))
    assert [t["late"] for t in ticks] == [0, 1]


def test_a_tick_out_of_order_within_the_lateness_does_not_move_its_source_back() -> None:
    """It is judged and counted; the newer price of its source stands."""
    run = Run()
    run.feed(trade("A", 10, 105.0))
    (tick,) = run.feed(trade("A", 9, 100.0))
    assert (tick["price"], tick["late"]) == (105.0, 0)
    assert run.source("BTC-USD:CRYPTO", "A")["trade"] == 105.0


def test_an_exchange_that_falls_silent_leaves_no_quote_behind() -> None:
    """One-sided quotes without withdrawal rows: after two seconds a side is no longer counted."""

    def side(venue, at, **values):
        return raw("quote", "SIP", at, symbol_id="AIG:US", venue=venue, **values)

    run = Run()
    run.feed(side("N", 0, bid=50.00), side("N", 0, ask=50.02), side("P", 0.5, bid=50.00), side("P", 0.5, ask=50.02))
    (tick,) = run.feed(side("Q", 1.9, ask=50.03))
    assert (tick["bid"], tick["ask"], tick["n_src"], tick["vendors"]) == (50.00, 50.02, 3, ("SIP/N", "SIP/P", "SIP/Q"))
    # The market fell while N and P were silent: their bids do not cross the new ask.
    (tick,) = run.feed(side("Q", 2.6, ask=49.95))
    assert (tick["bid"], tick["ask"], tick["price"], tick["vendors"]) == (None, 49.95, None, ("SIP/Q",))


def test_a_quote_that_crosses_an_older_one_drops_it() -> None:
    """Of two sides that contradict each other, the older is the wrong one."""

    def side(venue, at, **values):
        return raw("quote", "SIP", at, symbol_id="AIG:US", venue=venue, **values)

    run = Run()
    run.feed(side("N", 0, bid=50.03), side("P", 0.5, bid=50.03), side("R", 0.7, bid=50.01))
    (tick,) = run.feed(side("Q", 1, ask=50.02))
    # N alone goes: then the median of the bids is under the ask.
    assert (tick["bid"], tick["ask"], tick["vendors"]) == (50.01, 50.02, ("SIP/P", "SIP/Q", "SIP/R"))
    (tick,) = run.feed(side("Q", 1.2, ask=50.00))
    assert (tick["bid"], tick["ask"], tick["vendors"]) == (None, 50.00, ("SIP/Q",))


def test_a_quote_far_off_is_cut() -> None:
    """5 bp from two that agree: an outlier, named, and neither bid nor ask is its."""
    run = Run()
    run.feed(quote("A", 0, 1.38000, 1.38010), quote("B", 0.1, 1.38001, 1.38011))
    (tick,) = run.feed(quote("C", 0.2, 1.38070, 1.38080))
    assert (tick["outlier"], tick["cut"], tick["vendors"], tick["n_src"]) == (1, ("C:outlier",), ("A", "B"), 2)
    assert (tick["bid"], tick["ask"]) == (1.38001, 1.38011)
    assert run.fates == {"cut": 1}
    (tick,) = run.feed(quote("A", 0.3, 1.38000, 1.38010))
    assert (tick["outlier"], tick["cut"], tick["bid"], tick["ask"]) == (0, ("C:outlier",), 1.38001, 1.38011)


def test_a_lone_side_far_off_is_cut_among_the_sides_of_its_kind() -> None:
    """It has no mid to be judged by; where it is near, it counts."""
    for ask, cut in ((1.38080, ("C:outlier",)), (1.38012, ())):
        run = Run()
        run.feed(quote("A", 0, 1.38000, 1.38010), quote("B", 0.1, 1.38001, 1.38011))
        (tick,) = run.feed(quote("C", 0.2, None, ask))
        assert (tick["outlier"], tick["cut"]) == (int(bool(cut)), cut)
        assert (tick["bid"], tick["ask"]) == (1.38001, 1.38011)
        assert tick["vendors"] == (("A", "B") if cut else ("A", "B", "C"))


def test_of_two_quotes_that_disagree_sigma_is_the_floor_that_they_are_judged_with() -> None:
    """A source that is cut is further than k sigma from the median, whatever their distance."""
    run = Run()
    run.feed(quote("A", 0, 1.38000, 1.38010))
    (tick,) = run.feed(quote("B", 0.5, 1.38100, 1.38110))
    assert tick["cut"] == ("B:outlier",)
    assert tick["sigma"] == pytest.approx(1.38005 * 0.3e-4)
    assert tick["dispersion"] == pytest.approx(0.0005)


def test_a_side_of_zero_withdraws_it() -> None:
    """A vendor that does send withdrawals is believed at once; null says nothing."""
    run = Run()
    run.feed(quote("FXCM", 0, 1.1, 1.2))
    ticks = run.feed(quote("FXCM", 1, 1.1, None), quote("FXCM", 2, 1.1, 0.0))
    assert [(t["bid"], t["ask"], t["price"]) for t in ticks] == [(1.1, 1.2, pytest.approx(1.15)), (1.1, None, None)]


def test_an_off_exchange_print_that_comes_late_is_cut() -> None:
    """0.4 % off what the exchanges traded at: an outlier that carries the consensus price, whatever its weight."""
    run = Run()
    prints = [
        trade("SIP", at / 10, 50.0 + (at % 2) / 100, symbol_id="AIG:US", venue="DNPQZ"[at % 5]) for at in range(100)
    ]
    run.feed(*prints)
    assert run.fates == {"consensus": 100}
    (tick,) = run.feed(trade("SIP", 10, 50.2, 9e6, symbol_id="AIG:US", venue="D"))
    assert run.fates == {"cut": 1}
    assert (tick["outlier"], tick["size"], "SIP/D" in tick["vendors"], tick["n_src"]) == (1, 9e6, False, 4)
    assert 50.0 <= tick["price"] <= 50.01


def test_a_perpetual_beside_spot_is_not_cut() -> None:
    """Four basis points of basis is where it trades, not an error."""
    run = Run()
    run.feed(*(trade("B", at / 10, (61_800.0, 61_777.0)[at % 2], venue=("SPOT", "USDM")[at % 2]) for at in range(100)))
    assert run.fates == {"consensus": 100}


def test_a_tick_beside_no_other_fresh_source_is_stale() -> None:
    """Where another was heard of not long ago; a symbol that has one source only is as fresh as that."""
    run = Run()
    alone = run.feed(quote("FXCM", 0, 1.1, 1.2), quote("FXCM", 1, 1.1, 1.2))
    both = run.feed(quote("OANDA", 2, 1.1, 1.2), quote("FXCM", 61, 1.1, 1.21), quote("FXCM", 63, 1.1, 1.22))
    after = run.feed(quote("FXCM", 3700, 1.1, 1.21))
    assert [t["stale"] for t in alone + both + after] == [0, 0, 0, 0, 1, 0]


def test_a_tick_that_repeats_a_price_from_before_a_long_silence_is_stale() -> None:
    """A feed that comes back with its last price says nothing new."""
    run = Run()
    ticks = run.feed(trade("A", 0, 100.0), trade("A", 20, 100.0), trade("A", 40, 100.1), trade("A", 41, 100.1))
    assert [t["stale"] for t in ticks] == [0, 1, 0, 0]


def test_a_heartbeat_becomes_a_clock_for_the_whole_partition() -> None:
    """One clock record each, with the watermark, so that bars close where no tick comes."""
    run = Run()
    run.feed(quote("FXCM", 0, 1.1, 1.2))
    first, second = run.feed(heartbeat("replay", 30), raw("heartbeat", "FXCM", 31, venue="LD"))
    assert (first["kind"], first["symbol_id"], first["source"], first["watermark"]) == (
        "clock",
        "",
        "replay",
        T0 + 28 * SECOND,
    )
    assert (second["symbol_id"], second["source"], second["vendors"], second["price"]) == ("", "FXCM/LD", (), None)
    assert run.fates == {"clock": 2}


def test_corrections_and_status_rows_without_a_phase_are_counted_and_passed_over() -> None:
    """They advance time, and say nothing about a price."""
    run = Run()
    assert run.feed(raw("status", "FXCM", 0), raw("correction", "FXCM", 1, price=3.0, seq=1)) == []
    assert run.fates == {"ignored": 2}


def test_a_source_too_many_is_refused() -> None:
    """The bound of one symbol holds, the sources before it go on, and other symbols are not touched."""
    run = Run()
    run.feed(*(trade(f"V{i}", i / 100, 100.0) for i in range(SOURCES_MAX + 2)), trade("V0", 1, 100.0))
    assert run.fates == {"consensus": SOURCES_MAX + 1, "dead": 2}
    assert run.reasons[0] == ("too_many_sources", run.reasons[0][1])
    assert f"BTC-USD:CRYPTO V{SOURCES_MAX}: a source beyond the {SOURCES_MAX}" in run.reasons[0][1]
    (tick,) = run.feed(trade("V99", 1, 3.0, symbol_id="ETH-USD:CRYPTO"))
    assert tick["n_src"] == 1


def test_made_up_feeds_are_refused() -> None:
    """A flood of heartbeats of unknown vendors does not grow the state without end."""
    run = Run()
    run.feed(*(heartbeat(f"V{i}", 0) for i in range(FEEDS_MAX + 3)))
    assert run.fates == {"clock": FEEDS_MAX, "dead": 3}
    assert len(run.state["feeds"]) == FEEDS_MAX


def test_all_sources_of_a_full_symbol_are_counted() -> None:
    """The bit of the last source is the sign of a 32-bit word."""
    run = Run()
    ticks = run.feed(*(trade(f"V{i:02}", i / 100, 100.0) for i in range(SOURCES_MAX)))
    assert ticks[-1]["n_src"] == SOURCES_MAX
    assert ticks[-1]["vendors"] == tuple(f"V{i:02}" for i in range(SOURCES_MAX))
    (late,) = run.feed(trade("V31", 8, 100.0))[-1:]
    assert late["n_src"] == SOURCES_MAX
