"""Records of the topics to dictionaries and back, one by one: the feedback side sees a few a second."""

import io
from typing import Any

import fastavro

from processors.runtime.codec import HEADER_BYTES, wire_record
from schemas.registry import load_registry


class UndecodableError(Exception):
    """The bytes are no record of the topic; counted and left out by ``app``."""


class Reader:
    """Reads the records of one topic, of every released version, as the current one.

    Parameters
    ----------
    topic
        Name in the registry, without prefix.
    """

    def __init__(self, topic: str) -> None:
        registry = load_registry()
        self._reader = fastavro.parse_schema(registry.current(topic).schema)
        self._writers = {entry.id: fastavro.parse_schema(entry.schema) for entry in registry.versions(f"{topic}-value")}

    def read(self, value: bytes | None) -> dict[str, Any]:
        """Return one record.

        Raises
        ------
        UndecodableError
            No header, an unknown schema id, or bytes that are no such record.
        """
        if value is None or len(value) < HEADER_BYTES or value[0] != 0:
            raise UndecodableError("no wire header")
        writer = self._writers.get(int.from_bytes(value[1:HEADER_BYTES], "big"))
        if writer is None:
            raise UndecodableError(f"unknown schema id {int.from_bytes(value[1:HEADER_BYTES], 'big')}")
        data = io.BytesIO(value)
        data.seek(HEADER_BYTES)
        try:
            found = fastavro.schemaless_reader(data, writer, self._reader)
        except Exception as e:  # noqa: BLE001 - random bytes raise anything: EOFError, IndexError, UnicodeDecodeError, ...
            raise UndecodableError(f"{type(e).__name__}: {e}") from None
        if data.read(1):
            raise UndecodableError("bytes left over after the record")
        assert isinstance(found, dict)
        return found


class Writer:
    """Writes records of one topic with its current schema."""

    def __init__(self, topic: str) -> None:
        entry = load_registry().current(topic)
        self._id, self._schema = entry.id, fastavro.parse_schema(entry.schema)

    def write(self, record: dict[str, Any]) -> bytes:
        """Return the wire bytes of one record."""
        return wire_record(self._id, self._schema, record)
