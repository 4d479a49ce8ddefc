"""One value of a file as text, JSON or Parquet has it: parsed strictly, or refused with what is allowed instead."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import exchange_calendars as ec
import pandas as pd

from processors.sessions import calendar_names

TEXT_CHARACTERS_MAX = 64
"""Identifiers and names, not documents."""
YEAR_MIN, YEAR_MAX = 1800, 2200
"""Int64 nanoseconds reach from 1678 to 2261; a year outside of these is a mistake of typing."""
WITHDRAWN = "withdrawn"
"""Stands for a number that was taken back."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Raw = object
"""Text of a CSV, a scalar of JSON, or a Python value of Parquet; None is empty."""

Parser = Callable[[Raw], object]
"""Returns the value, or raises ``Refused``."""


class Refused(ValueError):  # noqa: N818 - a fate, read as a word where it is raised
    """The value is not allowed; the message says what is."""


def ns_of(at: datetime) -> int:
    """Return an instant as nanoseconds since the epoch, without the rounding of a float."""
    since = at - _EPOCH
    whole = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    # A pandas Timestamp, as Parquet's nanoseconds come, has digits that a datetime has not.
    return whole + int(getattr(at, "nanosecond", 0))


def day_ns(day: date) -> int:
    """Return midnight UTC of a date: the date itself as a number, not an instant in it."""
    return ns_of(datetime(day.year, day.month, day.day, tzinfo=UTC))


def local_date(at_ns: int, zone: str) -> date:
    """Return the date of an instant in a zone."""
    return pd.Timestamp(at_ns, unit="ns", tz="UTC").tz_convert(ZoneInfo(zone)).date()


def local_ns(day: date, zone: str, hour: int = 0, minute: int = 0) -> int:
    """Return an hour of a date in a zone as nanoseconds since the epoch."""
    return ns_of(datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC))


def is_empty(raw: Raw) -> bool:
    """Return whether nothing is there."""
    return raw is None or raw == ""


def text(raw: Raw) -> str:
    """Return a text without space around it or control characters in it."""
    if not isinstance(raw, str):
        raise Refused("a text")
    if raw != raw.strip() or not raw.isprintable():
        raise Refused("a text without space around it and without control characters")
    if len(raw) > TEXT_CHARACTERS_MAX:
        raise Refused(f"at most {TEXT_CHARACTERS_MAX} characters")
    return raw


def pattern(expression: str, remedy: str) -> Parser:
    """Return a parser of texts that match an expression as a whole."""
    compiled = re.compile(expression)

    def parse(raw: Raw) -> str:
        value = text(raw)
        if not compiled.fullmatch(value):
            raise Refused(remedy)
        return value

    return parse


def choice(*allowed: str) -> Parser:
    """Return a parser of one of some words."""

    def parse(raw: Raw) -> str:
        if raw not in allowed:
            raise Refused(f"one of {', '.join(allowed)}")
        return str(raw)

    return parse


def number(raw: Raw) -> float:
    """Return a finite number."""
    try:
        # A boolean is an int to Python; underscores and words for infinity are numbers to it, not to us.
        if isinstance(raw, bool) or not isinstance(raw, int | float | str) or (isinstance(raw, str) and "_" in raw):
            raise ValueError  # noqa: TRY301 - one refusal for all
        value = float(text(raw) if isinstance(raw, str) else raw)
    except (ValueError, OverflowError):
        raise Refused("a number") from None
    if not math.isfinite(value):
        raise Refused("a finite number")
    return value


def positive(raw: Raw) -> float:
    """Return a number above 0."""
    value = number(raw)
    if value <= 0:
        raise Refused("a number above 0")
    return value


def number_or_withdrawn(raw: Raw) -> float | None:
    """Return a finite number, or None where it says that it was taken back."""
    return None if raw == WITHDRAWN else number(raw)


def day(raw: Raw) -> date:
    """Return a date."""
    remedy = "a date such as 2014-05-02"
    if isinstance(raw, date) and not isinstance(raw, datetime):
        value = raw
    elif isinstance(raw, str) and _DATE.fullmatch(raw):
        try:
            value = date.fromisoformat(raw)
        except ValueError:
            raise Refused("a date that exists, such as 2014-05-02") from None
    else:
        raise Refused(remedy)
    if not YEAR_MIN <= value.year <= YEAR_MAX:
        raise Refused(f"a date from {YEAR_MIN} to {YEAR_MAX}")
    return value


def instant(raw: Raw) -> int:
    """Return a time with a zone as nanoseconds since the epoch, UTC."""
    remedy = "a time with its zone, such as 2014-05-02T12:30:00Z"
    value = raw
    if isinstance(raw, str):
        try:
            value = datetime.fromisoformat(text(raw))
        except ValueError:
            raise Refused(remedy) from None
        if _DATE.fullmatch(raw):
            raise Refused(remedy)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Refused(remedy)
    if not YEAR_MIN <= value.year <= YEAR_MAX:
        raise Refused(f"a time from {YEAR_MIN} to {YEAR_MAX}")
    return ns_of(value)


def day_or_instant(raw: Raw) -> date | int:
    """Return a date, which means its first instant in the record's own zone, or a time with a zone."""
    try:
        return day(raw)
    except Refused:
        return instant(raw)


def isin(raw: Raw) -> str:
    """Return an ISO 6166 number whose check digit is right."""
    value = text(raw)
    if not re.fullmatch(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", value):
        raise Refused("two letters of a country, nine letters or digits, and a check digit")
    expected = isin_check_digit(value[:11])
    if value[11] != expected:
        raise Refused(f"another number: the check digit of {value[:11]} is {expected}, so one character is wrong")
    return value


def isin_check_digit(body: str) -> str:
    """Return the check digit of the first eleven characters (letters as two digits, then Luhn's sum)."""
    digits = [int(d) for c in body for d in str(int(c, 36))]
    total = sum(sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


def calendar(raw: Raw) -> str:
    """Return the name of a calendar whose sessions are known."""
    value = text(raw)
    if value not in _calendars():
        raise Refused(f"a calendar: one of {', '.join(calendar_names())}")
    return value


@cache
def _calendars() -> frozenset[str]:
    return frozenset({*calendar_names(), *ec.get_calendar_names(include_aliases=True)})


def time_zone(raw: Raw) -> str:
    """Return the name of a zone."""
    value = text(raw)
    if value not in _zones():
        raise Refused("a zone of the IANA data base, such as America/New_York")
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def month(raw: Raw) -> str:
    """Return a month as YYYY-MM."""
    if isinstance(raw, str) and re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", raw) and YEAR_MIN <= int(raw[:4]) <= YEAR_MAX:
        return raw
    raise Refused("a month such as 2013-12")
