"""Indicators in batch form against TA-Lib and pandas, and all value features at once.

For each function of TA-Lib that ``tests/conformance/indicators`` maps to indicators, those are timed over one series,
in turn with the library on the same series; the least of several rounds counts, in processor time of one thread. Bars
and their ring are made once, as TA-Lib's arrays are. The stream figure is of ``run_program`` with each value feature of
the schema: what the stage does at a bar close, without decoding and encoding::

    python -m bench.indicators --bars 100000
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import pandas as pd
import talib
from rich.console import Console
from rich.progress import track
from rich.table import Table
from talib import abstract

from processors.featurize.batch import bars_of, indicator_values, ring_of, run_program
from processors.featurize.indicators.window import F64
from processors.featurize.program import compile_program
from schemas.features import load_features
from tests.conformance.indicators import support

ROUNDS = 5
STREAM_BARS = 20_000
GOAL_PER_S = 20_000.0
Prices = dict[str, F64]
Call = tuple[str, dict[str, float], F64, F64]


@dataclass(frozen=True, slots=True)
class Timing:
    """Time of one function, nanoseconds a bar; None where pandas has no natural form."""

    function: str
    ours_ns: float
    talib_ns: float
    pandas_ns: float | None


def prices(n: int, seed: int = 1) -> Prices:
    """Return a random walk as TA-Lib's inputs."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, n)))
    opened = close * np.exp(rng.normal(0, 0.0005, n))
    high = np.maximum(opened, close) * (1 + rng.random(n) * 0.001)
    low = np.minimum(opened, close) * (1 - rng.random(n) * 0.001)
    volume = rng.integers(1, 1000, n).astype(np.float64)
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume,
            "periods": rng.integers(2, 30, n).astype(np.float64)}  # fmt: skip


def peers(p: Prices) -> dict[str, Callable[[], object]]:
    """Return what pandas says in a line or two, by TA-Lib's name and with its default windows."""
    o, h, l, c, v = (pd.Series(p[name]) for name in ("open", "high", "low", "close", "volume"))
    before = c.shift()
    ranges = pd.concat([h - l, (h - before).abs(), (l - before).abs()], axis=1).max(axis=1)
    moved = c.diff()

    def strength() -> object:
        up, down = (moved.clip(lower=0).ewm(alpha=1 / 14).mean(), (-moved).clip(lower=0).ewm(alpha=1 / 14).mean())
        return 100 * up / (up + down)

    def macd() -> object:
        line = c.ewm(span=12).mean() - c.ewm(span=26).mean()
        return line - line.ewm(span=9).mean()

    def bands() -> object:
        window = c.rolling(20)
        return window.mean() + 2 * window.std(ddof=0), window.mean() - 2 * window.std(ddof=0)

    def place(n: int) -> pd.Series:
        low = l.rolling(n).min()
        return (c - low) / (h.rolling(n).max() - low)

    def on_balance() -> object:
        return (np.sign(moved) * v).cumsum()

    return {
        "SMA": lambda: c.rolling(30).mean(),
        "EMA": lambda: c.ewm(span=30).mean(),
        "RMA": lambda: c.ewm(alpha=1 / 30).mean(),
        "BBANDS": bands,
        "DONCHIAN": lambda: (h.rolling(20).max(), l.rolling(20).min()),
        "MIDPOINT": lambda: (c.rolling(14).max() + c.rolling(14).min()) / 2,
        "MIDPRICE": lambda: (h.rolling(14).max() + l.rolling(14).min()) / 2,
        "VWMA": lambda: (c * v).rolling(30).sum() / v.rolling(30).sum(),
        "MOM": lambda: c.diff(10),
        "ROC": lambda: c.pct_change(10),
        "RSI": strength,
        "MACD": macd,
        "WILLR": lambda: place(14),
        "STOCHF": lambda: place(5).rolling(3).mean(),
        "QSTICK": lambda: (c - o).rolling(10).mean(),
        "ATR": lambda: ranges.ewm(alpha=1 / 14).mean(),
        "STDDEV": lambda: c.rolling(5).std(ddof=0),
        "VAR": lambda: c.rolling(5).var(ddof=0),
        "CORREL": lambda: h.rolling(30).corr(l),
        "OBV": on_balance,
    }


def calls_of(function: str, parameters: dict[str, object], columns: support.Columns) -> list[Call]:
    """Return the runs of our indicators that a mapping makes."""
    made: list[Call] = []

    def note(indicator: str, numbers: dict[str, float], bars: F64) -> dict[str, F64]:
        made.append((indicator, numbers, bars, ring_of(bars)))
        return indicator_values(*made[-1])

    with patch.object(support, "indicator_values", note):
        support.mappings("talib")[function](parameters, columns)
    return made


def least_ns(work: Callable[[], object], n: int) -> float:
    """Return the least time of several rounds for one bar."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        work()
        least = min(least, time.thread_time_ns() - began)
    return least / n


def measure(n: int) -> list[Timing]:
    """Return the timings of all functions that are mapped, with the library's default parameters."""
    table = prices(n)
    by_pandas, mapped, out = peers(table), support.mappings("talib"), []
    for function in track([f for f in talib.get_functions() if f in mapped], "indicators", transient=True):
        library = abstract.Function(function)
        parameters, inputs = dict(library.info["parameters"]), library.input_names
        columns = table | {name: table[column] for name, column in inputs.items() if isinstance(column, str)}
        calls = calls_of(function, parameters, columns)
        if not calls:
            # A formula of one number (a sine, a sum): NumPy's, no indicator of ours.
            continue
        given = [table[name] for names in inputs.values() for name in ([names] if isinstance(names, str) else names)]
        theirs = getattr(talib, function)
        ours_ns = least_ns(lambda calls=calls: [indicator_values(*call) for call in calls], n)
        talib_ns = least_ns(lambda f=theirs, a=given, k=parameters: f(*a, **k), n)
        pandas_ns = least_ns(by_pandas[function], n) if function in by_pandas else None
        out.append(Timing(function, ours_ns, talib_ns, pandas_ns))
    return out


def value_features_per_s(n: int = STREAM_BARS) -> tuple[int, float]:
    """Return the number of value features of the schema, and bars a second of one thread that update them all."""
    features = [f for f in load_features() if f.family == "value"]
    program = compile_program([(f, i) for i, f in enumerate(features)])
    p = prices(n)
    bars = bars_of(p["close"], open_=p["open"], high=p["high"], low=p["low"], volume=p["volume"])
    run_program(program, bars[:100])
    return len(features), 1e9 / least_ns(lambda: run_program(program, bars), n)


def report(n: int, console: Console) -> None:
    """Print the table, the totals and the stream figure."""
    timings = measure(n)
    table = Table(title=f"Indicators over {n:,} bars, ns a bar (least of {ROUNDS} rounds)", title_justify="left")
    for name in ("function", "ours", "TA-Lib", "TA-Lib / ours", "pandas", "pandas / ours"):
        table.add_column(name, justify="left" if name == "function" else "right")
    for t in timings:
        pandas = ("", "") if t.pandas_ns is None else (f"{t.pandas_ns:,.1f}", f"{t.pandas_ns / t.ours_ns:.1f}")
        table.add_row(t.function, f"{t.ours_ns:,.1f}", f"{t.talib_ns:,.1f}", f"{t.talib_ns / t.ours_ns:.2f}", *pandas)
    ours, theirs = (sum(getattr(t, name) for t in timings) for name in ("ours_ns", "talib_ns"))
    both = [t for t in timings if t.pandas_ns is not None]
    shared, frames = sum(t.ours_ns for t in both), sum(t.pandas_ns or 0.0 for t in both)
    table.add_row(f"all {len(timings)}", f"{ours:,.0f}", f"{theirs:,.0f}", f"{theirs / ours:.2f}", "", "", style="bold")
    table.add_row(f"{len(both)} of pandas", f"{shared:,.0f}", "", "", f"{frames:,.0f}", f"{frames / shared:.1f}")
    console.print(table)
    count, per_s = value_features_per_s()
    console.print(
        f"{count} value features at every bar: {per_s:,.0f} bars/s of one thread "
        f"(goal {GOAL_PER_S:,.0f}); load average {os.getloadavg()[0]:.1f}\n"
    )


def main() -> None:
    """Run this benchmark alone."""
    parser = argparse.ArgumentParser(prog="bench.indicators", description=__doc__)
    parser.add_argument("--bars", type=int, default=100_000, help="bars of the series (default %(default)s)")
    report(parser.parse_args().bars, Console())


if __name__ == "__main__":
    main()
