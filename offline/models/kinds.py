"""The kinds of models, one table: what learns, with what parameters, where a strategy names it, what its file is of.

Recipes, strategy files, their schemas and the cards take their lists from here. Classes are imported when asked for:
JAX and the boosters take seconds and hundreds of megabytes, their parameters are numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from offline.models.parameters import read_parameters
from processors.errors import ConfigError

TABULAR, DEEP = "tabular", "deep"
"""Keys of the models of a strategy file: one reads a row, the other a window of rows."""
_EVERY = ("numpy", "onnx", "onnxruntime")
"""A graph is written with ``onnx``, held to its trainer with ``onnxruntime``, and both give and take arrays."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of model.

    Parameters
    ----------
    estimator, parameters
        Module and class, with a colon between. The module of the parameters imports none of the libraries.
    slot
        ``TABULAR``, or ``DEEP``, which reads the rows before by itself.
    libraries
        Modules whose versions decide what is learnt and what the file is.
    """

    estimator: str
    parameters: str
    slot: str
    libraries: tuple[str, ...]


_TABLE = "offline.models.table_parameters"
_DEEP = (*_EVERY, "jax", "optax", "spox")
KINDS = {
    "linear": Kind("offline.models.linear:LinearEstimator", f"{_TABLE}:LinearParameters", TABULAR, _EVERY),
    "lgbm": Kind("offline.models.lgbm:LgbmEstimator", f"{_TABLE}:LgbmParameters", TABULAR, (*_EVERY, "lightgbm")),
    "xgb": Kind("offline.models.xgb:XgbEstimator", f"{_TABLE}:XgbParameters", TABULAR, (*_EVERY, "xgboost")),
    "tft": Kind("offline.models.deep.tft:TftEstimator", "offline.models.deep.tft:TftParameters", DEEP, _DEEP),
    "nbeats": Kind(
        "offline.models.deep.nbeats:NbeatsEstimator", "offline.models.deep.nbeats:NbeatsParameters", DEEP, _DEEP
    ),
}


def kind_of(name: str) -> Kind:
    """Return a kind by its name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in KINDS:
        raise ConfigError("model", "kind", name, f"one of {', '.join(KINDS)}")
    return KINDS[name]


def kinds_in(slot: str) -> tuple[str, ...]:
    """Return the names of the kinds of a slot."""
    return tuple(name for name, kind in KINDS.items() if kind.slot == slot)


def parameters_of(name: str, given: Mapping[str, object]) -> Any:
    """Return the parameters of a kind, a frozen dataclass; what is not given keeps its default.

    Raises
    ------
    ConfigError
        The kind or a parameter is unknown, or a value is impossible; says what is allowed.
    """
    return read_parameters(loaded(kind_of(name).parameters), f"model {name}", given)


def loaded(place: str) -> Any:
    """Return the class of a place such as ``offline.models.lgbm:LgbmEstimator``."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def versions(name: str) -> dict[str, str]:
    """Return the versions of the libraries that make a model of a kind."""
    return {module: str(import_module(module).__version__) for module in sorted(kind_of(name).libraries)}
