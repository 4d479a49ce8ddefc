"""Each rule of the bars stage by its name, on streams of a few ticks."""

from typing import Any

import pytest

from processors.bars.config import BarsConfig
from processors.errors import ConfigError
from tests.bars.oracle import MINUTE, SECOND, clock, ns, quote, run_stage, tick

T = ns("2014-05-05T10:00:00")
NYSE_CLOSE = ns("2014-05-05T20:00:00")


def test_a_bar_closes_when_the_watermark_reaches_its_end_and_not_before() -> None:
    """A bar closes when the watermark reaches its end, and not before."""
    rows = [tick("BTC:T", T + SECOND)]
    assert run_stage([*rows, clock(T + MINUTE - 1)]).bars == []
    got = run_stage([*rows, clock(T + MINUTE, raw_offset=77)])
    assert [(b["tf"], b["ts"], b["raw_offset"]) for b in got.bars] == [("1m", T + MINUTE, 77)]


def test_the_tick_that_brings_the_watermark_is_not_in_the_bar_it_closes() -> None:
    """The tick that brings the watermark is not in the bar it closes."""
    got = run_stage([tick("BTC:T", T), tick("BTC:T", T + MINUTE + 2 * SECOND, price=200.0)])
    assert [(b["c"], b["n_trades"]) for b in got.bars] == [(100.25, 1)]


def test_ticks_ahead_of_the_watermark_form_their_own_minute() -> None:
    """Ticks ahead of the watermark form their own minute while the one before is still open."""
    rows = [
        tick("BTC:T", T + 59 * SECOND, price=1.0),
        tick("BTC:T", T + 60 * SECOND, price=2.0),
        tick("BTC:T", T + 59_500_000_000, price=3.0, watermark=T + 58 * SECOND),
        clock(T + 2 * MINUTE),
    ]
    got = run_stage(rows).of("1m")
    assert [(b["o"], b["c"], b["n_trades"], b["revision"]) for b in got] == [(1.0, 3.0, 2, 0), (2.0, 2.0, 1, 0)]


def test_open_and_close_go_by_event_time_and_not_by_arrival() -> None:
    """Open and close go by event time and not by arrival; of equal times the first opens and the last closes."""
    times = ((10, 5.0), (5, 4.0), (5, 4.5), (20, 6.0), (20, 7.0), (15, 9.0))
    rows = [tick("BTC:T", T + s * SECOND, price=p, watermark=T) for s, p in times]
    (bar,) = run_stage([*rows, clock(T + MINUTE)]).bars
    assert (bar["o"], bar["h"], bar["l"], bar["c"]) == (4.0, 9.0, 4.0, 7.0)


def test_volume_and_vwap_weigh_by_size_and_fall_back_to_the_mean_price() -> None:
    """Volume and VWAP weigh by size, and fall back to the mean price where no sizes are published."""
    rows = [tick("BTC:T", T, price=10.0, size=1.0), tick("BTC:T", T + 1, price=20.0, size=3.0)]
    rows += [quote("EUR:T", T, 9.0, 11.0), quote("EUR:T", T + 1, 19.0, 21.0)]
    btc, eur = run_stage([*rows, clock(T + MINUTE)]).bars
    assert (btc["v"], btc["vwap"]) == (4.0, 17.5)
    assert (eur["v"], eur["vwap"], eur["n_trades"]) == (0.0, 15.0, 2)


def test_vwap_stays_within_high_and_low_in_spite_of_rounding() -> None:
    """VWAP stays within high and low in spite of rounding."""
    rows = [tick("BTC:T", T + i, price=0.1, size=0.1) for i in range(1000)]
    (bar,) = run_stage([*rows, clock(T + MINUTE)]).bars
    assert bar["l"] <= bar["vwap"] <= bar["h"]


def test_quotes_of_an_instrument_with_trades_set_bid_and_ask_only() -> None:
    """Quotes of an instrument with trades set bid and ask only; without a trade there is no bar."""
    rows = [quote("BTC:T", T, 50.0, 60.0), clock(T + MINUTE), tick("BTC:T", T + MINUTE), clock(T + 2 * MINUTE)]
    got = run_stage(rows)
    assert [(b["bid"], b["ask"], b["o"], b["ts_start"]) for b in got.bars] == [(50.0, 60.0, 100.25, T + MINUTE)]
    assert got.counts["quote"] == 1


def test_bid_and_ask_are_those_at_the_close_and_not_later() -> None:
    """Bid and ask are those at the close, though a later quote was already there."""
    rows = [
        tick("BTC:T", T), quote("BTC:T", T + 1, 50.0, 60.0),
        quote("BTC:T", T + MINUTE, 70.0, 80.0, watermark=T), clock(T + MINUTE),
    ]  # fmt: skip
    (bar,) = run_stage(rows).bars
    assert (bar["bid"], bar["ask"]) == (50.0, 60.0)


def test_a_quote_without_a_side_leaves_bid_and_ask() -> None:
    """Of a minute that others have told, a quote comes without prices; one that has withdrawn a side has the other."""
    silent = quote("BTC:T", T + 2, 1.0, 1.0) | {"bid": None, "ask": None, "price": None}
    for last, expected in ((silent, (50.0, 60.0)), (silent | {"bid": 51.0}, (51.0, None))):
        got = run_stage([tick("BTC:T", T), quote("BTC:T", T + 1, 50.0, 60.0), last, clock(T + MINUTE)])
        assert [(b["bid"], b["ask"]) for b in got.bars] == [expected]
        assert got.counts["quote"] == 2


def test_bid_and_ask_of_an_earlier_session_are_forgotten() -> None:
    """Bid and ask of an earlier session are forgotten."""
    rows = [quote("IBM:T", NYSE_CLOSE - SECOND, 50.0, 60.0), tick("IBM:T", NYSE_CLOSE + 63_000 * SECOND)]
    got = run_stage([*rows, clock(NYSE_CLOSE + 64_000 * SECOND)])
    assert [b["bid"] for b in got.of("1m")] == [None]


def test_cut_ticks_form_no_price_and_count_as_outliers() -> None:
    """Cut ticks form no price and count as outliers; alone they make no bar."""
    rows = [tick("BTC:T", T), *(tick("BTC:T", T + i, price=999.0, outlier=True) for i in (1, 2, 3))]
    rows += [clock(T + MINUTE), tick("BTC:T", T + MINUTE, price=999.0, outlier=True), clock(T + 5 * MINUTE)]
    got = run_stage(rows)
    assert [(b["tf"], b["h"], b["quality.outlier_frac"]) for b in got.bars] == [
        ("1m", 100.25, 0.75),
        ("5m", 100.25, 0.8),
    ]
    assert got.counts["cut"] == 4


def test_cut_quotes_of_an_instrument_with_trades_are_no_outliers_of_its_bars() -> None:
    """Cut quotes of an instrument with trades are no outliers of its bars, and set no bid."""
    rows = [tick("BTC:T", T), quote("BTC:T", T + 1, 1.0, 2.0, outlier=True), clock(T + MINUTE)]
    (bar,) = run_stage(rows).bars
    assert (bar["quality.outlier_frac"], bar["bid"]) == (0.0, None)


def test_trades_of_size_zero_are_counted_and_form_no_price() -> None:
    """Trades of size zero are counted and form no price."""
    rows = [tick("BTC:T", T), tick("BTC:T", T + 1, price=999.0, size=0.0), clock(T + MINUTE)]
    got = run_stage(rows)
    assert [(b["h"], b["n_trades"]) for b in got.bars] == [(100.25, 1)]
    assert got.counts["zero_size"] == 1


def test_ticks_outside_the_session_make_no_phantom_bar() -> None:
    """Ticks outside the session make no phantom bar; the one at the very close belongs to no interval."""
    inside = tick("IBM:T", NYSE_CLOSE - 1)
    outside = [tick("IBM:T", NYSE_CLOSE + d, price=999.0) for d in (0, SECOND, MINUTE)]
    got = run_stage([inside, *outside, clock(NYSE_CLOSE + 3600 * SECOND)])
    assert {b["h"] for b in got.bars} == {100.25}
    assert got.counts["off_session"] == 3


def test_all_timeframes_close_with_the_session_in_the_order_of_end_and_timeframe() -> None:
    """All timeframes close with the session; 1d starts at its open."""
    got = run_stage([tick("IBM:T", NYSE_CLOSE - 90 * SECOND), clock(NYSE_CLOSE)])
    assert [(b["tf"], NYSE_CLOSE - b["ts"]) for b in got.bars] == [
        ("1m", MINUTE), ("5m", 0), ("15m", 0), ("1h", 0), ("1d", 0),
    ]  # fmt: skip
    assert got.bars[-1]["ts_start"] == ns("2014-05-05T13:30:00")


def test_intervals_are_clipped_to_the_session() -> None:
    """Intervals are clipped to the session: the first hour of New York has thirty minutes."""
    opened = ns("2014-05-05T13:30:00")
    (hour,) = run_stage([tick("IBM:T", opened), clock(opened + 1800 * SECOND)]).of("1h")
    assert (hour["ts_start"], hour["ts"]) == (opened, opened + 1800 * SECOND)


def test_an_hour_does_not_span_the_lunch_break() -> None:
    """An hour does not span the lunch break; the day does."""
    lunch = ns("2014-05-07T02:30:00")
    rows = [tick("TYO:T", lunch - SECOND), tick("TYO:T", lunch + 3600 * SECOND), clock(ns("2014-05-07T06:00:00"))]
    got = run_stage(rows)
    assert [b["ts_start"] for b in got.of("1h")] == [lunch - 1800 * SECOND, lunch + 3600 * SECOND]
    (day,) = got.of("1d")
    assert day["n_trades"] == 2


def test_a_late_tick_revises_the_kept_bars_and_is_counted_once() -> None:
    """A late tick revises the kept bars of every timeframe that is closed, and is counted once."""
    rows = [tick("BTC:T", T + 270 * SECOND), clock(T + 300 * SECOND)]
    late = tick("BTC:T", T + 271 * SECOND, price=300.0, size=2.0, watermark=T + 300 * SECOND, raw_offset=55)
    got = run_stage([*rows, late])
    revised = [(b["tf"], b["h"], b["c"], b["vwap"], b["n_trades"], b["raw_offset"]) for b in got.bars if b["revision"]]
    assert revised == [("1m", 300.0, 300.0, 200.125, 2, 55), ("5m", 300.0, 300.0, 200.125, 2, 55)]
    assert got.counts["revised"] == 1
    closed = run_stage([*rows, late, clock(T + 900 * SECOND)]).of("15m")
    assert [(b["revision"], b["h"], b["v"]) for b in closed] == [(0, 300.0, 4.0)]


def test_a_late_tick_does_not_touch_the_longer_bars_that_began_after_it() -> None:
    """A late tick does not touch the longer bars that began after it."""
    rows = [tick("BTC:T", T + 270 * SECOND), tick("BTC:T", T + 310 * SECOND), clock(T + 360 * SECOND)]
    late = tick("BTC:T", T + 271 * SECOND, price=300.0, watermark=T)
    got = run_stage([*rows, late, clock(T + 600 * SECOND)]).of("5m")
    assert [(b["ts"] - T, b["n_trades"], b["revision"]) for b in got] == [
        (300 * SECOND, 1, 0), (300 * SECOND, 2, 1), (600 * SECOND, 1, 0),
    ]  # fmt: skip


def test_a_second_late_tick_makes_a_second_revision() -> None:
    """A second late tick makes a second revision."""
    late = [tick("BTC:T", T + i, watermark=T + MINUTE) for i in (1, 2)]
    got = run_stage([tick("BTC:T", T), clock(T + MINUTE), *late])
    assert [b["revision"] for b in got.of("1m")] == [0, 1, 2]


def test_a_late_tick_makes_no_bar_where_none_was() -> None:
    """A late tick makes no bar where none was, and one older than the kept bars changes nothing."""
    minutes = (0, 2, 3, 4)
    rows = [tick("BTC:T", T + m * MINUTE) for m in minutes]
    late = [tick("BTC:T", T + m * MINUTE + 1, watermark=T + 6 * MINUTE, price=999.0) for m in (0, 1)]
    got = run_stage([*rows, clock(T + 6 * MINUTE), *late])
    assert all(b["revision"] == 0 and b["h"] == 100.25 for b in got.bars)
    assert got.counts["too_late"] == 2


def test_allowed_lateness_keeps_a_bar_open_for_longer() -> None:
    """Allowed lateness keeps a bar open for longer."""
    rows = [tick("BTC:T", T), clock(T + MINUTE + 4 * SECOND)]
    assert run_stage(rows, BarsConfig(allowed_lateness_ms=5_000)).bars == []
    assert len(run_stage(rows, BarsConfig(allowed_lateness_ms=4_000)).bars) == 1


def test_past_the_limit_of_open_minutes_the_oldest_closes_early() -> None:
    """Past the limit of open minutes the oldest closes early, and later ticks revise it."""
    rows = [tick("BTC:T", T + m * MINUTE, price=1.0 + m, watermark=T) for m in range(4)]
    rows += [tick("BTC:T", T + 1, price=9.0, watermark=T), tick("BTC:T", T - MINUTE, watermark=T)]
    got = run_stage([*rows, clock(T + 5 * MINUTE)], BarsConfig(open_minutes_max=3))
    assert [(b["o"], b["h"], b["revision"]) for b in got.of("1m")] == [
        (1.0, 1.0, 0), (1.0, 9.0, 1), (2.0, 2.0, 0), (3.0, 3.0, 0), (4.0, 4.0, 0),
    ]  # fmt: skip
    assert [(b["n_trades"], b["h"]) for b in got.of("5m")] == [(5, 9.0)]
    assert got.counts["too_late"] == 1


def test_a_tick_before_all_open_minutes_is_too_late_when_there_is_no_room() -> None:
    """A tick before all open minutes is too late when there is no room for its own."""
    rows = [tick("BTC:T", T + m * MINUTE, watermark=T - 5 * MINUTE) for m in (1, 2, 3, 0)]
    got = run_stage([*rows, clock(T + 5 * MINUTE)], BarsConfig(open_minutes_max=3))
    assert got.counts["too_late"] == 1
    assert [b["ts_start"] for b in got.of("1m")] == [T + m * MINUTE for m in (1, 2, 3)]


def test_a_gap_is_an_interval_without_a_bar_inside_the_session() -> None:
    """A gap is an interval without a bar inside the session; the first interval of a session has none before it."""
    opened = ns("2014-05-05T13:30:00")
    rows = [tick("IBM:T", opened + m * MINUTE) for m in (0, 1, 3)]
    got = run_stage([*rows, clock(opened + 4 * MINUTE)])
    assert [b["quality.gap"] for b in got.of("1m")] == [0, 0, 1]


def test_a_day_after_a_session_without_a_bar_has_a_gap() -> None:
    """A day after a session without a bar has a gap, the next one none."""
    days = (NYSE_CLOSE - SECOND, NYSE_CLOSE + 86_400 * SECOND - SECOND)
    got = run_stage([*(tick("IBM:T", t) for t in days), clock(days[1] + SECOND)])
    assert [b["quality.gap"] for b in got.of("1d")] == [1, 0]


def test_a_bar_is_stale_when_its_newest_tick_is_older_than_the_threshold() -> None:
    """A bar is stale when its newest tick is older than the threshold of asset class and timeframe."""
    rows = [tick("BTC:T", T + 55 * SECOND), tick("ESZ:T", T + 55 * SECOND + 1), tick("EUR:T", T)]
    rows += [quote("EUR:T", T + 45 * SECOND + 1, 1.0, 2.0), clock(T + MINUTE)]
    got = {b["symbol_id"]: b["quality.stale"] for b in run_stage(rows).bars}
    assert got == {"BTC:T": 1, "ESZ:T": 1, "EUR:T": 0}


def test_a_tick_after_the_close_does_not_make_the_bar_before_it_less_stale() -> None:
    """A tick after the close does not make the bar before it less stale, though it came first."""
    rows = [tick("BTC:T", T + 10 * SECOND), tick("BTC:T", T + MINUTE, watermark=T), clock(T + MINUTE)]
    (bar,) = run_stage(rows).bars
    assert bar["quality.stale"] == 1


def test_latency_may_be_negative_and_sources_are_averaged() -> None:
    """Latency may be negative where clocks differ, and sources are averaged over the price-forming ticks."""
    rows = [tick("BTC:T", T + i, ts_recv=T + i - d * 1_000_000, n_src=n) for i, d, n in ((0, 1275, 1), (1, 1225, 4))]
    (bar,) = run_stage([*rows, clock(T + MINUTE)]).bars
    assert (bar["quality.lat_ms"], bar["quality.n_src"]) == (-1250.0, 2.5)


def test_bars_of_many_symbols_come_by_end_timeframe_and_first_sight() -> None:
    """Bars of many symbols come by end, timeframe and first sight, however far the watermark jumps."""
    rows = [tick(s, T + m * MINUTE, watermark=T) for m, s in ((4, "ESZ:T"), (3, "BTC:T"), (4, "BTC:T"))]
    got = run_stage([*rows, clock(T + 15 * MINUTE)]).bars
    order = [((b["ts"] - T) // MINUTE, b["tf"], b["symbol_id"]) for b in got]
    assert order == [
        (4, "1m", "BTC:T"), (5, "1m", "ESZ:T"), (5, "1m", "BTC:T"), (5, "5m", "ESZ:T"), (5, "5m", "BTC:T"),
        (15, "15m", "ESZ:T"), (15, "15m", "BTC:T"),
    ]  # fmt: skip


def test_freshness_falls_from_fresh_to_delayed_to_stale_and_comes_back_with_a_tick() -> None:
    """Freshness falls from fresh to delayed to stale, and comes back with a tick; only changes are told."""
    rows = [tick("BTC:T", T), clock(T + 8 * SECOND), tick("BTC:T", T + 10_300_000_000), clock(T + 12 * SECOND)]
    got = [f for f in run_stage(rows).fresh if f["tf"] == "1m"]
    seconds = [((f["ts"] - T) // SECOND, f["state"], f["previous"], (f["since"] - T) // SECOND) for f in got]
    assert seconds == [(0, 0, 0, 0), (3, 1, 1, 0), (5, 2, 2, 3), (11, 0, 3, 5)]
    assert [(f["age_ms"], f["threshold_ms"]) for f in got] == [
        (0.0, 5000.0), (3000.0, 5000.0), (5000.0, 5000.0), (700.0, 5000.0),
    ]  # fmt: skip


def test_missing_ticks_of_a_source_mark_the_open_minutes_since_then_and_the_longer_bars() -> None:
    """The minute that the hole began in, if still open, and that of the tick; the 5m bar with them; none after."""
    at = ns("2014-05-06T11:55:50")
    rows = [tick("BTC:T", at + i * 10 * SECOND, watermark=at - SECOND + i * 10 * SECOND) for i in range(60)]
    # At 12:01:00, of a hole from 12:00:55 on; the watermark is a second short of the end of that minute.
    rows[31] |= {"missing_since": at + 305 * SECOND}
    got = run_stage([*rows, clock(at + 900 * SECOND)])
    # The first bar of each timeframe has none before it.
    assert [b["quality.gap"] for b in got.of("1m")] == [1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert [b["quality.gap"] for b in got.of("5m")] == [1, 1, 0]
    rows[31]["watermark"] = at + 310 * SECOND
    got = run_stage([*rows, clock(at + 900 * SECOND)])
    assert [b["quality.gap"] for b in got.of("1m")] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], "what is closed stays"


def test_a_status_that_tells_of_missing_ticks_marks_the_open_minute_and_lifts_no_halt() -> None:
    """It makes no tick, no minute and no freshness of its own."""
    at = ns("2014-05-06T12:00:10")
    told = {"kind": "status", "price": None, "size": None, "missing_since": at + SECOND}
    halt = {"kind": "status", "price": None, "size": None, "phase": 2}
    rows = [
        tick("BTC:T", at), tick("BTC:T", at + SECOND, **halt), tick("BTC:T", at + 2 * SECOND, **told),
        tick("BTC:T", at + 61 * SECOND), clock(at + 200 * SECOND),
    ]  # fmt: skip
    got = run_stage(rows)
    assert got.counts["status"] == 2
    assert [(b["quality.gap"], b["n_trades"]) for b in got.of("1m")] == [(1, 1), (0, 1)]
    assert {f["state"] for f in got.fresh if f["ts"] > at + 2 * SECOND} <= {3}, "closed: the halt stands"
    assert run_stage([tick("BTC:T", at, **told), clock(at + 200 * SECOND)]).bars == []


def test_a_hole_in_the_bars_is_a_gap_until_a_bar_follows_without_one() -> None:
    """The first bar in mid-session and the first after a hole are a gap, until the next follows; stale goes before."""
    rows = [tick("ESZ:T", t := T + (60 * i + s) * SECOND, watermark=t) for i in (0, 3, 4) for s in range(60)]
    got = run_stage([*rows, clock(T + 300 * SECOND)]).fresh
    seen = [((f["ts"] - T) // SECOND, f["state"], f["previous"]) for f in got if f["tf"] == "1m"]
    assert seen == [(1, 0, 0), (60, 4, 1), (62, 2, 5), (181, 4, 3), (300, 0, 5)]


def dense(symbol: str, begin: int, seconds: int) -> list[dict[str, Any]]:
    """Return two ticks a second; the watermark lags 2 s."""
    return [tick(symbol, begin + i * SECOND // 2) for i in range(2 * seconds)]


def test_ticks_without_a_pause_end_a_silence_and_a_night() -> None:
    """Under ticks that never pause, a stale symbol is fresh at its first tick, and a closed one at the open's first."""
    back = T + 20 * SECOND + 250_000_000
    got = run_stage([tick("BTC:T", T), *dense("BTC:T", back, 30)])
    assert [((f["ts"] - T) // SECOND, f["state"]) for f in got.fresh if f["tf"] == "1m"] == [
        (0, 0), (3, 1), (5, 2), (21, 0),
    ]  # fmt: skip
    opened = ns("2014-05-06T13:30:00")
    rows = [tick("IBM:T", NYSE_CLOSE - SECOND), clock(opened - 5 * SECOND), *dense("IBM:T", opened + 100_000_000, 30)]
    got = run_stage(rows)
    assert [(f["ts"], f["state"]) for f in got.fresh if f["tf"] == "1m"][2:] == [(opened + SECOND, 0)]


def test_a_gap_is_told_under_ticks_without_a_pause() -> None:
    """The watermark lags behind the newest tick at every second; a gap begins and ends with its bars all the same."""
    begin = T - T % (60 * SECOND)
    rows = [r for minute in (0, 3, 4) for r in dense("EUR:T", begin + minute * 60 * SECOND, 60)]
    rows = [quote("EUR:T", r["ts_event"], 1.0, 2.0) for r in rows]
    got = [f for f in run_stage([*rows, clock(begin + 300 * SECOND)]).fresh if f["tf"] == "1m"]
    states = [((f["ts"] - begin) // SECOND, f["state"]) for f in got]
    assert states == [(0, 0), (60, 4), (90, 2), (180, 4), (300, 0)]


def test_a_halted_symbol_is_closed_until_it_is_resumed() -> None:
    """In a halt no tick is expected; it holds from the second after it was told, and after it the age counts again."""
    halt = tick("BTC:T", T + SECOND, kind="status", price=None, phase=2)
    resume = tick("BTC:T", T + 50 * SECOND, kind="status", price=None, phase=0)
    told = [tick("BTC:T", T), clock(T + SECOND), halt, clock(T + 50 * SECOND), resume]
    rows = [*told, clock(T + 70 * SECOND)]
    run = run_stage(rows)
    got = [((f["ts"] - T) // SECOND, f["state"]) for f in run.fresh if f["tf"] == "1m"]
    assert got == [(0, 0), (2, 3), (51, 2)]
    assert run.counts["status"] == 2
    assert [b["n_trades"] for b in run.of("1m")] == [1]


def test_freshness_is_closed_outside_the_session_and_stale_at_an_open_without_ticks() -> None:
    """Freshness is closed outside the session, and stale at an open without ticks."""
    rows = [tick("IBM:T", NYSE_CLOSE - SECOND), clock(NYSE_CLOSE + 63_000 * SECOND)]
    got = [(f["ts"] - NYSE_CLOSE, f["state"]) for f in run_stage(rows).fresh if f["tf"] == "1m"]
    assert got == [(-SECOND, 0), (0, 3), (63_000 * SECOND, 2)]


def test_an_open_with_ticks_goes_from_closed_to_fresh() -> None:
    """An open whose first tick is there before the watermark goes from closed to fresh."""
    opened = ns("2014-05-06T13:30:00")
    rows = [tick("IBM:T", NYSE_CLOSE - SECOND), tick("IBM:T", opened + 400_000_000), clock(opened + 2 * SECOND)]
    got = [(f["ts"], f["state"]) for f in run_stage(rows).fresh if f["tf"] == "1m"]
    assert got[-2:] == [(NYSE_CLOSE, 3), (opened + SECOND, 0)]


def test_cut_ticks_do_not_keep_a_symbol_fresh() -> None:
    """Cut ticks do not keep a symbol fresh."""
    rows = [tick("BTC:T", T), *(tick("BTC:T", T + s * SECOND, outlier=True) for s in range(1, 9))]
    got = [f["state"] for f in run_stage(rows).fresh if f["tf"] == "1m"]
    assert got == [0, 1, 2]


def test_longer_timeframes_bear_older_ticks() -> None:
    """Longer timeframes bear older ticks, up to ten minutes."""
    thresholds = {f["tf"]: f["threshold_ms"] for f in run_stage([tick("ESZ:T", T), clock(T + SECOND)]).fresh}
    assert thresholds == {"1m": 3e3, "5m": 15e3, "15m": 45e3, "1h": 180e3, "1d": 600e3}


def test_unknown_symbols_and_impossible_numbers_go_to_the_dead_letter() -> None:
    """Unknown symbols and impossible numbers go to the dead letter, and the rest goes on."""
    rows = [
        tick("WHO:T", T), tick("BTC:T", T, price=None), tick("BTC:T", T, price=float("inf")),
        tick("BTC:T", T, size=-1.0), tick("BTC:T", T), clock(T + MINUTE),
    ]  # fmt: skip
    got = run_stage(rows)
    assert got.rejected == [(0, "unknown_symbol"), (1, "bad_number"), (2, "bad_number"), (3, "bad_number")]
    assert (got.counts["dead"], got.counts["in_bar"], len(got.bars)) == (4, 1, 1)


def test_a_symbol_without_ticks_for_a_week_is_left_alone_until_its_next_tick() -> None:
    """A symbol without ticks for a week is left alone until its next tick."""
    rows = [tick("IBM:T", NYSE_CLOSE - SECOND), clock(NYSE_CLOSE + 300 * 86_400 * SECOND)]
    back = tick("IBM:T", ns("2015-03-03T15:00:00"))
    got = run_stage([*rows, back, clock(back["ts_event"] + SECOND)]).fresh
    # Fresh, closed, then five opens and four closes until it is a week old; fresh again.
    assert len(got) == 5 * (2 + 5 + 4 + 1)
    assert [(f["ts"], f["state"]) for f in got[-5:]] == [(back["ts_event"], 0)] * 5


def test_an_output_larger_than_its_buffer_comes_in_parts_and_whole() -> None:
    """An output larger than its buffer comes in parts and whole."""
    rows = [tick("BTC:T", T + i * 20 * SECOND) for i in range(1800)]
    got = run_stage(rows)
    assert len(got.fresh) > 4096
    steps = run_stage(rows, cuts=tuple(range(100, 1800, 100)))
    assert (got.fresh, got.bars) == (steps.fresh, steps.bars)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allowed_lateness_ms", -1),
        ("kept_bars", 0),
        ("open_minutes_max", 1),
        ("consensus_stale_ms_max", 999),
        ("delayed_share", 0.0),
    ],
)
def test_a_setting_out_of_range_is_refused_with_its_name(key: str, value: float) -> None:
    """A setting out of range is refused with its name."""
    with pytest.raises(ConfigError, match=key):
        BarsConfig(**{key: value})


def test_every_asset_class_has_a_threshold_of_staleness() -> None:
    """One that is missing, and one out of range, are refused by name."""
    default = BarsConfig().consensus_stale_ms
    for wrong in (0, BarsConfig().consensus_stale_ms_max + 1):
        with pytest.raises(ConfigError, match=rf"bars: consensus_stale_ms\.fx is {wrong}: from 1 to 600000"):
            BarsConfig(consensus_stale_ms=default | {"fx": wrong})
    with pytest.raises(ConfigError, match=r"consensus_stale_ms\.metal is None"):
        BarsConfig(consensus_stale_ms={"fx": 1})
