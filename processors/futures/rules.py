"""The language of ``schemas/reference/futures_rules.csv``: a date as steps from a contract month.

M-1 day:25 back add:-3      crude oil: three business days before the 25th of the month before, or before the last
                            business day on or before it

M, M+k, M-k        the contract month, or k months later or earlier; first step
listed             forward to the next month in which the root lists a contract
day:n              the n-th day of the month
weekday:FRI:n      the n-th Friday of the month; the last for -1
bday:n             the n-th business day of the month; the last for -1
add:n              the n-th business day after or before, the day itself not counted
days:n             n calendar days on or back
back, forward      to the nearest business day on or before, on or after
last_trade         the contract's last trade date; first step, of notice rules
wed_near_15        the Wednesday nearest to the 15th
feeder_thursday    the last Thursday (November: the last but one) that is a business day after four others
not_before_holiday one business day earlier where the next one is Christmas' or New Year's eve's holiday
usda_report        the day of the last monthly dairy price on or before the 5th
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from processors.errors import ConfigError
from processors.futures.calendars import BusinessDays, as_date

MONTH_LETTERS = "FGHJKMNQUVXZ"
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI")
_D = np.timedelta64(1, "D")
_THURSDAY = 3
_WEDNESDAY = 2
"""The department publishes on Wednesdays."""

_USDA_LAST_DAY = 5
"""Federal orders ask for the month's prices by the fifth of the next."""


@dataclass(frozen=True, slots=True)
class _At:
    month: np.datetime64
    day: np.datetime64 | None
    business: BusinessDays
    cycle: str
    last_trade: np.datetime64 | None

    def reached(self) -> np.datetime64:
        if self.day is None:
            raise ConfigError("futures rule", "step", str(self.month), "a day of the month before any move from it")
        return self.day

    def ends(self) -> tuple[np.datetime64, np.datetime64]:
        first = self.month.astype("datetime64[D]")
        return first, (self.month + 1).astype("datetime64[D]") - _D


def _weekday(day: np.datetime64) -> int:
    return int((day.astype(np.int64) + 3) % 7)


def _nth_weekday(at: _At, weekday: int, n: int) -> np.datetime64:
    first, last = at.ends()
    days = [d for d in np.arange(first, last + _D) if _weekday(d) == weekday]
    return days[n - 1 if n > 0 else n]


def _feeder_thursday(at: _At) -> np.datetime64:
    day = _nth_weekday(at, _THURSDAY, -2 if at.month.astype(np.int64) % 12 == 10 else -1)

    def busy(d: np.datetime64) -> bool:
        return bool(at.business.back(d) == d)

    # The Thursday, the three days before it and the Friday of the week before.
    while not all(busy(day - k * _D) for k in (0, 1, 2, 3, 6)):
        day = day - 7 * _D
    return day


def _usda_report(at: _At) -> np.datetime64:
    """Return the last Wednesday's report on or before the 5th; Thursday's where a day to Wednesday is a holiday."""
    last = at.ends()[0] + (_USDA_LAST_DAY - 1) * _D
    for back in range(14):
        wednesday = last + _D - back * _D
        if _weekday(wednesday) != _WEDNESDAY:
            continue
        full = len(at.business.between(wednesday - 2 * _D, wednesday)) == 3  # Monday to Wednesday
        report = wednesday if full else wednesday + _D
        if report <= last:
            return report
    raise AssertionError("a fortnight holds a Wednesday")


def _not_before_holiday(at: _At) -> np.datetime64:
    day = at.reached()
    gap = np.arange(day + _D, at.business.add(day, 1))
    holidays = {str(d)[5:] for d in gap}
    return at.business.add(day, -1) if holidays & {"12-25", "01-01"} else day


def _wednesday_near_15(at: _At) -> np.datetime64:
    first, last = at.ends()
    wednesdays = [d for d in np.arange(first, last + _D) if _weekday(d) == _WEDNESDAY]
    return min(wednesdays, key=lambda d: abs(d - (first + 14 * _D)))


_SPECIAL: dict[str, Callable[[_At], np.datetime64 | None]] = {
    "back": lambda at: at.business.back(at.reached()),
    "forward": lambda at: at.business.forward(at.reached()),
    "last_trade": lambda at: at.last_trade,
    "wed_near_15": _wednesday_near_15,
    "feeder_thursday": _feeder_thursday,
    "usda_report": _usda_report,
    "not_before_holiday": _not_before_holiday,
}
"""Steps without a number."""


def _special(name: str, at: _At) -> np.datetime64 | None:
    return _SPECIAL[name](at) if name in _SPECIAL else None


def _counted(name: str, values: list[str], at: _At) -> np.datetime64 | None:
    """Return the day of a step with a number; None for an unknown one."""
    match name, values:
        case "weekday", [weekday, n]:
            return _nth_weekday(at, _WEEKDAYS.index(weekday), int(n))
        case "day", [n]:
            return at.ends()[0] + (int(n) - 1) * _D
        case "bday", [n]:
            days = at.business.between(*at.ends())
            nth: np.datetime64 = days[int(n) - 1 if int(n) > 0 else int(n)]
            return nth
        case "add", [n]:
            return at.business.add(at.reached(), int(n))
        case "days", [n]:
            return at.reached() + int(n) * _D
    return None


def _listed(month: np.datetime64, cycle: str) -> np.datetime64:
    while MONTH_LETTERS[int(month.astype(np.int64)) % 12] not in cycle:
        month = month + 1
    return month


def evaluate(
    rule: str, month: np.datetime64, business: BusinessDays, cycle: str, last_trade: date | None = None
) -> date:
    """Return the date that a rule gives for a contract month.

    Parameters
    ----------
    rule
        Steps separated by a space, as above.
    month
        Contract month, datetime64[M].
    business
        Business days of the exchange.
    cycle
        Letters of the months that the root lists.
    last_trade
        Start of rules that begin with ``last_trade``.

    Raises
    ------
    ConfigError
        A step that is none, or a date that the calendar does not reach.
    """
    start = None if last_trade is None else np.datetime64(last_trade)
    at = _At(month, None, business, cycle, start)
    for step in rule.split():
        name, *values = step.split(":")
        if name[0] == "M":
            at = replace(at, month=month + int(name[1:] or 0))
        elif name == "listed":
            at = replace(at, month=_listed(at.month, cycle))
        else:
            try:
                day = _counted(name, values, at) if values else _special(name, at)
            except (ValueError, IndexError) as e:
                raise ConfigError(f"futures rule {rule!r}", "step", step, f"a step with its numbers ({e})") from e
            if day is None:
                raise ConfigError(f"futures rule {rule!r}", "step", step, "a step that processors/futures/rules names")
            at = replace(at, day=day)
    return as_date(at.reached())
