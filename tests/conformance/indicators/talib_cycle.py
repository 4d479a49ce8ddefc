"""TA-Lib's cycle functions, made of our indicators."""

from typing import Any

from tests.conformance.indicators.support import Columns, Mapping, Outputs, on


def _phasor(_: dict[str, Any], c: Columns) -> Outputs:
    out = on("ht_period", c["price"])
    return {"inphase": out["in_phase"], "quadrature": out["quadrature"]}


def _sine(_: dict[str, Any], c: Columns) -> Outputs:
    out = on("ht_phase", c["price"])
    return {"sine": out["sine"], "leadsine": out["lead_sine"]}


def _mama(p: dict[str, Any], c: Columns) -> Outputs:
    out = on("mama", c["price"], fast=p["fastlimit"], slow=p["slowlimit"], of_median=0)
    return {"mama": out["value"], "fama": out["following"]}


MAPPING: Mapping = {
    "HT_DCPERIOD": lambda _, c: {"": on("ht_period", c["price"])["period"]},
    "HT_PHASOR": _phasor,
    "HT_DCPHASE": lambda _, c: {"": on("ht_phase", c["price"])["phase"]},
    "HT_SINE": _sine,
    "HT_TRENDMODE": lambda _, c: {"": on("ht_phase", c["price"])["trend"]},
    "HT_TRENDLINE": lambda _, c: {"": on("ht_phase", c["price"])["trendline"]},
    "MAMA": _mama,
}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
