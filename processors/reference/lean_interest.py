"""Open interest in LEAN's form as rows of a table: ``<asset>/<market>/<resolution>/...openinterest.zip``.

    tick, minute   .../tick/gc/20131007_openinterest.zip     lines: ms since midnight UTC, figure
    hour, daily    .../daily/gc_openinterest.zip             lines: yyyymmdd HH:MM, figure

A member is a contract month: its name has ``_201312`` in it. A daily figure is one of its date, without an hour.
"""

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from processors.errors import ConfigError
from processors.reference.table import Problem, ReferenceFileError, Table, shown

COLUMNS = ["symbol", "contract", "venue", "open_interest"]
MONTHS = "FGHJKMNQUVXZ"
REMEDY = (
    "the path of LEAN's open interest: future/comex/tick/gc/20131007_openinterest.zip, or .../daily/gc_openinterest.zip"
)
_PATH = re.compile(
    r"(?:.*/)?future/(?P<market>[a-z]+)/(?:(?:tick|second|minute)/(?P<root>[a-z0-9]+)/(?P<day>\d{8})_openinterest"
    r"|(?P<resolution>hour|daily)/(?P<of>[a-z0-9]+)_openinterest)\.zip"
)


def read_lean_interest(file: str, data: bytes) -> Table:
    """Return the figures of a file, numbered by line over its members.

    Raises
    ------
    ConfigError
        The path is none of LEAN's, or a member is of no month.
    ReferenceFileError
        It is no whole zip file, or a line is not a time and a figure.
    """
    found = _PATH.fullmatch(Path(file).absolute().as_posix().lower())
    if found is None:
        raise ConfigError(file, "path", Path(file).name, REMEDY)
    root = (found["root"] or found["of"]).upper()
    column = "date" if found["resolution"] == "daily" else "ts"
    rows: list[dict[str, Any]] = []
    for name, text in _members(file, data):
        # The day of the file stands first in the name, and the day of the expiry last.
        month = re.search(r"_(\d{4})(0[1-9]|1[0-2])(?:_|\.|$)", name.removeprefix(found["day"] or ""))
        if month is None:
            raise ConfigError(file, "member", name, "a name with the contract's month in it, such as _201312")
        contract = f"{root}{MONTHS[int(month[2]) - 1]}{month[1][2:]}"
        for line in filter(None, text.splitlines()):
            time, figure = _parts(file, len(rows) + 1, line, found["day"])
            at = time.date() if column == "date" else time
            values = (root, contract, found["market"].upper(), figure)
            rows.append({column: at, **dict(zip(COLUMNS, values, strict=True))})
    if not rows:
        raise ReferenceFileError([Problem(file, 1, column, "empty", "at least one line")])
    return Table(file, [column, *COLUMNS], rows, list(range(1, len(rows) + 1)))


def _members(file: str, data: bytes) -> list[tuple[str, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            return [(name, z.read(name).decode("ascii", "replace")) for name in z.namelist()]
    except (zipfile.BadZipFile, OSError) as e:
        raise ReferenceFileError([Problem(file, 1, "1", shown(data[:4]), f"a whole zip file ({e})")]) from None


def _parts(file: str, number: int, line: str, day: str | None) -> tuple[datetime, str]:
    """Return time and figure of a line; the figure is checked where figures of all forms are."""
    time, comma, figure = line.partition(",")
    try:
        if day is None:
            at = datetime.strptime(time, "%Y%m%d %H:%M").replace(tzinfo=UTC)
        else:
            at = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC) + timedelta(milliseconds=int(time))
    except (ValueError, OverflowError):
        form = "a time as yyyymmdd HH:MM" if day is None else "milliseconds of the day"
        raise ReferenceFileError([Problem(file, number, "ts", shown(line), f"{form}, a comma and a figure")]) from None
    if not comma:
        raise ReferenceFileError([Problem(file, number, "open_interest", shown(line), "a figure behind the time")])
    return at, figure.strip()
