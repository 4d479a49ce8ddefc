"""LEAN's indicators of one symbol beside another, and of a market's swing: ``processors/cross``."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from processors.cross.kernel import MCCLELLAN, alpha_series, beta_series, mcclellan_step, percentile_ranks
from processors.featurize.indicators import layout
from tests.conformance.indicators.lean_names import plain
from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series, run

FAST_START, SLOW_START, SUM_START = -209.85, -186.41, -606.25
"""What LEAN's test of the McClellan indicators feeds in before its table: both means and the sum at its first day
(Tests/Indicators/McClellanSummationIndexTests.cs). The table begins in the middle of a market's history."""

PairSeries = Callable[[Series, Series, int], Series]


def symbols_of(numbers: dict[str, Any], columns: Columns) -> tuple[str, str]:
    """Return the two symbols of a case; of a table with two, the first row's is the target where none is named."""
    there = list(dict.fromkeys(columns["symbol"].tolist()))
    named = dict(zip(("target", "reference"), numbers.get("symbols", there), strict=False)) | numbers
    # LEAN writes an identifier behind a symbol: "QQQ RIWIV7K5Z9LX".
    target, reference = (str(named[k]).split(" ", maxsplit=1)[0] for k in ("target", "reference"))
    return target, reference


def beside(numbers: dict[str, Any], columns: Columns, series: PairSeries) -> Outputs:
    """Return a series of two symbols; each time's value is known with its later row, until then the one before."""
    pair = symbols_of(numbers, columns)
    last, both = dict[str, tuple[Any, float]](), list[tuple[int, float, float]]()
    for row, (symbol, time, close) in enumerate(zip(columns["symbol"], columns["time"], columns["close"], strict=True)):
        last[symbol] = (time, close)
        if symbol in pair and len({last[s][0] for s in pair if s in last}) == 1 and all(s in last for s in pair):
            both.append((row, last[pair[0]][1], last[pair[1]][1]))
    rows, target, reference = (np.array(x) for x in zip(*both, strict=True))
    values = series(target, reference, int(numbers["period"]))
    out = np.full(len(columns["close"]), np.nan)
    for i, (row, following) in enumerate(pairwise([*rows, len(out)])):
        out[row:following] = values[i]
    return {"value": out}


def pearson(target: Series, reference: Series, period: int) -> Series:
    """Return the correlation of the last closes of two symbols."""
    columns = {"close": target, "high": target, "low": reference}
    return run("correlation", columns, window=period, first=layout.R_HIGH, second=layout.R_LOW)["value"]


def spearman(target: Series, reference: Series, period: int) -> Series:
    """Return the correlation of the ranks of the last closes of two symbols; equal closes share their mean rank."""
    out, ranks = np.full(len(target), np.nan), np.empty((2, period))
    for end in range(period, len(target) + 1):
        for i, x in enumerate((target, reference)):
            percentile_ranks(np.ascontiguousarray(x[end - period : end]), ranks[i])
        out[end - 1] = pearson(ranks[0], ranks[1], period)[-1]
    return out


def covariance(target: Series, reference: Series, period: int) -> Series:
    """Return the covariance of the last simple returns of two symbols, n - 1 in the denominator."""
    own, other = (x[1:] / x[:-1] - 1 for x in (target, reference))
    out = np.full(len(target), np.nan)
    for end in range(period, len(own) + 1):
        out[end] = np.cov(own[end - period : end], other[end - period : end])[0, 1]
    return out


def correlation(numbers: dict[str, Any], columns: Columns) -> Outputs:
    """Return the correlation of the type that a case names as the value, and both by name."""
    out = {
        "pearson": beside(numbers, columns, pearson)["value"],
        "spearman": beside(numbers, columns, spearman)["value"],
    }
    said = plain(str(numbers.get("type", "pearson"))).removeprefix("correlationtype")
    return out | {"value": out[said]}


def mean_of(net: Series, start: float, column: str, fast: int, slow: int) -> Series:
    """Return the mean of net advances after each row, with another value before the first."""
    row = np.zeros(1, MCCLELLAN).view(np.recarray)
    means = []
    for x in np.r_[start, net[1:]]:
        mcclellan_step(row, float(x), fast, slow)
        means.append(float(row[column][0]))
    return np.array(means)


def means(numbers: dict[str, Any], columns: Columns) -> tuple[Series, Series]:
    """Return the two means in every row, 0 where one is not ready: so LEAN takes them."""
    net, fast, slow = columns["A/D Difference"], int(numbers["fast"]), int(numbers["slow"])
    rows = np.arange(len(net))
    return (
        np.where(rows < fast - 1, 0.0, mean_of(net, FAST_START, "fast", fast, slow)),
        np.where(rows < slow - 1, 0.0, mean_of(net, SLOW_START, "slow", fast, slow)),
    )


def oscillator(numbers: dict[str, Any], columns: Columns) -> Outputs:
    """Return the difference of the means once both are ready."""
    fast, slow = means(numbers, columns)
    return {"value": np.where(np.arange(len(fast)) < int(numbers["slow"]) - 1, np.nan, fast - slow)}


def summation(numbers: dict[str, Any], columns: Columns) -> Outputs:
    """Return the running sum; LEAN begins it with the faster mean alone."""
    fast, slow = means(numbers, columns)
    first = int(numbers["fast"]) - 1
    return {"value": np.r_[np.full(first, np.nan), SUM_START + np.cumsum((fast - slow)[first:])]}


MAPPING: Mapping = {
    "Alpha": lambda n, c: beside(n, c, alpha_series),
    "Beta": lambda n, c: beside(n, c, beta_series),
    "Correlation": correlation,
    "CorrelationPearson": lambda n, c: beside(n, c, pearson),
    "CorrelationSpearman": lambda n, c: beside(n, c, spearman),
    "Covariance": lambda n, c: beside(n, c, covariance),
    "McClellanOscillator": oscillator,
    "McClellanSummationIndex": summation,
}
"""Indicator of LEAN -> how it is made of ours."""
