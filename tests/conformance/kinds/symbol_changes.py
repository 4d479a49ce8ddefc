"""Tickers of renamed, re-used and delisted securities: map files, and what a ticker means on a date."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from processors.reference.symbols import SymbolMap
from tests.conformance.case import Case
from tests.conformance.reading import attempt, entries

KIND = "symbol_changes"


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each query of each file."""
    for path in sorted((folder / "corporate_actions").glob("*symbol_change*.json")):
        yield from attempt(KIND, path.name, _file, path)


def _file(path: Path) -> Iterator[Case]:
    cases = entries(path)
    symbols = symbol_map(json.loads(path.read_text(encoding="utf-8"))["map_files"])
    for number, case in enumerate(cases):
        yield from attempt(KIND, f"{path.name} {number}", _one, f"{path.name} {number}", symbols, case)


def _one(name: str, symbols: SymbolMap, case: dict[str, Any]) -> Iterator[Case]:
    query = case["query"]
    expected = {k: v for k, v in case.items() if k in _ANSWERS}
    ours = {k: _ANSWERS[k](symbols, query, v) for k, v in expected.items()}
    ok = bool(expected) and ours == {k: _plain(v) for k, v in expected.items()}
    detail = "" if ok else f"known {case}, ours {ours}"
    yield Case(KIND, f"{name} {' '.join(map(str, query.values()))}", ok, detail)


def symbol_map(map_files: dict[str, list[list[str]]]) -> SymbolMap:
    """Return the map of some map files; each names its security."""
    rows = {name.upper(): [(_day(d), t) for d, t, *_ in changes] for name, changes in map_files.items()}
    return SymbolMap(rows)


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


def _security(symbols: SymbolMap, query: dict[str, Any]) -> str | None:
    """Return whom the query means: by the ticker of that date, else by a later one, as the map files are asked."""
    asked = query.get("permtick") or query.get("security")
    if asked:
        return str(asked).upper()
    return symbols.security(query["ticker"], _day(query["on"]), by_later_name=True)


def _mapped(symbols: SymbolMap, query: dict[str, Any], expected: list[list[str]]) -> list[list[str | None]]:
    security = _security(symbols, query)
    days = [row[0] for row in expected]
    return [[d, None if security is None else symbols.ticker(security, _day(d))] for d in days]


def _permtick(symbols: SymbolMap, query: dict[str, Any], _: object) -> str | None:
    return _security(symbols, query)


def _found(symbols: SymbolMap, query: dict[str, Any], _: object) -> bool:
    return _security(symbols, query) is not None


def _first_date(symbols: SymbolMap, query: dict[str, Any], _: object) -> str | None:
    security = _security(symbols, query)
    return None if security is None else str(symbols.listed(security))


def _delisting_date(symbols: SymbolMap, query: dict[str, Any], _: object) -> str | None:
    security = _security(symbols, query)
    last = None if security is None else symbols.delisted(security)
    return None if last is None else str(last)


_ANSWERS: dict[str, Any] = {
    "mapped": _mapped,
    "permtick": _permtick,
    "found": _found,
    "first_date": _first_date,
    "delisting_date": _delisting_date,
}


def _plain(expected: Any) -> Any:
    """Return an expected answer in our form: tickers in capitals, no ticker as None."""
    if isinstance(expected, list):
        return [[d, str(t).upper() if t else None] for d, t in expected]
    return expected.upper() if isinstance(expected, str) and not expected[:1].isdigit() else expected
