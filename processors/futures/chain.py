"""A chain of daily rows from tables: columns by name, days in order, prices in one unit.

Columns: ``date`` (or ``bar_date``), ``contract`` (ESZ13) or ``contract_month`` (YYYYMM or YYYY-MM), ``settle`` or
``close``, ``volume``, ``open_interest``. Where a table has both settle and close, a settle of 0 or none is replaced by
nothing: no settlement was published.

    known       an exchange publishes the open interest of day t on the morning after: day t has the newest figure of
                an earlier day that is not older than a week, as the stage ``rolls`` has it
    same-day    day t has the figure of its own row, though nobody knew it at its end: a vendor's table as it stands
"""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from processors.errors import ConfigError
from processors.futures.expiry import contract_parts
from processors.futures.interest import AGE_DAYS
from processors.futures.kernel import F64, I64
from processors.futures.rolls import Day, month_index

UNITS_CSV = Path(__file__).parents[2] / "schemas" / "reference" / "futures_units.csv"
NS_A_DAY = 86_400 * 10**9
Interest = Literal["known", "same-day"]
INTERESTS: tuple[Interest, ...] = get_args(Interest)
"""Which day's open interest a day has."""


@cache
def _units() -> tuple[tuple[str, np.datetime64, float], ...]:
    with UNITS_CSV.open(newline="") as f:
        return tuple((r["root"], np.datetime64(r["before"]), float(r["price_factor"])) for r in csv.DictReader(f))


def read_table(path: Path) -> pd.DataFrame:
    """Return a Parquet or CSV file as a table.

    Raises
    ------
    ConfigError
        No such file, or another kind.
    """
    if not path.is_file():
        raise ConfigError("chain", "file", str(path), "a file that is there")
    if path.suffix not in (".parquet", ".csv"):
        raise ConfigError("chain", "file", str(path), "a .parquet or .csv file")
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _column(table: pd.DataFrame, names: tuple[str, ...], path: str) -> str:
    found = next((n for n in names if n in table.columns), None)
    if found is None:
        raise ConfigError(path, "columns", list(table.columns), f"one of {', '.join(names)}")
    return found


def _months(root: str, table: pd.DataFrame, where: str) -> np.ndarray:
    if "contract" in table.columns:
        codes = {}
        for code in table["contract"].astype(str).unique():
            found, month = contract_parts(code)
            if found != root:
                raise ConfigError(where, "contract", code, f"contracts of {root}")
            codes[code] = month_index(month)
        return table["contract"].astype(str).map(codes).to_numpy(np.int64)
    text = table[_column(table, ("contract_month",), where)].astype(str).str.replace("-", "")
    known = {m: month_index(f"{m[:4]}-{m[4:6]}") for m in text.unique()}
    return text.map(known).to_numpy(np.int64)


def days_of(root: str, table: pd.DataFrame, where: str = "chain", interest_of: Interest = "known") -> Iterator[Day]:
    """Yield the days of a root's table in order; a day's rows are known at midnight UTC after it.

    Parameters
    ----------
    root
        For example ``ES``; a table with a column ``symbol`` may hold others too.
    table
        Rows as above, in any order.
    where
        Names the table in errors.
    interest_of
        Whether a day has the open interest that was known at its end, or that of its own row.

    Raises
    ------
    ConfigError
        A column is missing, or a contract is of another root.
    """
    if "symbol" in table.columns:
        table = table[table["symbol"] == root]
    name = _column(table, ("bar_date", "date"), where)
    date = pd.to_datetime(table[name]).to_numpy().astype("datetime64[D]")
    price = table[_column(table, ("settle", "close"), where)].to_numpy(np.float64).copy()
    for unit_root, before, factor in _units():
        if unit_root == root:
            price[date < before] *= factor
    month = _months(root, table, where)
    volume, interest = (
        table[n].to_numpy(np.float64) if n in table.columns else np.full(len(table), np.nan)
        for n in ("volume", "open_interest")
    )
    day = date.astype(np.int64)
    order = np.lexsort((month, day))
    ends = np.flatnonzero(np.diff(day[order])) + 1
    newest: dict[int, tuple[int, float]] = {}
    for rows in np.split(order, ends) if len(order) else []:
        d = int(day[rows[0]])
        own = interest[rows]
        known = own if interest_of == "same-day" else _known(newest, d, month[rows])
        newest |= {m: (d, x) for m, x in zip(month[rows].tolist(), own.tolist(), strict=True) if np.isfinite(x)}
        yield Day(d, (d + 1) * NS_A_DAY, month[rows], price[rows], volume[rows], known)


def _known(newest: dict[int, tuple[int, float]], day: int, month: I64) -> F64:
    """Return the newest figure of each contract by its month, NaN where there is none of the last week."""
    found = [newest.get(m, (day, np.nan)) for m in month.tolist()]
    return np.array([x if day - of <= AGE_DAYS else np.nan for of, x in found])
