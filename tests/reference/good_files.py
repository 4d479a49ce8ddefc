"""Good files of every form that is imported: made by a seed, in CSV, JSON lines and Parquet."""

import csv
import io
import json
import random
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

from processors.reference.values import isin_check_digit

Rows = list[dict[str, str]]
NUMBERS = {"tick_size", "lot_size", "multiplier", "value", "open", "high", "low", "close", "dividend", "split"}
NUMBERS |= {"PCREDIT8", "3month", "10year"}


def securities(rng: random.Random) -> Rows:
    """Return a share that changed its ticker, another that took it over, a third, a contract and a coin."""
    tickers = rng.sample(["WM", "UW", "WMI", "AIG", "BAC", "IBM", "SPY", "ABC", "XYZ"], 3)
    year = rng.randint(1995, 2015)
    blank = dict.fromkeys(
        (
            "security_id",
            "symbol_id",
            "symbol",
            "isin",
            "mic",
            "asset_class",
            "price_basis",
            "currency",
            "tick_size",
            "lot_size",
            "multiplier",
            "session_calendar",
            "time_zone",
            "root",
            "contract_month",
            "roll_rules",
            "first_notice",
            "last_trade",
            "listed",
            "delisted",
            "valid_from",
            "valid_to",
            "ts_known",
            "source",
        ),
        "",
    )
    share = blank | {
        "mic": "XNYS",
        "asset_class": "equity",
        "price_basis": "trade",
        "currency": "USD",
        "tick_size": "0.01",
        "lot_size": "1",
        "multiplier": "1",
        "session_calendar": "XNYS",
        "time_zone": "America/New_York",
        "source": "made",
    }
    one, other = (f"US{rng.randint(10**8, 10**9 - 1)}" for _ in range(2))
    one, other = (body + isin_check_digit(body) for body in (one, other))
    first, second, third = tickers

    def of(ticker: str, isin: str, **more: str) -> dict[str, str]:
        return share | {"security_id": isin, "isin": isin, "symbol": ticker, "symbol_id": f"{ticker}:US"} | more

    return [
        of(
            first,
            one,
            listed=f"{year - 9}-03-01",
            valid_from=f"{year - 9}-03-01",
            valid_to=f"{year}-09-26",
            ts_known=f"{year - 9}-02-01T12:00:00Z",
        ),
        of(second, one, listed=f"{year - 9}-03-01", valid_from=f"{year}-09-26", ts_known=f"{year}-08-01T12:00:00Z"),
        of(first, other, valid_from=f"{year + 1}-08-04T04:00:00Z", ts_known=f"{year + 1}-07-20T12:00:00-04:00"),
        of(
            third,
            "",
            security_id=f"{third}:US",
            listed=f"{year}-01-04",
            delisted=f"{year + 2}-05-02",
            valid_from=f"{year}-01-04",
            valid_to=f"{year + 2}-05-03",
            ts_known=f"{year}-01-01T00:00:00Z",
        ),
        blank
        | {
            "symbol_id": "GCZ13:CMX",
            "symbol": "GCZ3",
            "mic": "XCEC",
            "asset_class": "future",
            "price_basis": "trade",
            "currency": "USD",
            "tick_size": "0.1",
            "lot_size": "1",
            "multiplier": "100",
            "session_calendar": "CMES",
            "time_zone": "America/New_York",
            "root": "GC:CMX",
            "contract_month": "2013-12",
            "roll_rules": "volume notice-2",
            "first_notice": "2013-11-29",
            "last_trade": "2013-12-27",
            "listed": "2008-12-30",
            "delisted": "2013-12-27",
            "valid_from": "2008-12-30",
            "valid_to": "2013-12-28",
            "ts_known": "2008-12-01T00:00:00Z",
            "source": "made",
        },
        blank
        | {
            "symbol_id": "BTC-USD:CRYPTO",
            "asset_class": "crypto",
            "price_basis": "trade",
            "currency": "USD",
            "tick_size": "0.1",
            "lot_size": "0.00001",
            "multiplier": "1",
            "session_calendar": "24/7",
            "time_zone": "UTC",
            "valid_from": "2015-01-08",
            "ts_known": "2015-01-08T00:00:00Z",
        },
    ]


def fundamentals(rng: random.Random) -> Rows:
    """Two figures over some quarters, one of them restated."""
    year = rng.randint(1995, 2020)
    rows = [
        {
            "symbol_id": "AIG:US",
            "metric": metric,
            "period_end": f"{year}-{end}",
            "period": f"{year}Q{q}",
            "value": f"{rng.uniform(-3, 9):.2f}",
            "unit": "USD",
            "ts_event": f"{year + (q == 4)}-{seen}T21:00:00Z",
            "ts_known": f"{year + (q == 4)}-{seen}T21:05:00Z",
            "source": "made",
        }
        for metric in ("eps_diluted", "revenue")
        for q, end, seen in ((1, "03-31", "05-02"), (2, "06-30", "08-02"), (3, "09-30", "11-02"), (4, "12-31", "02-14"))
    ]
    rows.append(rows[0] | {"value": "withdrawn", "ts_event": "", "ts_known": f"{year}-10-05T13:00:00Z"})
    return rows


def events(rng: random.Random) -> Rows:
    """Dividends, a split, a release and a change of ticker."""
    year = rng.randint(1995, 2020)
    row = {
        "symbol_id": "IBM:US",
        "event_id": "",
        "type": "dividend",
        "name": "amount",
        "ts_event": f"{year}-03-11T13:30:00Z",
        "ts_known": f"{year}-02-13T21:05:00Z",
        "value": f"{rng.uniform(0.1, 2):.3f}",
        "unit": "USD",
        "text": "",
        "source": "made",
    }
    return [
        row,
        row | {"ts_event": f"{year}-06-11T13:30:00Z", "ts_known": f"{year}-05-13T21:05:00Z"},
        row | {"type": "split", "name": "ratio", "value": "7", "unit": "new shares per old", "ts_known": ""},
        row | {"symbol_id": "CPI:US", "type": "macro", "name": "yoy", "value": "0.021", "unit": "ratio"},
        row
        | {"symbol_id": "FB:US", "type": "symbol_change", "name": "ticker", "value": "", "unit": "", "text": "META"},
        row | {"symbol_id": "AIG:US", "type": "earnings", "name": "eps", "event_id": "AIG 1", "value": "-1.5"},
    ]


def index_closes(rng: random.Random) -> Rows:
    """Return closes of an index over a week."""
    level = rng.uniform(12, 40)
    days = ("2014-04-28", "2014-04-29", "2014-04-30", "2014-05-01", "2014-05-02")
    prices = {
        "open": f"{level:.2f}",
        "high": f"{level + 1:.2f}",
        "low": f"{level - 1:.2f}",
        "close": f"{level + 0.5:.2f}",
    }
    return [{"date": d, "symbol": "VIX"} | prices for d in days]


def corporate_actions(rng: random.Random) -> Rows:
    """Dividends of some ex-dates, and a split."""
    days = ("2014-03-11", "2014-06-10", "2014-09-10", "2014-12-10")
    rows = [{"date": d, "symbol": "AAPL", "dividend": f"{rng.uniform(0.1, 3):.2f}", "split": "1.0"} for d in days]
    return [*rows, {"date": "2014-06-09", "symbol": "AAPL", "dividend": "0.0", "split": "7.0"}]


def curve(rng: random.Random) -> Rows:
    """Return yields of some days, one of a maturity that was not issued."""
    rows = [
        {"date": f"2012-05-0{d}", "3month": f"{rng.uniform(0, 0.02):.4f}", "10year": f"{rng.uniform(0, 0.05):.4f}"}
        for d in (1, 2, 3, 4)
    ]
    rows[2]["3month"] = ""
    return rows


def policy(rng: random.Random) -> Rows:
    """Return changes of a policy rate."""
    return [{"DATE": f"20{y:02}-07-01", "PCREDIT8": f"{rng.randint(0, 24) / 4}"} for y in range(3, 9)]


FORMS: dict[str, Callable[[random.Random], Rows]] = {
    f.__name__: f for f in (securities, fundamentals, events, index_closes, corporate_actions, curve, policy)
}
SUFFIXES = (".csv", ".jsonl", ".parquet")


def encoded(rows: Rows, suffix: str) -> bytes:
    """Return rows as a file; numbers are numbers where the form has them and all of a column are."""
    if suffix == ".csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode()
    if suffix == ".jsonl":
        return "".join(json.dumps({k: _typed(k, v) for k, v in row.items()}) + "\n" for row in rows).encode()
    columns: dict[str, pa.Array] = {}
    for name in rows[0]:
        values = [_typed(name, row[name]) for row in rows]
        as_floats = all(isinstance(v, float) or v is None for v in values)
        columns[name] = pa.array(values if as_floats else [row[name] for row in rows])
    return parquet(pa.table(columns))


def _typed(name: str, text: str) -> str | float | None:
    if not text:
        return None
    try:
        return float(text) if name in NUMBERS and text.strip() == text and "_" not in text else text
    except ValueError:
        return text


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()
