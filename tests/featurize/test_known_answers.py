"""Indicators against tables that others computed: TA-Lib and LEAN, all that touch the kernels of the pack."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.featurize import kernel as k
from processors.featurize.program import KERNELS, compile_program
from schemas.features import load_features

Series = NDArray[np.float64]
Prices = dict[str, Series]


def run(indicator: str, prices: Prices, **numbers: float) -> dict[str, Series]:
    """Return every output of an indicator with any parameters, one bar after the other."""
    outputs = KERNELS[indicator].outputs
    parameters = "".join(f"{name}={value};" for name, value in numbers.items())
    base = load_features()[0]
    features = [replace(base, indicator=indicator, parameters=f"{parameters}output={o}") for o in outputs]
    program = compile_program([(f, i) for i, f in enumerate(features)])
    ring, state = np.zeros((k.N_SERIES, program.n_bars)), np.zeros(program.n_state)
    close = prices["close"]
    out = np.empty((len(close), len(outputs)))
    for i in range(len(close)):
        bar = np.full(k.N_BAR, np.nan)
        for row, name in ((k.OPEN, "open"), (k.HIGH, "high"), (k.LOW, "low"), (k.CLOSE, "close"), (k.VOLUME, "volume")):
            bar[row] = prices.get(name, close)[i]
        k.step(bar, ring, i, program.ops, program.p, program.takes, state, out[i])
    return {name: out[:, i] for i, name in enumerate(outputs)}


def one(x: Series) -> Prices:
    """Return a series as the prices of bars that are points."""
    return {"close": x}


def known(x: Series, f: Callable[[Series], Series]) -> Series:
    """Return f of the numbers at the end of x, with the missing ones at its begin as they are."""
    first = int(np.isnan(x).sum())
    return np.r_[x[:first], f(x[first:])]


def sma(x: Series, n: int) -> Series:
    """Return the moving mean: the middle of the bands."""
    bands = run("bollinger", one(x), window=n, width=1)
    return (bands["upper"] + bands["lower"]) / 2


def ema(x: Series, n: int) -> Series:
    """Return the exponential average."""
    return run("ema", one(x), window=n)["value"]


def rsi(x: Series, n: int) -> Series:
    """Return the relative strength index."""
    return run("rsi", one(x), window=n)["value"]


def midpoint(p: Prices, n: int) -> Series:
    """Return the middle of the channel."""
    channel = run("donchian", p, window=n)
    return (channel["high"] + channel["low"]) / 2


def stoch_rsi(x: Series, n: int, window: int) -> Series:
    """Return the place of the relative strength index within its own channel, percent."""
    return known(rsi(x, n), lambda r: 100 * run("donchian", one(r), window=window)["position"])


def stddev(p: Prices, n: int) -> Series:
    """Return the population deviation: half the width of bands of one deviation."""
    bands = run("bollinger", p, window=n, width=1)
    return (bands["upper"] - bands["lower"]) / 2


def dema(x: Series, n: int) -> Series:
    """Return the double exponential average."""
    return 2 * ema(x, n) - known(ema(x, n), lambda e: ema(e, n))


def tema(x: Series, n: int) -> Series:
    """Return the triple exponential average."""
    once = ema(x, n)
    twice = known(once, lambda e: ema(e, n))
    return 3 * once - 3 * twice + known(twice, lambda e: ema(e, n))


def atr_from_first_range(p: Prices, n: int) -> Series:
    """Return the average true range that counts the first bar's range too, as if a bar inside it came before."""
    prices = {name: np.r_[p["close"][0], p[name]] for name in ("high", "low", "close")}
    return run("atr", prices, window=n)["value"][1:]


TALIB: dict[str, Callable[..., list[Series]]] = {
    "NATR": lambda p, timeperiod: [100 * run("atr", p, window=timeperiod)["ratio"]],
    "TRANGE": lambda p: [run("atr", p, window=1)["value"]],
    "CMO": lambda p, timeperiod: [2 * rsi(p["close"], timeperiod) - 100],
    "MIDPRICE": lambda p, timeperiod: [midpoint(p, timeperiod)],
    "MIDPOINT": lambda p, timeperiod: [midpoint(one(p["close"]), timeperiod)],
    "WILLR": lambda p, timeperiod: [100 * run("donchian", p, window=timeperiod)["position"] - 100],
    "ROCR": lambda p, timeperiod: [np.exp(run("log_return", p, window=timeperiod)["value"])],
    "ROC": lambda p, timeperiod: [100 * np.expm1(run("log_return", p, window=timeperiod)["value"])],
    "STDDEV": lambda p, timeperiod, nbdev: [nbdev * stddev(p, timeperiod)],
    "VAR": lambda p, timeperiod, nbdev: [stddev(p, timeperiod) ** 2],  # noqa: ARG005 - TA-Lib does not use it either
    "DEMA": lambda p, timeperiod: [dema(p["close"], timeperiod)],
    "STOCHRSI": lambda p, timeperiod, fastk_period, fastd_period, fastd_matype: [  # noqa: ARG005 - simple mean: 0
        stoch_rsi(p["close"], timeperiod, fastk_period),
        known(stoch_rsi(p["close"], timeperiod, fastk_period), lambda s: sma(s, fastd_period)),
    ],
    # Held by other tables of the same library.
    "RSI": lambda p, timeperiod: [rsi(p["close"], timeperiod)],
    "ATR": lambda p, timeperiod: [run("atr", p, window=timeperiod)["value"]],
    "SMA": lambda p, timeperiod: [sma(p["close"], timeperiod)],
    "EMA": lambda p, timeperiod: [ema(p["close"], timeperiod)],
    "TEMA": lambda p, timeperiod: [tema(p["close"], timeperiod)],
    "MACD": lambda p, fastperiod, slowperiod, signalperiod: list(
        run("macd", one(p["close"]), fast=fastperiod, slow=slowperiod, signal=signalperiod).values()
    )[:3],
}
"""Function of TA-Lib -> its outputs made from our kernels. MACD there is silent until its signal is there."""


def columns_of(path: Path) -> dict[str, list[str]]:
    """Return a CSV file by column."""
    with path.open(newline="") as f:
        rows = list(csv.DictReader(f))
    return {name: [row[name] for row in rows] for name in rows[0]}


def numbers(cells: list[str]) -> Series:
    """Return cells as numbers, NaN for empty ones."""
    return np.array([float(c) if c else np.nan for c in cells])


PRICE_NAMES = ("open", "high", "low", "close", "volume")


def test_the_kernels_give_ta_libs_values(shared: Path) -> None:
    """Every TA-Lib output that the kernels can make equals TA-Lib's, and is missing exactly where TA-Lib's is."""
    checked = set()
    for path in sorted((shared / "indicators" / "talib").glob("*.json")):
        manifest = json.loads(path.read_text())
        table = columns_of(path.with_suffix(".csv"))
        prices = {name: numbers(table[name]) for name in PRICE_NAMES}
        for case in manifest["cases"]:
            make = TALIB.get(case["function"])
            if make is None:
                continue
            for ours, column in zip(make(prices, **case["params"]), case["columns"], strict=True):
                expected = numbers(table[column])
                there = ~np.isnan(expected)
                # A function of several outputs shows none before the last of them is there.
                assert np.isnan(ours[: case["lookback_bars"]]).all() or len(case["columns"]) > 1, case
                np.testing.assert_allclose(
                    ours[there], expected[there], manifest["tolerance_rel_suggested"], 1e-8, err_msg=f"{path} {case}"
                )
                checked.add(case["function"])
    assert len(checked) >= 12, checked


LEAN: dict[str, Callable[..., dict[str, Series]]] = {
    "AverageTrueRange": lambda p, q: {"value": atr_from_first_range(p, q["period"])},
    "ExponentialMovingAverage": lambda p, q: {"value": ema(p["close"], q["period"])},
    "TripleExponentialMovingAverage": lambda p, q: {"value": tema(p["close"], q["period"])},
    "SimpleMovingAverage": lambda p, q: {"value": sma(p["close"], q["period"])},
    "Minimum": lambda p, q: {"value": run("donchian", one(p["close"]), window=q["period"])["low"]},
    "MidPoint": lambda p, q: {"value": midpoint(one(p["close"]), q["period"])},
    "RelativeStrengthIndex": lambda p, q: {"value": rsi(p["close"], q["period"])} if q["ma"] == "wilder" else {},
    "RateOfChangeRatio": lambda p, q: {"value": np.exp(run("log_return", p, window=q["period"])["value"])},
    "RateOfChangePercent": lambda p, q: {"value": 100 * np.expm1(run("log_return", p, window=q["period"])["value"])},
    "InternalBarStrength": lambda p, _: {"value": run("bar_shape", p)["close_position"]},
    "WilliamsPercentR": lambda p, q: {"value": 100 * run("donchian", p, window=q["period"])["position"] - 100},
    "DonchianChannel": lambda p, q: {
        "upper": (channel := run("donchian", p, window=q["period"]))["high"],
        "lower": channel["low"],
        "mean": midpoint(p, q["period"]),
    },
}


def test_the_kernels_give_leans_values(shared: Path) -> None:
    """Every LEAN table of an indicator that the kernels can make is met within its stated tolerance."""
    checked = set()
    for case in json.loads((shared / "indicators" / "manifest_lean.json").read_text())["cases"]:
        make = LEAN.get(case["indicator"])
        if make is None:
            continue
        table = columns_of(shared / "indicators" / case["input_file"])
        expected = numbers(table[case["expected_column"]])
        # The last row of one file is of an unfinished day and has no answer.
        prices = {name: numbers(table[name]) for name in PRICE_NAMES if name in table}
        ours = make(prices, case["params"]).get(case["output"])
        if ours is None:
            continue
        compare = ~np.isnan(expected) & (np.arange(len(expected)) >= (case["warmup_bars"] or 1) - 1)
        assert compare.sum() > 300, case["name"]
        np.testing.assert_allclose(ours[compare], expected[compare], 0, case["tolerance_abs"], err_msg=case["name"])
        checked.add(case["indicator"])
    assert len(checked) >= 12, checked


@pytest.mark.parametrize("name", ["rsi", "atr", "ema"])
def test_an_average_that_starts_elsewhere_is_told_apart(shared: Path, name: str) -> None:
    """The tables are sharp enough: with a period one longer, no value of these indicators would pass."""
    table = columns_of(next((shared / "indicators" / "talib").glob("*.csv")))
    prices = {column: numbers(table[column]) for column in PRICE_NAMES}
    right, wrong = (run(name, prices, window=window)["value"][60:] for window in (14, 15))
    assert (np.abs(right - wrong) > 1e-7).all()
