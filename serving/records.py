"""Wire bytes of any topic as JSON, for people: names, ISO times, the original inside a dead letter."""

import base64
import io
import json
import math
from typing import Any

import fastavro
import numpy as np

from processors.runtime.codec import HEADER_BYTES
from schemas.registry import Registry

DEAD_LETTER = "DeadLetter"
_UNREADABLE = (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError)
"""What fastavro raises on bytes that are not of the schema."""


class UndecodableError(Exception):
    """The bytes are no record of the released schemas; says why."""


class RecordDecoder:
    """Decodes records of every released schema.

    Parameters
    ----------
    registry
        Schemas by id.
    """

    def __init__(self, registry: Registry) -> None:
        self._schemas = {i: (entry.schema, fastavro.parse_schema(entry.schema)) for i, entry in registry.ids.items()}

    def decode(self, value: bytes) -> dict[str, Any]:
        """Return a record ready for ``json.dumps``: times as ISO 8601, bytes as text or base64, NaN as a string.

        Raises
        ------
        UndecodableError
            Header, schema id or body is wrong.
        """
        if len(value) < HEADER_BYTES or value[0] != 0:
            raise UndecodableError(f"no wire header: the record begins {value[:HEADER_BYTES].hex() or '(empty)'}")
        schema_id = int.from_bytes(value[1:HEADER_BYTES], "big")
        if schema_id not in self._schemas:
            raise UndecodableError(f"unknown schema id {schema_id}")
        schema, parsed = self._schemas[schema_id]
        stream = io.BytesIO(value[HEADER_BYTES:])
        try:
            record: Any = fastavro.schemaless_reader(stream, parsed, None)
        except _UNREADABLE as e:
            raise UndecodableError(f"not a {schema['name']}: {type(e).__name__} {e}".rstrip()) from e
        left = len(value) - HEADER_BYTES - stream.tell()
        if left:
            raise UndecodableError(f"{left} bytes left over after the {schema['name']}")
        shown: dict[str, Any] = _shown(record, schema)
        if schema["name"] == DEAD_LETTER:
            shown |= self._original(record["value"])
        return shown

    def _original(self, value: bytes) -> dict[str, Any]:
        """Return the dead letter's original, decoded where it is readable."""
        try:
            return {"value": self.decode(value)}
        except UndecodableError as e:
            return {"value": _shown(value, "bytes"), "value_error": str(e)}


def to_json(record: dict[str, Any]) -> str:
    """Return a record as one line."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def iso(ns: int) -> str:
    """Return a time as ISO 8601 in UTC, without digits of the second where they are all zero."""
    whole, _, fraction = str(np.datetime64(ns, "ns")).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def text_or_base64(raw: bytes) -> str | dict[str, str]:
    """Return bytes as text where they are printable, else as base64, named so."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
    return text if text.isprintable() else {"base64": base64.b64encode(raw).decode()}


def _shown(value: Any, schema: Any) -> Any:
    """Return a value as JSON has it, by its schema."""
    if value is None:
        return None
    if isinstance(schema, list):
        return _shown(value, next(s for s in schema if s != "null"))
    if isinstance(schema, dict):
        if schema["type"] == "record":
            return {f["name"]: _shown(value[f["name"]], f["type"]) for f in schema["fields"]}
        if schema["type"] == "array":
            return [_shown(v, schema["items"]) for v in value]
        if schema.get("logicalType") == "timestamp-nanos":
            return iso(value)
    return _shown_leaf(value)


def _shown_leaf(value: Any) -> Any:
    if isinstance(value, bytes):
        return text_or_base64(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
