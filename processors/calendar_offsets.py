"""Makes the library's moving holidays and changed weeks work with a pandas that asks for them by another name.

``exchange_calendars`` defines its own pandas offsets (Orthodox Easter, the Hebrew year, a week that had other trading
days in former times) by ``_apply``. Since version 3.1, pandas calls ``_add_datetime`` instead: calendars with moving
holidays fail to build, and those whose week has changed are built silently with today's week (Seoul without its
Saturdays up to 1998). ``repair`` gives the classes the new name; it does nothing where pandas knows the old one.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import Any

import pandas as pd
from exchange_calendars import tase_holidays
from exchange_calendars.pandas_extensions import offsets
from pandas.tseries.offsets import BaseOffset

DAYS_MAX = 60
"""Longest run of days without trading that is stepped over; the longest known, Athens in 2015, had 36."""


@cache
def repair() -> None:
    """Give the offsets of the library the name under which this pandas calls them; once a process."""
    if hasattr(BaseOffset, "_apply"):
        return
    for kind in (*_kinds(offsets), *_kinds(tase_holidays)):
        if "_apply" in vars(kind):
            kind._add_datetime = kind._apply  # noqa: SLF001 - there is no public name
    # Its own way over the border of two weeks calls what pandas no longer has.
    week = offsets.CompositeCustomBusinessDay
    week._add_datetime = _next_trading_day  # noqa: SLF001 - likewise
    # The fast way over many days knows one week only.
    week._supports_daily_offset_mask = False  # noqa: SLF001 - likewise


def _kinds(module: ModuleType) -> Iterator[Any]:
    return (v for v in vars(module).values() if isinstance(v, type) and issubclass(v, BaseOffset))


def _next_trading_day(day: Any, other: datetime) -> pd.Timestamp:
    """Return the n-th trading day after ``other``, each judged by the week that was in force then."""
    at, left = pd.Timestamp(other), abs(day.n)
    step = pd.Timedelta(days=1 if day.n > 0 else -1)
    for _ in range(left * DAYS_MAX):
        if not left:
            break
        at += step
        left -= day.is_on_offset(at)
    assert left == 0, "a calendar without trading days"
    return at
