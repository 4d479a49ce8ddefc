"""TA-Lib's patterns functions, made of our indicators: those of the same names in small letters."""

from functools import partial
from typing import Any

from processors.featurize.indicators.patterns import KERNELS
from tests.conformance.indicators.support import Columns, Mapping, Outputs, run

HALF = ("CDLDARKCLOUDCOVER", "CDLMATHOLD")
"""Functions whose penetration is 0.5 where a call does not give it; that of the others is 0.3."""


def pattern(function: str, params: dict[str, Any], columns: Columns) -> Outputs:
    """Return a pattern over a table's bars; a penetration that is no number is TA-Lib's default."""
    numbers = dict.fromkeys(KERNELS[function.lower()].parameters, 0.5 if function in HALF else 0.3)
    given = {name: value for name, value in params.items() if name in numbers and isinstance(value, int | float)}
    return {"": run(function.lower(), columns, **(numbers | given))["event"]}


MAPPING: Mapping = {name.upper(): partial(pattern, name.upper()) for name in KERNELS}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
