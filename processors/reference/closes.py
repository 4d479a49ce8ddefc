"""Daily closes of one symbol from a file: Parquet or CSV with ``date``, ``close`` and, of several, ``symbol``."""

from pathlib import Path

import numpy as np

from processors.errors import ConfigError
from processors.futures.chain import read_table
from processors.reference.actions import kernel as k
from processors.reference.actions.factors import Closes
from processors.sessions import sessions
from processors.times import DAY_NS

COLUMNS = ("date", "close")


def closes_of_file(path: Path, symbol_id: str, calendar: str) -> Closes:
    """Return the closes of a symbol, each known at the close of its session, ascending by day.

    Parameters
    ----------
    symbol_id
        ``AIG:US``; the file may say ``AIG``. A file without the column ``symbol`` is of it alone.
    calendar
        Sessions of its exchange; a row without a session is known at the end of the date, UTC.

    Raises
    ------
    ConfigError
        The file or a column is missing, it has no row of the symbol, two of a date, or a close that is not positive.
    """
    table = read_table(path)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise ConfigError(str(path), "columns", ", ".join(map(str, table.columns)), f"{' and '.join(missing)} too")
    if "symbol" in table.columns:
        named = table["symbol"].astype(str)
        table = table[(named == symbol_id) | (named == symbol_id.partition(":")[0])]
    if table.empty:
        raise ConfigError(str(path), "symbol", symbol_id, "a symbol that has rows in the file")
    day = table["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    order = np.argsort(day, kind="stable")
    day, close = day[order], table["close"].to_numpy(np.float64)[order]
    twice = np.flatnonzero(np.diff(day) == 0)
    if len(twice):
        raise ConfigError(str(path), "date", str(np.datetime64(int(day[twice[0]]), "D")), f"once for {symbol_id}")
    wrong = np.flatnonzero(~(np.isfinite(close) & (close > 0.0)))
    if len(wrong):
        at = np.datetime64(int(day[wrong[0]]), "D")
        raise ConfigError(str(path), f"close of {at}", float(close[wrong[0]]), "a price above 0")
    return Closes(day, closing_ns(day, calendar), close)


def closing_ns(day: k.I64, calendar: str) -> k.I64:
    """Return when the session of each date ends, ns since the epoch, shape (n,); without one the date's end, UTC."""
    known = sessions(calendar)
    labels = known.label_ns // DAY_NS
    at = np.minimum(np.searchsorted(labels, day, side="left"), len(labels) - 1)
    found: k.I64 = np.where(labels[at] == day, known.session_close_ns[at], (day + 1) * DAY_NS)
    return found
