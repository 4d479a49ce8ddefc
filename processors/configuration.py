"""The file that ``MPS_CONFIG`` names: the knobs of reconcile, bars and score, in place of their defaults.

    reconcile: {k: 5, limits: {fx: {sigma_floor_bps: 0.5}}}
    bars: {allowed_lateness_ms: 500}
    score: {risk: {kelly_fraction: 0.2}, costs: {fee_bps: {crypto: 4}}, guards: {stale_threshold_s: {1m: 60}}}

What is not named keeps its default. ``mps config`` shows what is in force; docs/operations.md says what each means.
Read by the stages' ``build`` and by the ScoreService alike, so that both decide by the same numbers.
"""

import os
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from processors.errors import ConfigError
from processors.yaml_reader import YamlReader, root_of

VARIABLE = "MPS_CONFIG"
BLOCKS = ("reconcile", "bars", "score")
NUMBER_MAX = 10**15
"""No knob is larger, in whatever unit; what a knob may be is checked by its own configuration."""

T = TypeVar("T")


def configured(block: str, default: T) -> T:
    """Return a configuration with what its block of the file says in place of its values.

    Parameters
    ----------
    block
        One of ``BLOCKS``.
    default
        A dataclass of numbers, of mappings of numbers, and of mappings of such dataclasses.

    Raises
    ------
    ConfigError
        Names the file, the key, the value and what is allowed.
    """
    found = block_of(block)
    return default if found is None else _overlaid(*found, block, default)


def block_of(block: str) -> tuple[YamlReader, yaml.Node] | None:
    """Return a block of the file with its reader; None where no file is named, or it has no such block.

    Raises
    ------
    ConfigError
        The file cannot be read, or has a block that is none of ``BLOCKS``.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    root = root_of(Path(path), "docs/operations.md")
    reader = YamlReader(path)
    node = None if root is None else reader.mapping(root, "file", BLOCKS).get(block)
    return None if node is None else (reader, node)


def checked(reader: YamlReader, block: str, default: T, values: dict[str, Any]) -> T:
    """Return a configuration with other values, which it checks itself; its refusal names the file.

    Raises
    ------
    ConfigError
        A value is out of its range.
    """
    try:
        return replace(default, **values)  # type: ignore[type-var]
    except ConfigError as e:
        raise ConfigError(reader.path, f"{block}.{e.key}", e.value, e.remedy) from None


def number_like(reader: YamlReader, node: yaml.Node, key: str, default: Any) -> Any:
    """Return a value of the kind of its default: a whole number, a number, or a mapping with some of its keys."""
    if isinstance(default, dict):
        nodes = reader.mapping(node, key, tuple(default))
        return default | {k: number_like(reader, n, f"{key}.{k}", default[k]) for k, n in nodes.items()}
    if is_dataclass(default):
        return _overlaid(reader, node, key, default)
    read = reader.whole if isinstance(default, int) else reader.number
    return read(0, NUMBER_MAX)(node, key)


def _overlaid(reader: YamlReader, node: yaml.Node, key: str, default: T) -> T:
    names = tuple(f.name for f in fields(default))  # type: ignore[arg-type]
    nodes = reader.mapping(node, key, names)
    values = {k: number_like(reader, n, f"{key}.{k}", getattr(default, k)) for k, n in nodes.items()}
    return checked(reader, key, default, values)
