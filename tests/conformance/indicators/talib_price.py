"""TA-Lib's price functions, made of our indicators."""

from typing import Any

from tests.conformance.indicators.support import Columns, Mapping, Outputs, run


def _transform(output: str) -> Any:
    """Return the mapping of one of the prices made of a bar's; those it does not read may be missing."""

    def made(_: dict[str, Any], c: Columns) -> Outputs:
        return {"": run("price_transforms", {"close": c["high"]} | c)[output]}

    return made


def _heikin_ashi(_: dict[str, Any], c: Columns) -> Outputs:
    return {f"ha{name}": values for name, values in run("heikin_ashi", c).items()}


MAPPING: Mapping = {
    "AVGPRICE": _transform("average"),
    "MEDPRICE": _transform("median"),
    "TYPPRICE": _transform("typical"),
    "WCLPRICE": _transform("weighted"),
    "HA": _heikin_ashi,
}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
