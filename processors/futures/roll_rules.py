"""When the front contract of a root changes: rules by measure and rules by date.

    oi           to the later contract with the most open interest, once it has more than the front
    oi-next      to the next contract, once it has more open interest than the front
    oi-annual    as oi, among the contracts that end within a year after the front
    volume       as oi, by the day's volume
    notice-N     N business days before the first notice date (the last trade date where there is none)
    last-N       N business days before the last trade date; last-0 is the last trade date itself
    month+N      on calendar day N of the month in which the front ends

The volume of day t is known when day t is over, its open interest on the morning after: at the end of day t that of the
day before decides. The new front trades from the next session. A date is known in advance: the new front trades from
that date on. No rule ever rolls back, and none holds a contract past its last trade date.
LEAN's mapping modes are ``last-0``, ``month+1``, ``oi-next`` and ``oi-annual``.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np

from processors.errors import ConfigError
from processors.futures import kernel as k
from processors.futures.calendars import as_date, business_days
from processors.futures.expiry import first_notice_date, last_trade_date, rule_of

LEAN_MODES = {0: "last-0", 1: "month+1", 2: "oi-next", 3: "oi-annual"}
"""Mapping mode of LEAN -> our rule."""

_TEXT = re.compile(r"(?P<measure>oi|oi-next|oi-annual|volume)|(?P<date>notice|last)-(?P<n>\d+)|month\+(?P<day>\d+)")
_KINDS = {"oi": k.OI, "oi-next": k.OI_NEXT, "oi-annual": k.OI_ANNUAL, "volume": k.VOLUME}
_DAYS_MAX = 60
_MONTH_DAY_MAX = 28
"""Every month has it."""


@cache
def _first_day_after(text: str, root: str, month: str) -> date | None:
    found = _TEXT.fullmatch(text)
    assert found is not None
    if found["measure"]:
        return None
    last = last_trade_date(root, month)
    if found["day"]:
        return last.replace(day=int(found["day"]))
    anchor = (first_notice_date(root, month) or last) if found["date"] == "notice" else last
    anchor = min(anchor, last)
    n = int(found["n"])
    calendar = business_days(rule_of(root, month).calendar)
    day = np.datetime64(anchor)
    return as_date(calendar.add(day, -n) if n else day)


@cache
def _last_front_day(text: str, root: str, month: str) -> date | None:
    after = _first_day_after(text, root, month)
    if after is None:
        return None
    return as_date(business_days(rule_of(root, month).calendar).add(np.datetime64(after), -1))


@dataclass(frozen=True, slots=True)
class RollRule:
    """One rule.

    Parameters
    ----------
    text
        As above, for example ``notice-5``.

    Raises
    ------
    ConfigError
        The text is no rule.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        found = _TEXT.fullmatch(self.text)
        if found is None or not int(found["n"] or 0) <= _DAYS_MAX or not 1 <= int(found["day"] or 1) <= _MONTH_DAY_MAX:
            allowed = "oi, oi-next, oi-annual, volume, notice-N, last-N (N to 60) or month+N (N from 1 to 28)"
            raise ConfigError("roll rule", "text", self.text, allowed)

    @property
    def kind(self) -> int:
        """Number of the rule in the kernel."""
        return _KINDS.get(self.text, k.BY_DATE)

    @property
    def measure(self) -> str:
        """Column that the rule goes by; empty for a rule by date."""
        return {k.VOLUME: "volume", k.BY_DATE: ""}.get(self.kind, "open_interest")

    def first_day_after(self, root: str, month: str) -> date | None:
        """Return the first day on which a contract is no longer front; None for a rule by measure."""
        return _first_day_after(self.text, root, month)

    def last_front_day(self, root: str, month: str) -> date | None:
        """Return the last business day on which a contract is front; None for a rule by measure."""
        return _last_front_day(self.text, root, month)

    def mapped_until(self, root: str, month: str) -> date | None:
        """Return the calendar day before the roll, as LEAN's map files write it; None for a rule by measure."""
        after = self.first_day_after(root, month)
        return None if after is None else after - timedelta(days=1)
