"""LEAN's volume indicators, made of ours."""

from typing import Any

import numpy as np

from processors.featurize.batch import bars_of, indicator_values
from processors.featurize.indicators import layout
from tests.conformance.indicators.lean_names import kind_of
from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series, run

TICK, AREA = 0.05, 0.7
"""What LEAN's profiles have by default."""
MINUTES_PER_DAY = 1440


def _seconds(c: Columns) -> Series:
    """Return the begin of each bar in seconds since 1970."""
    time = c["time"] if "time" in c else c["date"]
    if time.dtype.kind == "f":
        # Written as numbers: a day, 20130222.
        time = np.array([f"{int(t):08d}" for t in time])
        time = np.array([f"{t[:4]}-{t[4:6]}-{t[6:]}" for t in time])
    known = np.array([str(t).removesuffix("Z") for t in time], "datetime64[s]")
    return known.astype(np.int64).astype(np.float64)


def _dated(indicator: str, c: Columns, **numbers: float) -> Outputs:
    """Return every output of an indicator over bars with their days and ends, a minute after their begin."""
    seconds = _seconds(c)
    known = {layout.DAY: seconds // 86_400, layout.END_S: seconds + 60}
    prices = {name: c.get(name) for name in ("high", "low", "volume")}
    return indicator_values(indicator, numbers, bars_of(c["close"], open_=c.get("open"), **prices, other=known))


def _chaikin(p: dict[str, Any], c: Columns) -> Outputs:
    return {"value": run("chaikin_oscillator", c, fast=p["fast"], slow=p["slow"], seed=1)["value"]}


def _on_balance(c: Columns) -> Outputs:
    return {"value": run("on_balance", c, window=2, kind=0)["value"]}


def _smoothed(p: dict[str, Any], c: Columns) -> Outputs:
    return {"value": run("on_balance", c, window=p["period"], kind=kind_of(p, "simple"))["average"]}


def _klinger(p: dict[str, Any], c: Columns) -> Outputs:
    return run("klinger", c, fast=p["fast"], slow=p["slow"], signal=p.get("signal", 13))


def _ease(p: dict[str, Any], c: Columns) -> Outputs:
    window, scale = p.get("period", 1), p.get("scale", 10_000)
    return {"value": run("ease_of_movement", c, window=window, scale=scale)["value"]}


def _profile(p: dict[str, Any], c: Columns, by_volume: int) -> Outputs:
    tick, area = p.get("round_off", TICK), p.get("value_area", AREA)
    out = run("profile", c, window=p.get("period", 2), area=area, tick=tick, parts=1, by_volume=by_volume)
    names = {
        "POCPrice": "control", "POCVolume": "control_weight", "PH": "high", "PL": "low", "VA": "area_weight",
        "VAH": "area_high", "VAL": "area_low", "value": "control",
    }  # fmt: skip
    return {theirs: out[ours] for theirs, ours in names.items()}


def _intraday(_: dict[str, Any], c: Columns) -> Outputs:
    return {"value": _dated("session_vwap", c, session=1)["value"]}


def _relative_day(p: dict[str, Any], c: Columns) -> Outputs:
    out = _dated("relative_day_volume", c, window_days=p["period"], slots=MINUTES_PER_DAY)
    return {"value": out["value"]}


MAPPING: Mapping = {
    "AccumulationDistribution": lambda _, c: {"value": run("accumulation", c)["value"]},
    "AccumulationDistributionOscillator": _chaikin,
    "ChaikinOscillator": _chaikin,
    "ChaikinMoneyFlow": lambda p, c: {"value": run("chaikin_money_flow", c, window=p["period"])["value"]},
    "OnBalanceVolume": lambda _, c: _on_balance(c),
    "SmoothedOnBalanceVolume": _smoothed,
    "KlingerVolumeOscillator": _klinger,
    "EaseOfMovementValue": _ease,
    "EaseOfMovement": _ease,
    "ForceIndex": lambda p, c: {
        "value": run("force_index", c, window=p["period"], kind=kind_of(p, "exponential"))["value"]
    },
    "VolumeWeightedAveragePrice": lambda p, c: {"value": run("rolling_vwap", c, window=p["period"], price=1)["value"]},
    "VolumeWeightedAveragePriceIndicator": lambda p, c: {
        "value": run("rolling_vwap", c, window=p["period"], price=1)["value"]
    },
    "IntradayVwap": _intraday,
    "RelativeDailyVolume": _relative_day,
    "TimeProfile": lambda p, c: _profile(p, c, 0),
    "VolumeProfile": lambda p, c: _profile(p, c, 1),
}
"""Indicator of LEAN -> its outputs as the manifest names them."""
