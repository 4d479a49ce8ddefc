"""What the mappings of other libraries' indicators to ours share.

A mapping is a function of the other library's parameters and of the table's columns. It returns each output by name,
one value a row of the table, NaN before the first.

Columns are by their names in the table: numbers as float arrays, others (time, symbol) as arrays of strings. For TA-Lib
the inputs that a case names are there under TA-Lib's names too: ``price``, ``price0``, ``price1``, ``periods``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.featurize.batch import bars_of, indicator_values

Series = NDArray[np.float64]
Columns = dict[str, Any]
Outputs = dict[str, Series]
Mapping = dict[str, Callable[[dict[str, Any], Columns], Outputs]]

FAMILIES = ("trend", "momentum", "volatility", "volume", "price", "statistics", "cycle", "patterns")
OF_LIBRARY = {"talib": (*FAMILIES, "math"), "lean": (*FAMILIES, "cross", "breadth", "series")}


def run(indicator: str, columns: Columns, **numbers: Any) -> Outputs:
    """Return every output of one of our indicators over a table's bars."""
    given = {name: columns.get(name) for name in ("high", "low", "volume")}
    return indicator_values(indicator, numbers, bars_of(columns["close"], open_=columns.get("open"), **given))


def points(price: Series) -> Columns:
    """Return a series as the columns of bars that are points."""
    return {"close": price}


def on(indicator: str, price: Series, **numbers: Any) -> Outputs:
    """Return every output of one of our indicators over a series of numbers, which may be missing at its begin."""
    first = int(np.argmin(np.isnan(price))) if len(price) else 0
    out = run(indicator, points(price[first:]), **numbers)
    return {name: np.r_[np.full(first, np.nan), values] for name, values in out.items()}


def together(outputs: Outputs) -> Outputs:
    """Return outputs that are missing where one of them is: so TA-Lib gives functions of several."""
    missing = np.any(np.isnan(list(outputs.values())), axis=0)
    return {name: np.where(missing, np.nan, values) for name, values in outputs.items()}


def mappings(library: str) -> Mapping:
    """Return all mappings of a library, ``talib`` or ``lean``, over all families."""
    found: Mapping = {}
    for family in OF_LIBRARY[library]:
        one: Mapping = import_module(f"tests.conformance.indicators.{library}_{family}").MAPPING
        twice = found.keys() & one.keys()
        if twice:
            raise ValueError(f"{library}_{family} maps again: {', '.join(sorted(twice))}")
        found |= one
    return found
