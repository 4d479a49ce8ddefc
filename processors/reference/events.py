"""Events out of files as their sources publish them, with the time from which each could honestly be known.

A source that gives a date and no time is taken at the latest that it can mean:

index closes (VIX, SPX, IXIC; Parquet or CSV with date, symbol, open, high, low, close)
    Event and knowledge at the close of the session; open, high and low too, since the row is made then.
treasury curve (date and maturities such as 10year)
    Event at 15:30 New York, when the yields are read; known at 18:00, the latest hour at which they were published.
policy rate (DATE, PCREDIT8: the date from which a rate is in force)
    Event at midnight New York of that date, and over at the next; known at 16:00. Most were announced the day before;
    those of an emergency the same day, and the file does not say which.
dividends and splits (date, symbol, dividend, split: the ex-date)
    Event and knowledge at the open of the ex-date: the file does not have the day of the announcement.
open interest (ts or date, symbol, contract, venue, open_interest; LEAN's zip files of it too)
    Event and knowledge at the time, or at the end of the date in New York: the figure of a session is published when it
    is over, at an hour that the file does not say.

A date without a session (the day of mourning of 2004 in the VIX file) counts as the next session. A file in the
columns of ``MarketEvent`` says both times itself.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from processors.feeds.futures import EXCHANGES
from processors.reference import values as v
from processors.reference.records import MarketEvent
from processors.reference.table import Problem, Table, shown
from processors.reference.together import Placed
from processors.sessions import sessions

NEW_YORK = "America/New_York"
INDEX_CALENDARS = {"VIX": "XCBF", "SPX": "XNYS", "IXIC": "XNYS"}
"""Indexes whose day is known: the one of the exchange that computes it, or of the shares in it."""
EQUITY_CALENDAR = "XNYS"
PRICE_NAMES = ("open", "high", "low", "close")
POLICY_SERIES = {"PCREDIT8": "primary_credit"}

Parsed = tuple[list[Placed], list[Problem]]
Form = Callable[[Table], Parsed]


def form_of(columns: Sequence[str]) -> Form | None:
    """Return what reads a file with these columns, or None where it is in the columns of our own records."""
    given = set(columns)
    if given in ({"date", "symbol", *PRICE_NAMES}, {"date", "symbol", *PRICE_NAMES, "adj_close", "volume"}):
        return _index_closes
    if given == {"date", "symbol", "dividend", "split"}:
        return _dividends_and_splits
    if given - {"seq"} in ({*INTEREST_COLUMNS, "date"}, {*INTEREST_COLUMNS, "ts"}):
        return _open_interest
    if len(given) == 2 and "DATE" in given and given & POLICY_SERIES.keys():
        return _policy_rate
    if "date" in given and len(given) > 1 and all(_MATURITY.fullmatch(c) for c in given - {"date"}):
        return _treasury_curve
    return None


INTEREST_COLUMNS = ("symbol", "contract", "venue", "open_interest")
INTEREST = "open_interest"
_MATURITY = re.compile(r"\d+(month|year)")


@dataclass(slots=True)
class _Reader:
    """Parses the rows of one table and remembers what is wrong."""

    table: Table
    placed: list[Placed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def rows(self, date_column: str) -> Iterator[tuple[int, dict[str, Any], date]]:
        """Yield number, raw values and date of each row; a row whose key came before is refused."""
        seen: dict[tuple[str, str], int] = {}
        for number, row in zip(self.table.numbers, self.table.rows, strict=True):
            day = self.value(number, row, date_column, v.day)
            if day is None:
                continue
            first = seen.setdefault((str(day), str(row.get("symbol"))), number)
            if first != number:
                self.wrong(number, date_column, row[date_column], f"each date once for a symbol; row {first} has it")
                continue
            yield number, row, day

    def value(self, number: int, row: dict[str, Any], column: str, parse: v.Parser) -> Any:
        """Return a parsed value, or None where it is refused."""
        raw = row[column]
        if v.is_empty(raw):
            self.wrong(number, column, None, "must not be empty")
            return None
        try:
            return parse(raw)
        except v.Refused as e:
            self.wrong(number, column, raw, str(e))
            return None

    def wrong(self, number: int, column: str, raw: object, remedy: str) -> None:
        said = "empty" if v.is_empty(raw) else shown(raw)
        self.problems.append(Problem(self.table.file, number, column, said, remedy))

    def add(
        self, number: int, symbol_id: str, kind: str, name: str, day: date, happens: int, known: int, value: float,
        unit: str, over: int | None = None,
    ) -> None:  # fmt: skip
        event_id = f"{symbol_id} {kind} {day}"
        source = self.table.file.rpartition("/")[2][: v.TEXT_CHARACTERS_MAX]
        record = MarketEvent(symbol_id, event_id, kind, name, happens, known, value, unit, "", source, over)
        self.placed.append(Placed(record, self.table.file, number))

    @property
    def parsed(self) -> Parsed:
        return self.placed, self.problems


@cache
def _session_starts(calendar: str) -> tuple[Any, Any, Any]:
    """Return dates (as numbers of days), opens and closes of the sessions of a calendar, shape (n,) each."""
    s = sessions(calendar)
    first = s.open_ns == s.session_open_ns
    return s.label_ns[first] // 86_400_000_000_000, s.session_open_ns[first], s.session_close_ns[first]


def session_times(calendar: str, day: date) -> tuple[int, int]:
    """Return open and close of the session of a date, or of the next one where the date has none.

    Raises
    ------
    Refused
        The calendar does not reach that far.
    """
    labels, opens, closes = _session_starts(calendar)
    at = int(np.searchsorted(labels, np.datetime64(day, "D").astype(np.int64)))
    if at == len(labels) or (at == 0 and day.toordinal() - 719_163 < labels[0] - 10):
        raise v.Refused(f"a date of which the sessions of {calendar} are known")
    return int(opens[at]), int(closes[at])


def _index_closes(table: Table) -> Parsed:
    reader = _Reader(table)
    for number, row, day in reader.rows("date"):
        symbol = reader.value(number, row, "symbol", v.choice(*INDEX_CALENDARS))
        prices = {name: reader.value(number, row, name, v.positive) for name in PRICE_NAMES}
        if symbol is None or None in prices.values():
            continue
        # Closes outside of high and low are in the public files (47 days of the VIX): facts as published, not mended.
        if prices["low"] > prices["high"]:
            reader.wrong(number, "low", row["low"], "at most high")
            continue
        try:
            _, close_ns = session_times(INDEX_CALENDARS[symbol], day)
        except v.Refused as e:
            reader.wrong(number, "date", row["date"], str(e))
            continue
        for name, price in prices.items():
            reader.add(number, f"{symbol}:INDEX", "index", name, day, close_ns, close_ns, price, "points")
    return reader.parsed


def _dividends_and_splits(table: Table) -> Parsed:
    reader = _Reader(table)
    ticker = v.pattern(r"[A-Z][A-Z0-9.-]*", "a ticker, such as AIG")
    for number, row, day in reader.rows("date"):
        symbol = reader.value(number, row, "symbol", ticker)
        amount = reader.value(number, row, "dividend", v.number)
        ratio = reader.value(number, row, "split", v.positive)
        if symbol is None or amount is None or ratio is None:
            continue
        if amount < 0:
            reader.wrong(number, "dividend", row["dividend"], "0, or an amount a share")
            continue
        try:
            open_ns, _ = session_times(EQUITY_CALENDAR, day)
        except v.Refused as e:
            reader.wrong(number, "date", row["date"], str(e))
            continue
        if amount:
            reader.add(number, f"{symbol}:US", "dividend", "amount", day, open_ns, open_ns, amount, "USD")
        if not math.isclose(ratio, 1.0):
            reader.add(number, f"{symbol}:US", "split", "ratio", day, open_ns, open_ns, ratio, "new shares per old")
        if not amount and math.isclose(ratio, 1.0):
            reader.wrong(number, "dividend", row["dividend"], "a dividend, or a split other than 1, on each row")
    return reader.parsed


def _open_interest(table: Table) -> Parsed:
    """Open interest of contracts, by time or by date; of one contract and time the last row counts.

    A figure of a date is known when the date is over in New York: the hour at which it was published is not in the
    file. Where all times are full hours, or minutes, they are the begin of one: the figure was known at its end.
    """
    reader = _Reader(table)
    contract = v.pattern(r"[A-Z0-9]+[FGHJKMNQUVXZ]\d{1,2}", "a contract, such as GCZ13")
    venue = v.pattern(r"[A-Z]+", "an exchange, such as COMEX")
    coarse_ns = _resolution_ns([row["ts"] for row in table.rows if isinstance(row.get("ts"), datetime)])
    last: dict[tuple[str, int], tuple[int, date, float]] = {}
    for number, row in zip(table.numbers, table.rows, strict=True):
        day, known = None, None
        if "ts" in row:
            known = reader.value(number, row, "ts", v.instant)
            known = None if known is None else known + coarse_ns
        else:
            day = reader.value(number, row, "date", v.day)
            known = None if day is None else v.local_ns(day + timedelta(days=1), NEW_YORK)
        code = reader.value(number, row, "contract", contract)
        exchange = reader.value(number, row, "venue", venue)
        figure = reader.value(number, row, INTEREST, v.number)
        if known is None or code is None or exchange is None or figure is None:
            continue
        if figure < 0:
            reader.wrong(number, INTEREST, row[INTEREST], "a number of contracts, 0 or more")
            continue
        day = day or datetime.fromtimestamp(known // 1_000_000_000, UTC).date()
        last[f"{code}:{EXCHANGES.get(exchange, exchange)}", known] = number, day, figure
    for (symbol_id, known), (number, day, figure) in last.items():
        reader.add(number, symbol_id, "other", INTEREST, day, known, known, figure, "contracts")
    return reader.parsed


def _resolution_ns(times: Sequence[datetime]) -> int:
    """Return the length of the hour or minute that times are the begin of, 0 where they are not all full."""
    for seconds in (3600, 60):
        if times and all(t.microsecond == 0 and int(t.timestamp()) % seconds == 0 for t in times):
            return seconds * 1_000_000_000
    return 0


def _policy_rate(table: Table) -> Parsed:
    reader = _Reader(table)
    (column,) = (c for c in table.columns if c in POLICY_SERIES)
    for number, row, day in reader.rows("DATE"):
        percent = reader.value(number, row, column, v.number)
        if percent is None:
            continue
        if not -10.0 <= percent <= 100.0:
            reader.wrong(number, column, row[column], "a rate in percent a year")
            continue
        begins, known = v.local_ns(day, NEW_YORK), v.local_ns(day, NEW_YORK, 16)
        # The hour of the decision is not in the file: it lasts the day.
        over, unit = v.local_ns(day + timedelta(days=1), NEW_YORK), "fraction a year"
        reader.add(number, "POLICY:US", "policy", POLICY_SERIES[column], day, begins, known, percent / 100, unit, over)
    return reader.parsed


def _treasury_curve(table: Table) -> Parsed:
    reader = _Reader(table)
    maturities = [c for c in table.columns if c != "date"]
    for number, row, day in reader.rows("date"):
        read, known = v.local_ns(day, NEW_YORK, 15, 30), v.local_ns(day, NEW_YORK, 18)
        if all(v.is_empty(row[m]) for m in maturities):
            reader.wrong(number, maturities[0], None, "at least one yield a row")
        for name in maturities:
            # A maturity that was not issued that year has no yield.
            if v.is_empty(row[name]):
                continue
            fraction = reader.value(number, row, name, v.number)
            if fraction is None:
                continue
            if not -0.1 <= fraction <= 0.5:
                reader.wrong(number, name, row[name], "a yield as a fraction: 0.0789 is 7.89 %")
                continue
            reader.add(number, "TREASURY:US", "rate", name, day, read, known, fraction, "fraction a year")
    return reader.parsed
