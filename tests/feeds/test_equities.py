"""US equity ticks by exchange, in the form that the equity-ticks converter writes."""

import pytest

from processors.feeds.files import open_recording


@pytest.fixture
def trades(write, ns):
    """Return trades in which two prints look alike in every field but their line."""
    return write(
        "aig_trades", ts=[ns("2013-10-08T13:30:00.001")] * 2 + [ns("2013-10-08T13:30:00.007"), ns("2013-10-09T13:30")],
        symbol=["AIG"] * 4, seq=[10, 11, 12, 0], price=[48.5, 48.5, 48.75, 49.0], size=[100, 100, 0, 300],
        exchange=["D", "D", "N", "Z"], sale_cond=["00000401", "00000401", None, "0"],
        suspicious=[False, False, True, False],
    )  # fmt: skip


@pytest.fixture
def quotes_by_side(write, ns):
    """Return one-sided quotes."""
    return write(
        "aig_quotes", ts=[ns("2013-10-08T13:30:00.001"), ns("2013-10-08T13:30:00.002")], symbol=["AIG"] * 2,
        seq=[10, 11], side=["bid", "ask"], price=[48.25, 48.5], size=[200, 700], exchange=["D", "P"],
        quote_cond=["C", "00000001"], suspicious=[True, False],
    )  # fmt: skip


def test_prints_that_look_alike_are_all_published_with_numbers_of_their_own(trades, read) -> None:
    """Prints that look alike are mostly separate prints: all are published, each with a number of its own."""
    rows = read(trades)
    assert len(rows) == 4
    alike = [{k: v for k, v in row.items() if k != "seq"} for row in rows[:2]]
    assert alike[0] == alike[1]
    assert len({row["seq"] for row in rows}) == 4


def test_each_exchange_is_a_source_and_late_off_exchange_prints_keep_their_conditions(trades, read) -> None:
    """Each exchange is a source; conditions are as published, with the vendor's suspicion appended."""
    rows = read(trades)
    assert [(r["symbol_id"], r["vendor"], r["venue"], r["kind"]) for r in rows] == [
        ("AIG:US", "ALGOSEEK", exchange, "trade") for exchange in "DDNZ"
    ]
    assert [r["conditions"] for r in rows] == ["00000401", "00000401", "SUSPICIOUS", "0"]
    assert [(r["price"], r["size"]) for r in rows] == [(48.5, 100.0), (48.5, 100.0), (48.75, 0.0), (49.0, 300.0)]


def test_a_one_sided_quote_leaves_its_other_side_null(quotes_by_side, read) -> None:
    """A one-sided quote leaves its other side null: nothing is carried from the row before."""
    rows = read(quotes_by_side)
    assert [(r["bid"], r["bid_size"], r["ask"], r["ask_size"]) for r in rows] == [
        (48.25, 200.0, None, None), (None, None, 48.5, 700.0),
    ]  # fmt: skip
    assert [(r["venue"], r["kind"], r["conditions"]) for r in rows] == [
        ("D", "quote", "C SUSPICIOUS"), ("P", "quote", "00000001"),
    ]  # fmt: skip
    assert {r["price"] for r in rows} == {None}


def test_trades_and_quotes_of_one_exchange_share_no_number(trades, quotes_by_side, read) -> None:
    """Trades and quotes of one exchange share no number, though both count the lines of their own file."""
    numbers = [r["seq"] for r in read(trades)] + [r["seq"] for r in read(quotes_by_side)]
    assert len(set(numbers)) == 6
    assert open_recording([trades, quotes_by_side]).warnings == ()
