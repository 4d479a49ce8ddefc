"""Last trade and first notice dates of futures contracts, from the exchanges' rules.

The rules are data: ``schemas/reference/futures_rules.csv`` has a row a root (and one more from each month on which the
rule changed), ``futures_dates.csv`` the contracts whose dates follow no rule but a published list.
"""

import csv
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from processors.errors import ConfigError
from processors.futures.calendars import business_days
from processors.futures.rules import MONTH_LETTERS, evaluate

REFERENCE = Path(__file__).parents[2] / "schemas" / "reference"
RULES_CSV = REFERENCE / "futures_rules.csv"
DATES_CSV = REFERENCE / "futures_dates.csv"

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_CODE = re.compile(rf"(?P<root>[A-Z0-9]+?)(?P<letter>[{MONTH_LETTERS}])(?P<year>\d{{1,2}}|\d{{4}})")
_PIVOT_YEARS = 70
"""A two-digit year from 70 on is of the last century."""


@dataclass(frozen=True, slots=True)
class RootRule:
    """The rule of a root's contracts from one month on.

    Parameters
    ----------
    root, venue
        For example ``CL`` at ``NYMEX``.
    from_month
        First contract month, YYYY-MM; empty: all.
    last_trade, first_notice
        Steps as ``processors.futures.rules`` reads them; first_notice is empty where a contract is settled in cash or
        no rule is kept.
    calendar
        Business days, as ``processors.futures.calendars`` names them.
    months
        Letters of the months that are listed.
    source
        Where the rule is written.
    """

    root: str
    venue: str
    from_month: str
    last_trade: str
    first_notice: str
    calendar: str
    months: str
    source: str


@cache
def rules() -> dict[str, tuple[RootRule, ...]]:
    """Return the rules of each root, by root, in the order of their first months.

    Raises
    ------
    ConfigError
        A row that is none, with its line.
    """
    out: dict[str, list[RootRule]] = {}
    with RULES_CSV.open(newline="") as f:
        for number, row in enumerate(csv.DictReader(f), 2):
            if None in row or None in row.values() or not set(row["months"]) <= set(MONTH_LETTERS):
                raise ConfigError(f"{RULES_CSV.name} line {number}", "row", row, "eight cells, months by letter")
            out.setdefault(row["root"], []).append(RootRule(**row))
    for root, found in out.items():
        if len({r.venue for r in found}) > 1:
            raise ConfigError(RULES_CSV.name, "root", root, "one venue a root")
    return {root: tuple(sorted(found, key=lambda r: r.from_month)) for root, found in out.items()}


@cache
def _published() -> dict[tuple[str, str], date]:
    with DATES_CSV.open(newline="") as f:
        return {(r["root"], r["contract_month"]): date.fromisoformat(r["last_trade"]) for r in csv.DictReader(f)}


def rule_of(root: str, month: str) -> RootRule:
    """Return the rule of a contract.

    Raises
    ------
    ConfigError
        No rule for the root, or a month that is none.
    """
    if not _MONTH.fullmatch(month):
        raise ConfigError(root, "contract month", month, "YYYY-MM")
    found = rules().get(root)
    if found is None:
        raise ConfigError("futures", "root", root, f"one of the {len(rules())} roots of {RULES_CSV.name}")
    return next(r for r in reversed(found) if r.from_month <= month)


@cache
def last_trade_date(root: str, month: str, as_of: date | None = None) -> date:
    """Return the last day on which a contract trades.

    Parameters
    ----------
    root
        For example ``CL``.
    month
        Contract month, YYYY-MM.
    as_of
        Holidays count as they were announced on this date; None: as they came.

    Raises
    ------
    ConfigError
        Unknown root, no month, or a year that the exchange's calendar does not reach.
    """
    rule = rule_of(root, month)
    listed = _published().get((root, month))
    if listed is not None:
        return listed
    return evaluate(rule.last_trade, np.datetime64(month), business_days(rule.calendar, as_of), rule.months)


@cache
def first_notice_date(root: str, month: str, as_of: date | None = None) -> date | None:
    """Return the first day on which a holder can be called to take delivery, None where there is no such rule.

    Raises
    ------
    ConfigError
        As ``last_trade_date``.
    """
    rule = rule_of(root, month)
    if not rule.first_notice:
        return None
    last = last_trade_date(root, month, as_of)
    return evaluate(rule.first_notice, np.datetime64(month), business_days(rule.calendar, as_of), rule.months, last)


def listed_months(root: str, first: str, last: str) -> list[str]:
    """Return the contract months of a root from one to another, YYYY-MM, ends included."""
    months = np.arange(np.datetime64(first, "M"), np.datetime64(last, "M") + 1)
    numbers = months.astype(np.int64) % 12
    return [
        str(m) for m, n in zip(months, numbers, strict=True) if MONTH_LETTERS[int(n)] in rule_of(root, str(m)).months
    ]


def contract_code(root: str, month: str) -> str:
    """Return the code of a contract, for example ESZ13."""
    year, number = month.split("-")
    return f"{root}{MONTH_LETTERS[int(number) - 1]}{year[2:]}"


def contract_parts(code: str) -> tuple[str, str]:
    """Return root and contract month of a code with a year of two or four digits, for example ESZ13.

    Raises
    ------
    ConfigError
        The code is none; a one-digit year says no decade.
    """
    found = _CODE.fullmatch(code)
    if found is None or len(found["year"]) == 1:
        raise ConfigError("futures", "contract", code, "root, month letter and year, for example ESZ13")
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 1900 if year >= _PIVOT_YEARS else 2000
    return found["root"], f"{year}-{MONTH_LETTERS.index(found['letter']) + 1:02d}"
