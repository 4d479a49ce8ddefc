"""Parameters of a kind of model: a frozen dataclass, read from a mapping by name and type."""

import math
import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from processors.errors import ConfigError
from processors.yaml_reader import near

T = TypeVar("T")


def read_parameters(of: type[T], where: str, given: Mapping[str, object]) -> T:
    """Return the parameters with what a mapping says in place of their defaults.

    Parameters
    ----------
    of
        A frozen dataclass whose fields are numbers, flags, texts, tuples of these, or None.
    where
        What they are of, for messages.

    Raises
    ------
    ConfigError
        Names a parameter that is unknown and those that are allowed, or one of another type.
    """
    hints = get_type_hints(of)
    names = [f.name for f in fields(of)]  # type: ignore[arg-type]
    for name in given:
        if name not in names:
            remedy = f"no parameter; allowed are {', '.join(names)}{near(str(name), names)}"
            raise ConfigError(where, str(name), given[name], remedy)
    return of(**{name: _value(hints[name], where, name, value) for name, value in given.items()})


def _value(wanted: Any, where: str, name: str, value: object) -> Any:
    """Return a value as its type, ints as floats where a float is wanted."""
    if get_origin(wanted) is types.UnionType:
        if value is None:
            return None
        wanted = next(t for t in get_args(wanted) if t is not types.NoneType)
    if get_origin(wanted) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(where, name, value, "a list")
        return tuple(_value(get_args(wanted)[0], where, name, v) for v in value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # A flag is an int to Python, never to a reader.
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        tuned = (
            "; values to choose from belong into grid, with scheme: nested" if isinstance(value, list | tuple) else ""
        )
        raise ConfigError(where, name, value, f"a value of type {wanted.__name__}{tuned}")
    return value


def within(where: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside of its bounds, both allowed.

    Raises
    ------
    ConfigError
        Names parameter, value and bounds.
    """
    if not low <= value <= high:
        allowed = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise ConfigError(where, name, value, allowed)


def levels(coverage: float) -> tuple[float, float, float]:
    """Return the levels of the low, middle and high quantile, such that a coverage lies between low and high."""
    # Rounded: 0.9 gives 0.05, not 0.04999999999999999.
    low = round((1.0 - coverage) / 2.0, 12)
    return low, 0.5, round(1.0 - low, 12)
