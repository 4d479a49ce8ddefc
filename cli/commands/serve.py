"""``mps serve``: the gRPC services, and the REST door of the feature service."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.local.endpoints import announce, load_endpoints
from deploy.local.paths import home
from processors.errors import ConfigError
from processors.reference.in_use import use_reference
from serving.config import CLOCK_VARIABLE, CLOCKS, PORT, ServeConfig

if TYPE_CHECKING:
    from serving.feature_rest import FeatureRest
    from serving.grpc_server import ScoreServer

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: a free one.")
@click.option("--or-free-port", is_flag=True, help="Take a free port where that one is in use.")
@click.option("--rest-port", type=click.IntRange(0, 65535),
              help="Port of the REST door; 18125, or a free one, if it is not given.")  # fmt: skip
@click.option("--no-rest", is_flag=True, help="gRPC only.")
@click.option("--clock", type=click.Choice(CLOCKS), default="event",
              envvar=CLOCK_VARIABLE, show_default="MPS_CLOCK, else event",
              help="Without as_of, now is the latest row (event: replays), or the time of day (wall).")  # fmt: skip
@click.option("--tls-cert", type=_FILE, help="PEM certificate; with --tls-key.")
@click.option("--tls-key", type=_FILE, help="PEM key.")
@click.option("--tls-client-ca", type=_FILE, help="PEM authority that callers' certificates must come from.")
@click.option("--prefix", default="", help="Stands before every topic's name.")
def serve(
    *, host: str, port: int, or_free_port: bool, rest_port: int | None, no_rest: bool, clock: str,
    tls_cert: Path | None, tls_key: Path | None, tls_client_ca: Path | None, prefix: str,
) -> None:  # fmt: skip
    """Run the gRPC ScoreService and FeatureService until Ctrl-C.

    Gold rows come from Redis, the model from MPS_MODEL or `mps train`. Health and reflection are served too. Features
    are served over HTTP as well, older ones from ClickHouse and from back-fills: see /v1/openapi.json there.

    Example: mps serve --clock wall
    """
    use_reference(prefix)
    endpoints = load_endpoints(home())
    config = ServeConfig(
        redis_url=endpoints.redis_url,
        bootstrap_servers=endpoints.bootstrap_servers,
        host=host,
        port=port,
        or_free_port=or_free_port,
        clock=clock,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        topic_prefix=prefix,
    )
    asyncio.run(_serve(config, rest=not no_rest, rest_port=rest_port))


async def _serve(config: ServeConfig, *, rest: bool, rest_port: int | None) -> None:
    from cli.feature_service import feature_service
    from serving.grpc_server import ScoreServer

    server = ScoreServer(config, features=feature_service(config.clock))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start()
    click.echo(f"ScoreService listens on {server.address} ({config.clock} clock)")
    door = await _open_rest(server, config, rest_port) if rest else None
    # Both at once: who finds the one must not find another process's other.
    announce(home(), grpc_address=server.address, rest_url=door.address if door else None)
    await stop.wait()
    if door:
        await door.stop()
    await server.stop()


async def _open_rest(server: "ScoreServer", config: ServeConfig, port: int | None) -> "FeatureRest | None":
    """Serve REST; without a port asked for, at the usual one or, where that is taken, at a free one."""
    try:
        from serving.feature_rest import PORT as REST_PORT
        from serving.feature_rest import FeatureRest, tls_context
    except ModuleNotFoundError as e:
        click.echo(f"no REST: {e.name} is not installed (in the checkout: pip install -e '.[feedback]')", err=True)
        return None
    assert server.features is not None
    for wanted in (REST_PORT, 0) if port is None else (port,):
        door = FeatureRest(server.features, config.host, wanted, tls_context(config))
        try:
            await door.start()
        except ConfigError:
            if port is not None or wanted == 0:
                raise
        else:
            click.echo(f"REST listens on {door.address}/v1")
            return door
    return None
