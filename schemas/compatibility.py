"""Whether records written with one Avro schema can be read with another (Avro 1.12, "Schema Resolution").

Called by the registry's compatibility call and by the test that no released schema is broken.
"""

from collections.abc import Iterator
from typing import Any

Schema = Any
"""An Avro schema as parsed JSON: a name, a union as a list, or a dictionary."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
KINDS = PRIMITIVES | {"record", "error", "enum", "fixed", "array", "map"}
INNER = {"array": "items", "map": "values"}
PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def can_read(reader: Schema, writer: Schema) -> bool:
    """Return whether every record of the writer's schema can be read with the reader's.

    Parameters
    ----------
    reader
        Schema as parsed JSON, valid Avro.
    writer
        Likewise.
    """
    return _Check(dict(_named(reader, "")), dict(_named(writer, ""))).can_read(reader, writer, "", "")


class _Check:
    """One question, with the named types of both sides."""

    def __init__(self, readers: dict[str, Schema], writers: dict[str, Schema]) -> None:
        self._readers = readers
        self._writers = writers
        # A pair of names met again inside itself: it is compatible if the rest of it is.
        self._assumed: set[tuple[str, str]] = set()

    def can_read(self, reader: Schema, writer: Schema, reader_space: str, writer_space: str) -> bool:
        reader, reader_space = _resolved(reader, self._readers, reader_space)
        writer, writer_space = _resolved(writer, self._writers, writer_space)
        if isinstance(writer, list):
            return all(self.can_read(reader, branch, reader_space, writer_space) for branch in writer)
        if isinstance(reader, list):
            return any(self.can_read(branch, writer, reader_space, writer_space) for branch in reader)
        reader_type, writer_type = reader["type"], writer["type"]
        if reader_type != writer_type:
            return reader_type in PROMOTIONS.get(writer_type, ())
        if reader_type in INNER:
            inner = INNER[reader_type]
            return self.can_read(reader[inner], writer[inner], reader_space, writer_space)
        if reader_type in PRIMITIVES:
            return True
        return self._can_read_named(reader, writer, reader_space, writer_space)

    def _can_read_named(self, reader: Schema, writer: Schema, reader_space: str, writer_space: str) -> bool:
        reader_name, writer_name = _full_name(reader, reader_space), _full_name(writer, writer_space)
        aliases = {_qualified(alias, reader_space) for alias in reader.get("aliases", ())}
        # Unqualified names decide: that is how resolution is specified, whatever the namespace.
        if _last(reader_name) != _last(writer_name) and writer_name not in aliases:
            return False
        if reader["type"] == "fixed":
            return bool(reader["size"] == writer["size"])
        if reader["type"] == "enum":
            return "default" in reader or set(writer["symbols"]) <= set(reader["symbols"])
        if (reader_name, writer_name) in self._assumed:
            return True
        self._assumed.add((reader_name, writer_name))
        return self._can_read_fields(reader, writer, reader_space, writer_space)

    def _can_read_fields(self, reader: Schema, writer: Schema, reader_space: str, writer_space: str) -> bool:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = [field["name"], *field.get("aliases", ())]
            found = next((written[name] for name in names if name in written), None)
            if found is None:
                if "default" not in field:
                    return False
            elif not self.can_read(field["type"], found["type"], reader_space, writer_space):
                return False
        return True


def _resolved(schema: Schema, named: dict[str, Schema], space: str) -> tuple[Schema, str]:
    """Return the schema with names looked up, primitives as dictionaries, and the namespace inside it."""
    if isinstance(schema, list):
        return schema, space
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return {"type": schema}, space
        schema = named.get(_qualified(schema, space)) or named[schema]
    elif isinstance(schema["type"], dict | list) or schema["type"] not in KINDS:
        return _resolved(schema["type"], named, space)
    return schema, _space_of(schema, space)


def _named(schema: Schema, space: str) -> Iterator[tuple[str, Schema]]:
    """Yield every named type inside a schema, by its full name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _named(branch, space)
    elif isinstance(schema, dict):
        inside = _space_of(schema, space)
        if "name" in schema:
            # The namespace is made part of the type, for whoever comes to it by its name.
            yield _full_name(schema, space), {"namespace": inside, **schema}
        for field in schema.get("fields", ()):
            yield from _named(field["type"], inside)
        for key in ("type", "items", "values"):
            if isinstance(schema.get(key), dict | list):
                yield from _named(schema[key], inside)


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
