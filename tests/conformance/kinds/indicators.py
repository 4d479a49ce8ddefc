"""Known answers of ``indicators``: tables that LEAN and TA-Lib computed, against our indicators.

``tests/conformance/indicators`` says, by family, how an indicator of theirs is made of ours. One that is not there, a
file that cannot be read and parameters or outputs that mean nothing to us are a failing case each, with the reason.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.conformance.case import Case
from tests.conformance.indicators.lean_names import output_of, parameters_of, plain, short_of
from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series, mappings

KIND = "indicators"
LEAN_ABS = 1e-3
"""What LEAN's own tests allow where a case does not say."""
TALIB_REL = TALIB_ABS = 1e-9
STACKED = 6
"""Windows of an indicator may stand on each other: T3 is ready after six of its own."""
Answer = tuple[str, str]
"""What is wrong, empty where nothing is, and what had to be taken for what."""


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each expected column of each table."""
    here = folder / KIND
    for path in sorted(here.glob("manifest_lean*.json")):
        known = mappings("lean")
        yield from _cases_of(path, "lean", lambda _, case, known=known: _lean(here, case, known))
    for path in sorted(here.glob("talib/*.json")):
        known, read = mappings("talib"), cache(columns_of)
        yield from _cases_of(path, path.stem, lambda manifest, case, known=known, read=read, path=path: _talib(
            read(path.with_suffix(".csv")), case, known, manifest))  # fmt: skip


def _cases_of(path: Path, prefix: str, compare: Callable[[dict[str, Any], dict[str, Any]], Answer]) -> Iterator[Case]:
    """Yield the cases of a manifest; one failing case where it cannot be read."""
    try:
        manifest = json.loads(path.read_text())
        cases = manifest["cases"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        yield Case(KIND, path.name, ok=False, detail=f"cannot be read: {e!r}")
        return
    if not cases:
        yield Case(KIND, path.name, ok=False, detail="has no cases")
    for i, case in enumerate(cases):
        name = f"{prefix}:{_name_of(case, i)}"
        try:
            wrong, note = compare(manifest, case)
        except Exception as e:  # noqa: BLE001 whatever a strange case raises is that case's failure and no other's
            wrong, note = f"cannot be answered: {e!r}", ""
        yield Case(KIND, name, ok=not wrong, detail="; ".join(filter(None, (wrong, note))))


def _name_of(case: Any, i: int) -> str:
    """Return what a manifest calls a case; its place where it is none."""
    if isinstance(case, dict) and "function" in case:
        return f"{case['function']}({','.join(f'{k}={v}' for k, v in dict(case.get('params') or {}).items())})"
    return str(case["name"]) if isinstance(case, dict) and "name" in case else f"case {i}"


def columns_of(path: Path) -> Columns:
    """Return a CSV file by column: numbers with NaN for empty cells, or strings where a cell is no number."""
    with path.open(newline="", encoding="utf-8-sig") as f:
        head, *rows = csv.reader(f)
    out: Columns = {}
    for i, name in enumerate(head):
        cells = [row[i].strip() if i < len(row) else "" for row in rows]
        try:
            out[name] = np.array([float(c) if c else np.nan for c in cells])
        except ValueError:
            out[name] = np.array(cells)
    return out


def found(name: str, known: Mapping) -> Any:
    """Return the mapping of an indicator; a manifest may say more behind its name, or a kind before it.

    Raises
    ------
    KeyError
        There is none.
    """
    by_plain = {plain(key): key for key in known}
    for said in (name, short_of(name), name.rsplit(maxsplit=1)[-1], f"{short_of(name)}Indicator"):
        for key in (plain(said), plain(said).removesuffix("indicator")):
            if key in by_plain:
                return known[by_plain[key]]
    raise KeyError(f"no mapping of {name}")


def _column(table: Columns, name: str) -> Series:
    """Return a column by its name, whatever its case and spaces.

    Raises
    ------
    KeyError
        There is none, or it holds words.
    """
    key = name if name in table else next((k for k in table if plain(k) == plain(name)), None)
    if key is None:
        raise KeyError(f"no column {name!r} among {', '.join(table)}")
    if table[key].dtype.kind != "f":
        raise KeyError(f"column {name!r} holds words")
    return np.asarray(table[key], np.float64)


def _lean(here: Path, case: dict[str, Any], known: Mapping) -> Answer:
    make = found(case["indicator"], known)
    table = columns_of(here / case["input_file"])
    told = _column(table, case["expected_column"])
    numbers, note = parameters_of(case["indicator"], case.get("params") or {})
    outputs: Outputs = make(numbers, table)
    key = _output_named(outputs, case)
    if key is not None:
        return _lean_differing(outputs[key], told, case), note
    fitting = {k: v for k, v in outputs.items() if not _lean_differing(np.asarray(v, np.float64), told, case)}
    # One series may have two names.
    alone = {v.tobytes(): k for k, v in reversed(fitting.items())}
    said = f"output {case['output']!r} is none of {', '.join(outputs)}"
    if len(alone) == 1:
        return "", "; ".join(filter(None, (note, f"{said}: its values are those of {next(iter(alone.values()))}")))
    return f"{said}, and its values fit {'several' if alone else 'none'} of them", note


def _output_named(outputs: Outputs, case: dict[str, Any]) -> str | None:
    """Return the output that a case means; where it says just ``value``, one that its remark or its column names."""
    named = str(case.get("output") or "value")
    if plain(named) == "value":
        remark = str(case["indicator"])[len(short_of(case["indicator"])) :]
        meant = (output_of(outputs, said) for said in (remark, str(case["expected_column"])) if plain(said))
        return next((key for key in meant if key), output_of(outputs, named))
    return output_of(outputs, named)


def _lean_differing(ours: Series, told: Series, case: dict[str, Any]) -> str:
    """Return how an output differs from what is told, empty where it does not."""
    rows, there = np.arange(len(told)), ~np.isnan(told)
    warmup = case.get("warmup_bars")
    if warmup is None:
        # From where ours is ready, which is no later than its windows can be long, one on the other.
        first = int(np.argmin(np.isnan(ours))) if not np.isnan(ours).all() else len(ours)
        numbers = (case.get("params") or {}).values()
        windows = [int(v) for v in numbers if isinstance(v, int | float) and float(v).is_integer()]
        begin = case.get("first_nonzero_row") or case.get("first_nonempty_row") or 0
        latest = begin + STACKED * sum(windows)
        if first > latest:
            return f"first value in row {first}, at the latest in {latest}"
        there &= rows >= first
    else:
        there &= rows >= warmup - 1
    if not there.any():
        return "no cell to compare"
    return _differing(ours, told, there, _lean_near(ours, told, case.get("tolerance_abs")))


def _lean_near(ours: Series, told: Series, tolerance: Any) -> np.ndarray:
    """Return where values are equal within what a case allows: a number, or a number of printed digits."""
    if isinstance(tolerance, str):
        digits = int(re.findall(r"(\d+) significant", tolerance)[0])
        return np.array([f"{a:.{digits - 1}e}" == f"{b:.{digits - 1}e}" for a, b in zip(ours, told, strict=True)])
    allowed = LEAN_ABS if tolerance is None else float(tolerance)
    # A table's decimals and ours are not the same doubles: the last places of a number are no difference.
    return np.abs(ours - told) <= allowed + 4 * np.spacing(np.abs(told))


def inputs_of(table: Columns, inputs: dict[str, Any]) -> Columns:
    """Return the columns with the inputs of a TA-Lib call under TA-Lib's names for them."""
    out = dict(table)
    for name, column in inputs.items():
        if isinstance(column, str):
            out[name] = _column(table, column)
    return out


def suffix_of(column: str, function: str) -> str:
    """Return the name of an output from the name of its column: ``MACD.macd`` -> ``macd``, ``RSI`` -> empty."""
    return column.partition(".")[2] if "." in column else column.removeprefix(function)


def _talib(table: Columns, case: dict[str, Any], known: Mapping, manifest: dict[str, Any]) -> Answer:
    make = found(case["function"], known)
    outputs: Outputs = make(case.get("params") or {}, inputs_of(table, case.get("inputs", {})))
    relative = manifest.get("tolerance_rel_suggested", TALIB_REL)
    absolute = manifest.get("tolerance_abs_suggested", TALIB_ABS)
    for column in case["columns"]:
        told, key = _column(table, column), output_of(outputs, suffix_of(column, case["function"]))
        if key is None:
            return f"{column}: none of our outputs {', '.join(outputs)}", ""
        ours = outputs[key]
        # Whole numbers stand at 0 before the lookback, where a number would be missing.
        asked = np.arange(len(told)) >= case["lookback_bars"]
        early = ~asked & np.isnan(told) & ~np.isnan(ours)
        if early.any():
            return f"{column}: a value in row {int(np.argmax(early))}, before the lookback", ""
        with np.errstate(invalid="ignore"):
            near = np.abs(ours - told) <= absolute + relative * np.abs(told)
        near |= (ours == told) | (np.isnan(ours) & np.isnan(told))
        wrong = _differing(ours, told, asked, near)
        if wrong:
            return f"{column}: {wrong}", ""
    return "", ""


def _differing(ours: Series, told: Series, asked: np.ndarray, near: np.ndarray) -> str:
    bad = np.flatnonzero(asked & ~near)
    if not len(bad):
        return ""
    i = bad[0]
    return f"{len(bad)} of {int(asked.sum())} cells differ, first in row {i}: {ours[i]!r}, told {told[i]!r}"
