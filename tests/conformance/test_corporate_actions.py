"""Tables of adjusted prices in either convention, and the check itself against tables that mix them or are wrong."""

import json

import pandas as pd
import pytest

from processors.reference.actions.factors import CONVENTIONS
from tests.conformance.kinds.corporate_actions import check

DAYS = pd.bdate_range("2020-01-01", periods=40).strftime("%Y-%m-%d")


def daily(symbol, convention, spin_off=0.0):
    """Return prices with two dividends and a split, adjusted backwards by hand in one convention."""
    close = [100.0 + 0.7 * i - 0.02 * i * i for i in range(len(DAYS))]
    cash, split = [0.0] * len(DAYS), [1.0] * len(DAYS)
    cash[10], split[20], cash[25], cash[30] = 2.0, 4.0, spin_off, 0.5
    close = [c / 4 if i >= 20 else c for i, c in enumerate(close)]
    adjusted, factor = [], 1.0
    for i in reversed(range(len(DAYS))):
        adjusted.insert(0, close[i] * factor)
        if convention == "ex_close":
            factor *= close[i] / (close[i] + cash[i]) / split[i]
        elif i:
            factor *= (1 - cash[i] / close[i - 1]) / split[i]
    return pd.DataFrame(
        {"symbol": symbol, "timestamp": DAYS, "close": close, "adjusted_close": adjusted, "volume": 1000,
         "dividend_amount": cash, "split_coefficient": split}
    )  # fmt: skip


def all_prices(symbol, convention):
    """Return the same as a table that adjusts every price and the volume, with a factor of later events in it."""
    told = daily(symbol, convention)
    ratio = told.adjusted_close / told.close
    shares = told.split_coefficient[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
    out = {"date": told.timestamp, "ticker": symbol, "volume": told.volume, "ex-dividend": told.dividend_amount,
           "split_ratio": told.split_coefficient, "adj_volume": told.volume * shares * 3}  # fmt: skip
    for name, by in (("open", 0.99), ("high", 1.02), ("low", 0.97), ("close", 1.0)):
        out |= {name: told.close * by, f"adj_{name}": told.close * by * ratio / 3}
    return pd.DataFrame(out)


def written(folder, name, *tables):
    """Write tables one below the other into a file of known answers and return the folder."""
    here = folder / "corporate_actions"
    here.mkdir(exist_ok=True)
    table = pd.concat(tables)
    if name.endswith(".csv"):
        table.to_csv(here / name, index=False)
    else:
        table.to_parquet(here / name)
    return folder


@pytest.mark.parametrize(("make", "name"), [(daily, "p.parquet"), (daily, "p.csv"), (all_prices, "p.csv")])
@pytest.mark.parametrize("convention", list(CONVENTIONS))
def test_a_table_in_either_convention_passes_and_is_named(tmp_path, convention, make, name):
    """Prices adjusted by hand in one convention pass to the last row, and the check says which it is."""
    cases = list(check(written(tmp_path, name, make("A", convention), make("B", convention))))
    assert [c for c in cases if not c.ok] == []
    assert len(cases) == 2 * len(DAYS) + 1
    (news,) = (c for c in cases if c.is_news)
    assert news.detail.startswith(f"all 80 rows fit {convention}; ")


def test_without_dividends_both_conventions_fit(tmp_path):
    """Splits alone tell no convention: both are named."""
    told = daily("A", "ex_close").query("timestamp > '2020-02-12'")
    cases = list(check(written(tmp_path, "p.csv", told)))
    assert all(c.ok for c in cases)
    assert cases[-1].detail.endswith("fit previous_close and ex_close")


@pytest.mark.parametrize("make", [daily, all_prices])
def test_a_table_that_mixes_conventions_fails(tmp_path, make):
    """Of two symbols in two conventions one fails in the rows before its dividends, and so does the table."""
    told = [make("A", "ex_close"), make("B", "previous_close"), make("C", "previous_close")]
    cases = [c for c in check(written(tmp_path, "p.csv", *told)) if not c.ok]
    assert {c.name.split(":")[1] for c in cases} == {"A", " convention"}
    assert len(cases) == 30 + 1
    assert cases[-1].detail.startswith("120 rows fit neither convention wholly; previous_close misses 30")


@pytest.mark.parametrize("wrong", [1e-6, -1e-6])
def test_a_price_that_is_a_little_off_is_seen(tmp_path, wrong):
    """One adjusted close that is off by a millionth fails, and with it the fit of the table."""
    told = daily("A", "previous_close")
    told.loc[3, "adjusted_close"] *= 1 + wrong
    names = [c.name for c in check(written(tmp_path, "p.csv", told)) if not c.ok]
    assert names == [f"p.csv:A:{DAYS[3]}", "p.csv: convention"]


def test_an_adjusted_volume_that_is_off_is_seen(tmp_path):
    """A volume that a split does not explain fails."""
    told = all_prices("A", "previous_close")
    told.loc[3, "adj_volume"] *= 1.001
    names = [c.name for c in check(written(tmp_path, "p.csv", told)) if not c.ok]
    assert names == [f"p.csv:A:{DAYS[3]}", "p.csv: convention"]


def test_a_dividend_above_the_price_fits_where_the_convention_allows_it(tmp_path):
    """A spin-off booked as a dividend above the close before it has a factor by the close after it only."""
    cases = list(check(written(tmp_path, "p.csv", daily("A", "ex_close", spin_off=1000.0))))
    assert [c for c in cases if not c.ok] == []
    assert cases[-1].detail == "all 40 rows fit ex_close; previous_close misses 40"


def test_fits_and_events_are_compared_with_the_prices(tmp_path):
    """The measured fit and the list of events are those of the rows; a wrong count or event is seen, and only it."""
    told = daily("A", "previous_close")
    folder = written(tmp_path, "p.parquet", told)
    fit = {"rows": 40, "splits": 1, "dividends": 2, "max_rel_err_prev_close_formula": 1e-15}
    spec = {"tolerance_rel": 1e-9, "measured_fit": {"A": fit, "B": {}}}
    path = folder / "corporate_actions" / "spec.json"
    path.write_text(json.dumps(spec))
    events = told[(told.dividend_amount != 0) | (told.split_coefficient != 1)]
    events = events[["symbol", "timestamp", "close", "dividend_amount", "split_coefficient"]]
    written(tmp_path, "events.csv", events)
    assert [c for c in check(folder) if not c.ok] == []
    path.write_text(json.dumps(spec | {"measured_fit": {"A": fit | {"splits": 2}}}))
    assert [c.name for c in check(folder) if not c.ok] == ["spec.json:A:splits"]
    path.write_text(json.dumps(spec | {"measured_fit": {"A": {"rows": 40}}}))
    assert [c.detail for c in check(folder) if not c.ok] == ["cannot be read: no 'splits'"]
    path.write_text(json.dumps(spec))
    written(tmp_path, "events.csv", events.assign(dividend_amount=events.dividend_amount + 0.01))
    assert len([c for c in check(folder) if not c.ok]) == 3
