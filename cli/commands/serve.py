"""``mps serve``."""

import asyncio
import signal
from pathlib import Path

import click

from deploy.local.endpoints import announce, load_endpoints
from deploy.local.paths import home
from serving.config import CLOCKS, PORT, ServeConfig

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: a free one.")
@click.option("--clock", type=click.Choice(CLOCKS), default="event", show_default=True,
              help="Without as_of, now is the latest row (event: replays) or the time of day (wall).")  # fmt: skip
@click.option("--tls-cert", type=_FILE, help="PEM certificate; with --tls-key.")
@click.option("--tls-key", type=_FILE, help="PEM key.")
@click.option("--tls-client-ca", type=_FILE, help="PEM authority that callers' certificates must come from.")
@click.option("--prefix", default="", help="Stands before every topic's name.")
def serve(
    *, host: str, port: int, clock: str, tls_cert: Path | None, tls_key: Path | None, tls_client_ca: Path | None,
    prefix: str,
) -> None:  # fmt: skip
    """Run the gRPC ScoreService until Ctrl-C.

    Gold rows come from Redis, the model from MPS_MODEL or `mps train`. Health and reflection are served too.

    Example: mps serve --clock wall
    """
    endpoints = load_endpoints(home())
    config = ServeConfig(
        redis_url=endpoints.redis_url,
        bootstrap_servers=endpoints.bootstrap_servers,
        host=host,
        port=port,
        clock=clock,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        topic_prefix=prefix,
    )
    asyncio.run(_serve(config))


async def _serve(config: ServeConfig) -> None:
    from serving.grpc_server import ScoreServer

    server = ScoreServer(config)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start()
    announce(home(), grpc_address=server.address)
    click.echo(f"ScoreService listens on {server.address} ({config.clock} clock)")
    await stop.wait()
    await server.stop()
