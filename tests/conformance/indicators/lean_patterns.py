"""LEAN's patterns indicators, made of ours: TA-Lib's by name, as they were before bodies could match at an end."""

from functools import partial
from typing import Any

import numpy as np

from tests.conformance.indicators.support import Columns, Mapping, Outputs
from tests.conformance.indicators.talib_patterns import MAPPING as TALIB
from tests.conformance.indicators.talib_patterns import pattern


def settled(function: str, params: dict[str, Any], columns: Columns) -> Outputs:
    """Return a pattern as LEAN shows it: 0 while it is not ready, and no weaker form of a pattern."""
    ours = pattern(function, params, columns)[""]
    return {"": np.where(np.isin(np.abs(ours), (0.0, 100.0, 200.0)), ours, 0.0)}


MAPPING: Mapping = {function: partial(settled, function) for function in TALIB}
"""Indicator of LEAN -> its outputs as the manifest names them."""
