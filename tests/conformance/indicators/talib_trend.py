"""TA-Lib's trend functions, made of our indicators."""

import math
from typing import Any

import numpy as np

from processors.featurize.indicators.averages import lookback
from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series, on, run, together

Numbers = dict[str, Any]
NO_AVERAGE, MAMA = 10, 7


def average(kind: int, x: Series, window: int) -> Series:
    """Return TA-Lib's moving average by the number of its kind."""
    if kind == NO_AVERAGE or window == 1:
        return np.asarray(x, np.float64)
    if kind == MAMA:
        return on("mama", x, fast=0.5, slow=0.05, of_median=0)["value"]
    kinds: dict[int, tuple[str, Numbers]] = {
        0: ("sma", {}), 1: ("ema", {}), 2: ("wma", {}), 3: ("dema", {}), 4: ("tema", {}), 5: ("trima", {}),
        6: ("kama", {"fast": 2, "slow": 30}), 8: ("t3", {"factor": 0.7}),
        9: ("hull", {"half": max(window // 2, 1), "root": max(math.isqrt(window), 1)}),
        12: ("zlema", {"lag": (window - 1) // 2}), 13: ("wilder_average", {}),
    }  # fmt: skip
    name, more = kinds[kind]
    return on(name, x, window=window, **more)["value"]


def _kind(kind: int, default: str = "timeperiod") -> Any:
    return lambda p, c: {"": average(kind, c["price"], p[default])}


def _bands(middle: Series, width_up: Series, width_down: Series) -> Outputs:
    out = {"upperband": middle + width_up, "middleband": middle, "lowerband": middle - width_down}
    return together(out)


def _bollinger(p: Numbers, c: Columns) -> Outputs:
    bands = on("bollinger", c["price"], window=p["timeperiod"], width=1)
    deviation = (bands["upper"] - bands["lower"]) / 2
    middle = average(p.get("matype", 0), c["price"], p["timeperiod"])
    return _bands(middle, p["nbdevup"] * deviation, p["nbdevdn"] * deviation)


def _channel(c: Columns, window: int) -> Outputs:
    channel = run("donchian", c, window=window)
    middle = (channel["high"] + channel["low"]) / 2
    return {"upperband": channel["high"], "middleband": middle, "lowerband": channel["low"]}


def _both(p: Numbers) -> Numbers:
    """Return the windows of a channel whose sides are alike."""
    return {"upper_window": p["timeperiod"], "lower_window": p["timeperiod"]}


def _keltner(p: Numbers, c: Columns) -> Outputs:
    """Return the channel; its average and its range start so late that both have their first value at once."""
    late = p["atrperiod"] - (p["timeperiod"] - 1)
    begin = max(-late, 0)
    bars = {name: c[name][begin:] for name in ("high", "low", "close")}
    ranges = np.r_[np.full(begin, np.nan), run("atr", bars, window=p["atrperiod"])["value"]]
    typical = (c["high"] + c["low"] + c["close"]) / 3
    typical[: max(late, 0)] = np.nan
    width = p["nbdev"] * ranges
    return _bands(on("ema", typical, window=p["timeperiod"])["value"], width, width)


def _acceleration(p: Numbers, c: Columns) -> Outputs:
    bands = run("accbands", c, window=p["timeperiod"], width=4, ma=0)
    return {f"{name}band": values for name, values in bands.items()}


def _stop(p: Numbers, c: Columns) -> Outputs:
    names = ("initlong", "long", "maxlong", "initshort", "short", "maxshort")
    init_l, step_l, max_l, init_s, step_s, max_s = (p[f"acceleration{name}"] for name in names)
    values = run(
        "sar", c, start=p["startvalue"], offset=p["offsetonreverse"],
        init_long=min(init_l, max_l), step_long=min(step_l, max_l), max_long=max_l,
        init_short=min(init_s, max_s), step_short=min(step_s, max_s), max_short=max_s,
    )  # fmt: skip
    return {"": values["signed"]}


def _parabolic(p: Numbers, c: Columns) -> Outputs:
    step = min(p["acceleration"], p["maximum"])
    long = {f"{name}_long": v for name, v in (("init", step), ("step", step), ("max", p["maximum"]))}
    short = {name.replace("long", "short"): v for name, v in long.items()}
    return {"": run("sar", c, start=0, offset=0, **long, **short)["value"]}


def _super(p: Numbers, c: Columns) -> Outputs:
    out = run("supertrend", c, window=p["timeperiod"], width=p["multiplier"], ma=13, first=0)
    return {"supertrend": out["value"], "trend": np.nan_to_num(out["side"])}


def _variable(p: Numbers, c: Columns) -> Outputs:
    """Return the average whose window changes from bar to bar; each starts where the longest one can."""
    least, most, kind, price = p["minperiod"], p["maxperiod"], p.get("matype", 0), c["price"]
    out = np.full(len(price), np.nan)
    first = lookback(kind, most)
    windows = np.clip(np.nan_to_num(c["periods"]).astype(int), least, most)
    for window in np.unique(windows[first:]):
        begin = first - lookback(kind, int(window))
        values = np.r_[np.full(begin, np.nan), average(kind, price[begin:], int(window))]
        chosen = (windows == window) & (np.arange(len(price)) >= first)
        out[chosen] = values[chosen]
    return {"": out}


def _direction(output: str) -> Any:
    return lambda p, c: {"": run("dmi", c, window=p["timeperiod"], seed=0)[output]}


def _volume_weighted(p: Numbers, c: Columns) -> Outputs:
    return {"": run("vwma", {"close": c["price"], "volume": c["volume"]}, window=p["timeperiod"])["value"]}


MAPPING: Mapping = {
    "SMA": _kind(0),
    "EMA": _kind(1),
    "WMA": _kind(2),
    "DEMA": _kind(3),
    "TEMA": _kind(4),
    "TRIMA": _kind(5),
    "KAMA": _kind(6),
    "T3": lambda p, c: {"": on("t3", c["price"], window=p["timeperiod"], factor=p["vfactor"])["value"]},
    "HMA": _kind(9),
    "ZLEMA": _kind(12),
    "RMA": _kind(13),
    "MA": lambda p, c: {"": average(p.get("matype", 0), c["price"], p["timeperiod"])},
    "MAVP": _variable,
    "VWMA": _volume_weighted,
    "BBANDS": _bollinger,
    "ACCBANDS": _acceleration,
    "DONCHIAN": lambda p, c: _channel(c, p["timeperiod"]),
    "KC": _keltner,
    "MIDPOINT": lambda p, c: {"": on("channel", c["price"], **_both(p))["middle"]},
    "MIDPRICE": lambda p, c: {"": run("channel", c | {"close": c["high"]}, **_both(p))["middle"]},
    "SAR": _parabolic,
    "SAREXT": _stop,
    "SUPERTREND": _super,
    "PLUS_DM": _direction("plus_dm"),
    "MINUS_DM": _direction("minus_dm"),
    "PLUS_DI": _direction("plus_di"),
    "MINUS_DI": _direction("minus_di"),
    "DX": _direction("dx"),
    "ADX": _direction("adx"),
    "ADXR": _direction("adxr"),
}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
