"""The rules of activity bars one by one, on streams small enough to follow."""

from typing import Any

from tests.activity.oracle import config, run_oracle, run_stage
from tests.bars.oracle import SECOND, clock, ns, tick

AT = ns("2014-05-06T12:00:00")


def trades(prices: list[float], size: float = 1.0) -> list[dict[str, Any]]:
    """Return a trade a second at each price."""
    return [tick("BTC:T", AT + i * SECOND, price=p, size=size, raw_offset=i) for i, p in enumerate(prices)]


def test_an_imbalance_bar_never_runs_away() -> None:
    """A market without a side ends its bars by their length, and what it learnt from them stays bounded."""
    undecided = [100.0 + i % 2 for i in range(400)]
    rising = [102.0 + i for i in range(200)]
    rows, chosen = trades(undecided + rising), config("tick_imbalance:4", symbol="BTC:T")
    bars = run_stage(rows, chosen).bars
    assert bars == run_oracle(rows, chosen).bars
    lengths = [b["n_trades"] for b in bars]
    # The first bar knows nothing and takes 4; then 16 times 4, since the imbalance stays within 1 of 0.
    assert lengths[:7] == [4, 64, 64, 64, 64, 64, 64]
    # In a market with one side every tick counts: 4 times 4 is the longest that may be expected of it.
    assert max(lengths[9:]) <= 16


def test_a_faster_market_is_never_a_bar_a_tick() -> None:
    """However small the expected imbalance, a bar takes at least the root of the expected ticks."""
    rows = trades([100.0 + i % 2 for i in range(100)] + [102.0 + i for i in range(30)])
    lengths = [b["n_trades"] for b in run_stage(rows, config("tick_imbalance:9", symbol="BTC:T")).bars]
    assert min(lengths) >= 3


def test_a_large_tick_is_not_divided() -> None:
    """The tick that fills a bar is in it whole, and the next bar begins with nothing."""
    rows = trades([100.0, 101.0, 102.0, 103.0], 3.0)
    bars = run_stage(rows, config("volume:4", "dollar:900", symbol="BTC:T")).bars
    assert [(b["tf"], b["v"]) for b in bars] == [("volume:4", 6), ("dollar:900", 9), ("volume:4", 6)]


def test_money_counts_the_multiplier() -> None:
    """A contract of 50 at 100 is money of 5,000."""
    rows = [tick("ESZ:T", AT + i * SECOND, price=100.0, size=1.0) for i in range(4)]
    bars = run_stage(rows, config("dollar:10000", symbol="ESZ:T")).bars
    assert [b["n_trades"] for b in bars] == [2, 2]


def test_bars_that_are_full_at_one_instant_have_ends_of_their_own() -> None:
    """Three ticks of one instant make three bars of one tick, each ending 1 ns after the one before."""
    rows = [tick("BTC:T", AT, price=100.0 + i) for i in range(3)]
    bars = run_stage(rows, config("tick:1", symbol="BTC:T")).bars
    assert [b["ts"] - AT for b in bars] == [0, 1, 2]
    assert bars[1]["ts_start"] == bars[0]["ts"]


def test_the_end_of_a_session_cuts_a_bar_short() -> None:
    """What is open at the close is published with the close as its end and marked; a late tick changes none."""
    midnight = ns("2014-05-07")
    rows = [tick("BTC:T", midnight - 3 * SECOND, price=100.0), tick("BTC:T", midnight - 2 * SECOND, price=101.0)]
    late = tick("BTC:T", midnight - SECOND, price=200.0, late=True, watermark=midnight)
    after = tick("BTC:T", midnight + SECOND, price=102.0)
    got = run_stage([*rows, clock(midnight), late, after], config("tick:3", symbol="BTC:T"))
    assert [(b["ts"], b["n_trades"], b["c"], b["quality.gap"]) for b in got.bars] == [(midnight, 2, 101.0, 1)]
    assert got.counts["late"] == 1


def test_a_session_that_is_closed_takes_no_tick() -> None:
    """A tick of a session that the watermark has closed is late, even where it is not marked so."""
    midnight = ns("2014-05-07")
    straggler = tick("BTC:T", midnight - SECOND, price=101.0, watermark=midnight)
    got = run_stage([clock(midnight), straggler], config("tick:1", symbol="BTC:T"))
    assert got.bars == []
    assert got.counts["late"] == 1


def test_a_quote_of_the_session_before_is_not_at_the_close() -> None:
    """Bid and ask begin anew with each session."""
    midnight = ns("2014-05-07")
    quote = tick("BTC:T", midnight - SECOND, kind="quote", bid=99.0, ask=101.0, price=100.0, size=None)
    rows = [quote, tick("BTC:T", midnight - 1), tick("BTC:T", midnight + 1)]
    bars = run_stage(rows, config("tick:1", symbol="BTC:T")).bars
    assert [(b["bid"], b["ask"]) for b in bars] == [(99.0, 101.0), (None, None)]


def test_a_quote_without_a_side_leaves_bid_and_ask() -> None:
    """Of a minute that others have told, a quote comes without prices."""
    quote = tick("BTC:T", AT, kind="quote", bid=99.0, ask=101.0, price=100.0, size=None)
    silent = quote | {"ts_event": AT + 1, "bid": None, "ask": None, "price": None}
    (bar,) = run_stage([quote, silent, tick("BTC:T", AT + 2)], config("tick:1", symbol="BTC:T")).bars
    assert (bar["bid"], bar["ask"]) == (99.0, 101.0)


def test_numbers_that_no_price_can_have_are_dead_letters() -> None:
    """An infinite price of a watched symbol is rejected alone; of another symbol it is not looked at."""
    bad = tick("BTC:T", AT + SECOND, price=float("inf"))
    rows = [*trades([100.0]), bad, tick("IBM:T", AT + SECOND, size=-1.0), *trades([100.0, 101.0, 102.0])[2:]]
    got = run_stage(rows, config("tick:2", symbol="BTC:T"))
    assert got.rejected == [(1, "bad_number")]
    assert (got.counts["dead"], got.counts["unwatched"], got.counts["in_bar"]) == (1, 1, 2)
    assert [b["n_trades"] for b in got.bars] == [2]


def test_without_a_file_there_are_no_bars() -> None:
    """The default configuration watches nothing."""
    got = run_stage(trades([100.0, 101.0]), config())
    assert got.bars == []
    assert got.counts["unwatched"] == 2


def test_an_unchanged_price_keeps_its_side() -> None:
    """The tick rule: ticks at the price of the one before are of its side, and the first tick is of none."""
    rows = trades([100.0, 101.0] + [101.0] * 60 + [100.0] * 60)
    chosen = config("tick_imbalance:4", symbol="BTC:T")
    bars = run_stage(rows, chosen).bars
    assert bars == run_oracle(rows, chosen).bars
    # 3 of the first 4 ticks are a buyer's: 4 times 3/4 are expected next, which 3 more of them give.
    assert [b["n_trades"] for b in bars[:2]] == [4, 3]
