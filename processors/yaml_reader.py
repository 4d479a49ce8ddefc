"""Reads YAML nodes, which know their lines, strictly: a wrong value is refused with its place and what is allowed.

Called by ``processors.configuration``, by the feedback side, and by recipes and strategy files.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from processors.errors import ConfigError, Gathered

Read = Callable[[yaml.Node, str], Any]
"""Reads the node of a key."""


def root_of(path: Path, shown_in: str) -> yaml.Node | None:
    """Return the root node of a file; None where it is empty.

    Parameters
    ----------
    shown_in
        Page that shows such a file.

    Raises
    ------
    ConfigError
        The file cannot be read, or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as e:
        raise ConfigError(str(path), "file", e.strerror, f"name a YAML file; {shown_in} shows one") from None
    except UnicodeDecodeError as e:
        raise ConfigError(str(path), "file", f"byte {e.start}", "must be UTF-8") from None
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(where, "YAML", getattr(e, "problem", None) or "unreadable", "mend the syntax") from None
    return root


class YamlReader:
    """Reads YAML nodes, which know their lines."""

    def __init__(self, path: str) -> None:
        self.path = path

    def wrong(self, node: yaml.Node, key: str, value: object, remedy: str) -> ConfigError:
        """Return the error for a node."""
        return ConfigError(f"{self.path}:{node.start_mark.line + 1}", key, value, remedy)

    def mapping(self, node: yaml.Node, key: str, allowed: tuple[str, ...]) -> dict[str, yaml.Node]:
        """Return the entries of a mapping; an unknown or a repeated key is wrong."""
        told = Gathered()
        out = self.known(node, key, allowed, told)
        told.tell()
        return out

    def known(self, node: yaml.Node, key: str, allowed: tuple[str, ...], told: Gathered) -> dict[str, yaml.Node]:
        """Return the entries of a mapping that may be there; the others are told."""
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, key, _shown(node), f"a mapping of {', '.join(allowed)}")
        out: dict[str, yaml.Node] = {}
        for name, value in node.value:
            word = _shown(name)
            if word not in allowed:
                told.add(self.wrong(name, key, word, f"one of {', '.join(allowed)}{near(word, allowed)}"))
            elif word in out:
                told.add(self.wrong(name, key, word, "each key once"))
            else:
                out[word] = value
        return out

    def section(self, top: dict[str, yaml.Node], key: str, fields: dict[str, Read]) -> dict[str, Any]:
        """Return the values of one mapping of the file; empty where it is absent."""
        if key not in top:
            return {}
        nodes = self.mapping(top[key], key, tuple(fields))
        return {name: fields[name](value, f"{key}.{name}") for name, value in nodes.items()}

    def items(self, node: yaml.Node, key: str, least: int) -> list[yaml.Node]:
        """Return the nodes of a list."""
        if not isinstance(node, yaml.SequenceNode) or len(node.value) < least:
            raise self.wrong(node, key, _shown(node), "a list" if least == 0 else "a list that is not empty")
        return list(node.value)

    def text(self, node: yaml.Node, key: str) -> str:
        """Return a text that is not empty."""
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str" or not node.value.strip():
            raise self.wrong(node, key, _shown(node), "a text; in quotation marks if it looks like something else")
        return str(node.value)

    def texts(self, allowed: tuple[str, ...] | None, least: int) -> Read:
        """Return a reader of a list of texts, each one of the allowed if there are any."""

        def read(node: yaml.Node, key: str) -> tuple[str, ...]:
            out: list[str] = []
            for item in self.items(node, key, least):
                value = self.text(item, key)
                if allowed is not None and value not in allowed:
                    raise self.wrong(item, key, value, f"one of {', '.join(allowed)}{near(value, allowed)}")
                if value in out:
                    raise self.wrong(item, key, value, "each once")
                out.append(value)
            return tuple(out)

        return read

    def flag(self, node: yaml.Node, key: str) -> bool:
        """Return true or false."""
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:bool":
            raise self.wrong(node, key, _shown(node), "true or false")
        return str(node.value).lower() in {"true", "yes", "on"}

    def whole(self, least: int, most: int) -> Read:
        """Return a reader of a whole number."""

        def read(node: yaml.Node, key: str) -> int:
            value = self.number(least, most)(node, key)
            if value != int(value):
                raise self.wrong(node, key, _shown(node), f"a whole number from {least} to {most}")
            return int(value)

        return read

    def number(self, least: float, most: float) -> Read:
        """Return a reader of a number."""

        def read(node: yaml.Node, key: str) -> float:
            # Not by its tag: YAML 1.1 takes 2e6 for a text, since it has neither point nor sign.
            is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
            try:
                value = float(node.value) if is_plain else math.nan
            except ValueError:
                # Octal, sexagesimal and the like: YAML's other ways to write a number.
                value = math.nan
            if not least <= value <= most:
                raise self.wrong(node, key, _shown(node), f"a number from {least:g} to {most:g}")
            return value

        return read

    def entries(self, node: yaml.Node, key: str) -> dict[str, yaml.Node]:
        """Return the entries of a mapping with keys of any name, each once."""
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, key, _shown(node), "a mapping: name: value")
        out: dict[str, yaml.Node] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise self.wrong(name, key, _shown(name), "a text as the key")
            if name.value in out:
                raise self.wrong(name, key, name.value, "each key once")
            out[name.value] = value
        return out

    def one_of(self, allowed: Sequence[str]) -> Read:
        """Return a reader of one of some texts; a near one is suggested."""

        def read(node: yaml.Node, key: str) -> str:
            value = str(node.value) if isinstance(node, yaml.ScalarNode) else _shown(node)
            if not isinstance(node, yaml.ScalarNode) or value not in allowed:
                raise self.wrong(node, key, value, f"one of {', '.join(allowed)}{near(value, allowed)}")
            return value

        return read

    def scalar(self, node: yaml.Node, key: str) -> float | int | bool | str:
        """Return a number, true or false, or a text, whichever stands there."""
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            raise self.wrong(node, key, _shown(node), "a number, true or false, or a text")
        if node.tag == "tag:yaml.org,2002:bool":
            return self.flag(node, key)
        try:
            value = float(node.value) if node.style is None else math.nan
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return int(value) if value == int(value) else value
        return self.text(node, key)


def near(wrong: str, names: Sequence[str]) -> str:
    """Return names that look like a wrong one, as the end of a remedy; empty where none does."""
    found = get_close_matches(wrong, names, n=3, cutoff=0.6)
    return f"; near it: {', '.join(found)}" if found else ""


def places_of(root: yaml.Node, path: str, key: str = "") -> dict[str, str]:
    """Return ``file:line`` of every key of a file, nested ones joined by a dot.

    For what is found wrong only later, when the nodes are gone.
    """
    return {k: f"{path}:{n.start_mark.line + 1}" for k, n in _nodes(root, key)}


def _nodes(node: yaml.Node, key: str) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner = f"{key}.{_shown(name)}" if key else _shown(name)
            yield inner, name
            yield from _nodes(value, inner)


def _shown(node: yaml.Node) -> str:
    return (
        str(node.value)
        if isinstance(node, yaml.ScalarNode)
        else "a mapping"
        if isinstance(node, yaml.MappingNode)
        else "a list"
    )
