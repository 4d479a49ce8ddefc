"""TA-Lib's statistics and operators over windows, made of our indicators."""

from typing import Any

import numpy as np

from processors.featurize.indicators import layout
from tests.conformance.indicators.support import Columns, Mapping, Outputs, on, run


def _moments(p: dict[str, Any], c: Columns) -> Outputs:
    return on("moments", c["price"], window=p["timeperiod"], less=0)


def _channel(p: dict[str, Any], c: Columns) -> Outputs:
    """Return the highest and the lowest: the channel of bars that are points."""
    out = on("channel", c["price"], upper_window=p["timeperiod"], lower_window=p["timeperiod"])
    return {"min": out["lower"], "max": out["upper"]}


def _extremes(p: dict[str, Any], c: Columns) -> Outputs:
    out = on("extremes", c["price"], window=p["timeperiod"])
    rows = np.arange(len(c["price"]))
    return {"minidx": rows - out["bars_since_low"], "maxidx": rows - out["bars_since_high"]}


def _regression(output: str) -> Any:
    def made(p: dict[str, Any], c: Columns) -> Outputs:
        return {"": on("regression", c["price"], window=p["timeperiod"])[output]}

    return made


def _pair(indicator: str) -> Any:
    """Return the mapping of an indicator of two prices: they stand as high and low."""

    def made(p: dict[str, Any], c: Columns) -> Outputs:
        columns = {"close": c["price0"], "high": c["price0"], "low": c["price1"]}
        rows = {"first": layout.R_HIGH, "second": layout.R_LOW}
        return {"": run(indicator, columns, window=p["timeperiod"], **rows)["value"]}

    return made


MAPPING: Mapping = {
    "STDDEV": lambda p, c: {"": p["nbdev"] * _moments(p, c)["deviation"]},
    "VAR": lambda p, c: {"": _moments(p, c)["variance"]},
    "AVGDEV": lambda p, c: {"": _moments(p, c)["mean_distance"]},
    "SUM": lambda p, c: {"": p["timeperiod"] * on("sma", c["price"], window=p["timeperiod"])["value"]},
    "MAX": lambda p, c: {"": _channel(p, c)["max"]},
    "MIN": lambda p, c: {"": _channel(p, c)["min"]},
    "MINMAX": _channel,
    "MAXINDEX": lambda p, c: {"": _extremes(p, c)["maxidx"]},
    "MININDEX": lambda p, c: {"": _extremes(p, c)["minidx"]},
    "MINMAXINDEX": _extremes,
    "BETA": _pair("beta"),
    "CORREL": _pair("correlation"),
    "LINEARREG": _regression("value"),
    "LINEARREG_ANGLE": _regression("angle"),
    "LINEARREG_INTERCEPT": _regression("intercept"),
    "LINEARREG_SLOPE": _regression("slope"),
    "TSF": _regression("forecast"),
    "PERCENTILE": lambda p, c: {
        "": on("percentile", c["price"], window=p["timeperiod"], percent=p["percentile"])["value"]
    },
    "PERCENTRANK": lambda p, c: {"": on("percent_rank", c["price"], window=p["timeperiod"])["value"]},
}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
