"""TA-Lib's arithmetic on prices: what NumPy calls by the same name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series


def _of(function: Callable[[Series], Series]) -> Any:
    """Return the mapping of a function of one price; outside its domain it has no value, or an infinite one."""

    def made(_: dict[str, Any], c: Columns) -> Outputs:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return {"": function(c["price"])}

    return made


def _of_two(function: Callable[[Series, Series], Series]) -> Any:
    """Return the mapping of a function of two prices."""

    def made(_: dict[str, Any], c: Columns) -> Outputs:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return {"": function(c["price0"], c["price1"])}

    return made


MAPPING: Mapping = {
    "ACOS": _of(np.arccos),
    "ASIN": _of(np.arcsin),
    "ATAN": _of(np.arctan),
    "CEIL": _of(np.ceil),
    "COS": _of(np.cos),
    "COSH": _of(np.cosh),
    "EXP": _of(np.exp),
    "FLOOR": _of(np.floor),
    "LN": _of(np.log),
    "LOG10": _of(np.log10),
    "SIN": _of(np.sin),
    "SINH": _of(np.sinh),
    "SQRT": _of(np.sqrt),
    "TAN": _of(np.tan),
    "TANH": _of(np.tanh),
    "ADD": _of_two(np.add),
    "SUB": _of_two(np.subtract),
    "MULT": _of_two(np.multiply),
    "DIV": _of_two(np.divide),
    "CUMSUM": _of(np.cumsum),
}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
