"""Corrections and cancels of trades, for vendors that publish them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.errors import ConfigError
from schemas.vendors import Vendor, read_vendors
from tests.reconcile.ticks import COMPILING, SECOND, T0, Raw, Run, quote, raw, trade

CORRECTING = [Vendor("A", "*", "venue", "", 0.0, corrections=True)]


def told(word: str, at_s: float, seq: int | None, vendor: str = "A", **values: Any) -> Raw:
    """Return a correction of BTC-USD:CRYPTO."""
    return raw("correction", vendor, at_s, conditions=word, seq=seq, **({"symbol_id": "BTC-USD:CRYPTO"} | values))


def test_only_trades_of_vendors_that_publish_corrections_carry_their_number() -> None:
    """Quotes and the trades of others have none: nobody would ask for them again."""
    run = Run(vendors=CORRECTING)
    ticks = run.feed(
        trade("A", 0, 100.0, seq=7), trade("B", 1, 100.0, seq=8), trade("A", 2, 100.0),
        quote("A", 3, 99.0, 101.0, seq=9, symbol_id="BTC-USD:CRYPTO"),
    )  # fmt: skip
    assert [t["seq"] for t in ticks] == [7, None, None, None]
    (tick,) = Run().feed(trade("A", 0, 100.0, seq=7))
    assert tick["seq"] is None


def test_a_correction_is_published_with_the_trade_it_names() -> None:
    """Price and size are the new ones; a cancel has no price and size 0; nothing of it forms a price."""
    run = Run(vendors=CORRECTING)
    run.feed(trade("A", 0, 100.0, venue="X", seq=7))
    fixed, gone = run.feed(
        told("correct", 1, 7, venue="X", price=99.0, size=3.0), told("cancel", 2, 7, venue="X", price=99.0, size=3.0)
    )
    assert fixed == {
        "symbol_id": "BTC-USD:CRYPTO", "source": "A/X", "kind": "correction", "ts_event": T0 + SECOND,
        "ts_recv": T0 + SECOND, "watermark": T0 - SECOND, "price": 99.0, "size": 3.0, "bid": None, "ask": None,
        "n_src": 0, "outlier": 0, "late": 0, "stale": 0, "dispersion": 0.0, "vendors": (), "cut": (),
        "weight": None, "phase": "continuous", "seq": 7, "raw_offset": 1, "sigma": None, "weights": (),
        "missing_since": None, "missing": None,
    }  # fmt: skip
    assert (gone["price"], gone["size"], gone["seq"]) == (None, 0.0, 7)
    assert run.fates == {"correction": 2}


def test_what_names_no_trade_is_ignored() -> None:
    """A number never seen, none at all, a word unknown, a source unknown, and a vendor that publishes none."""
    run = Run(vendors=[*CORRECTING, Vendor("C", "*", "venue", "", 0.0, corrections=True)])
    run.feed(trade("A", 0, 100.0, seq=7), trade("B", 0, 100.0, seq=7), quote("A", 0, 1.38, 1.3801, seq=3))
    before = dict(run.state["symbols"].changed()), len(run.state["sources"])
    assert run.feed(
        told("cancel", 1, 8), told("cancel", 1, 6), told("cancel", 1, None), told("bust", 1, 7),
        told("cancel", 1, 7, "C"), told("cancel", 1, 7, "B"), told("cancel", 1, 7, symbol_id="ETH-USD:CRYPTO"),
        told("cancel", 1, 3, symbol_id="EURUSD:FX"),
    ) == []  # fmt: skip
    assert run.fates == {"ignored": 8}
    assert (dict(run.state["symbols"].changed()), len(run.state["sources"])) == before


def test_a_number_far_below_the_window_is_passed_on() -> None:
    """Whether it was there is not known any more: the bars know what they remember."""
    run = Run(vendors=CORRECTING)
    run.feed(trade("A", 0, 100.0, seq=7), trade("A", 1, 100.0, seq=7_000))
    assert [t["seq"] for t in run.feed(told("cancel", 2, 7))] == [7]


def test_a_correction_without_a_price_is_a_dead_letter() -> None:
    """A cancel needs none."""
    run = Run(vendors=CORRECTING)
    run.feed(trade("A", 0, 100.0, seq=7))
    run.feed(told("correct", 1, 7), told("correct", 1, 7, price=99.0, size=-1.0), told("cancel", 1, 7))
    assert run.fates == {"dead": 2, "correction": 1}
    assert [error for error, _ in run.reasons] == ["bad_price", "bad_size"]
    assert "size -1.0: a size is neither" in run.reasons[1][1]


def test_a_trade_taken_back_does_not_stand_in_the_consensus() -> None:
    """The source is as if it had not traded lately; with the right price, as if it had traded at that."""
    for word, price, vendors in (("cancel", 101.0, ("B",)), ("correct", 101.0, ("A", "B"))):
        run = Run(vendors=CORRECTING)
        run.feed(*(trade("A", i / 10, 101.5, seq=i) for i in range(9)))
        run.feed(told(word, 1, 8, price=100.98))
        (tick,) = run.feed(trade("B", 2, 101.0))
        assert (tick["price"], tick["vendors"]) == (price, vendors)


def test_a_correction_of_an_older_trade_leaves_the_last_one() -> None:
    """What stands is the price after it."""
    run = Run(vendors=CORRECTING)
    run.feed(trade("A", 0, 100.0, seq=1), trade("A", 1, 101.0, seq=2), told("cancel", 2, 1))
    (tick,) = run.feed(trade("B", 3, 101.01))
    assert set(tick["vendors"]) == {"A", "B"}


def test_a_cancel_costs_no_reliability() -> None:
    """A vendor that takes its errors back would else count less than one that leaves them standing."""
    run = Run(vendors=CORRECTING)
    run.feed(trade("A", 0, 100.0, seq=1))
    before = run.source("BTC-USD:CRYPTO", "A")["trust"]
    run.feed(told("cancel", 1, 1))
    assert run.source("BTC-USD:CRYPTO", "A")["trust"] == before


@given(st.data())
@COMPILING
def test_what_is_corrected_stands_as_if_it_had_been_right_at_first(data: st.DataObject) -> None:
    """Both sources stand where they would, one by one or all at once; what was learned of the wrong price stays."""
    wrong: list[Raw] = []
    right: list[Raw] = []
    for i in range(data.draw(st.integers(1, 25))):
        vendor, price = data.draw(st.sampled_from("AB")), data.draw(st.integers(9_990, 10_010)) / 100
        tick = trade(vendor, i, price, seq=i, recv_s=i + data.draw(st.integers(1, 99)) / 1e3)
        right += [tick, told("correct", i + 0.5, i, vendor, price=price)]
        is_wrong = vendor == "A" and data.draw(st.booleans())
        wrong += [
            tick | ({"price": price + 0.01} if is_wrong else {}),
            told("correct", i + 0.5, i, vendor, price=price),
        ]
    together, apart, clean = (Run(vendors=CORRECTING) for _ in range(3))
    out, expected = together.feed(*wrong), clean.feed(*right)
    assert [t for row in wrong for t in apart.feed(row)] == out
    assert dict(together.state.changed()) == dict(apart.state.changed())
    assert len(out) == len(expected)
    for vendor in {tick["vendor"] for tick in right}:
        ours, theirs = (run.source("BTC-USD:CRYPTO", vendor) for run in (together, clean))
        assert (ours["trade"], ours["trade_ns"]) == (theirs["trade"], theirs["trade_ns"])


def test_the_vendors_file_says_who_publishes_corrections(tmp_path: Path) -> None:
    """One from before the column says nobody; another word than yes and no is refused by line and column."""
    head, row = "vendor,venue,coverage,line_of,lag_ms", "A,*,venue,,0"
    path = tmp_path / "vendors.csv"
    for text, expected in ((f"{head}\n{row}\n", False), (f"{head},corrections\n{row},yes\n", True)):
        path.write_text(text)
        assert read_vendors(path).of("A", "X").corrections is expected
    path.write_text(f"{head},corrections\n{row},maybe\n")
    with pytest.raises(ConfigError, match=r"vendors.csv:2: corrections is 'maybe': one of no, yes"):
        read_vendors(path)
