"""Known answers of ``futures``: last trade dates, dates across holidays, the maps and factors of continuous series."""

import json
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.futures.continuous import factor_rows
from processors.futures.expiry import last_trade_date, rules
from processors.futures.roll_rules import LEAN_MODES, RollRule
from tests.conformance.case import Case
from tests.conformance.reading import Row, attempt, columns, number, rows

KIND = "futures"
LISTED = date(2020, 12, 31)
"""The dates were taken from the exchanges' listings when the holidays of 2021 were not published yet."""

OPEN_END = date(2050, 12, 31)
"""A contract that was still front when the map was written."""

RELATIVE = 1e-9

DATES = ("root", "contract_month", "last_trade_date")
FACTORS = ("backward_ratio_factor", "backward_panama_add", "forward_panama_add")


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each row of the tables."""
    here = folder / KIND
    for path in sorted(here.glob("*.csv")):
        yield from attempt(KIND, path.name, _table, path)
    for path in sorted(here.glob("*.json")):
        yield from attempt(KIND, path.name, _dates_of_json, path)


def _table(path: Path) -> Iterator[Case]:
    """Yield the cases of a CSV file; its columns tell which table it is."""
    head = columns(path)
    if "last_trade_date" in head:
        yield from _dates(path.name, rows(path, DATES))
    elif "contract_id" in head:
        yield from _map_rows(path.name, rows(path, ("date", "contract_id", "mapping_mode")))
    elif set(FACTORS) & set(head):
        yield from _factor_rows(path.name, rows(path, ("mapping_mode", "depth", "roll_datetime", *FACTORS)))
    else:
        yield Case(KIND, path.name, ok=False, detail=f"no table that we know: columns {', '.join(head)}")


def _dates_of_json(path: Path) -> Iterator[Case]:
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, list):
        raise TypeError(f"a list of objects with {', '.join(DATES)} is wanted, not a {type(told).__name__}")
    yield from _dates(path.name, enumerate(told, start=1))


def _dates(name: str, numbered: Iterable[tuple[int, Row]]) -> Iterator[Case]:
    for at, row in numbered:
        yield from attempt(KIND, f"{name} row {at}", _date, name, row)


def _date(name: str, row: Row) -> Iterator[Case]:
    root, month, told = (str(row[column]) for column in DATES)
    try:
        got = last_trade_date(root, month, LISTED).isoformat()
    except ConfigError as e:
        got = str(e)
    yield Case(KIND, f"{name}:{root}:{month}:{told}", got == told, f"{got}, told {told}")


def _ends(contract_id: str) -> date:
    """Return the last trade date inside a contract's id: days since 1899-12-30, times 10**14, to the base of 36."""
    return date(1899, 12, 30) + timedelta(days=int(contract_id, 36) // 10**14)


def _month_of(root: str, ends: date) -> str | None:
    """Return the contract month whose last trade date is a day: that day's month or one near it.

    A month that the exchange's calendar does not reach has no date yet, and is not the one.
    """
    for month in np.datetime64(ends, "M") + np.array([0, 1, 2, -1, -2, -3]):
        try:
            if last_trade_date(root, str(month)) == ends:
                return str(month)
        except ConfigError:
            continue
    return None


def _map_rows(name: str, numbered: Iterable[tuple[int, Row]]) -> Iterator[Case]:
    """Yield whether each row names a contract that exists, after the one before, and leaves it when its rule says.

    Open interest is not in the files: by those modes a row has to lie before the end and after the row before it.
    """
    before: dict[str, tuple[date, str]] = {}
    for at, row in numbered:
        yield from attempt(KIND, f"{name} row {at}", _map_row, name, row, before)


def _map_row(name: str, row: Row, before: dict[str, tuple[date, str]]) -> Iterator[Case]:
    mode = row["mapping_mode"]
    case, (root, *ids) = f"{name}:{mode}:{row['date']}:{row['contract_id']}", row["contract_id"].upper().split()
    if root not in rules():
        yield Case(KIND, case, ok=False, detail=f"{root} has no rule")
        return
    if not ids:
        yield Case(KIND, case, ok=True)
        return
    until, ends = date.fromisoformat(row["date"]), _ends(ids[0])
    month = _month_of(root, ends)
    if month is None:
        yield Case(KIND, case, ok=False, detail=f"no contract of {root} ends on {ends}")
        return
    told = RollRule(LEAN_MODES[int(mode)]).mapped_until(root, month)
    last, old = before.get(mode, (date.min, ""))
    by_measure = until < last_trade_date(root, month) or until == OPEN_END
    right = by_measure if told is None else until == told
    before[mode] = (until, month)
    in_order = last < until and old < month
    yield Case(KIND, case, right and in_order, f"{month} after {old}, left {told}; told until {until} after {last}")


def _factor_rows(name: str, numbered: Iterable[tuple[int, Row]]) -> Iterator[Case]:
    """Yield the cases of each continuous series of a table; a row that is no row is left out of its series."""
    series: dict[tuple[str, str], list[tuple[str, list[float]]]] = {}
    for line, row in numbered:
        try:
            factors = [number(row, column) for column in FACTORS]
        except ValueError as error:
            yield Case(KIND, f"{name} row {line}", ok=False, detail=str(error))
        else:
            series.setdefault((row["mapping_mode"], row["depth"]), []).append((row["roll_datetime"], factors))
    for (mode, depth), own in sorted(series.items()):
        of = f"{name}:{mode}:{depth}"
        yield from attempt(KIND, of, _series, of, [when for when, _ in own], np.array([f for _, f in own]))


def _series(name: str, rolls: list[str], told: NDArray[np.float64]) -> Iterator[Case]:
    """Yield whether each row's factors are those of our sums over the two prices that each roll is recovered from."""
    ratio = told[:, 0] / np.append(told[1:, 0], 1.0)
    difference = told[:, 1] - np.append(told[1:, 1], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        price_from = difference / (ratio - 1)
    same = np.abs(ratio - 1) < RELATIVE
    price_from = np.where(same, 1.0, price_from)
    price_to = np.where(same, price_from, price_from + difference)
    ours = np.stack(factor_rows(price_to / price_from, price_to - price_from, told[0, 2]), axis=1)
    priced = (price_from > 0) & (price_to > 0) & (~same | (difference == 0.0))
    off = np.abs(ours - told) / np.maximum(np.abs(told), 1.0)
    for when, p, worst in zip(rolls, priced, off.max(axis=1), strict=True):
        detail = f"two prices {bool(p)}, off by {worst:g}"
        yield Case(KIND, f"{name}:{when}", bool(p) and worst <= RELATIVE, detail)
