"""LEAN's price indicators, made of ours."""

from typing import Any

from tests.conformance.indicators.support import Columns, Mapping, Outputs, run


def _swing(p: dict[str, Any], c: Columns, output: str) -> Outputs:
    return {"value": run("swing", c, limit=p["limit_move"], limit_ratio=0)[output]}


def _pivots(p: dict[str, Any], c: Columns) -> Outputs:
    both = p.get("surrounding_bars", p.get("high"))
    high, low = p.get("high", both), p.get("low", both)
    return {"value": run("pivots", c, high_side=high, low_side=low, strict=float(p.get("strict", 1)))["value"]}


def _heikin_ashi(_: dict[str, Any], c: Columns) -> Outputs:
    out = run("heikin_ashi", c)
    return out | {"value": out["close"]}


MAPPING: Mapping = {
    "InternalBarStrength": lambda _, c: {"value": run("bar_shape", c)["close_position"]},
    "HeikinAshi": _heikin_ashi,
    "PivotPointsHighLow": _pivots,
    "WilderSwingIndex": lambda p, c: _swing(p, c, "value"),
    "WilderAccumulativeSwingIndex": lambda p, c: _swing(p, c, "total"),
}
"""Indicator of LEAN -> its outputs as the manifest names them."""
