"""Business days of the futures exchanges, as known at a time.

    CME     weekdays that settle at CME, CBOT, NYMEX and COMEX: the sessions of New York's stock exchange, mended
    USA     the same for ICE Futures U.S., CFE and NYSE Liffe U.S.
    BANK    CME, less Columbus and Veterans Day, when banks are shut
    GLOBEX  days on which Globex trades at all: shut on Good Friday, Christmas and New Year's Day only
    others  a name of ``exchange_calendars``; ``A+B`` is a business day in both

``schemas/reference/futures_holidays.csv`` mends single days, some only for those who ask as of an earlier date: a
calendar is a forecast until the day has come, and a contract's date was computed on the forecast.
"""

import csv
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pandas.tseries.holiday import USColumbusDay

from processors.errors import ConfigError
from processors.sessions import sessions

HOLIDAYS_CSV = Path(__file__).parents[2] / "schemas" / "reference" / "futures_holidays.csv"

_SOURCES = {"CME": "XNYS", "USA": "XNYS", "BANK": "XNYS", "GLOBEX": "CMES"}

Days = NDArray[np.datetime64]


def as_date(day: np.datetime64) -> date:
    """Return a day as Python's date."""
    return date.fromisoformat(str(day.astype("datetime64[D]")))


class BusinessDays:
    """The business days of one calendar.

    Parameters
    ----------
    name
        The calendar, for messages.
    days
        Shape (n,): datetime64[D], ascending.
    """

    def __init__(self, name: str, days: Days) -> None:
        self.name, self.days = name, days

    def _at(self, day: np.datetime64, side: str) -> int:
        if not self.days[0] <= day <= self.days[-1]:
            known = f"{self.days[0]} to {self.days[-1]}"
            raise ConfigError(f"calendar {self.name}", "date", str(day), f"a date from {known}, as far as it is known")
        return int(np.searchsorted(self.days, day, side=side))  # type: ignore[call-overload]

    def back(self, day: np.datetime64) -> np.datetime64:
        """Return the day itself or the last business day before it."""
        found: np.datetime64 = self.days[self._at(day, "right") - 1]
        return found

    def forward(self, day: np.datetime64) -> np.datetime64:
        """Return the day itself or the first business day after it."""
        found: np.datetime64 = self.days[self._at(day, "left")]
        return found

    def add(self, day: np.datetime64, n: int) -> np.datetime64:
        """Return the n-th business day after (n > 0) or before (n < 0) a day, the day itself never counted."""
        at = self._at(day, "right") + n - 1 if n > 0 else self._at(day, "left") + n
        if not 0 <= at < len(self.days):
            raise ConfigError(f"calendar {self.name}", "date", str(day), f"{n} business days from it are not known")
        found: np.datetime64 = self.days[at]
        return found

    def between(self, first: np.datetime64, last: np.datetime64) -> Days:
        """Return the business days of an interval, ends included."""
        return self.days[self._at(first, "left") : self._at(last, "right")]


@cache
def _mended() -> dict[str, list[tuple[np.datetime64, bool, date | None]]]:
    out: dict[str, list[tuple[np.datetime64, bool, date | None]]] = {}
    with HOLIDAYS_CSV.open(newline="") as f:
        for number, row in enumerate(csv.DictReader(f), 2):
            if row["state"] not in ("open", "closed"):
                raise ConfigError(f"{HOLIDAYS_CSV.name} line {number}", "state", row["state"], "open or closed")
            until = date.fromisoformat(row["until"]) if row["until"] else None
            out.setdefault(row["calendar"], []).append((np.datetime64(row["date"]), row["state"] == "open", until))
    return out


def _columbus_and_veterans(days: Days) -> Days:
    ends = (str(days[0]), str(days[-1]))
    columbus = USColumbusDay.dates(*ends).to_numpy().astype("datetime64[D]")
    years = np.arange(int(ends[0][:4]), int(ends[1][:4]) + 1)
    veterans = np.array([f"{y}-11-11" for y in years], "datetime64[D]")
    return np.concatenate([columbus, veterans])


@cache
def business_days(calendar: str, as_of: date | None = None) -> BusinessDays:
    """Return the business days of a calendar.

    Parameters
    ----------
    calendar
        ``CME``, ``USA``, ``BANK``, ``GLOBEX`` or a name of ``exchange_calendars``; several joined by ``+``.
    as_of
        Mends count that held on this date; None: those that hold for good.

    Raises
    ------
    ConfigError
        No calendar of that name.
    """
    days: Days | None = None
    for part in calendar.split("+"):
        own = np.unique(sessions(_SOURCES.get(part, part)).label_ns.astype("datetime64[ns]").astype("datetime64[D]"))
        own = own[np.is_busday(own)]
        if part == "BANK":
            own = np.setdiff1d(own, _columbus_and_veterans(own))
        for day, is_open, until in _mended().get("CME" if part == "BANK" else part, []):
            if until is not None and (as_of is None or as_of >= until):
                continue
            own = np.union1d(own, [day]) if is_open else np.setdiff1d(own, [day])
        days = own if days is None else np.intersect1d(days, own)
    assert days is not None
    return BusinessDays(calendar, days)
