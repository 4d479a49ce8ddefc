"""As-of joins of data frames: rows, types and order as told, and calls that must be refused, with the same words."""

import ast
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from offline.features.asof import join
from offline.features.asof_keys import AsofCallError, AsofDataError
from tests.conformance.case import Case
from tests.conformance.reading import attempt, entries

KIND = "asof"
KIND_OF_ERROR = {AsofCallError: "MergeError", AsofDataError: "ValueError", KeyError: "KeyError"}

_TWO_TYPES = re.compile(r"(?:keys \[\d+\]|dtype,) (.+?) and (.+)")
_TIMES = re.compile(r"DatetimeIndex\(\[(.*?)\].*?dtype='([^']+)'", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_STAMP = re.compile(r"Timestamp\(('[^']*')\)")


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each call of each file."""
    for path in sorted((folder / KIND).glob("*.json")):
        yield from attempt(KIND, path.name, _file, path)


def _file(path: Path) -> Iterator[Case]:
    for number, case in enumerate(entries(path)):
        yield from attempt(KIND, f"{path.name} {number}", _one, path.name, number, case)


def _one(file: str, number: int, case: dict[str, Any]) -> Iterator[Case]:
    difference = _difference(case)
    yield Case(KIND, f"{file} {number} {case['id']}", difference == "", difference)


def _difference(case: dict[str, Any]) -> str:
    """Return what our answer to the call has that the known one has not; empty where they are equal."""
    told = case["expected_error"]
    types = _types_told(told)
    left, right = _frame(case["left"], types[0]), _frame(case["right"], types[1])
    arguments = {name: _argument(name, value) for name, value in case["args"].items()}
    _match_index_types(left, right, arguments)
    if told is None:
        _share_categories(left, right)
    try:
        ours = join(left, right, **arguments)
    except (AsofDataError, KeyError) as e:
        said = f"{KIND_OF_ERROR[type(e)]}: {e}"
        return "" if told is not None and said.startswith(told) else f"{said!r}, known {told or 'an answer'!r}"
    return f"an answer, known {told!r}" if told is not None else _frames_differ(ours, case["expected"])


# ---- what a case says, as frames ----


def _types_told(error: str | None) -> tuple[str | None, str | None]:
    """Return the two types that a refusal names: the files give an index as text, without its type."""
    found = _TWO_TYPES.search(error or "")
    return (_type_named(found[1]), _type_named(found[2])) if found else (None, None)


def _type_named(shown: str) -> str | None:
    if "StringDtype" in shown or "dtype='str'" in shown:
        return "str"
    named = re.search(r"dtype\('([^']+)'\)", shown)
    return named[1] if named else None


def _frame(told: dict[str, Any], index_type: str | None) -> pd.DataFrame:
    columns = [_series(c["values"], c["dtype"]) for c in told["columns"]]
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(told["rows"]))
    frame.columns = pd.Index([c["name"] for c in told["columns"]])
    if told["index"] is not None:
        frame.index = _index(told["index"], index_type)
    return frame


def _series(values: list[Any], dtype: str) -> pd.Series:
    if dtype.startswith("timestamp["):
        unit, zone = re.match(r"timestamp\[(\w+)(?:, tz=(\w+))?\]", dtype).groups()  # type: ignore[union-attr]
        return _series(values, f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]").astype(dtype)
    if dtype.startswith("datetime64") and "," in dtype:
        return pd.Series(pd.to_datetime(pd.Series(values, dtype=object), utc=True)).astype(dtype)
    if dtype.startswith("timedelta64"):
        return pd.Series(pd.to_timedelta(values)).astype(dtype)
    if dtype in ("float64", "float32"):
        return pd.Series([math.nan if v is None else v for v in values], dtype=dtype)
    if dtype == "bool":
        return pd.Series(values, dtype=bool)
    return pd.Series(values, dtype=dtype)


def _index(told: dict[str, Any], dtype: str | None) -> pd.Index:
    names = [None if name == "None" else name for name in told["names"]]
    values = told["values"]
    if len(names) > 1:
        rows = [ast.literal_eval(_STAMP.sub(r"\1", v)) for v in values]
        # Numbers and texts are told apart here: texts have quotation marks.
        return pd.MultiIndex.from_arrays([_level([row[i] for row in rows]) for i in range(len(names))], names=names)
    return _of_text(values, dtype).rename(names[0])


def _level(values: list[Any]) -> pd.Index:
    if all(isinstance(v, str) and _DATE.match(v) for v in values):
        return pd.Index(pd.to_datetime(values, format="ISO8601"))
    return pd.Index(values)


def _of_text(values: list[str], dtype: str | None) -> pd.Index:
    """Return an index of the type told, else of the first type that all of its texts can be."""
    if dtype in ("O", "str"):
        return pd.Index(values, dtype="object" if dtype == "O" else "str")
    for kind in (np.int64, np.float64):
        try:
            return pd.Index([kind(v) for v in values], dtype=kind)
        except ValueError:
            continue
    readers: tuple[Callable[[list[str]], Any], ...] = (
        pd.to_timedelta, lambda v: pd.to_datetime(v, format="ISO8601"),
    )  # fmt: skip
    for read in readers:
        try:
            found = pd.Index(read(values))
        except ValueError:
            continue
        return found if dtype is None or found.dtype.kind != np.dtype(dtype).kind else found.astype(dtype)
    return pd.Index(values)


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, str) and name == "tolerance":
        return pd.Timedelta(value)
    times = _TIMES.match(value) if isinstance(value, str) else None
    if times is None:
        return tuple(value) if name == "suffixes" and value is not None else value
    texts = re.findall(r"'([^']+)'", times[1])
    return pd.DatetimeIndex(pd.to_datetime(texts)).astype(times[2])


def _match_index_types(left: pd.DataFrame, right: pd.DataFrame, arguments: dict[str, Any]) -> None:
    """Give an index of times the unit of the column it is joined with."""
    for frame, index, other, on in ((left, "left_index", right, "right_on"), (right, "right_index", left, "left_on")):
        name = arguments.get(on)
        name = name[0] if isinstance(name, list) else name
        if arguments.get(index) and isinstance(name, str) and name in other and frame.index.dtype.kind in "mM":
            column = other[name]
            if isinstance(column, pd.Series) and column.dtype.kind == frame.index.dtype.kind:
                frame.index = frame.index.astype(column.dtype)


def _share_categories(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Give the columns of a call that is not refused the same categories: the files tell the values only."""
    found = [(f, i) for f in (left, right) for i in range(f.shape[1]) if str(f.dtypes.iloc[i]) == "category"]
    values = sorted({v for f, i in found for v in f.iloc[:, i].dropna()}, key=str)
    for frame, i in found:
        frame.isetitem(i, frame.iloc[:, i].cat.set_categories(values))


# ---- comparison ----


def _frames_differ(ours: pd.DataFrame, told: dict[str, Any]) -> str:
    """Return the first thing in which a frame differs from what is told; values must be equal, none is rounded."""
    names = [c["name"] for c in told["columns"]]
    if list(ours.columns) != names:
        return f"columns {list(ours.columns)}, known {names}"
    if len(ours) != told["rows"]:
        return f"{len(ours)} rows, known {told['rows']}"
    for i, column in enumerate(told["columns"]):
        got = ours.iloc[:, i]
        if str(got.dtype) != column["dtype"]:
            return f"{column['name']} is {got.dtype}, known {column['dtype']}"
        known = _series(column["values"], column["dtype"])
        same = [_same(a, b) for a, b in zip(got.array, known.array, strict=True)]
        if not all(same):
            at = same.index(False)
            return f"{column['name']} of row {at} is {got.iloc[at]!r}, known {known.iloc[at]!r}"
    return _indices_differ(ours.index, told["index"])


def _same(a: Any, b: Any) -> bool:
    missing = pd.isna(a), pd.isna(b)
    return missing[0] and missing[1] if any(missing) else bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _indices_differ(ours: pd.Index, told: dict[str, Any] | None) -> str:
    if told is None:
        plain = ours.equals(pd.RangeIndex(len(ours))) and ours.name is None
        return "" if plain else f"the index is {ours!r}, known 0, 1, 2..."
    names, values = [str(name) for name in ours.names], [str(v) for v in ours]
    if names != told["names"]:
        return f"the index is named {names}, known {told['names']}"
    return "" if values == told["values"] else f"the index is {values}, known {told['values']}"
