"""LEAN's volatility indicators, made of ours."""

from typing import Any

import numpy as np

from tests.conformance.indicators.lean_names import kind_of
from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series, on, run


def _atr(p: dict[str, Any], c: Columns) -> Series:
    return run("atr_average", c, window=p["period"], kind=kind_of(p, "wilder"), first=1)["value"]


def _donchian(p: dict[str, Any], c: Columns) -> Outputs:
    upper = p.get("upper", p.get("period"))
    channel = run("channel", c, upper_window=upper, lower_window=p.get("lower", upper))
    return channel | {"value": channel["middle"]}


def _keltner(p: dict[str, Any], c: Columns) -> Outputs:
    n = p["period"]
    out = run("keltner", c, window=n, atr_window=n, width=p["k"], kind=kind_of(p, "simple"), atr_kind=0, typical=1)
    return out | {"value": out["middle"]}


def _chande_kroll(p: dict[str, Any], c: Columns) -> Outputs:
    numbers = {"atr_window": p["atr"], "width": p["atr_mult"], "window": p["period"]}
    return run("chande_kroll", c, **numbers, kind=kind_of(p, "wilder"))


def _ratios(p: dict[str, Any], c: Columns, output: str) -> Outputs:
    target = p.get("minimum_acceptable_return", p.get("risk_free", 0.0))
    return {"value": on("risk_ratios", c["close"], window=p["period"], target=target)[output]}


def _value_at_risk(p: dict[str, Any], c: Columns) -> Outputs:
    """Return the value at risk that counts a first return of 0, as if the first close had been before too."""
    close = np.r_[c["close"][0], c["close"]]
    return {"value": on("value_at_risk", close, window=p["period"], confidence=p["confidence"])["value"][1:]}


MAPPING: Mapping = {
    "AverageTrueRange": lambda p, c: {"value": _atr(p, c)},
    "TrueRange": lambda _, c: {"value": run("true_range", c)["value"]},
    "NormalizedAverageTrueRange": lambda p, c: {"value": 100 * run("atr", c, window=p["period"])["ratio"]},
    "AverageRange": lambda p, c: {"value": run("average_range", c, window=p["period"])["value"]},
    "DonchianChannel": _donchian,
    "KeltnerChannels": _keltner,
    "ChandeKrollStop": _chande_kroll,
    "RogersSatchellVolatility": lambda p, c: {
        "value": run("range_deviation", c, window=p["period"])["rogers_satchell"]
    },
    "AugenPriceSpike": lambda p, c: {"value": on("augen_spike", c["close"], window=p["period"])["value"]},
    "SharpeRatio": lambda p, c: _ratios(p, c, "sharpe"),
    "SortinoRatio": lambda p, c: _ratios(p, c, "sortino"),
    "TargetDownsideDeviation": lambda p, c: _ratios(p, c, "downside"),
    "ValueAtRisk": _value_at_risk,
}
"""Indicator of LEAN -> its outputs as the manifest names them."""
