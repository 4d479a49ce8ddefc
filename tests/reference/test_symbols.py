"""Tickers by date: renamed, re-used, delisted, and asked by a later name."""

from datetime import date

import pytest

from processors.errors import ConfigError
from processors.reference.symbols import FAR, SymbolMap

D = date.fromisoformat
MAP = SymbolMap(
    {
        "WAMU": [(D("1998-01-02"), "WM"), (D("2008-09-25"), "wm")],
        "WASTE": [(D("1998-01-02"), "WMI"), (D("2009-08-03"), "wmi"), (FAR, "wm")],
    }
)


@pytest.mark.parametrize(
    ("ticker", "on", "strict", "by_later_name"),
    [("WM", "2005-05-02", "WAMU", "WAMU"), ("wm", "2008-09-25", "WAMU", "WAMU"), ("WM", "2008-09-26", None, "WASTE"),
     ("WM", "2009-08-03", None, "WASTE"), ("WM", "2009-08-04", "WASTE", "WASTE"),
     ("WMI", "2009-08-03", "WASTE", "WASTE"), ("WMI", "2009-08-04", None, None),
     ("WM", "1998-01-01", None, None), ("PEPE", "2005-05-02", None, None)],
)  # fmt: skip
def test_a_ticker_means_its_owner_of_the_day(ticker, on, strict, by_later_name):
    """A ticker means its owner of the day; by a later name, the next owner if it was listed; never one unlisted."""
    assert MAP.security(ticker, D(on)) == strict
    assert MAP.security(ticker, D(on), by_later_name=True) == by_later_name


def test_a_security_has_one_ticker_a_day_between_listing_and_delisting():
    """A security has its ticker on both ends of its life and none outside."""
    assert [MAP.ticker("WAMU", D(d)) for d in ("1998-01-01", "1998-01-02", "2008-09-25", "2008-09-26")] == [
        None, "WM", "WM", None,
    ]  # fmt: skip
    assert MAP.ticker("NOSUCH", D("2005-05-02")) is None
    assert MAP.listed("WASTE") == D("1998-01-02")
    assert (MAP.delisted("WAMU"), MAP.delisted("WASTE")) == (D("2008-09-25"), None)
    assert MAP.security_ids == ["WAMU", "WASTE"]


@pytest.mark.parametrize(
    "rows",
    [{"A": []}, {"A": [(D("2005-01-03"), "A"), (D("2004-01-02"), "B")]},
     {"A": [(D("2005-01-03"), "X"), (FAR, "X")], "B": [(D("2009-01-02"), "X"), (FAR, "X")]}],
)  # fmt: skip
def test_a_map_that_contradicts_itself_is_refused(rows):
    """No rows, dates out of order and one ticker for two securities at once are refused."""
    with pytest.raises(ConfigError, match="symbol map"):
        SymbolMap(rows)
