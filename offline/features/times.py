"""Times as callers write them, to nanoseconds since the epoch, UTC."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np

from processors.errors import ConfigError

MIN_NS = int(datetime(1971, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
"""A time of today in seconds, milliseconds or microseconds instead of nanoseconds is before it."""
MAX_NS = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?(Z|[+ -]\d{2}:\d{2})?\Z", re.ASCII
)  # fmt: skip
REMEDY = "ISO 8601 with a zone, for example 2014-05-02T12:30:00Z, or nanoseconds since 1970; from 1971 to 2199"


def nanoseconds(time: datetime | int | None, key: str = "as_of") -> int | None:
    """Return a time as nanoseconds; None stays None.

    Raises
    ------
    ConfigError
        It has no zone, or is out of range.
    """
    if time is None:
        return None
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ConfigError("features", key, time.isoformat(), REMEDY)
        # In whole numbers: a float of seconds would round.
        whole = time - datetime(1970, 1, 1, tzinfo=UTC)
        time = ((whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds) * 1_000
    if not MIN_NS <= time < MAX_NS:
        raise ConfigError("features", key, time, REMEDY)
    return time


def parse_time(text: str, key: str = "as_of") -> int:
    """Return a time that a person has written; a date alone is its midnight, UTC.

    Raises
    ------
    ConfigError
        It is none.
    """
    if re.fullmatch(r"-?\d{9,20}", text, re.ASCII):
        found = nanoseconds(int(text), key)
        assert found is not None
        return found
    parts = _ISO.match(text)
    if parts is None or (parts[2] and not parts[3]):
        raise ConfigError("features", key, text, REMEDY)
    try:
        at = int(np.datetime64(f"{parts[1]}T{parts[2] or '00:00'}", "ns").astype(np.int64))
    except ValueError:
        raise ConfigError("features", key, text, REMEDY) from None
    if parts[3] and parts[3] != "Z":
        # A plus sign in an address is read as a blank.
        sign = -1 if parts[3][0] == "-" else 1
        hours, minutes = (int(n) for n in parts[3][1:].split(":"))
        at -= sign * int(timedelta(hours=hours, minutes=minutes).total_seconds()) * 1_000_000_000
    found = nanoseconds(at, key)
    assert found is not None
    return found
