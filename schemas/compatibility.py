"""Whether records written with one Avro schema can be read with another (Avro 1.12, "Schema Resolution").

Called by the registry's compatibility call and by the test that no released schema is broken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from processors.errors import ConfigError

Schema = Any
"""An Avro schema as parsed JSON: a name, a union as a list, or a dictionary."""

Kind = Literal[
    "fixed_size_mismatch",
    "missing_enum_symbols",
    "missing_union_branch",
    "name_mismatch",
    "reader_field_missing_default_value",
    "type_mismatch",
]
Mode = Literal["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]
MODES: tuple[Mode, ...] = get_args(Mode)

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
"""Writer's type -> what else the reader may have."""
_COMPLEX = frozenset({"record", "error", "enum", "fixed", "array", "map"})


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One reason why a reader cannot read a writer's records.

    Parameters
    ----------
    path
        Where in the reader's schema, for example ``fields/quality/stale``.
    """

    kind: Kind
    path: str
    message: str


def can_read(reader: Schema, writer: Schema) -> bool:
    """Return whether every record of the writer's schema can be read with the reader's; both are valid Avro."""
    return not incompatibilities(reader, writer)


def incompatibilities(reader: Schema, writer: Schema) -> list[Incompatibility]:
    """Return every reason why the reader cannot read the writer's records; empty where it can."""
    check = _Check(dict(_named_types(reader, "")), dict(_named_types(writer, "")))
    # A type that holds itself is readable unless something refutes it: assume so, and look again until nothing new is
    # refuted. Each round refutes a pair of named types or is the last.
    while True:
        known = len(check.refuted)
        check.visited.clear()
        found = check.compare(reader, writer, "", "", "")
        if len(check.refuted) == known:
            return found


def breaks(mode: str, new: Schema, history: Sequence[Schema]) -> list[Incompatibility]:
    """Return what the new version breaks under a registry's compatibility mode; empty where it may be registered.

    Parameters
    ----------
    mode
        One of ``MODES``: the transitive ones look at the whole history, the others at the latest version alone.
    history
        Registered schemas, oldest first, deleted ones left out.

    Raises
    ------
    ConfigError
        Unknown mode.
    """
    if mode not in MODES:
        raise ConfigError("schemas", "compatibility mode", mode, f"one of {', '.join(MODES)}")
    direction = mode.removesuffix("_TRANSITIVE")
    out: list[Incompatibility] = []
    for old in history if mode.endswith("_TRANSITIVE") else history[-1:]:
        if direction in {"BACKWARD", "FULL"}:
            out += incompatibilities(reader=new, writer=old)
        if direction in {"FORWARD", "FULL"}:
            out += incompatibilities(reader=old, writer=new)
    return out


class _Check:
    """One question, with the named types of both sides."""

    def __init__(self, readers: dict[str, Schema], writers: dict[str, Schema]) -> None:
        self._readers = readers
        self._writers = writers
        self.refuted: dict[tuple[str, str], list[Incompatibility]] = {}
        self.visited: set[tuple[str, str]] = set()

    def compare(
        self, reader: Schema, writer: Schema, reader_space: str, writer_space: str, path: str
    ) -> list[Incompatibility]:
        reader, reader_space = _resolved(reader, self._readers, reader_space)
        writer, writer_space = _resolved(writer, self._writers, writer_space)
        if isinstance(writer, list):
            found = (self.compare(reader, branch, reader_space, writer_space, path) for branch in writer)
            return [reason for reasons in found for reason in reasons]
        if isinstance(reader, list):
            if any(not self.compare(branch, writer, reader_space, writer_space, path) for branch in reader):
                return []
            return [Incompatibility("missing_union_branch", path, f"reader union lacks writer type: {_label(writer)}")]
        if reader["type"] != writer["type"]:
            return _promotion(reader["type"], writer["type"], path)
        for inner in ("items", "values"):
            if inner in reader and reader["type"] in {"array", "map"}:
                return self.compare(reader[inner], writer[inner], reader_space, writer_space, f"{path}/{inner}")
        return [] if reader["type"] in PRIMITIVES else self._named(reader, writer, reader_space, writer_space, path)

    def _named(
        self, reader: Schema, writer: Schema, reader_space: str, writer_space: str, path: str
    ) -> list[Incompatibility]:
        reader_name, writer_name = _full_name(reader, reader_space), _full_name(writer, writer_space)
        aliases = {_qualified(alias, reader_space) for alias in reader.get("aliases", ())}
        # Unqualified names decide: that is how resolution is specified, whatever the namespace.
        if _last(reader_name) != _last(writer_name) and writer_name not in aliases:
            return [Incompatibility("name_mismatch", path, f"reader name: {reader_name}, writer name: {writer_name}")]
        if reader["type"] in {"fixed", "enum"}:
            return _fixed_or_enum(reader, writer, path)
        pair = (reader_name, writer_name)
        if pair not in self.visited:
            self.visited.add(pair)
            found = self._fields(reader, writer, reader_space, writer_space, path)
            if found:
                self.refuted[pair] = list(dict.fromkeys(found))
        return self.refuted.get(pair, [])

    def _fields(
        self, reader: Schema, writer: Schema, reader_space: str, writer_space: str, path: str
    ) -> list[Incompatibility]:
        written = {field["name"]: field for field in writer["fields"]}
        out: list[Incompatibility] = []
        for field in reader["fields"]:
            names = [field["name"], *field.get("aliases", ())]
            match = next((written[name] for name in names if name in written), None)
            here = f"{path}/{field['name']}".removeprefix("/")
            if match is not None:
                out += self.compare(field["type"], match["type"], reader_space, writer_space, here)
            elif "default" not in field:
                message = f"field {field['name']} has no default and the writer does not have it"
                out.append(Incompatibility("reader_field_missing_default_value", here, message))
        return out


def _promotion(reader_type: str, writer_type: str, path: str) -> list[Incompatibility]:
    if reader_type in PROMOTIONS.get(writer_type, ()):
        return []
    message = f"reader type: {reader_type} not compatible with writer type: {writer_type}"
    return [Incompatibility("type_mismatch", path, message)]


def _fixed_or_enum(reader: Schema, writer: Schema, path: str) -> list[Incompatibility]:
    if reader["type"] == "fixed":
        if reader["size"] == writer["size"]:
            return []
        message = f"reader size: {reader['size']}, writer size: {writer['size']}"
        return [Incompatibility("fixed_size_mismatch", path, message)]
    missing = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if not missing or "default" in reader:
        return []
    return [Incompatibility("missing_enum_symbols", path, f"reader enum lacks: {', '.join(missing)}")]


def _resolved(schema: Schema, named: dict[str, Schema], space: str) -> tuple[Schema, str]:
    """Return the schema with names looked up, primitives as dictionaries, and the namespace inside it."""
    if isinstance(schema, list):
        return schema, space
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return {"type": schema}, space
        schema = named.get(_qualified(schema, space)) or named[schema]
    elif not isinstance(schema["type"], str) or schema["type"] not in PRIMITIVES | _COMPLEX:
        return _resolved(schema["type"], named, space)
    return schema, _space_of(schema, space)


def _named_types(schema: Schema, space: str) -> Iterator[tuple[str, Schema]]:
    """Yield every named type inside a schema, by its full name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _named_types(branch, space)
    elif isinstance(schema, dict):
        inside = _space_of(schema, space)
        if "name" in schema:
            # The namespace is made part of the type, for whoever comes to it by its name.
            yield _full_name(schema, space), {**schema, "namespace": inside}
        for field in schema.get("fields", ()):
            yield from _named_types(field["type"], inside)
        for key in ("type", "items", "values"):
            if isinstance(schema.get(key), dict | list):
                yield from _named_types(schema[key], inside)


def _label(schema: Schema) -> str:
    return str(schema.get("name", schema["type"]))


def _full_name(schema: Schema, space: str) -> str:
    return _qualified(schema["name"], schema.get("namespace", space))


def _space_of(schema: Schema, space: str) -> str:
    if "name" not in schema:
        return space
    return _full_name(schema, space).rpartition(".")[0]


def _qualified(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _last(name: str) -> str:
    return name.rpartition(".")[2]
