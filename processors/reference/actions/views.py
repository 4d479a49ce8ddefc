"""Raw and adjusted views of one symbol's rows, as known at a time.

A view at an as-of time holds the rows known by then, in shares and money of the last of them. An action adjusts the
rows before its ex-date once three things hold: it was announced, its reference close was known, and the view has a row
on or after the ex-date. Before that the view is raw: no price is adjusted for what was not known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.reference.actions import kernel as k
from processors.reference.actions.factors import FactorTable


@dataclass(frozen=True, slots=True)
class Rows:
    """Bars or any other rows of prices, ascending by day; several rows may share a day.

    Parameters
    ----------
    day
        Shape (n,): session date, days since the epoch.
    known_ns
        Shape (n,): when the row was known: a bar's end. Ascending.
    price
        Shape (n, p): price units.
    volume
        Shape (n,): shares.
    """

    day: k.I64
    known_ns: k.I64
    price: k.F64
    volume: k.F64

    def head(self, n: int) -> "Rows":
        """Return the first rows."""
        return Rows(self.day[:n], self.known_ns[:n], self.price[:n], self.volume[:n])


def raw_as_of(rows: Rows, as_of_ns: int) -> Rows:
    """Return the rows known at a time, as they were traded.

    Raises
    ------
    ConfigError
        Rows out of order.
    """
    if np.any(np.diff(rows.known_ns) < 0) or np.any(np.diff(rows.day) < 0):
        raise ConfigError("rows", "known_ns", "out of order", "days and times ascending")
    return rows.head(int(np.searchsorted(rows.known_ns, as_of_ns, side="right")))


def factors_as_of(day: k.I64, table: FactorTable, as_of_ns: int) -> tuple[k.F64, k.F64]:
    """Return the price and share factors of days, in terms of the last one, as known at a time.

    Parameters
    ----------
    day
        Shape (n,): days since the epoch, ascending; all known at as_of_ns.

    Returns
    -------
    Two arrays of shape (n,), dimensionless; 1 on the last day.
    """
    price, shares = np.ones(len(day)), np.ones(len(day))
    if len(day):
        use: NDArray[np.bool_] = (table.known_ns <= as_of_ns) & (as_of_ns < table.until_ns) & (table.ex_day <= day[-1])
        k.cumulate(day, table.ex_day, table.price, use, price)
        k.cumulate(day, table.ex_day, table.shares, use, shares)
    return price, shares


def adjusted_as_of(rows: Rows, table: FactorTable, as_of_ns: int) -> Rows:
    """Return the rows known at a time, adjusted by what was known then; the last row is as traded.

    Raises
    ------
    ConfigError
        Rows out of order.
    """
    seen = raw_as_of(rows, as_of_ns)
    price, shares = factors_as_of(seen.day, table, as_of_ns)
    return Rows(seen.day, seen.known_ns, seen.price * price[:, None], seen.volume * shares)


def returns_as_known(day: k.I64, known_ns: k.I64, close: k.F64, table: FactorTable) -> k.F64:
    """Return the log return into each row, adjusted by what was known at that row: never revised afterwards.

    A return across an action announced after its ex-date stays raw here; ``adjusted_as_of`` a later time mends it.

    Returns
    -------
    Shape (n,), natural logarithm; NaN for the first row.
    """
    out = np.empty(len(day))
    k.log_returns(day, known_ns, close, table.ex_day, table.price, table.known_ns, table.until_ns, out)
    return out
