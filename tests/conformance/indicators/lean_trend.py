"""LEAN's trend indicators, made of ours."""

import math
from typing import Any

import numpy as np

from tests.conformance.indicators.lean_names import kind_of, output_of, plain
from tests.conformance.indicators.lean_series import delayed
from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series, on, run

Numbers = dict[str, Any]


def half_even(x: float) -> int:
    """Return x rounded as LEAN rounds: halves to even."""
    return round(x)


def average(kind: int, x: Series, window: int) -> Series:
    """Return LEAN's moving average by the number of its kind."""
    kinds: dict[int, tuple[str, Numbers]] = {
        0: ("sma", {}), 1: ("ema", {}), 2: ("wma", {}), 3: ("dema", {}), 4: ("tema", {}), 5: ("trima", {}),
        6: ("kama", {"fast": 2, "slow": 30}), 8: ("t3", {"factor": 0.7}),
        9: ("hull", {"half": half_even(window / 2), "root": half_even(math.sqrt(window))}),
        12: ("zlema", {"lag": half_even((window - 1) / 2)}), 13: ("wilder_average", {}),
        14: ("alma", {"sigma": 6, "offset": 0.85}), 15: ("mcginley", {}),
    }  # fmt: skip
    name, more = kinds[kind]
    return on(name, x, window=window, **more)["value"]


def _kind(kind: int) -> Any:
    return lambda p, c: {"value": average(kind, c["close"], p["period"])}


def _of(indicator: str, **more: float) -> Any:
    return lambda p, c: {"value": run(indicator, c, window=p["period"], **more)["value"]}


def _differences(p: Numbers, c: Columns, default: str, *, percent: bool = False) -> Outputs:
    """Return the difference of two averages of one kind, each from its own first close on."""
    kind = kind_of(p, default)
    fast, slow = (average(kind, c["close"], p[name]) for name in ("fast", "slow"))
    value = fast - slow
    signal = average(kind if "signal" in p else 0, value[p["slow"] - 1 :], p.get("signal", 1))
    signal = np.r_[value[: p["slow"] - 1], signal]
    value = 100 * value / slow if percent else value
    return {"value": value, "signal": signal, "histogram": value - signal, "fast": fast, "slow": slow}


def _direction(p: Numbers, c: Columns) -> Outputs:
    out = run("dmi", c, window=p["period"], seed=1)
    return {"value": out["adx"], "plus": out["plus_di"], "minus": out["minus_di"]}


def _stop(p: Numbers, c: Columns) -> Outputs:
    start, step, most = p.get("af_start", 0.02), p.get("af_increment", 0.02), p.get("af_max", 0.2)
    factors = {"init": start, "step": step, "max": most}
    long, short = ({f"{name}_{side}": v for name, v in factors.items()} for side in ("long", "short"))
    return {"value": run("sar", c, start=0, offset=0, **long, **short)["value"]}


def _stop_extended(p: Numbers, c: Columns) -> Outputs:
    factors = {
        f"{ours}_{side}": p.get(f"af_{theirs}_{side}", default)
        for side in ("long", "short")
        for ours, theirs, default in (("init", "start", 0.02), ("step", "increment", 0.02), ("max", "max", 0.2))
    }
    out = run("sar", c, start=p.get("sar_start", 0), offset=p.get("offset_on_reverse", 0), **factors)
    return {"value": out["signed"]}


def _ichimoku(p: Numbers, c: Columns) -> Outputs:
    """Return the five lines, and the highs and lows that they are made of, as they are and as they are drawn."""
    tenkan, kijun, senkou = p.get("tenkan", 9), p.get("kijun", 26), p.get("senkou_b", 52)
    late_a, late_b = p.get("senkou_a_delay", 26), p.get("senkou_b_delay", p.get("senkou_a_delay", 26))
    out = run("ichimoku", c, tenkan=tenkan, kijun=kijun, senkou=senkou, lag_a=late_a, lag_b=late_b)
    ends = {name: run("donchian", c, window=window) for name, window in
            (("tenkan", tenkan), ("kijun", kijun), ("senkou_b", senkou))}  # fmt: skip
    made = {f"{name}_{end}imum": channel["high" if end == "max" else "low"]
            for name, channel in ends.items() for end in ("max", "min")}  # fmt: skip
    late = {
        "delayed_tenkan_senkou_a": delayed(out["tenkan"], late_a),
        "delayed_kijun_senkou_a": delayed(out["kijun"], late_a),
        "delayed_maximum_senkou_b": delayed(made["senkou_b_maximum"], late_b),
        "delayed_minimum_senkou_b": delayed(made["senkou_b_minimum"], late_b),
    }
    return out | made | late | {"value": np.asarray(c["close"])}


TOOLS = ("gauss", "butter", "highpass", "twopolehighpass", "bandpass")


def _swiss(p: Numbers, c: Columns) -> Outputs:
    """Return every tool's filter; the one that a case names is the value."""
    numbers = {"window": p["period"], "delta": p.get("delta", 0.1)}
    out = {name: on("swiss_knife", c["close"], tool=i, **numbers)["value"] for i, name in enumerate(TOOLS)}
    named = output_of(out, plain(str(p.get("tool", TOOLS[0]))).removeprefix("swissarmyknifetool"))
    return out if named is None else out | {"value": out[named]}


def _acceleration(p: Numbers, c: Columns) -> Outputs:
    out = run("accbands", c, window=p["period"], width=p.get("width", 4), ma=kind_of(p, "simple"))
    return out | {"value": out["middle"]}


def _bollinger(p: Numbers, c: Columns) -> Outputs:
    bands = on("bollinger", c["close"], window=p["period"], width=p.get("k", 2))
    half = (bands["upper"] - bands["lower"]) / 2
    middle = average(kind_of(p, "simple"), c["close"], p["period"])
    upper, lower = middle + half, middle - half
    place = (c["close"] - lower) / (upper - lower)
    bands = {"upper": upper, "middle": middle, "lower": lower, "value": middle}
    return bands | {"bandwidth": 200 * half / middle, "percent_b": place, "standard_deviation": half / p.get("k", 2)}


def _super(p: Numbers, c: Columns) -> Outputs:
    width = p.get("multiplier", 3)
    return {"value": run("supertrend", c, window=p["period"], width=width, ma=kind_of(p, "wilders"), first=1)["value"]}


MAPPING: Mapping = {
    "SimpleMovingAverage": _kind(0),
    "ExponentialMovingAverage": _kind(1),
    "LinearWeightedMovingAverage": _kind(2),
    "DoubleExponentialMovingAverage": _kind(3),
    "TripleExponentialMovingAverage": _kind(4),
    "TriangularMovingAverage": _kind(5),
    "HullMovingAverage": _kind(9),
    "ZeroLagExponentialMovingAverage": _kind(12),
    "WilderMovingAverage": _kind(13),
    "McGinleyDynamic": _kind(15),
    "KaufmanAdaptiveMovingAverage": lambda p, c: {
        "value": on("kama", c["close"], window=p["period"], fast=p.get("fast", 2), slow=p.get("slow", 30))["value"]
    },
    "T3MovingAverage": lambda p, c: {
        "value": on("t3", c["close"], window=p["period"], factor=p.get("volume_factor", 0.7))["value"]
    },
    "ArnaudLegouxMovingAverage": lambda p, c: {
        "value": on(
            "alma", c["close"], window=p["period"], sigma=p.get("sigma", 6), offset=p.get("offset", 0.85)
        )["value"]
    },
    "VariableIndexDynamicAverage": lambda p, c: {"value": on("vidya", c["close"], window=p["period"])["value"]},
    "FractalAdaptiveMovingAverage": lambda p, c: {
        "value": run("frama", c, window=p["period"], slowest=p.get("long", 198))["value"]
    },
    "VolumeWeightedMovingAverage": _of("vwma"),
    "RelativeMovingAverage": lambda p, c: {"value": on("relative_average", c["close"], window=p["period"])["value"]},
    "SwissArmyKnife": _swiss,
    "MidPoint": lambda p, c: {"value": on("midpoint", c["close"], window=p["period"])["close"]},
    "MidPrice": lambda p, c: {"value": run("midpoint", c, window=p["period"])["range"]},
    "AccelerationBands": _acceleration,
    "BollingerBands": _bollinger,
    "IchimokuKinkoHyo": _ichimoku,
    "ParabolicStopAndReverse": _stop,
    "ParabolicStopAndReverseExtended": _stop_extended,
    "SuperTrend": _super,
    "AverageDirectionalIndex": _direction,
    "AverageDirectionalMovementIndexRating": lambda p, c: {
        "value": (out := run("dmi", c, window=p["period"], seed=1))["adxr"], "adxr": out["adxr"], "adx": out["adx"]
    },
    "MovingAverageConvergenceDivergence": lambda p, c: _differences(p, c, "exponential"),
    "AbsolutePriceOscillator": lambda p, c: _differences(p, c, "simple"),
    "PercentagePriceOscillator": lambda p, c: _differences(p, c, "simple", percent=True),
}  # fmt: skip
"""Indicator of LEAN -> its outputs as the manifest names them."""
