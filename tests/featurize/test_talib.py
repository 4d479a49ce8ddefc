"""Every function of TA-Lib has ours, which gives the library's values over random bars, with many parameters.

The functions are found by asking the library; ``tests/conformance/indicators`` says how each is made of ours.
"""

import warnings
import zlib
from typing import Any

import numpy as np
import pytest
import talib
from talib import abstract

from tests.conformance.indicators.support import Columns, mappings
from tests.conformance.kinds.indicators import inputs_of

MAPPED = mappings("talib")
FUNCTIONS = sorted(talib.get_functions())
N_OTHERS = 4
"""Sets of other parameters than the defaults, each over bars of its own."""
KINDS = (0, 1, 2, 3, 4, 5, 6, 8, 9, 12, 13)
"""Kinds of moving average that have a window."""
NEAR = 1e-9


def bars(n: int, seed: int) -> Columns:
    """Return a random walk with gaps and a few flat bars; ``periods`` is a window of its own for each bar."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n) * (rng.random(n) > 0.1)))
    opened = close * np.exp(rng.normal(0, 0.004, n) * (rng.random(n) > 0.1))
    high = np.maximum(opened, close) * (1 + rng.random(n) * 0.005)
    low = np.minimum(opened, close) * (1 - rng.random(n) * 0.005)
    volume = rng.integers(1, 1000, n).astype(np.float64)
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume,
            "periods": rng.integers(2, 30, n).astype(np.float64)}  # fmt: skip


def others(parameters: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return other parameters of the same function: windows of 2 to 29 bars, any kind of average, near numbers."""
    out: dict[str, Any] = {}
    for name, default in parameters.items():
        if name.endswith("matype"):
            out[name] = int(rng.choice(KINDS))
        elif isinstance(default, int):
            out[name] = int(rng.integers(2, 30))
        else:
            # A factor of T3 or MAMA is at most 1.
            most = 0.99 if name.endswith(("factor", "limit")) else np.inf
            out[name] = round(min(default * float(rng.uniform(0.5, 1.5)), most), 3)
    if "minperiod" in out:
        out["minperiod"], out["maxperiod"] = sorted((out["minperiod"], out["maxperiod"]))
    return out


def named(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that are one column each, by TA-Lib's names."""
    return {name: column for name, column in inputs.items() if isinstance(column, str)}


def seed_of(function: str) -> int:
    """Return a number that is the function's alone."""
    return zlib.crc32(function.encode())


def test_no_function_of_talib_is_unmapped() -> None:
    """Whatever the library has, we have; and we map nothing that it has not."""
    assert sorted(MAPPED) == FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_of_talib_is_ours(function: str) -> None:
    """Values equal the library's to 1e-9 of themselves, and are missing exactly where the library's are."""
    rng = np.random.default_rng(seed_of(function))
    library = abstract.Function(function)
    defaults = dict(library.info["parameters"])
    for i in range(1 + N_OTHERS):
        parameters = others(defaults, rng) if i else defaults
        table = bars(int(rng.integers(250, 400)), seed_of(function) + i)
        library.set_parameters(parameters)
        with warnings.catch_warnings():
            # Some functions say that they have a newer name.
            warnings.simplefilter("ignore")
            given = library(table)
        told = dict(zip(library.output_names, given if isinstance(given, list | tuple) else [given], strict=True))
        ours = MAPPED[function](parameters, inputs_of(table, named(library.input_names)))
        for name, values in told.items():
            mine = ours[name] if len(told) > 1 else next(iter(ours.values()))
            what = f"{function} {parameters} {name}"
            if values.dtype.kind == "i":
                # Whole numbers stand at 0 before the lookback, where ours may be missing.
                mine = np.where(np.arange(len(mine)) < library.lookback, 0.0, mine)
            np.testing.assert_array_equal(np.isnan(mine), np.isnan(values.astype(float)), err_msg=what)
            np.testing.assert_allclose(mine, values, NEAR, NEAR, err_msg=what)


def test_parameters_that_are_off_are_told_apart() -> None:
    """The comparison is sharp: one bar more in the window, and no value of RSI, ATR or EMA would pass."""
    table = inputs_of(bars(300, 1), {"price": "close"})
    for function in ("RSI", "ATR", "EMA"):
        right, wrong = (MAPPED[function]({"timeperiod": n}, table)[""][60:] for n in (14, 15))
        assert (np.abs(right - wrong) > NEAR * np.abs(right)).mean() > 0.99
