"""What the warehouse knows of markets: when each calendar is open, and which is an instrument's.

The tables ``sessions`` and ``instruments``, for views that count time as labels do. Filled from the calendars of
``processors.sessions`` and the instruments file whenever a sink starts, only if either has changed since. Called by
``client``.
"""

import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress

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
    found, zone_of = {}, calendar_zones()
    for name in sorted(load_instruments().calendars):
        try:
            found[name] = sessions(name)
        except ConfigError as e:
            kept = "splits and dividends count" if name in zone_of else "a split or dividend is a move of the price"
            _log.warning(
                "in signal_outcomes the market of the calendar %s never shuts, and a night is a horizon as any other; "
                "for its symbols %s: %s", name, kept, e,
            )  # fmt: skip
    return found


def calendar_zones() -> dict[str, str]:
    """Return the time zone of each calendar that an instrument has, by name; one that nobody can name is left out."""
    found = {}
    for name in load_instruments().calendars:
        # What the library raises where it cannot build a calendar: see ``processors.sessions``.
        with suppress(ConfigError, NotImplementedError, ValueError):
            found[name] = calendar_zone(name)
    return found


def zones() -> list[str]:
    """Return the time zones of the instruments' exchanges."""
    return sorted(set(calendar_zones().values()))


def calendar_tables() -> dict[str, pa.Table]:
    """Return the rows of ``sessions`` and ``instruments``, by table.

    A symbol whose calendar cannot be built has an empty one, and its zone: ex-dates are dates there all the same.
    """
    known, zone_of = calendars(), calendar_zones()
    rows = sorted(
        (r.symbol_id, r.calendar if r.calendar in known else "", zone_of[r.calendar])
        for r in load_instruments().rows
        if r.calendar in zone_of
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
