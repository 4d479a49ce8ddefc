"""The Confluent schema registry's REST calls over the schemas of this repository.

Called by `registry_server.py`. A pure function from request to answer, so that it is tested without a socket.
Ids are locked in `schemas/ids.json`: a schema that is known is found, one that is not is refused.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import fastavro

from schemas.compatibility import can_read
from schemas.registry import Registry, SchemaEntry

SUBJECT_NOT_FOUND = 40401
VERSION_NOT_FOUND = 40402
SCHEMA_NOT_FOUND = 40403
INVALID_SCHEMA = 42201
INVALID_VERSION = 42202
NOT_PERMITTED = 42205


@dataclass(frozen=True)
class Answer:
    """What goes back to the client.

    Parameters
    ----------
    status
        HTTP status.
    body
        To be sent as JSON.
    """

    status: int
    body: Any


class RegistryError(Exception):
    """A refusal in the registry's own words.

    Parameters
    ----------
    code
        Confluent's error code; its first three digits are the HTTP status.
    message
        What is wrong and what to do.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)

    def answer(self) -> Answer:
        """Return the refusal as the client expects it."""
        status = self.code if self.code < 1000 else self.code // 100
        return Answer(status, {"error_code": self.code, "message": str(self)})


def answer(registry: Registry, method: str, path: str, body: bytes = b"") -> Answer:
    """Return the answer to one call.

    Parameters
    ----------
    registry
        The schemas to serve.
    method
        "GET" or "POST".
    path
        Unquoted, without the query.
    body
        JSON of a POST.
    """
    try:
        for wanted, pattern, call in ROUTES:
            found = re.fullmatch(pattern, path.rstrip("/") or "/")
            if found and wanted == method:
                return Answer(200, call(registry, found.groupdict(), body))
    except RegistryError as refusal:
        return refusal.answer()
    return Answer(404, {"error_code": 404, "message": f"HTTP 404: no {method} {path} in this registry"})


def _subjects(registry: Registry, _: Mapping[str, str], __: bytes) -> list[str]:
    return sorted({entry.subject for entry in registry.ids.values()})


def _versions(registry: Registry, path: Mapping[str, str], _: bytes) -> list[int]:
    return [entry.version for entry in _of_subject(registry, path["subject"])]


def _version(registry: Registry, path: Mapping[str, str], _: bytes) -> dict[str, Any]:
    return _described(_find_version(registry, path["subject"], path["version"]))


def _version_schema(registry: Registry, path: Mapping[str, str], _: bytes) -> Any:
    return json.loads(_find_version(registry, path["subject"], path["version"]).schema_json)


def _schema_by_id(registry: Registry, path: Mapping[str, str], _: bytes) -> dict[str, Any]:
    return {"schema": _find_id(registry, path["id"]).schema_json}


def _bare_schema_by_id(registry: Registry, path: Mapping[str, str], _: bytes) -> Any:
    return json.loads(_find_id(registry, path["id"]).schema_json)


def _uses_of_id(registry: Registry, path: Mapping[str, str], _: bytes) -> list[dict[str, Any]]:
    entry = _find_id(registry, path["id"])
    return [{"subject": entry.subject, "version": entry.version}]


def _look_up(registry: Registry, path: Mapping[str, str], body: bytes) -> dict[str, Any]:
    wanted = _schema_in(body)
    for entry in _of_subject(registry, path["subject"]):
        if json.loads(entry.schema_json) == wanted:
            return _described(entry)
    raise RegistryError(SCHEMA_NOT_FOUND, "Schema not found")


def _register(registry: Registry, path: Mapping[str, str], body: bytes) -> dict[str, Any]:
    wanted = _schema_in(body)
    for entry in registry.ids.values():
        if entry.subject == path["subject"] and json.loads(entry.schema_json) == wanted:
            return {"id": entry.id}
    raise RegistryError(
        NOT_PERMITTED,
        f"Subject {path['subject']}: this registry takes no new schemas, because ids are locked in schemas/ids.json; "
        "add the schema to schemas/avro and its id to schemas/ids.json, then restart the registry",
    )


def _compatible(registry: Registry, path: Mapping[str, str], body: bytes) -> dict[str, Any]:
    wanted = _schema_in(body)
    earlier = _find_version(registry, path["subject"], path.get("version") or "latest")
    return {"is_compatible": can_read(reader=wanted, writer=json.loads(earlier.schema_json))}


def _of_subject(registry: Registry, subject: str) -> list[SchemaEntry]:
    entries = registry.versions(subject)
    if not entries:
        raise RegistryError(SUBJECT_NOT_FOUND, f"Subject '{subject}' not found.")
    return entries


def _find_version(registry: Registry, subject: str, version: str) -> SchemaEntry:
    entries = _of_subject(registry, subject)
    if version in {"latest", "-1"}:
        return entries[-1]
    if not version.isascii() or not version.isdigit():
        raise RegistryError(INVALID_VERSION, f"The specified version '{version}' is not a valid version id.")
    for entry in entries:
        if entry.version == int(version):
            return entry
    raise RegistryError(VERSION_NOT_FOUND, f"Version {version} not found.")


def _find_id(registry: Registry, number: str) -> SchemaEntry:
    entry = registry.ids.get(int(number))
    if entry is None:
        raise RegistryError(SCHEMA_NOT_FOUND, f"Schema {number} not found")
    return entry


def _schema_in(body: bytes) -> Any:
    """Return the Avro schema of a request, parsed as JSON and checked as Avro."""
    try:
        request = json.loads(body)
        kind = request.get("schemaType", "AVRO")
        schema = json.loads(request["schema"])
        fastavro.parse_schema(schema)
    except Exception as error:
        raise RegistryError(INVALID_SCHEMA, f"Invalid schema: {error!r}") from error
    if kind != "AVRO":
        raise RegistryError(INVALID_SCHEMA, f"Invalid schema type {kind}: only AVRO is served")
    return schema


def _described(entry: SchemaEntry) -> dict[str, Any]:
    return {"subject": entry.subject, "version": entry.version, "id": entry.id, "schema": entry.schema_json}


Call = Callable[[Registry, Mapping[str, str], bytes], Any]
_SUBJECT = r"/subjects/(?P<subject>[^/]+)"
_ID = r"/schemas/ids/(?P<id>\d{1,9})"
_COMPATIBILITY = r"/compatibility/subjects/(?P<subject>[^/]+)/versions(/(?P<version>[^/]+))?"

ROUTES: tuple[tuple[str, str, Call], ...] = (
    ("GET", r"/", lambda *_: {}),
    ("GET", r"/subjects", _subjects),
    ("GET", rf"{_SUBJECT}/versions", _versions),
    ("GET", rf"{_SUBJECT}/versions/(?P<version>[^/]+)", _version),
    ("GET", rf"{_SUBJECT}/versions/(?P<version>[^/]+)/schema", _version_schema),
    ("GET", _ID, _schema_by_id),
    ("GET", rf"{_ID}/schema", _bare_schema_by_id),
    ("GET", rf"{_ID}/versions", _uses_of_id),
    ("GET", r"/schemas/types", lambda *_: ["AVRO"]),
    ("GET", r"/config(/[^/]+)?", lambda *_: {"compatibilityLevel": "BACKWARD"}),
    ("GET", r"/mode(/[^/]+)?", lambda *_: {"mode": "READONLY"}),
    ("POST", _SUBJECT, _look_up),
    ("POST", rf"{_SUBJECT}/versions", _register),
    ("POST", _COMPATIBILITY, _compatible),
)
