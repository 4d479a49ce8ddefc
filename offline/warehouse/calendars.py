"""What the warehouse knows of markets: when each calendar is open, and which is an instrument's.

The tables ``sessions`` and ``instruments``, for views that count time as labels do. Filled from the calendars of
``processors.sessions`` and the instruments file whenever a sink starts, only if either has changed since. Called by
``client``.
"""

import hashlib
import logging
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from processors.errors import ConfigError
from processors.sessions import Sessions, calendar_zone, sessions
from schemas.instruments import load_instruments

SESSIONS, INSTRUMENTS = "sessions", "instruments"
_OF_INSTRUMENT = ("symbol_id", "calendar", "zone")
_TIME = pa.timestamp("ns", "UTC")
_EMPTY = pa.schema([
    ("calendar", pa.string()), ("open_ts", _TIME), ("close_ts", _TIME), ("session_close_ts", _TIME),
    ("open_before_ns", pa.int64()), ("sessions_before", pa.int64()),
]).empty_table()  # fmt: skip

_log = logging.getLogger(__name__)


def calendars() -> dict[str, Sessions]:
    """Return the sessions of each calendar that an instrument has, by name.

    One that cannot be built here is left out: a sink has rows to store, whatever a calendar is worth.
    """
    found = {}
    for name in sorted(load_instruments().calendars):
        try:
            found[name] = sessions(name)
        except ConfigError as e:
            _log.warning("outcomes of its symbols go by the clock on the wall: %s", e)
    return found


def zones() -> list[str]:
    """Return the time zones of the instruments' exchanges."""
    return sorted({calendar_zone(name) for name in calendars()})


def calendar_tables() -> dict[str, pa.Table]:
    """Return the rows of ``sessions`` and ``instruments``, by table."""
    known = calendars()
    rows = sorted(
        (r.symbol_id, r.calendar, calendar_zone(r.calendar)) for r in load_instruments().rows if r.calendar in known
    )
    whose = pa.table({n: pa.array([row[i] for row in rows], pa.string()) for i, n in enumerate(_OF_INSTRUMENT)})
    return {SESSIONS: pa.concat_tables([_EMPTY, *(_rows_of(name, own) for name, own in known.items())]),
            INSTRUMENTS: whose}  # fmt: skip


def _rows_of(calendar: str, own: Sessions) -> pa.Table:
    length_ns, closes = own.close_ns - own.open_ns, np.unique(own.session_close_ns)
    columns = (
        [calendar] * len(own), own.open_ns, own.close_ns, own.session_close_ns, np.cumsum(length_ns) - length_ns,
        np.searchsorted(closes, own.open_ns, side="right").astype(np.int64),
    )  # fmt: skip
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, _EMPTY.schema.types, strict=True)],
                    schema=_EMPTY.schema)  # fmt: skip


def fill_calendars(
    command: Callable[[str], None], insert: Callable[[str, pa.Table, str], None], database: str, there: dict[str, str]
) -> None:
    """Fill the tables of which the warehouse has other rows; a kill in the middle is made good at the next start.

    Parameters
    ----------
    command, insert
        Of the warehouse.
    there
        Table -> its comment: the digest of the rows that it has.

    Raises
    ------
    RetryableError
        ClickHouse failed.
    """
    for name, rows in calendar_tables().items():
        version = _digest(rows)
        if there.get(name) == version:
            continue
        table = f"`{database}`.`{name}`"
        command(f"ALTER TABLE {table} MODIFY COMMENT 'being filled'")
        command(f"TRUNCATE TABLE {table}")
        if rows.num_rows:
            insert(name, rows, version)
        command(f"ALTER TABLE {table} MODIFY COMMENT '{version}'")


def _digest(rows: pa.Table) -> str:
    content = pa.BufferOutputStream()
    with pa.ipc.new_stream(content, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return hashlib.sha256(content.getvalue()).hexdigest()[:16]
