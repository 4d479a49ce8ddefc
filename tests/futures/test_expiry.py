"""Last trade and first notice dates against dates that happened, and against the rules written out."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.errors import ConfigError
from processors.futures.calendars import BusinessDays, business_days
from processors.futures.expiry import (
    contract_code,
    contract_parts,
    first_notice_date,
    last_trade_date,
    listed_months,
    rule_of,
    rules,
)
from processors.futures.rules import evaluate
from tests.support import SHARED

MARKET = SHARED / "market"


@pytest.mark.parametrize(
    ("root", "month", "day"),
    [
        ("ES", "2013-12", date(2013, 12, 20)),
        ("CL", "2020-05", date(2020, 4, 21)),  # the day after the price below zero
        ("CL", "2023-12", date(2023, 11, 20)),
        ("GC", "2024-04", date(2024, 4, 26)),
        ("VX", "2014-03", date(2014, 3, 18)),  # Good Friday is the third Friday of April
        ("ZC", "2024-12", date(2024, 12, 13)),
        ("HSI", "2025-01", date(2025, 1, 27)),
        ("BRN", "2024-02", date(2023, 12, 28)),  # not on the last day before New Year's
        ("GF", "2023-11", date(2023, 11, 16)),  # the Thursday before Thanksgiving
        ("DC", "2020-12", date(2020, 12, 29)),
        ("NIFTY", "2025-08", date(2025, 8, 28)),  # a Thursday
        ("NIFTY", "2025-09", date(2025, 9, 30)),  # a Tuesday since
        ("FGBL", "2024-03", date(2024, 3, 7)),
        ("SR3", "2023-12", date(2024, 3, 19)),
    ],
)
def test_a_contract_ends_on_the_day_on_which_it_ended(root: str, month: str, day: date):
    """Dates that came to pass, one for each kind of rule."""
    assert last_trade_date(root, month) == day


@pytest.mark.parametrize(
    ("root", "month", "day"),
    [
        ("CL", "2024-03", date(2024, 2, 22)),
        ("GC", "2024-04", date(2024, 3, 28)),
        ("KC", "2024-03", date(2024, 2, 21)),
        ("CT", "2024-03", date(2024, 2, 23)),
        ("ES", "2024-03", None),
    ],
)
def test_notice_begins_on_its_day_and_never_for_cash(root: str, month: str, day: date | None):
    """A delivered contract has a first notice date; one settled in cash has none."""
    assert first_notice_date(root, month) == day


def test_a_holiday_that_was_expected_counts_for_those_who_ask_earlier():
    """On the calendar of 2020 the last Friday of 2021 was a holiday; it did not come to be one."""
    assert last_trade_date("NG", "2022-01") == date(2021, 12, 29)
    assert last_trade_date("NG", "2022-01", date(2020, 12, 31)) == date(2021, 12, 28)
    assert last_trade_date("NG", "2022-01", date(2021, 1, 1)) == date(2021, 12, 29)


def test_every_rule_gives_a_business_day_near_its_month():
    """All rules run over ten years: a business day, from 100 days before the month's first to 130 after."""
    for root, found in rules().items():
        for rule in found:
            first = max(rule.from_month, "2015-01")
            for month in listed_months(root, first, "2025-12"):
                day, begin = last_trade_date(root, month), date.fromisoformat(f"{month}-01")
                assert day.weekday() < 5, (root, month)
                assert timedelta(-100) < day - begin < timedelta(130), (root, month)
                notice = first_notice_date(root, month)
                assert notice is None or abs(notice - day) < timedelta(45), (root, month)


def naive_crude(year: int, month: int, closed: set[date]) -> date:
    """Return the third business day before the 25th of the month before, or before the last business day by it."""
    day = date(year - (month == 1), (month - 2) % 12 + 1, 25)
    while day.weekday() > 4 or day in closed:
        day -= timedelta(1)
    left = 3
    while left:
        day -= timedelta(1)
        left -= day.weekday() < 5 and day not in closed
    return day


@settings(max_examples=60, deadline=None)
@given(st.integers(2000, 2030), st.integers(1, 12), st.sets(st.integers(1, 31), max_size=12))
def test_steps_count_business_days_as_a_finger_on_the_calendar_does(year: int, month: int, shut: set[int]):
    """The rule of crude oil equals its text, whatever days are shut."""
    span = np.arange(np.datetime64(f"{year - 1}-01-01"), np.datetime64(f"{year + 1}-12-31"))
    days = [d for d in span if np.is_busday(d) and int(str(d)[8:]) not in shut]
    closed = {d.item() for d in span if int(str(d)[8:]) in shut}
    got = evaluate(
        "M-1 day:25 back add:-3", np.datetime64(f"{year}-{month:02d}"), BusinessDays("t", np.array(days)), "F"
    )
    assert got == naive_crude(year, month, closed)


@pytest.mark.parametrize(
    ("rule", "step"),
    [("M bday:-99", "bday:-99"), ("M weekday:SUN:1", "weekday:SUN:1"), ("M leap", "leap"), ("M bday:x", "bday:x"),
     ("M back", "step"), ("M bday:1:2", "bday:1:2")],
)  # fmt: skip
def test_a_step_that_is_none_is_refused_by_name(rule: str, step: str):
    """A wrong rule never gives a date."""
    with pytest.raises(ConfigError, match=step):
        evaluate(rule, np.datetime64("2024-03"), business_days("CME"), "F")


def test_what_has_no_rule_is_refused():
    """An unknown root, a month that is none, a year beyond the calendar."""
    with pytest.raises(ConfigError, match="root"):
        last_trade_date("NOPE", "2024-03")
    with pytest.raises(ConfigError, match="YYYY-MM"):
        rule_of("ES", "2024-13")
    with pytest.raises(ConfigError, match="as far as it is known"):
        last_trade_date("ES", "2090-03")


def test_contract_codes_and_months_convert_both_ways():
    """Root, letter and year of a code; digits inside a root are not a year."""
    assert contract_code("ES", "2013-12") == "ESZ13"
    assert contract_parts("ESZ13") == ("ES", "2013-12")
    assert contract_parts("6EH2024") == ("6E", "2024-03")
    assert contract_parts("10YZ21") == ("10Y", "2021-12")
    assert contract_parts("CLF99") == ("CL", "1999-01")
    for code in ("ESZ3", "ES", "ES13", "Z13"):
        with pytest.raises(ConfigError, match="contract"):
            contract_parts(code)


@pytest.mark.skipif(not MARKET.is_dir(), reason="no recorded chains: MPS_SHARED")
def test_every_recorded_contract_ended_on_its_computed_day():
    """60 expired VX contracts and 78 of ES and GC: the last day in the files is the last trade date."""
    vx = pd.read_parquet(MARKET / "futures/vx_chain_daily.parquet")
    ended = vx[vx.expired_in_file].groupby("contract").last_date_in_file.max()
    assert len(ended) > 50
    for code, day in ended.items():
        assert str(last_trade_date(*contract_parts(str(code)))) == str(day)[:10]
    listed = pd.read_csv(MARKET / "reference/futures_contracts.csv", dtype=str)
    for row in listed.itertuples():
        month = f"{row.contract_month[:4]}-{row.contract_month[4:]}"
        assert str(last_trade_date(row.symbol, month)) == row.expiry
