"""Trading sessions of every exchange as arrays that kernels search: where a bar may be, and when a day closes.

    session   |<------------- 2014-05-02 (Tokyo) ------------->|
    segments  |<--- morning --->|   lunch   |<--- afternoon --->|

Called by the bars stage, by the freshness of every stage and by the feed adapters; ``segments`` searches the arrays.
All intervals are half-open: a segment holds its open and not its close, so a print stamped at the very close belongs
to no segment.

The calendars are those of ``exchange_calendars``, and two of our own, for markets without an exchange:

FX
    Sunday 17:00 to Friday 17:00, New York time, without a pause; a session changes at 17:00 New York and is named by
    the day on which it ends. No session of Christmas Day and New Year's Day, when banks are shut in every centre; a
    holiday is not moved to a weekday, since spot FX trades on every day that is no holiday somewhere.
METAL
    Spot metals: Sunday 18:00 to Friday 17:00 New York, shut each day from 17:00 to 18:00; to 18 September 2015 from
    17:15, Friday aside, as the recorded quotes of 2014 show: the market makers follow the futures exchange that they
    hedge on, which shortened its day then. No session of Christmas Day, New Year's Day and Good Friday, as there. The
    shortened sessions of other United States holidays differ from maker to maker: they are whole sessions here.

Market makers also publish before the week opens (FXCM's recorded Sunday quotes begin at 15:00 New York): those are
indications, outside every session.
"""

import warnings
from dataclasses import dataclass
from datetime import time
from functools import cache
from zoneinfo import ZoneInfo

import exchange_calendars as ec
import numpy as np
import pandas as pd
from exchange_calendars.exchange_calendar import HolidayCalendar
from exchange_calendars.exchange_calendar_cmes import CMESExchangeCalendar
from exchange_calendars.us_holidays import USJuneteenth
from numpy.typing import NDArray
from pandas.tseries.holiday import GoodFriday, Holiday

from processors.calendar_offsets import repair
from processors.errors import ConfigError

FIRST_DAY = pd.Timestamp("1990-01-01")
LAST_DAY = pd.Timestamp("2040-12-31")
"""Sessions are known from the first to the last of these days, or as far as the calendar's own rules reach."""

_Times = tuple[tuple[pd.Timestamp | None, time], ...]
"""Local times of open or close, each with the first session on which it holds."""

_CHRISTMAS = Holiday("Christmas Day", month=12, day=25)
_NEW_YEAR = Holiday("New Year's Day", month=1, day=1)


class FXCalendar(ec.ExchangeCalendar):  # type: ignore[misc]
    """Spot FX: each session from 17:00 to 17:00 New York, named by the day it ends."""

    name = "FX"
    tz = ZoneInfo("America/New_York")
    open_times: _Times = ((None, time(17)),)
    close_times: _Times = ((None, time(17)),)
    open_offset = -1

    @property
    def regular_holidays(self) -> HolidayCalendar:
        """Return the days without a session."""
        return HolidayCalendar([_NEW_YEAR, _CHRISTMAS])


class MetalCalendar(FXCalendar):
    """Spot metals: from 18:00 of the day before to 17:00 New York (once 17:15), named by the day it ends."""

    name = "METAL"
    open_times = ((None, time(18)),)
    close_times = ((None, time(17, 15)), (pd.Timestamp("2015-09-21"), time(17)))

    @property
    def regular_holidays(self) -> HolidayCalendar:
        """Return the days without a session."""
        return HolidayCalendar([_NEW_YEAR, GoodFriday, _CHRISTMAS])

    @property
    def special_closes(self) -> list[tuple[time, int]]:
        """Return the weekday, counted from Monday, that never closed later than 17:00."""
        return [(time(17), 4)]


class FuturesCalendar(CMESExchangeCalendar):  # type: ignore[misc]
    """CMES as the exchange trades since 2022: Juneteenth closes at noon in Chicago too.

    The library has added the day after the release that we pin.
    """

    @property
    def special_closes(self) -> list[tuple[time, HolidayCalendar]]:
        """Return the days that close early, by their closing time."""
        return [*super().special_closes, (time(12), HolidayCalendar([USJuneteenth]))]


_OWN: dict[str, type[ec.ExchangeCalendar]] = {"FX": FXCalendar, "METAL": MetalCalendar, "CMES": FuturesCalendar}


@dataclass(frozen=True, slots=True)
class Sessions:
    """Trading segments of one calendar, ascending and free of overlap; int64 nanoseconds since the epoch, UTC.

    Parameters
    ----------
    open_ns, close_ns
        Shape (n_segments,): the segment is [open, close). A lunch break splits a session into two segments.
    session_open_ns, session_close_ns
        Shape (n_segments,): the session that the segment belongs to, breaks included.
    label_ns
        Shape (n_segments,): midnight UTC of the date that names the session; the date itself, not an instant in it.
    """

    open_ns: NDArray[np.int64]
    close_ns: NDArray[np.int64]
    session_open_ns: NDArray[np.int64]
    session_close_ns: NDArray[np.int64]
    label_ns: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.open_ns)


def calendar_names() -> list[str]:
    """Return the names that ``sessions`` takes, aliases aside."""
    return sorted({*ec.get_calendar_names(include_aliases=False), *_OWN})


@cache
def calendar_zone(calendar: str) -> str:
    """Return the time zone of a calendar's own dates, for example ``America/New_York``.

    Raises
    ------
    ConfigError
        No calendar of that name.
    """
    repair()
    own = _OWN.get(calendar)
    with warnings.catch_warnings():
        # As in ``sessions``.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            zone: ZoneInfo = own.tz if own else ec.get_calendar(calendar).tz
        except ec.errors.InvalidCalendarName:
            raise ConfigError("instruments", "calendar", calendar, f"one of {', '.join(calendar_names())}") from None
    return zone.key


@cache
def sessions(calendar: str) -> Sessions:
    """Return the trading segments of a calendar; a calendar is built once a process, in about 0.1 s.

    Parameters
    ----------
    calendar
        A name of ``exchange_calendars`` (an exchange's MIC, for example ``XNYS``, or an alias), ``FX`` or ``METAL``.

    Raises
    ------
    ConfigError
        No calendar of that name.
    """
    with warnings.catch_warnings():
        # The library reads time-zone aware columns in a way that pandas 4 will change; its answers are tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            built = _build(calendar)
        except ec.errors.InvalidCalendarName:
            raise ConfigError("instruments", "calendar", calendar, f"one of {', '.join(calendar_names())}") from None
        except (NotImplementedError, ValueError) as error:
            # Five calendars with an Orthodox Easter or a changed week do not build with every pandas.
            remedy = f"a calendar that the installed exchange_calendars and pandas can build ({error!s:.80})"
            raise ConfigError("instruments", "calendar", calendar, remedy) from error
    label_ns = built.sessions.as_unit("ns").asi8
    return _segments(built.opens_nanos, built.closes_nanos, built.break_starts_nanos, built.break_ends_nanos, label_ns)


def _build(calendar: str) -> ec.ExchangeCalendar:
    """Return the calendar over all the days for which it has rules."""
    repair()
    own = _OWN.get(calendar) or _OWN.get(ec.resolve_alias(calendar))
    if own is not None:
        return own(start=FIRST_DAY, end=LAST_DAY, side="left")
    try:
        return ec.get_calendar(calendar, start=FIRST_DAY, end=LAST_DAY, side="left")
    except ValueError:
        # Outside the bounds of its rules, which only its class tells.
        kind = type(ec.get_calendar(calendar))
        first, last = kind.bound_min(), kind.bound_max()
        start = FIRST_DAY if first is None else max(FIRST_DAY, first)
        return kind(start=start, end=LAST_DAY if last is None else min(LAST_DAY, last), side="left")


def _segments(
    open_ns: NDArray[np.int64],
    close_ns: NDArray[np.int64],
    break_start_ns: NDArray[np.int64],
    break_end_ns: NDArray[np.int64],
    label_ns: NDArray[np.int64],
) -> Sessions:
    """Return the sessions, each of shape (n_sessions,), cut in two at their break; no break is pandas' NaT."""
    has_break = break_start_ns != pd.NaT.value
    first_close = np.where(has_break, break_start_ns, close_ns)
    # The second segment of a session, where there is one, is placed right after its first.
    session = np.repeat(np.arange(len(open_ns)), 1 + has_break)
    second = np.zeros(len(session), np.bool_)
    second[1:] = session[1:] == session[:-1]
    arrays = (
        np.where(second, break_end_ns[session], open_ns[session]),
        np.where(second, close_ns[session], first_close[session]),
        open_ns[session],
        close_ns[session],
        label_ns[session],
    )
    frozen = [np.array(a, np.int64) for a in arrays]
    assert (frozen[0] < frozen[1]).all(), "a segment ends before it begins"
    assert (frozen[1][:-1] <= frozen[0][1:]).all(), "two segments overlap"
    return Sessions(*frozen)
