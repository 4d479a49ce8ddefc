"""LEAN's cycle indicators, made of ours."""

from typing import Any

from tests.conformance.indicators.support import Columns, Mapping, Outputs, on, run


def _mesa(p: dict[str, Any], c: Columns) -> Outputs:
    out = run("mama", c, fast=p.get("fast_limit", 0.5), slow=p.get("slow_limit", 0.05), of_median=1)
    return {"value": out["value"], "mama": out["value"], "fama": out["following"]}


def _hilbert(p: dict[str, Any], c: Columns) -> Outputs:
    factors = {"in_phase_factor": p.get("in_phase", 0.635), "quadrature_factor": p.get("quadrature", 0.338)}
    out = on("hilbert", c["close"], window=p.get("length", 7), **factors)
    return out | {"value": c["close"]}


MAPPING: Mapping = {
    "MesaAdaptiveMovingAverage": _mesa,
    "HilbertTransform": _hilbert,
}
"""Indicator of LEAN -> its outputs as the manifest names them."""
