"""Statistics of returns: by name of a function of the source, and LEAN's probabilistic Sharpe ratio and recovery."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from offline.statistics import benchmark, deflated, drawdown, ratios, returns, tails
from offline.statistics.rolling import columns, rolling
from tests.conformance.case import Case
from tests.conformance.reading import attempt, groups

KIND = "statistics"
DECIMALS = 8
"""Where a case does not say."""

Table = dict[str, Any]

UNARY = {f.__name__: f for f in (
    returns.annual_return, returns.annual_volatility, returns.cum_returns, returns.cum_returns_final,
    returns.simple_returns, drawdown.calmar_ratio, drawdown.drawdown_series, drawdown.max_drawdown,
    ratios.conditional_value_at_risk, ratios.downside_risk, ratios.omega_ratio, ratios.sharpe_ratio,
    ratios.sortino_ratio, ratios.stability_of_timeseries, ratios.tail_ratio, ratios.value_at_risk,
    tails.gpd_risk_estimates,
)} | {"cagr": returns.cagr}  # fmt: skip
BINARY = {f.__name__: f for f in (
    benchmark.alpha, benchmark.alpha_beta, benchmark.batting_average, benchmark.beta,
    benchmark.beta_fragility_heuristic, benchmark.capture, benchmark.down_alpha_beta, benchmark.down_capture,
    benchmark.excess_sharpe, benchmark.up_alpha_beta, benchmark.up_capture, benchmark.up_down_capture,
)}  # fmt: skip
STRICT = {"up_capture", "down_capture", "up_down_capture"}
"""Of these a series that is shorter than the window has no value, of the others one, over all of it."""
OPTIONS = {"_beta": "known_beta", "_downside_risk": "known_downside_risk", "var_p": "probability"}
BUFFERS = {"out"}
"""Where to write: of no account here."""
PUBLISHED = {
    "mixed_returns_expected_gpd_risk_result":
        [0.1, 0.10001255835838491, 1.5657360018514067e-06, 0.4912526273742347, 0.59126595492541179],
    "negative_returns_expected_gpd_risk_result":
        [0.05, 0.068353586736348199, 9.4304947982121171e-07, 0.34511639904932639, 0.41347032855617882],
}  # fmt: skip
"""Answers that a case only names: those of the fixtures of the source's test."""


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each answer of each file."""
    for path in sorted((folder / KIND).glob("*.json")):
        yield from attempt(KIND, path.name, groups, KIND, path, _one)


def _one(name: str, case: Table, known: Table) -> Iterator[Case]:
    if "function" in case:
        yield _of_function(f"{name} {case.get('id', case['function'])}", case, known.get("series_pool", {}))
    elif "equity_per_day" in case:
        ours = drawdown.recovery_days(np.array(case["equity_per_day"], float))
        yield _equal(name, ours, case["longest_recovery_days"], 0.0)
    elif "performance" in case:
        yield _of_sharpe(f"{name} {case.get('name', '')}".strip(), case)
    else:
        yield Case(KIND, name, ok=False, detail=f"we have no such statistic: {', '.join(map(str, case))}")


def _of_sharpe(name: str, case: Table) -> Case:
    """Return the case of a probability, or where no benchmark is given of the observed ratio itself."""
    performance, free = np.array(case["performance"], float), float(case.get("risk_free_rate", 0.0))
    given = case.get("benchmark", case.get("benchmark_sharpe"))
    if given is None:
        ours = deflated.sharpe_of_period_of_lean(performance, free)
    else:
        to_beat = deflated.sharpe_of_period_of_lean(np.array(given, float)) if isinstance(given, list) else float(given)
        ours = deflated.probabilistic_sharpe_ratio_of_lean(performance, to_beat, free)
    return _equal(name, ours, case["expected"], case.get("tolerance", 1e-3))


# ---- by name of a function ----


def _of_function(name: str, case: Table, pool: Table) -> Case:
    asked = str(case["function"])
    plain = asked.removesuffix("_aligned").removeprefix("roll_")
    statistic: Callable[..., Any] | None = UNARY.get(plain) or BINARY.get(plain)
    arguments = {**case["args"], **(case["args"].get("kwargs") or {})}
    arguments.pop("kwargs", None)
    convert = asked == "aggregate_returns"
    if statistic is None and not convert:
        return Case(KIND, name, ok=False, detail=f"we have no such function as {asked}")
    series, options = _sorted_out(arguments, pool)
    if convert:
        found: Any = returns.aggregate_returns(series[0].to_numpy(), pd.DatetimeIndex(series[0].index), **options)
    else:
        assert statistic is not None
        found = _answer(asked, plain, statistic, series, options)
    known = _expected(case["expected"], pool)
    if isinstance(found, tails.TailRisk):
        # The source's test compares as many of the five numbers as it names.
        found = found[: len(known)]
    tolerance = 1.5 * 10.0 ** -float(case.get("decimals", DECIMALS))
    return _equal(name, found, known, tolerance)


def _answer(asked: str, plain: str, statistic: Callable[..., Any], series: list[Any], options: Table) -> Any:
    arrays = [s.to_numpy(dtype=float) for s in series]
    if not asked.startswith("roll_"):
        if all(a.ndim == 1 for a in arrays):
            return statistic(*arrays, **options)
        return columns(statistic, *arrays, **options).T
    window = options.pop("window")
    return rolling(statistic, window, *arrays, partial=plain not in STRICT, **options)


def _sorted_out(arguments: Table, pool: Table) -> tuple[list[Any], Table]:
    """Return series on a common index, and all else by our names; a benchmark or rate may be a number or a series."""
    series: dict[str, Any] = {}
    options: Table = {}
    for key, value in arguments.items():
        if key in BUFFERS and value is None:
            continue
        if isinstance(value, dict):
            series[key] = _series(value, pool)
        elif value is not None:
            options[OPTIONS.get(key, key)] = _number(value)
    if not series:
        raise ValueError("no series among the arguments")
    index = _common([s.index for s in series.values()])
    aligned = {key: s.reindex(index) if index is not None else s for key, s in series.items()}
    # What is no series of a portfolio or a benchmark, a rate of each period, stays an option.
    for key in [k for k in aligned if k in ("risk_free", "required_return", "cutoff")]:
        options[key] = aligned.pop(key).to_numpy(dtype=float)
    positional = list(aligned.values())
    if "factor_returns" in options:
        positional.append(pd.Series(options.pop("factor_returns"), index=positional[0].index, dtype=float))
    return positional, options


def _common(indices: list[Any]) -> Any:
    first = indices[0]
    if all(first.equals(other) for other in indices[1:]):
        return None
    for other in indices[1:]:
        first = first.union(other)
    return first


def _series(value: Table, pool: Table) -> Any:
    if "ref" in value:
        value = pool[value["ref"]]
    index = value.get("index")
    if index is not None and all(str(i)[:4].isdigit() for i in index):
        index = pd.DatetimeIndex(index)
    if "frame" in value:
        return pd.DataFrame({k: [_number(x) for x in v] for k, v in value["frame"].items()}, index=index, dtype=float)
    return pd.Series([_number(x) for x in value["series"]], index=index, dtype=float)


def _number(value: Any) -> Any:
    """Return a number that may be written as a text, those of a list likewise, and anything else as it is."""
    if isinstance(value, list):
        return [_number(one) for one in value]
    if isinstance(value, str) and value.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(value)
    return value


def _expected(value: Any, pool: Table) -> Any:
    if isinstance(value, dict):
        return _series(value, pool).to_numpy(dtype=float)
    if isinstance(value, str) and not isinstance(_number(value), float):
        return PUBLISHED[value] if value in PUBLISHED else ast.literal_eval(value)
    return _number(value)


def _equal(name: str, ours: Any, known: Any, tolerance: float) -> Case:
    """Return the case of numbers that must be as near as the source asks; NaN and infinities must be the same.

    One number that is known stands for every number of ours, as in the source's test.
    """
    got, wanted = np.atleast_1d(np.asarray(ours, float)), np.atleast_1d(np.asarray(known, float))
    if np.ndim(known) == 0 and got.size:
        wanted = np.broadcast_to(wanted, got.shape)
    if got.size != wanted.size:
        return Case(KIND, name, ok=False, detail=f"{got.size} numbers, known {wanted.size}")
    got = got.reshape(wanted.shape)
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        same |= np.abs(got - wanted) < tolerance if tolerance else False
    ok = bool(same.all())
    return Case(KIND, name, ok, "" if ok else f"{got.tolist()}"[:200] + f", known {wanted.tolist()}"[:200])
