"""The REST door of the feature service described in OpenAPI 3.1."""

from typing import Any

from schemas.features import FOUNDING_PACK
from schemas.timeframes import TIMEFRAMES

_TEXT = {"type": "string"}
_NUMBER_OR_NULL = {"type": ["number", "string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_TIME_OR_NULL = {"type": ["string", "null"], "format": "date-time"}


def describe() -> dict[str, Any]:
    """Return the description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MPS feature service",
            "version": "1",
            "description": "Features of a pack as of a time. A row is of its ts, the end of its bar, and can be known "
            "from its known_at on.",
        },
        "paths": {
            "/v1/features": {
                "get": _operation("Newest rows of some symbols at or before a time.", "Features", _PARAMETERS, 503)
            },
            "/v1/packs": {"get": _operation("Every pack: id, hash, meaning, number of features.", "Packs", [])},
            "/v1/packs/{pack_id}": {
                "get": _operation(
                    "A pack with the schema rows of its features.", "Pack",
                    [_parameter("pack_id", "path", _TEXT, "Id of the pack.", required=True)],
                )
            },
            "/v1/openapi.json": {"get": {"summary": "This description.", "responses": {"200": _answer("Any")}}},
            "/health": {"get": {"summary": "Whether the service answers.", "responses": {"200": _answer("Any")}}},
        },
        "components": {"schemas": _SCHEMAS},
    }  # fmt: skip


def _parameter(
    name: str, where: str, schema: dict[str, Any], meaning: str, *, required: bool = False
) -> dict[str, Any]:  # fmt: skip
    return {"name": name, "in": where, "required": required, "schema": schema, "description": meaning}


def _answer(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": schema, "content": content}


def _operation(summary: str, schema: str, parameters: list[dict[str, Any]], *more: int) -> dict[str, Any]:
    failures = {str(code): _answer("Error") for code in (400, 404, *more)}
    return {"summary": summary, "parameters": parameters, "responses": {"200": _answer(schema), **failures}}


def _record(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_PARAMETERS = [
    _parameter("symbols", "query", _TEXT, "Symbols with commas between them, at most 1000.", required=True),
    _parameter("as_of", "query", _TEXT, "ISO 8601 with a zone, or nanoseconds since 1970; now where it is left out."),
    _parameter("pack", "query", {**_TEXT, "default": FOUNDING_PACK}, "Id of the pack."),
    _parameter(
        "time_horizon", "query", {"type": "string", "enum": list(TIMEFRAMES), "default": "1m"}, "Timeframe of the rows."
    ),
    _parameter(
        "rows", "query", {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1},
        "Newest rows of each symbol, ascending in time.",
    ),
    _parameter(
        "known_by", "query", _TEXT,
        "Only rows with known_at at or before it; it stands for a missing as_of too. Written as as_of is.",
    ),
]  # fmt: skip

_FLAG = {"type": "boolean"}
_SCHEMAS: dict[str, Any] = {
    "Any": {"type": "object"},
    "Features": _record(
        pack_id=_TEXT, pack_hash=_TEXT, time_horizon=_TEXT, as_of=_TIME_OR_NULL, known_by=_TIME_OR_NULL,
        rows=_list({"$ref": "#/components/schemas/Row"}),
        missing=_list(_record(symbol_id=_TEXT, reason=_TEXT)),
    ),
    "Row": _record(
        symbol_id=_TEXT, ts=_TIME, known_at=_TIME,
        features={
            "type": "object", "additionalProperties": _NUMBER_OR_NULL,
            "description": "By name, in the pack's order; null where a feature is; an infinity as text.",
        },
        warm=_FLAG, age_ms={"type": "number"}, stale=_FLAG,
        quality=_record(stale=_FLAG, outlier_frac=_NUMBER_OR_NULL, n_src=_NUMBER_OR_NULL, lat_ms=_NUMBER_OR_NULL,
                        gap=_FLAG),
    ),
    "Packs": _record(
        packs=_list(_record(pack_id=_TEXT, hash=_TEXT, meaning=_TEXT, n_features={"type": "integer"}))
    ),
    "Pack": _record(pack_id=_TEXT, hash=_TEXT, meaning=_TEXT, features=_list({"type": "object"})),
    "Error": _record(
        error={
            "type": "object", "required": ["message"],
            "properties": {"message": _TEXT, "where": _TEXT, "key": _TEXT, "value": {}, "remedy": _TEXT},
        }
    ),
}  # fmt: skip
