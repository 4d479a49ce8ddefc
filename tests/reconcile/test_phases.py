"""Halts and auctions, as status ticks tell them."""

from processors.reconcile.config import ReconcileConfig
from tests.reconcile.ticks import SECOND, T0, Raw, Run, heartbeat, quote, raw

LATENESS_S = ReconcileConfig().lateness_ms / 1000


def status(at_s: float, word: str, symbol: str = "EURUSD:FX") -> Raw:
    """Return a status row."""
    return raw("status", "FXCM", at_s, symbol_id=symbol, conditions=word)


def test_a_status_is_published_and_every_later_tick_says_the_phase() -> None:
    """Halt, auction and resume come out as ticks of their own, without a price; a trade in an auction says so."""
    run = Run()
    told = run.feed(status(0, "halt"), status(1, "auction"), status(2, "resume"))
    assert [(t["kind"], t["phase"], t["price"], t["vendors"], t["source"]) for t in told] == [
        ("status", phase, None, (), "FXCM") for phase in ("halted", "auction", "continuous")
    ]
    assert run.fates == {"status": 3}
    (tick,) = run.feed(quote("FXCM", 3, 1.38, 1.3801))
    assert (tick["kind"], tick["phase"]) == ("quote", "continuous")


def test_quotes_of_an_auction_are_indicative_even_where_they_cross() -> None:
    """They do not count, and a crossed one is no dead letter; in continuous trading it is."""
    run = Run()
    run.feed(quote("FXCM", 0, 1.38, 1.3801), status(1, "auction"))
    assert run.feed(quote("FXCM", 2, 1.39, 1.37), quote("FXCM", 3, 1.40, 1.41)) == []
    assert run.fates == {"indicative": 2}
    (_, tick) = run.feed(status(4, "resume"), quote("OANDA", 5, 1.38, 1.3801))
    assert (tick["bid"], tick["vendors"]) == (1.38, ("FXCM", "OANDA"))
    run.feed(quote("FXCM", 6, 1.39, 1.37))
    assert run.fates == {"dead": 1}


def test_a_crossed_quote_of_a_source_never_heard_makes_no_source() -> None:
    """Looking for its phase must not enter it into the tables."""
    run = Run()
    run.feed(quote("X", 0, 1.39, 1.37))
    assert (run.fates, len(run.state["sources"]), len(run.state["feeds"])) == ({"dead": 1}, 0, 0)


def test_a_halted_symbol_is_closed_and_not_stale() -> None:
    """No tick is expected in a halt; other symbols of the partition are judged as ever."""
    run = Run()
    run.feed(quote("FXCM", 0, 1.38, 1.3801), quote("FXCM", 0.5, 0.88, 0.8801, symbol_id="NZDUSD:FX"), status(1, "halt"))
    run.feed(heartbeat("FXCM", 200))
    states = {(f["symbol_id"], f["state"]) for f in run.freshness}
    assert ("EURUSD:FX", "closed") in states
    assert ("EURUSD:FX", "stale") not in states
    assert ("NZDUSD:FX", "stale") in states


def test_a_halt_that_nobody_lifts_ends_with_the_segment() -> None:
    """The next session begins in continuous trading."""
    run = Run()
    friday_s = 2 * 86_400  # T0 is a Wednesday; FX closes on Friday evening
    run.feed(status(friday_s, "halt"))
    sunday = quote("FXCM", 4 * 86_400 + 12 * 3600, 1.38, 1.3801)
    (tick,) = run.feed(sunday)
    assert (tick["phase"], tick["ts_event"]) == ("continuous", T0 + (4 * 86_400 + 12 * 3600) * SECOND)


def test_a_status_before_the_first_tick_of_a_symbol_is_remembered() -> None:
    """Its slot is made by the status row itself, in the order of the rows, whatever the batches."""
    together, apart = Run(), Run()
    rows = [status(0, "halt"), quote("OANDA", 1, 0.88, 0.8801, symbol_id="NZDUSD:FX"), quote("OANDA", 2, 1.38, 1.381)]
    out = together.feed(*rows)
    assert out == [tick for row in rows for tick in apart.feed(row)]
    assert dict(together.state.changed()) == dict(apart.state.changed())
    assert [t["kind"] for t in out] == ["status", "quote"]
