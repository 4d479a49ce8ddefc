"""Keys of a file declared once: from one declaration come the strict reader and the JSON schema for editors.

A shape reads a YAML node, and says in the words of JSON Schema what it reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from processors.errors import ConfigError, Gathered
from processors.yaml_reader import YamlReader, near

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a value is read, and its JSON schema."""

    read: Callable[[YamlReader, yaml.Node, str], Any]
    schema: Json


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping.

    Parameters
    ----------
    meaning
        For the schema, and for the error where a needed key is missing.
    default
        For the schema only: what stands for a key that is absent is said by the class that is made. None: no default.
    """

    shape: Shape
    meaning: str
    needed: bool = False
    default: Any = None


def name(allowed: str = "letters, digits, _ and -") -> Shape:
    """Return the shape of a name that can stand in a path."""

    def read(reader: YamlReader, node: yaml.Node, key: str) -> str:
        value = reader.text(node, key)
        if not value.replace("-", "_").replace("_", "a").isalnum() or not value.isascii():
            raise reader.wrong(node, key, value, allowed)
        return value

    return Shape(read, {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"})


def text() -> Shape:
    """Return the shape of a text that is not empty."""
    return Shape(lambda r, node, key: r.text(node, key), {"type": "string", "minLength": 1})


def one_of(*allowed: str) -> Shape:
    """Return the shape of one of some texts."""
    return Shape(lambda r, node, key: r.one_of(allowed)(node, key), {"enum": list(allowed)})


def flag() -> Shape:
    """Return the shape of true or false."""
    return Shape(lambda r, node, key: r.flag(node, key), {"type": "boolean"})


def whole(least: int, most: int) -> Shape:
    """Return the shape of a whole number."""
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Shape(lambda r, node, key: r.whole(least, most)(node, key), schema)


def number(least: float, most: float) -> Shape:
    """Return the shape of a number."""
    schema = {"type": "number", "minimum": least, "maximum": most}
    return Shape(lambda r, node, key: r.number(least, most)(node, key), schema)


def texts(allowed: tuple[str, ...] | None = None, least: int = 0, *, suggest: bool = False) -> Shape:
    """Return the shape of a list of texts, each once.

    Parameters
    ----------
    suggest
        Too many are allowed to name them all: say those that are near.
    """

    def read(reader: YamlReader, node: yaml.Node, key: str) -> tuple[str, ...]:
        values: tuple[str, ...] = reader.texts(None if suggest else allowed, least)(node, key)
        told = Gathered()
        for item, value in zip(reader.items(node, key, least), values, strict=True):
            if suggest and allowed is not None and value not in allowed:
                told.add(reader.wrong(item, key, value, f"a name of the catalog{near(value, allowed)}"))
        told.tell()
        return values

    schema: Json = {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": least}
    if allowed is not None:
        schema["items"] = {"enum": list(allowed)}
    return Shape(read, schema)


def wholes(least: int, most: int) -> Shape:
    """Return the shape of one whole number, or of a list of them, each once."""
    one = whole(least, most)

    def read(reader: YamlReader, node: yaml.Node, key: str) -> tuple[int, ...]:
        items = reader.items(node, key, 1) if isinstance(node, yaml.SequenceNode) else [node]
        values: list[int] = []
        for item in items:
            value = one.read(reader, item, key)
            if value in values:
                raise reader.wrong(item, key, value, "each once")
            values.append(value)
        return tuple(values)

    many = {"type": "array", "items": one.schema, "uniqueItems": True, "minItems": 1}
    return Shape(read, {"oneOf": [one.schema, many]})


def value() -> Shape:
    """Return the shape of a number, a flag, a text, or a list of these."""
    one: Json = {"type": ["number", "boolean", "string"]}

    def read(reader: YamlReader, node: yaml.Node, key: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return reader.scalar(node, key)
        return tuple(reader.scalar(n, f"{key}[{i}]") for i, n in enumerate(reader.items(node, key, 0)))

    return Shape(read, {"anyOf": [one, {"type": "array", "items": one}]})


def named(item: Shape) -> Shape:
    """Return the shape of a mapping of names to values of one shape."""

    def read(reader: YamlReader, node: yaml.Node, key: str) -> dict[str, Any]:
        told = Gathered()
        found = {k: told.of(item.read, reader, n, f"{key}.{k}") for k, n in reader.entries(node, key).items()}
        told.tell()
        return found

    return Shape(read, {"type": "object", "additionalProperties": item.schema})


def list_of(item: Shape, least: int = 0) -> Shape:
    """Return the shape of a list."""

    def read(reader: YamlReader, node: yaml.Node, key: str) -> tuple[Any, ...]:
        told = Gathered()
        found = tuple(
            told.of(item.read, reader, n, f"{key}[{i}]") for i, n in enumerate(reader.items(node, key, least))
        )
        told.tell()
        return found

    return Shape(read, {"type": "array", "items": item.schema, "minItems": least})


def record(make: Callable[..., Any], keys: Mapping[str, Key], meaning: str = "") -> Shape:
    """Return the shape of a mapping with these keys; what ``make`` refuses is told with the line of its key.

    Parameters
    ----------
    make
        Called with the keys that are there, as keywords. A key of its error may lie deeper: ``params.rounds``.
    """

    def read(reader: YamlReader, node: yaml.Node, key: str) -> Any:
        told = Gathered()
        nodes = reader.known(node, key, tuple(keys), told)
        for k, declared in keys.items():
            if declared.needed and k not in nodes:
                told.add(reader.wrong(node, f"{key}.{k}", None, f"is needed: {declared.meaning}"))
        values = {k: told.of(keys[k].shape.read, reader, n, f"{key}.{k}") for k, n in nodes.items()}
        told.tell()
        try:
            return make(**values)
        except ConfigError as e:
            raise reader.wrong(_deepest(node, e.key), f"{key}.{e.key}", e.value, e.remedy) from None

    schema: Json = {"type": "object", "additionalProperties": False, "properties": {}}
    for k, declared in keys.items():
        told = {} if declared.default is None else {"default": declared.default}
        schema["properties"][k] = {**declared.shape.schema, "description": declared.meaning, **told}
    needed = [k for k, declared in keys.items() if declared.needed]
    if needed:
        schema["required"] = needed
    if meaning:
        schema["description"] = meaning
    return Shape(read, schema)


def _deepest(node: yaml.Node, key: str) -> yaml.Node:
    """Return the node of a dotted key, or of as much of it as is there."""
    for word in key.split("."):
        inner = {name.value: value for name, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        if word not in inner:
            break
        node = inner[word]
    return node
