"""The HTTP side of the feedback process: a page for people, JSON for machines, metrics, health."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from processors.errors import ConfigError
from processors.feedback.view import page

METRICS_TYPE = "text/plain; version=0.0.4"
"""Of Prometheus' text format; aiohttp refuses a character set in it."""


@asynccontextmanager
async def served(
    host: str, port: int, listing: Callable[[], dict[str, Any]], registry: CollectorRegistry,
    is_ready: Callable[[], bool],
) -> AsyncIterator[None]:  # fmt: skip
    """Serve the pages while the block runs.

    Parameters
    ----------
    listing
        Returns what ``view.listing`` makes of the present rows.

    Raises
    ------
    ConfigError
        Nothing can listen there.
    """

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=page(listing()), content_type="text/html")

    async def freshness(_: web.Request) -> web.Response:
        return web.json_response(listing())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_TYPE})

    async def health(_: web.Request) -> web.Response:
        ready = is_ready()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    site = web.Application()
    site.add_routes(
        [
            web.get("/", index),
            web.get("/freshness", freshness),
            web.get("/metrics", metrics),
            web.get("/health", health),
        ]
    )
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as e:
            raise ConfigError("mps feedback", "--port", port, f"one that is free ({e.strerror})") from None
        yield
    finally:
        await runner.cleanup()
