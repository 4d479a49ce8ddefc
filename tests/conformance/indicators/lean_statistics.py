"""LEAN's statistics, made of ours."""

from typing import Any

from tests.conformance.indicators.support import Columns, Mapping, Outputs, on


def _moment(output: str) -> Any:
    def made(p: dict[str, Any], c: Columns) -> Outputs:
        return {"value": on("moments", c["close"], window=p["period"], less=0)[output]}

    return made


def _deviation(p: dict[str, Any], c: Columns) -> Outputs:
    """Return the deviation, and its square, which LEAN's table of it has."""
    out = on("moments", c["close"], window=p["period"], less=0)
    return {"value": out["deviation"], "variance": out["variance"]}


def _extreme(output: str) -> Any:
    def made(p: dict[str, Any], c: Columns) -> Outputs:
        out = on("extremes", c["close"], window=p["period"])
        since = out.get(f"bars_since_{output}", out["bars_since_high"])
        return {"value": out[output], "periods_since": since}

    return made


def _regression(p: dict[str, Any], c: Columns) -> Outputs:
    """Return the line at this bar; LEAN counts bars from 1, so its intercept lies one bar before the oldest."""
    out = on("regression", c["close"], window=p["period"])
    return {"value": out["value"], "slope": out["slope"], "intercept": out["intercept"] - out["slope"]}


def _channel(p: dict[str, Any], c: Columns) -> Outputs:
    middle = _regression(p, c)
    half = p.get("k", 2) * on("moments", c["close"], window=p["period"], less=0)["deviation"]
    bands = {"upper": middle["value"] + half, "lower": middle["value"] - half}
    return middle | bands | {"linear_regression": middle["value"]}


def _hurst(p: dict[str, Any], c: Columns) -> Outputs:
    return {"value": on("hurst", c["close"], window=p["period"], lag_max=p.get("max_lag", 20))["value"]}


MAPPING: Mapping = {
    "Variance": _moment("variance"),
    "StandardDeviation": _deviation,
    "MeanAbsoluteDeviation": _moment("mean_distance"),
    "Sum": _moment("sum"),
    "Maximum": _extreme("high"),
    "Minimum": _extreme("low"),
    "LeastSquaresMovingAverage": _regression,
    "RegressionChannel": _channel,
    "TimeSeriesForecast": lambda p, c: {"value": on("regression", c["close"], window=p["period"])["forecast"]},
    "HurstExponent": _hurst,
}
"""Indicator of LEAN -> its outputs as the manifest names them."""
