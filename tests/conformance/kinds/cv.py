"""Cross-validation splits: exact tables of rows, or of first and last days, walk-forward and combinatorial."""

import ast
import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from offline.validation.combinatorial import CombinatorialPurged, optimal_folds
from offline.validation.periods import PeriodWalkForward
from offline.validation.split import Split
from offline.validation.walk_forward import WalkForward
from tests.conformance.case import Case
from tests.conformance.reading import attempt, groups

KIND = "cv"
_REPR = re.compile(r"<(?:(-?\d+) \* )?(\w+?)(?:: (.*))?>", re.DOTALL)
_CALL = re.compile(r"([\w.]+)\((.*)\)", re.DOTALL)
_SPELLED = {"expend_train": "expand_train"}
"""The source's old spelling."""

Table = dict[str, Any]


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each table, attribute and number of splits of each file."""
    for path in sorted((folder / KIND).glob("*.json")):
        yield from attempt(KIND, path.name, groups, KIND, path, _one)


def _one(name: str, case: Table, known: Table) -> Iterator[Case]:
    answers: list[tuple[Callable[[Table], bool], Callable[[], Iterator[Case]]]] = [
        (lambda c: "target_n_test_paths" in c, lambda: _of_optimal(name, case)),
        (lambda c: "index" in c, lambda: _of_periods(name, case, known.get("trading_day_index", {}))),
        (lambda c: "n_folds" in c.get("params", {}), lambda: _of_combinatorial(name, case)),
        (lambda c: "train_size" in c.get("params", {}), lambda: _of_walk(name, case)),
    ]
    for is_such, answer in answers:
        if is_such(case):
            yield from answer()
            return
    yield Case(KIND, name, ok=False, detail=f"we have no such splits: {', '.join(map(str, case))}")


def _arguments(params: Table) -> Table:
    return {_SPELLED.get(key, key): value for key, value in params.items()}


def _equal(name: str, ours: Any, known: Any) -> Case:
    ok = ours == known
    return Case(KIND, name, ok, "" if ok else f"{str(ours)[:300]}, known {str(known)[:300]}")


# ---- by rows ----


def _of_walk(name: str, case: Table) -> Iterator[Case]:
    params = _arguments(case["params"])
    if params.get("freq") is not None:
        raise ValueError("calendar periods without an index of days")
    yield from _tables(name, case, list(WalkForward(**_without_periods(params)).split(case["n"])), _rows)


def _of_combinatorial(name: str, case: Table) -> Iterator[Case]:
    splitter = CombinatorialPurged(**case["params"])
    if "expected" in case:
        yield from _tables(name, case, list(splitter.split(case["n"])), _rows)
    for key, known in case.items():
        if key in ("params", "n", "expected"):
            continue
        attribute = key.removeprefix("get_").rstrip("_")
        if attribute == "index_train_test":
            yield _equal(f"{name} {key}", splitter.index_train_test(case["n"]).tolist(), known)
        elif hasattr(splitter, attribute):
            yield _equal(f"{name} {key}", np.asarray(getattr(splitter, attribute)).tolist(), known)
        else:
            yield Case(KIND, f"{name} {key}", ok=False, detail="we have no such attribute")


def _of_optimal(name: str, case: Table) -> Iterator[Case]:
    known = case["expected"]
    given = {key: value for key, value in case.items() if key not in ("expected", "name")}
    ours = dict(zip(("n_folds", "n_test_folds"), optimal_folds(**given), strict=True))
    yield _equal(name, ours, known if isinstance(known, dict) else dict(zip(ours, known, strict=True)))


# ---- by calendar periods ----


def _of_periods(name: str, case: Table, indices: dict[str, list[str]]) -> Iterator[Case]:
    index = case["index"]
    days = pd.DatetimeIndex(indices[index] if isinstance(index, str) else index)
    params = {key: offset_of(value) if key != "freq" else frequency_of(value)
              for key, value in _arguments(case["params"]).items()}  # fmt: skip
    if params.get("freq") is None:
        found = list(WalkForward(**_without_periods(params)).split(len(days)))
    else:
        found = list(PeriodWalkForward(**params).split(days))

    def told(split: Split, asked: Table) -> Table:
        parts = {"train": split.train, "test": split.test}
        ends = {f"{part}_{end}": days[rows[at]].date().isoformat()
                for part, rows in parts.items() if len(rows) for end, at in (("first", 0), ("last", -1))}  # fmt: skip
        return ends if asked.keys() <= ends.keys() else _rows(split, asked)

    yield from _tables(name, case, found, told)


def _without_periods(params: Table) -> Table:
    return {key: value for key, value in params.items() if key not in ("freq", "freq_offset", "previous")}


def frequency_of(value: Any) -> Any:
    """Return a frequency: the name of one as it is, what is printed of an offset as the offset."""
    return offset_of(value) if isinstance(value, str) and value.startswith("<") else value


def offset_of(value: Any) -> Any:
    """Return the offset or span of time that a text prints, anything else as it is.

    Raises
    ------
    ValueError
        The text is none that we know.
    """
    if not isinstance(value, str):
        return value
    if found := _REPR.fullmatch(value.strip()):
        times, kind, settings = found.groups()
        # The plural of its name is printed where there are several.
        offset = getattr(pd.offsets, kind, None) or getattr(pd.offsets, kind.removesuffix("s"), None)
        if offset is None:
            raise ValueError(f"no offset {kind!r}")
        given = dict(part.split("=", 1) for part in (settings or "").split(", ") if part)
        return offset(int(times or 1), **{key: ast.literal_eval(text) for key, text in given.items()})
    if found := _CALL.fullmatch(value.strip()):
        call = ast.parse(value.strip(), mode="eval").body
        kind = {"timedelta": dt.timedelta, "Timedelta": pd.Timedelta}.get(found[1].split(".")[-1])
        kind = kind or getattr(pd.offsets, found[1].split(".")[-1], None)
        if kind is None or not isinstance(call, ast.Call):
            raise ValueError(f"no span of time {value!r}")
        named = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
        return kind(*[ast.literal_eval(a) for a in call.args], **named)
    return pd.Timedelta(value)


# ---- tables ----


def _rows(split: Split, asked: Table) -> Table:
    ours = {"train": split.train.tolist(), "test": split.test.tolist(), "tests": [t.tolist() for t in split.tests]}
    return {key: ours[key] for key in asked}


def _tables(name: str, case: Table, found: list[Split], told: Callable[[Split, Table], Table]) -> Iterator[Case]:
    """Yield the case of the number of splits, and one for each split."""
    known = case["expected"]
    yield _equal(f"{name} n_splits", len(found), case.get("n_splits", len(known)))
    for i, (split, asked) in enumerate(zip(found, known, strict=False)):
        yield _equal(f"{name} split {i}", told(split, asked), asked)
