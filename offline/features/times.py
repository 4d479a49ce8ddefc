"""Times as callers write them, to nanoseconds since the epoch, UTC."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np

from processors.errors import ConfigError

MIN_NS = int(datetime(1971, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
"""A time of today in seconds, milliseconds or microseconds instead of nanoseconds is before it."""
MAX_NS = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000

_FIRST_DAY, _LAST_DAY = np.datetime64("1970-12-30"), np.datetime64("2200-01-02")
ZONE_HOURS_MAX = 14
"""Of the zone that is farthest from UTC."""
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?(Z|[+ -]\d{2}:\d{2})?\Z", re.ASCII
)  # fmt: skip
_REST = "for example 2014-05-02T12:30:00Z, or nanoseconds since 1970; from 1971 to 2199"
REMEDY = f"ISO 8601 with a zone, {_REST}"
REMEDY_UTC = f"ISO 8601, UTC where it names no zone, {_REST}"
WHERE = "features"


def nanoseconds(
    time: datetime | int | None, key: str = "as_of", where: str = WHERE, remedy: str = REMEDY
) -> int | None:  # fmt: skip
    """Return a time as nanoseconds; None stays None.

    Parameters
    ----------
    key, where, remedy
        For the error.

    Raises
    ------
    ConfigError
        It has no zone, or is out of range.
    """
    if time is None:
        return None
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ConfigError(where, key, time.isoformat(), remedy)
        # In whole numbers: a float of seconds would round.
        whole = time - datetime(1970, 1, 1, tzinfo=UTC)
        time = ((whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds) * 1_000
    if not MIN_NS <= time < MAX_NS:
        raise ConfigError(where, key, time, remedy)
    return time


def parse_time(text: str, key: str = "as_of", where: str = WHERE, *, or_utc: bool = False) -> int:
    """Return a time that a person has written; a date alone is its midnight, UTC.

    Parameters
    ----------
    key, where
        Parameter or flag, and flow or command: for the error.
    or_utc
        Whether a time without a zone is UTC; it is refused where programs of all zones ask.

    Raises
    ------
    ConfigError
        It is none.
    """
    remedy = REMEDY_UTC if or_utc else REMEDY
    if re.fullmatch(r"-?\d{9,20}", text, re.ASCII):
        found = nanoseconds(int(text), key, where, remedy)
        assert found is not None
        return found
    parts = _ISO.match(text)
    if parts is None or (parts[2] and not parts[3] and not or_utc):
        raise ConfigError(where, key, text, remedy)
    try:
        # Nanoseconds of far years would wrap to near ones.
        in_range = _FIRST_DAY <= np.datetime64(parts[1], "D") <= _LAST_DAY
        at = int(np.datetime64(f"{parts[1]}T{parts[2] or '00:00'}", "ns").astype(np.int64))
    except ValueError:
        raise ConfigError(where, key, text, remedy) from None
    if not in_range:
        raise ConfigError(where, key, text, remedy)
    if parts[3] and parts[3] != "Z":
        # A plus sign in an address is read as a blank.
        sign = -1 if parts[3][0] == "-" else 1
        hours, minutes = (int(n) for n in parts[3][1:].split(":"))
        if hours > ZONE_HOURS_MAX or minutes > 59:
            raise ConfigError(where, key, text, remedy)
        at -= sign * int(timedelta(hours=hours, minutes=minutes).total_seconds()) * 1_000_000_000
    found = nanoseconds(at, key, where, remedy)
    assert found is not None
    return found
