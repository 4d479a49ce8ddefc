"""Robust location and scale: weighted medians and MAD as the stage computes them, and the estimators of research."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from offline import robust
from processors.reconcile import robust as kernels
from tests.conformance.case import Case
from tests.conformance.reading import attempt, entries

KIND = "robust"
EXACT = 1e-12
"""Of the larger of 1 and the answer: what the order of a sum may move."""
FOUR_DECIMALS = 1.5e-4

_NUMBER = re.compile(r"\bc\s*=?\s*(\d+(?:\.\d+)?)")


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each number of each file."""
    for path in sorted((folder / KIND).glob("*.json")):
        yield from attempt(KIND, path.name, _file, path)


def _file(path: Path) -> Iterator[Case]:
    data = json.loads(path.read_text(encoding="utf-8"))
    for number, case in enumerate(entries(path)):
        yield from attempt(KIND, f"{path.name} {number}", _one, path.name, number, case, data)


def _one(file: str, number: int, case: dict[str, Any], known: dict[str, Any]) -> Iterator[Case]:
    if "fn" in case:
        yield _of_published(file, number, case, known.get("data", {}))
    else:
        yield from _of_computed(file, number, case)


def _case(name: str, ours: float, expected: float | None, tolerance: float) -> Case:
    wanted = math.nan if expected is None else float(expected)
    ok = math.isnan(ours) if math.isnan(wanted) else abs(ours - wanted) <= tolerance
    return Case(KIND, name, ok, "" if ok else f"{ours!r}, known {wanted!r}")


# ---- named functions of a sample, as published ----


def _of_published(file: str, number: int, case: dict[str, Any], data: dict[str, list[float]]) -> Case:
    """Return the case of one function of one sample; the sample is named, or given in place."""
    given = case["data"]
    sample = data[given] if isinstance(given, str) else given
    name = f"{file} {number} {case['fn']} of {given if isinstance(given, str) else 'values'}"
    estimator = estimator_of(case["fn"])
    if estimator is None:
        return Case(KIND, name, ok=False, detail="we have no such function")
    return _case(name, estimator(sample), case["expected"], FOUR_DECIMALS)


def estimator_of(words: str) -> Callable[[list[float]], float] | None:
    """Return our function of a name such as ``Huber proposal 2 scale (c 1.5)``, None where we have none."""
    said = words.lower()
    c = _NUMBER.search(said)
    part = "scale" if "scale" in said else "location"
    normal = "raw" not in said
    known: list[tuple[str, Callable[[list[float]], float]]] = [
        (r"\bhuber\b", lambda x: float(getattr(robust.huber(x, float(c[1]) if c else 1.5), part))),
        (r"\bhampel\b", lambda x: float(getattr(robust.hampel(x), part))),
        (r"\bqn\b", lambda x: robust.qn(x, normal=normal)),
        (r"\biqr\b|interquartile", lambda x: robust.iqr(x, normal=normal)),
        (r"\bmad\b|median absolute", lambda x: robust.mad(x, normal=normal)),
        (r"^median$", robust.median),
        (r"^mean$", lambda x: float(np.mean(x)) if len(x) else math.nan),
    ]
    return next((function for pattern, function in known if re.search(pattern, said)), None)


# ---- weighted medians and MAD of a few vendors: by the stage's kernels and by the library ----


def _of_computed(file: str, number: int, case: dict[str, Any]) -> Iterator[Case]:
    x = np.asarray(case["x"], np.float64)
    w = np.asarray(case.get("w", np.ones(len(x))), np.float64)
    order = np.argsort(x, kind="stable")
    xs, ws, n = np.ascontiguousarray(x[order]), np.ascontiguousarray(w[order]), len(x)
    ours: dict[str, list[float]] = {
        "lower_weighted_median": [kernels.lower_weighted_median(xs, ws, n), robust.lower_weighted_median(x, w)],
        "averaged_weighted_median": [robust.averaged_weighted_median(x, w)],
        "median": [kernels.median(xs, n), robust.median(x)],
        "mad_normal": [kernels.mad_normal(xs, n), robust.mad(x)],
        "mad_raw": [robust.mad(x, normal=False)],
    }
    for key, expected in case.items():
        if key in ("name", "x", "w"):
            continue
        name = f"{file} {number} {case.get('name', '')} {key}"
        if key not in ours:
            yield Case(KIND, name, ok=False, detail="we have no such function")
            continue
        wanted = math.nan if expected is None else float(expected)
        tolerance = EXACT * max(1.0, abs(wanted))
        cases = [_case(name, got, wanted, tolerance) for got in ours[key]]
        yield next((c for c in cases if not c.ok), cases[0])
