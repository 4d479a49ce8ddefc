"""Quotes of FX and CFD dealers."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from processors.feeds.dealers import symbol_id
from processors.feeds.files import open_recording
from processors.feeds.port import longs
from processors.runtime.batch import NULL_LONG

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"


def test_a_pair_of_currencies_is_fx_and_a_metal_is_a_cfd() -> None:
    """A pair of currencies is FX and a metal is a CFD."""
    assert [symbol_id(s) for s in ("EURUSD", "NZDUSD", "XAUUSD", "DE30EUR")] == [
        "EURUSD:FX", "NZDUSD:FX", "XAUUSD:CFD", "DE30EUR:CFD",
    ]  # fmt: skip


def test_times_of_fxcm_pass_through_unchanged(write, read, ns) -> None:
    """FXCM's times are UTC in the file already, decoded from its UTC-05 clock: they pass through unchanged."""
    path = write(
        "a", ts=[ns("2014-05-02T03:59:59.001"), ns("2014-05-02T12:30:01.5")], symbol=["EURUSD"] * 2,
        vendor=["FXCM", "OANDA"], seq=[51_052, 7], bid=[1.38, 1.39], ask=[1.381, 1.392],
    )  # fmt: skip
    rows = read(path)
    assert [(r["ts_event"], r["ts_recv"]) for r in rows] == [
        (ns("2014-05-02T03:59:59.001"),) * 2,
        (ns("2014-05-02T12:30:01.5"),) * 2,
    ]
    assert [(r["symbol_id"], r["vendor"], r["venue"], r["kind"], r["bid"], r["ask"]) for r in rows] == [
        ("EURUSD:FX", "FXCM", "", "quote", 1.38, 1.381),
        ("EURUSD:FX", "OANDA", "", "quote", 1.39, 1.392),
    ]
    assert {(r["price"], r["size"], r["bid_size"], r["ask_size"], r["conditions"]) for r in rows} == {
        (None, None, None, None, "")
    }


def test_a_number_is_the_vendors_day_and_the_line_in_its_file(write, read, ns) -> None:
    """A number is the vendor's day and the line in its file: FXCM's day begins at 05:00 UTC, OANDA's at midnight."""
    path = write(
        "a", ts=[ns("2014-05-02T04:59:59"), ns("2014-05-02T04:59:59"), ns("2014-05-02T05:00:00")],
        symbol=["EURUSD"] * 3, vendor=["FXCM", "OANDA", "FXCM"], seq=[900, 11, 0], bid=[1.1, 1.2, 1.3],
        ask=[1.11, 1.21, 1.31],
    )  # fmt: skip
    days = [ns("2014-05-01"), ns("2014-05-02"), ns("2014-05-02")]
    expected = [day // 86_400_000_000_000 * 2**33 + line * 2 for day, line in zip(days, (900, 11, 0), strict=True)]
    assert [r["seq"] for r in read(path)] == expected


def test_numbers_of_the_recorded_quotes_rise_without_repeats_though_their_lines_restart_each_day() -> None:
    """Numbers of the recorded quotes rise without repeats, though their lines restart with each day's file."""
    recording = open_recording([MARKET / "eurusd_ticks_two_vendors.parquet"])
    assert recording.warnings == ()
    numbers: dict[int, list[np.ndarray]] = {}
    for ticks in recording.files[0].ticks():
        vendors = longs(ticks, "vendor")
        for vendor in np.unique(vendors):
            numbers.setdefault(int(vendor), []).append(longs(ticks, "seq")[vendors == vendor])
    assert sorted(sum(map(len, parts)) for parts in numbers.values()) == [144_725, 316_309]
    for parts in numbers.values():
        assert (np.diff(np.concatenate(parts)) > 0).all()
    lines = pq.read_table(MARKET / "eurusd_ticks_two_vendors.parquet", columns=["seq", "vendor"]).to_pandas()
    assert lines.duplicated().sum() > 300_000


def test_a_source_whose_numbers_do_not_rise_is_published_without_numbers_and_with_a_warning(write, ns) -> None:
    """A source whose numbers do not rise is published without numbers and with a warning; its neighbour keeps its."""
    path = write(
        "a", ts=[ns("2014-05-02T10:00") + i for i in range(4)], symbol=["EURUSD"] * 4,
        vendor=["ELSEWHERE", "OANDA", "ELSEWHERE", "OANDA"], seq=[5, 1, 5, 2], bid=[1.0, 1.1, 1.2, 1.3],
        ask=[1.01, 1.11, 1.21, 1.31],
    )  # fmt: skip
    recording = open_recording([path])
    (ticks,) = recording.files[0].ticks()
    assert (longs(ticks, "seq") == NULL_LONG).tolist() == [True, False, True, False]
    assert len(recording.warnings) == 1
    assert "EURUSD:FX ELSEWHERE do not rise" in recording.warnings[0]


def test_a_crossed_quote_of_a_vendor_is_published_as_it_is(write, read, ns) -> None:
    """A crossed quote of a vendor (bid above ask) is published as it is: the next stage judges it."""
    path = write(
        "a", ts=[ns("2014-05-02T10:00")], symbol=["EURUSD"], vendor=["FXCM"], seq=[1], bid=[1.3868], ask=[1.3866]
    )
    assert [(r["bid"], r["ask"]) for r in read(path)] == [(1.3868, 1.3866)]
