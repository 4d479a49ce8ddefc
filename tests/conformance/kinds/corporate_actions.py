"""Known answers of ``corporate_actions``: adjusted prices of vendors, the fit of both conventions, factor files."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from processors.reference.actions import kernel as k
from processors.reference.actions.factor_file import FactorFile, FactorRow, with_dividend, with_split
from processors.sessions import sessions
from tests.conformance.adjusted import RELATIVE, Adjusted, actions_of, judged, worst
from tests.conformance.case import Case
from tests.conformance.reading import Row, attempt, columns, entries, number, rows

KIND = "corporate_actions"
PRINTED = 5e-3
"""The measured fits are printed with three digits."""

REFERENCE_DAY = date(2018, 5, 16)
"""Any day: the cases count days from it."""

DAILY = ("timestamp", "symbol"), ("close", "adjusted_close", "volume", "dividend_amount", "split_coefficient")
WIKI = ("date", "ticker"), (
    "open", "high", "low", "close", "volume", "ex-dividend", "split_ratio",
    "adj_open", "adj_high", "adj_low", "adj_close", "adj_volume",
)  # fmt: skip
EVENT = ("close", "dividend_amount", "split_coefficient")
Columns = tuple[tuple[str, str], tuple[str, ...]]
"""Names of the columns of a table of prices: day and symbol, and the numbers."""

Daily = dict[str, list[Adjusted]]
"""Raw and adjusted closes by table."""


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each row of the tables and each case of the files."""
    here, daily = folder / KIND, Daily()
    for path in sorted([*here.glob("*.parquet"), *here.glob("*.csv")]):
        yield from attempt(KIND, path.name, _daily_file, path, daily)
    for path in sorted(here.glob("*.csv")):
        if path.name not in daily:
            yield from attempt(KIND, path.name, _csv_file, path, daily)
    for path in sorted(here.glob("*.json")):
        yield from attempt(KIND, path.name, _json_file, path, daily)


def _csv_file(path: Path, daily: Daily) -> Iterator[Case]:
    """Yield the cases of a CSV file; its columns tell which table it is."""
    head = columns(path)
    if "adj_close" in head:
        table, wrong = _prices(path, WIKI)
        yield from wrong
        yield from judged(KIND, path.name, [_wiki(symbol, own) for symbol, own in table.groupby("ticker")])
    elif set(EVENT[1:]) & set(head):
        yield from _events(path, daily)
    else:
        yield Case(KIND, path.name, ok=False, detail=f"no table that we know: columns {', '.join(head)}")


def _json_file(path: Path, daily: Daily) -> Iterator[Case]:
    if "symbol_change" in path.name:
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(known, dict) and "measured_fit" in known:
        for symbol, told in known["measured_fit"].items():
            yield from attempt(KIND, f"{path.name}:{symbol}", _fit, f"{path.name}:{symbol}", symbol, told, known, daily)
        return
    for at, case in enumerate(entries(path)):
        name = f"{path.name}:{case['name']}" if "name" in case else f"{path.name} {at}"
        yield from attempt(KIND, name, _factor_case, name, case)


# ---- tables of prices ----


def _prices(path: Path, of: Columns) -> tuple[pd.DataFrame, list[Case]]:
    """Return the rows of a table by symbol and day, numbers as such, and a failed case for each row that is none.

    Raises
    ------
    ValueError
        A column is not there.
    """
    (day, symbol), numbers = of
    if path.suffix == ".csv":
        lined = list(rows(path, (day, symbol, *numbers)))
    else:
        frame = pd.read_parquet(path)
        missing = {day, symbol, *numbers} - set(frame.columns)
        if missing:
            raise ValueError(f"no column {', '.join(sorted(missing))}; there are {', '.join(frame.columns)}")
        lined = list(enumerate(frame[[day, symbol, *numbers]].to_dict("records")))
    good: list[list[Any]] = []
    wrong = []
    for line, row in lined:
        try:
            # Of a timestamp the day.
            text = date.fromisoformat(str(row[day])[:10]).isoformat()
            good.append([text, str(row[symbol]), *(number(row, name) for name in numbers)])
        except ValueError as error:
            wrong.append(Case(KIND, f"{path.name} row {line}", ok=False, detail=str(error)))
    table = pd.DataFrame(good, columns=[day, symbol, *numbers])
    return table.sort_values([symbol, day], kind="stable"), wrong


def _daily_file(path: Path, daily: Daily) -> Iterator[Case]:
    """Yield the cases of daily prices with their adjusted closes, and keep them for the other files."""
    if path.suffix == ".csv" and "adjusted_close" not in columns(path):
        return
    daily[path.name] = []
    table, wrong = _prices(path, DAILY)
    yield from wrong
    for symbol, own in table.groupby("symbol", sort=True):
        close, told, volume, cash, split = (own[name].to_numpy(float) for name in DAILY[1])
        days = own.timestamp.tolist()
        daily[path.name].append(Adjusted(str(symbol), days, close[:, None], told[:, None], volume, None, cash, split))
    yield from judged(KIND, path.name, daily[path.name])


def _wiki(symbol: Any, own: pd.DataFrame) -> Adjusted:
    """Return one symbol of a table that adjusts all prices and the volume; later events are not in it."""
    names = ["open", "high", "low", "close"]
    volume, told_volume, cash, split = (
        own[name].to_numpy(float) for name in ("volume", "adj_volume", "ex-dividend", "split_ratio")
    )
    price, told = own[names].to_numpy(float), own[[f"adj_{name}" for name in names]].to_numpy(float)
    return Adjusted(str(symbol), own.date.tolist(), price, told, volume, told_volume, cash, split, from_last=True)


def _fit(name: str, symbol: str, told: dict[str, Any], spec: dict[str, Any], daily: Daily) -> Iterator[Case]:
    """Yield the counts of a symbol's events and how well each convention fits, as the source measured them."""
    for one in (one for table in daily.values() for one in table if one.symbol == symbol):
        counts = {
            "rows": len(one.days),
            "splits": int((one.split != 1).sum()),
            "dividends": int((one.cash != 0).sum()),
        }
        for what, n in counts.items():
            yield Case(KIND, f"{name}:{what}", n == told[what], f"{n}, told {told[what]}")
        by_ex, by_previous = worst(one, "ex_close"), worst(one, "previous_close")
        fits = min(by_ex, by_previous) <= spec["tolerance_rel"]
        yield Case(KIND, f"{name}:fit", fits, f"worst {by_ex:g} by ex_close, {by_previous:g} by previous_close")
        want = told["max_rel_err_prev_close_formula"]
        same = max(by_previous, want) <= RELATIVE or abs(by_previous / want - 1) <= PRINTED
        yield Case(KIND, f"{name}:previous_close", same, f"worst {by_previous:g}, told {want:g}")


def _events(path: Path, daily: Daily) -> Iterator[Case]:
    """Yield whether each listed event is the one of the daily rows; without such rows, whether it has a factor."""
    known = {
        (one.symbol, day): event
        for table in daily.values()
        for one in table
        for day, *event in zip(one.days, one.price[:, -1].tolist(), one.cash.tolist(), one.split.tolist(), strict=True)
    }
    for line, row in rows(path, ("symbol", "timestamp", *EVENT)):
        yield from attempt(KIND, f"{path.name} row {line}", _event, path.name, row, known)


def _event(name: str, row: Row, known: dict[tuple[str, str], list[float]]) -> Iterator[Case]:
    symbol, day, told = row["symbol"], row["timestamp"][:10], [number(row, column) for column in EVENT]
    found: Sequence[float] = known.get((symbol, day), told)
    actions = actions_of(symbol, [day], np.array(found[1:2]), np.array(found[2:]))
    # The list has the close of the ex-date, so the factor is of that convention, whichever the prices keep.
    factor = np.prod([k.event_factor(k.EX_CLOSE, a.value_out, a.shares_after, found[0]) for a in actions])
    want = told[0] / (told[0] + told[1]) / told[2]
    right = found == told and bool(actions) and abs(factor / want - 1) <= RELATIVE
    yield Case(KIND, f"{name}:{symbol}:{day}", right, f"{found}, told {told}; factor {factor}")


# ---- factor files ----


def _number(text: object) -> Decimal:
    return Decimal(str(text))


def _row_of(row: dict[str, Any]) -> FactorRow:
    day = date.fromisoformat(row["date"]) if "date" in row else _counted(row["days_from_reference"])
    return FactorRow(day, *(_number(row[n]) for n in ("price_factor", "split_factor", "reference_price")))


def _counted(days: int) -> date:
    return REFERENCE_DAY + timedelta(days=days)


def _factor_case(name: str, case: dict[str, Any]) -> Iterator[Case]:
    if "lines" in case:
        yield _parsed_case(name, case)
    elif "row" in case:
        event, row = case["event"], _row_of(case["row"])
        if event["type"] == "dividend":
            got = with_dividend(row, _number(event["amount"]), _number(event["reference_price"])).line()
        else:
            got = with_split(row, _shares_after(event)).line()
        yield Case(KIND, name, got == case["expected_line"], f"{got}, told {case['expected_line']}")
    elif "before" in case:
        yield from _applied_case(name, case)
    else:
        file = FactorFile([_row_of(r) for r in case["rows"]])
        for told in case["expected"]:
            yield _asked_case(f"{name}:{told['days_from_reference']}", file, told)


def _asked_case(name: str, file: FactorFile, told: dict[str, Any]) -> Case:
    day = _counted(told["days_from_reference"])
    if "scale" in told:
        scale = file.scale(day)
        return Case(KIND, name, scale == _number(told["scale"]), f"scale {scale}, told {told['scale']}")
    what = "dividend" if "has_dividend" in told else "split"
    ratio = file.dividend_ratio(day) if what == "dividend" else file.split_ratio(day)
    want = told.get("ratio")
    right = (ratio is not None) == told[f"has_{what}"]
    if right and ratio is not None and want is not None:
        parts = [Fraction(p) for p in str(want).split("/")]
        exact = parts[0] / parts[1] if len(parts) > 1 else parts[0]
        right = abs(Fraction(ratio) / exact - 1) < Fraction(1, 10**20)
    return Case(KIND, name, right, f"{what} {ratio}, told {want}")


def _parsed_case(name: str, case: dict[str, Any]) -> Case:
    file, told = FactorFile.parse(case["lines"]), case["expected"]
    minimum = None if file.minimum_day is None else file.minimum_day.isoformat()
    got = {"rows_kept": len(file.rows), "minimum_date": minimum}
    return Case(KIND, name, all(got[key] == value for key, value in told.items()), f"{got}, told {told}")


def _shares_after(event: dict[str, Any]) -> Decimal:
    """Return shares after for each before; LEAN names the inverse ``split_factor``."""
    if "split_factor" in event:
        return 1 / _number(event["split_factor"])
    return _number(event["ratio"] if "ratio" in event else event["split_coefficient"])


def _applied_case(name: str, case: dict[str, Any]) -> Iterator[Case]:
    event, told = case["event"], [_row_of(r) for r in case["after"]]
    ex_ns = pd.Timestamp(event.get("ex_date", event.get("date"))).value
    label_ns = sessions("XNYS").label_ns
    before = pd.Timestamp(label_ns[np.searchsorted(label_ns, ex_ns) - 1]).date()
    file, close = FactorFile([_row_of(r) for r in case["before"]]), _number(event["reference_price"])
    if event["type"] == "dividend":
        after = file.apply_dividend(before, _number(event["amount"]), close).rows
    else:
        after = file.apply_split(before, _shares_after(event), close).rows
    yield Case(KIND, f"{name}:rows", len(after) == len(told), f"{len(after)} rows, told {len(told)}")
    for got, want in zip(after, told, strict=False):
        near = abs(got.price_factor / want.price_factor - 1) <= Decimal("1e-5")
        rest = (got.day, got.split_factor, got.reference_price) == (want.day, want.split_factor, want.reference_price)
        yield Case(KIND, f"{name}:{want.day}", near and rest, f"{got.line()}, told {want.line()}")
