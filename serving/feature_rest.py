"""The REST door of the feature service: rows and packs as JSON, and their description in OpenAPI.

GET /v1/features?symbols=EURUSD:FX,XAUUSD:CFD&as_of=2014-05-02T12:30:00Z&pack=core_value_v1&time_horizon=1m&rows=1
GET /v1/packs          GET /v1/packs/core_value_v1          GET /v1/openapi.json          GET /health
"""

import json
import logging
import math
import ssl
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from offline.features.packs import FLAGS, QUALITY, load_view
from offline.features.rows import FeatureRows
from offline.features.times import parse_time
from processors.errors import ConfigError
from schemas.features import FOUNDING_PACK, packs_file
from serving.aborts import FAULT
from serving.config import ServeConfig
from serving.feature_engine import Ask, FeatureAnswer, FeatureEngine, Kind, Refused, refusal_of
from serving.feature_openapi import describe
from serving.records import iso

PORT = 18125
"""Beside those of the warehouse (18123) and of the pages of freshness (18124)."""
LINE_BYTES_MAX = 64 << 10
"""Longest address: the thousand symbols that a request may have are 60 characters each."""
STOP_TIMEOUT_S = 2.5
"""How long a call under way may take after a stop, and then to be cancelled: in all what the gRPC services grant. One
whose caller does not read would take for ever."""
STATUS: dict[Kind, int] = {"invalid": 400, "not_found": 404, "away": 503, "busy": 503, "broken": 500, "fault": 500}
LOG = logging.getLogger(__name__)
QUERY = ("symbols", "as_of", "pack", "time_horizon", "rows", "known_by")


class FeatureRest:
    """The HTTP server; started and stopped with the gRPC one.

    Parameters
    ----------
    port
        0 takes a free one, to be read from ``port`` after the start.
    tls
        None: plain HTTP.
    """

    def __init__(
        self, engine: FeatureEngine, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:  # fmt: skip
        self._engine, self.host, self.port, self._tls = engine, host, port, tls
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """Return the address of its root."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            Nothing can listen there.
        """
        site = web.Application(middlewares=[_errors])
        site.add_routes(
            [
                web.get("/v1/features", self._features),
                web.get("/v1/packs", _packs),
                web.get("/v1/packs/{pack_id}", _pack),
                web.get("/v1/openapi.json", _openapi),
                web.get("/health", _health),
            ]
        )
        self._runner = web.AppRunner(
            site, access_log=None, max_line_size=LINE_BYTES_MAX, shutdown_timeout=STOP_TIMEOUT_S
        )
        await self._runner.setup()
        at = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._tls)
        try:
            await at.start()
        except OSError as e:
            await self._runner.cleanup()
            remedy = f"one that is free ({e.strerror})"
            raise ConfigError("mps serve", "--rest-port", self.port, remedy) from None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Let the calls under way end, but for those that do not."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _features(self, request: web.Request) -> web.Response:
        answer = await self._engine.answer(ask_of(request), body_of)
        if isinstance(answer, Refused):
            return _refusal(answer)
        return web.Response(body=answer, content_type="application/json", charset="utf-8")


def tls_context(config: ServeConfig) -> ssl.SSLContext | None:
    """Return what the certificates of the gRPC services give for HTTP; None where there are none.

    Raises
    ------
    ConfigError
        A file cannot be read.
    """
    if config.tls_cert is None or config.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
        if config.tls_client_ca:
            context.load_verify_locations(config.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as e:
        raise ConfigError("mps serve", "tls", str(config.tls_cert), f"a PEM certificate with its key ({e})") from None
    return context


def ask_of(request: web.Request) -> Ask:
    """Return what an address asks.

    Raises
    ------
    ConfigError
        A part of it cannot be read, or is none.
    """
    query = request.query
    for name in query:
        if name not in QUERY:
            raise ConfigError("/v1/features", name, query[name], f"one of {', '.join(QUERY)}")
        if name != "symbols" and len(query.getall(name)) > 1:
            raise ConfigError("/v1/features", name, query.getall(name), "given once")
    symbols = [s for text in query.getall("symbols", []) for s in text.split(",")]
    if not symbols:
        raise ConfigError("/v1/features", "symbols", "", "symbols with commas between them: symbols=EURUSD:FX,AIG:US")
    rows = query.get("rows", "1")
    if not (rows.isascii() and rows.isdigit()) or len(rows) > 9:
        raise ConfigError("/v1/features", "rows", rows, "a whole number from 1")
    as_of_ns, known_by_ns = (parse_time(query[name], name) if name in query else None for name in ("as_of", "known_by"))
    return Ask(
        symbols, as_of_ns, query.get("pack", FOUNDING_PACK), query.get("time_horizon", "1m"), int(rows), known_by_ns
    )


def body_of(answer: FeatureAnswer) -> bytes:
    """Return an answer as JSON: features by name, null where a feature is.

    Written row by row: other threads have their turn between two rows of many, and never are all of them objects.
    """
    found = answer.rows
    head = {
        "pack_id": found.pack.pack_id,
        "pack_hash": found.pack.hash,
        "time_horizon": found.tf,
        "as_of": None if found.as_of_ns is None else iso(found.as_of_ns),
        "known_by": None if found.known_by_ns is None else iso(found.known_by_ns),
    }
    tail = {"missing": [{"symbol_id": s, "reason": why} for s, why in answer.missing.items()]}
    rows = ", ".join(_text(_row(found, i)) for i in range(len(found)))
    return f'{_text(head)[:-1]}, "rows": [{rows}], {_text(tail)[1:]}'.encode()


def _row(found: FeatureRows, i: int) -> dict[str, Any]:
    """Return one row of an answer."""
    rows = found.rows
    quality = zip(QUALITY, rows.quality[:, i].tolist(), strict=True)
    return {
        "symbol_id": found.symbols[int(rows.symbol[i])],
        "ts": iso(int(rows.ts_ns[i])),
        "known_at": iso(int(rows.known_ns[i])),
        "features": dict(zip(found.pack.names, map(_number, rows.values[:, i].tolist()), strict=True)),
        "warm": bool(found.warm[i]),
        "age_ms": float(found.age_ms[i]),
        "stale": bool(found.stale[i]),
        "quality": {name: v > 0 if name in FLAGS else _number(v) for name, v in quality},
    }


def packs() -> list[dict[str, Any]]:
    """Return every pack of the catalog: id, hash, meaning and number of features."""
    found = []
    for pack_id, told in packs_file().items():
        view = load_view(pack_id)
        found.append({"pack_id": pack_id, "hash": view.hash, "meaning": told["meaning"], "n_features": len(view.names)})
    return found


def pack(pack_id: str) -> dict[str, Any]:
    """Return a pack with the rows of its features.

    Raises
    ------
    ConfigError
        There is no such pack.
    """
    view = load_view(pack_id)
    features = [asdict(f) for f in view.pack.features]
    return {"pack_id": pack_id, "hash": view.hash, "meaning": packs_file()[pack_id]["meaning"], "features": features}


async def _packs(_: web.Request) -> web.Response:
    return _json({"packs": packs()})


async def _pack(request: web.Request) -> web.Response:
    try:
        return _json(pack(request.match_info["pack_id"]))
    except ConfigError as e:
        return _refusal(refusal_of(e, "not_found"))


async def _openapi(_: web.Request) -> web.Response:
    return _json(describe())


async def _health(_: web.Request) -> web.Response:
    return _json({"ready": True})


@web.middleware
async def _errors(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Answer what is asked wrongly with the reason, as JSON."""
    try:
        response: web.StreamResponse = await handler(request)
    except ConfigError as e:
        return _refusal(refusal_of(e, "invalid"))
    except web.HTTPException as e:
        told = _json({"error": {"message": f"{request.method} {request.path}: {e.reason}"}}, e.status)
        # What a 405 must say.
        told.headers.update({name: e.headers[name] for name in ("Allow",) if name in e.headers})
        return told
    except Exception:
        LOG.exception("%s %s has no answer", request.method, request.path)
        return _refusal(Refused("fault", FAULT))
    return response


def _refusal(refused: Refused) -> web.Response:
    told: dict[str, Any] = {"message": refused.message}
    if refused.key:
        told |= {
            "where": refused.where, "key": refused.key, "value": refused.value, "remedy": refused.remedy,
        }  # fmt: skip
    return _json({"error": told}, STATUS[refused.kind])


def _number(value: float) -> float | str | None:
    """Return a number as JSON has it: null for NaN, which stands for null here; an infinity by its name."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(text=_text(body), status=status, content_type="application/json")


def _text(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, default=str)
