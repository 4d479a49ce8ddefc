"""Conformal intervals: bounds of given predictions, widths and coverage of strategies, and steps of adaptive levels."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, ShuffleSplit, train_test_split

from offline.conformal import cross
from offline.conformal.adaptive import aci_step
from offline.conformal.folds import Draw, Fold, block_resamples, leave_one_out, resamples
from offline.conformal.scores import Absolute, score_named
from offline.conformal.split import Interval, calibrate
from tests.conformance.case import Case
from tests.conformance.reading import attempt, entries, number, rows

KIND = "conformal"
VECTOR_RTOL = 1e-9
STEP_ATOL = 1e-12
WIDTH_RTOL = 1e-2
SEED = 1
"""The state that every strategy of the source begins at, where it does not say."""
RESAMPLES, FOLDS, BLOCKS = 30, 3, 5
"""What the strategies of the source have, where they do not say."""
COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}

Table = dict[str, Any]


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each level of each vector, each strategy and measure, and each adaptive step."""
    for path in sorted((folder / KIND).glob("*.json")):
        yield from attempt(KIND, path.name, _file, path)


def _file(path: Path) -> Iterator[Case]:
    known = json.loads(path.read_text(encoding="utf-8"))
    for n, case in enumerate(entries(path)):
        name = f"{path.name} {n}"
        yield from attempt(KIND, name, _one, name, case, known, path.parent)
    if "test_literal" in known:
        name = f"{path.name} test_literal"
        yield from attempt(KIND, name, _of_literal, name, known["test_literal"])


def _one(name: str, case: Table, known: Table, folder: Path) -> Iterator[Case]:
    if "intervals" in case:
        yield from _of_vectors(name, case)
    elif "alpha_before_after_covered" in case:
        yield from _of_steps(name, case, clip="clips" in str(known.get("rule", "clips")))
    elif "strategy" in case:
        yield from _of_strategy(name, case, known, folder)
    else:
        yield Case(KIND, name, ok=False, detail=f"we have no such intervals: {', '.join(map(str, case))}")


def _near(name: str, ours: Any, known: Any, rtol: float, atol: float = 0.0) -> Case:
    got, wanted = np.asarray(ours, float), np.asarray(known, float)
    if got.shape != wanted.shape:
        return Case(KIND, name, ok=False, detail=f"shape {got.shape}, known {wanted.shape}")
    ok = bool(np.allclose(got, wanted, rtol=rtol, atol=atol, equal_nan=True))
    return Case(KIND, name, ok, "" if ok else f"{str(got.tolist())[:150]}, known {str(wanted.tolist())[:150]}")


# ---- bounds of given predictions ----


def _of_vectors(name: str, case: Table) -> Iterator[Case]:
    told = case.get("symmetric", case.get("sym"))
    score = score_named(case["score"], symmetric=told)
    y, prediction, new = (np.array(case[key], float)
                          for key in ("calibration_y", "calibration_prediction", "test_prediction"))  # fmt: skip
    scales = [np.array(case[key], float) if key in case else None for key in ("calibration_scale", "test_scale")]
    split = calibrate(y, prediction, score, scales[0])
    for level, known in case["intervals"].items():
        found = split.interval(new, float(level), scales[1])
        yield _near(f"{name} {case['score']} {level}", np.column_stack(found), known, case.get("rtol", VECTOR_RTOL))


# ---- adaptive steps ----


def _of_steps(name: str, case: Table, *, clip: bool) -> Iterator[Case]:
    target, gamma, now = case["alpha"], case["gamma"], case.get("start", case["alpha"])
    for i, (before, after, covered) in enumerate(case["alpha_before_after_covered"]):
        ours = aci_step(now, target, gamma, covered=bool(covered), clip=clip)
        yield _near(f"{name} step {i}", [now, ours], [before, after], 0.0, STEP_ATOL)
        # Our own level goes on, so that a step that is off stays off.
        now = ours


def _of_literal(name: str, case: Table) -> Iterator[Case]:
    """Yield the case of a level after points that were all covered; the text says how many."""
    text = str(case["data"]).lower()
    word = next((w for w in re.findall(r"\w+", text) if w in COUNTS or w.isdigit()), None)
    if word is None or "all covered" not in text:
        raise ValueError(f"no number of covered points in {case['data']!r}")
    alpha = case.get("start", case["alpha"])
    for _ in range(COUNTS.get(word) or int(word)):
        alpha = aci_step(alpha, case["alpha"], case["gamma"], covered=True, clip=True)
    yield _near(name, alpha, case["result"], case.get("rtol", STEP_ATOL))


# ---- width and coverage of strategies ----


class _Strategy(NamedTuple):
    """What the name of a strategy says."""

    way: str
    method: str
    aggregate: str
    narrow: bool


def strategy_of(name: str) -> _Strategy:
    """Return what a name such as ``jackknife_plus_median_ab`` or ``blockbootstrap_enbpi_mean_wopt`` says.

    Raises
    ------
    ValueError
        A word of it is unknown.
    """
    words = name.split("_")
    way, rest = words[0], set(words[1:])
    ways = {"naive", "split", "prefit", "jackknife", "cv", "blockbootstrap"}
    unknown = ({way} - ways) | (rest - {"plus", "minmax", "ab", "mean", "median", "enbpi", "aci", "wopt"})
    if unknown:
        raise ValueError(f"we have no such strategy: {', '.join(sorted(unknown))} in {name!r}")
    way = "resamples" if "ab" in rest else way
    method = next((m for m in ("plus", "minmax", "enbpi", "aci") if m in rest), "naive" if way == "naive" else "base")
    return _Strategy(way, method, "median" if "median" in rest else "mean", "wopt" in rest)


def _of_strategy(name: str, case: Table, known: Table, folder: Path) -> Iterator[Case]:
    x, y = _data(folder / str(known["data"]).split(":")[0])
    level = float(case.get("confidence_level", known.get("confidence_level", 0.95)))
    strategy, how = strategy_of(case["strategy"]), str(case.get("how", ""))
    interval, judged = _interval(strategy, how, "time" in case.get("kind", ""), x, y, level)
    inside = (y[judged] >= interval.low) & (y[judged] <= interval.high)
    measured = {"mean_width": float((interval.high - interval.low).mean()), "coverage": float(inside.mean())}
    for measure, ours in measured.items():
        if measure in case:
            yield _near(f"{name} {case['strategy']} {measure}", ours, case[measure], case.get("rtol", WIDTH_RTOL))


def _data(path: Path) -> tuple[Any, Any]:
    table = [{key: number(row, key) for key in row} for _, row in rows(path, ("y",))]
    names = [key for key in table[0] if key != "y"]
    return np.array([[row[key] for key in names] for row in table]), np.array([row["y"] for row in table])


def least_squares(x: Any, y: Any) -> cross.Model:
    """Return ordinary least squares with an intercept."""
    weights = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    return lambda new: np.column_stack([new, np.ones(len(new))]) @ weights


def _told(how: str, pattern: str, default: int) -> int:
    found = re.search(pattern, how)
    return int(found[1]) if found else default


def _interval(s: _Strategy, how: str, timed: bool, x: Any, y: Any, level: float) -> tuple[Interval, Any]:
    """Return the intervals, and the rows that they are of."""
    seed, every = _told(how, r"(?:random_state|seed) (\d+)", SEED), np.arange(len(y))
    if s.way == "split":
        fit, held = next(ShuffleSplit(n_splits=1, test_size=0.5, random_state=seed).split(x))
        model = least_squares(x[fit], y[fit])
        return calibrate(y[held], model(x[held]), Absolute(symmetric=not timed)).interval(model(x), level), every
    if s.way == "prefit":
        seen, judged = train_test_split(every, test_size=1 / 3, random_state=seed) if timed else (every, every)
        fit, held = train_test_split(seen, test_size=1 / 2, random_state=seed)
        # Of two parts, the one that calibrates is judged too.
        judged = judged if timed else held
        model = least_squares(x[fit], y[fit])
        split = calibrate(y[held], model(x[held]), Absolute(symmetric=not timed))
        return split.interval(model(x[judged]), level), judged
    found = cross.cross_conformal(least_squares, x, y, _folds(s.way, how, seed, len(y)), s.method,
                                  Absolute(symmetric=not (timed or s.narrow)), s.aggregate)  # fmt: skip
    if timed and s.method in ("enbpi", "aci"):
        found = found.observe(x, y)
    return found.interval(x, level, narrow=s.narrow), every


def _folds(way: str, how: str, seed: int, n: int) -> Iterator[Fold]:
    draw, n_resamples = _draws(seed), _told(how, r"(\d+) (?:re|sub)sampl", RESAMPLES)
    if way == "naive":
        return iter(())
    if way == "jackknife":
        return leave_one_out(n)
    if way == "cv":
        parts = KFold(_told(how, r"(\d+) folds", FOLDS), shuffle=True, random_state=seed).split(np.arange(n))
        return (Fold(*part) for part in parts)
    if way == "resamples":
        return resamples(n, n_resamples, draw)
    return block_resamples(n, n_resamples, draw, n_blocks=_told(how, r"(\d+) blocks", BLOCKS))


def _draws(seed: int) -> Draw:
    """Return draws as the source's resampling makes them: of the old generator."""
    state = np.random.RandomState(seed)
    return lambda bound, size: state.randint(0, bound, size=size)
