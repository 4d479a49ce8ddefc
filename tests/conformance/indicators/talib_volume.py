"""TA-Lib's volume functions, made of our indicators."""

from typing import Any

import numpy as np

from tests.conformance.indicators.support import Columns, Mapping, Outputs, run


def _oscillator(p: dict[str, Any], c: Columns) -> Outputs:
    """Return the oscillator of volume; TA-Lib takes the shorter window for the fast one."""
    fast, slow = sorted((p["fastperiod"], p["slowperiod"]))
    volume = {"close": c["volume"], "volume": c["volume"]}
    out = run("volume_oscillator", volume, fast=fast, slow=slow, kind=p["matype"])
    return {"": out["value"]}


def _vwap(_: dict[str, Any], c: Columns) -> Outputs:
    """Return the volume-weighted price of all bars so far, 0 before any volume."""
    return {"": np.where(np.cumsum(c["volume"]) > 0, run("session_vwap", c, session=0)["value"], 0.0)}


def _on_balance(_: dict[str, Any], c: Columns) -> Outputs:
    return {"": run("on_balance", {"close": c["price"], "volume": c["volume"]}, window=2, kind=0)["value"]}


MAPPING: Mapping = {
    "AD": lambda _, c: {"": run("accumulation", c)["value"]},
    "ADOSC": lambda p, c: {
        "": run("chaikin_oscillator", c, fast=p["fastperiod"], slow=p["slowperiod"], seed=0)["value"]
    },
    "OBV": _on_balance,
    "CMF": lambda p, c: {"": run("chaikin_money_flow", c, window=p["timeperiod"])["value"]},
    "EFI": lambda p, c: {"": run("force_index", c, window=p["timeperiod"], kind=1)["value"]},
    "MARKETFI": lambda _, c: {"": run("facilitation", {"close": c["low"]} | c)["value"]},
    "NVI": lambda _, c: {"": run("volume_indices", c)["negative"]},
    "PVI": lambda _, c: {"": run("volume_indices", c)["positive"]},
    "PVT": lambda _, c: {"": run("volume_indices", c)["trend"]},
    "PVO": _oscillator,
    "RVOL": lambda p, c: {"": run("relative_volume", {"close": c["volume"]} | c, window=p["timeperiod"])["value"]},
    "VWAP": _vwap,
}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
