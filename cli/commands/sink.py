"""``mps sink``: the process that fills ClickHouse and Redis, and answers SQL for an embedded ClickHouse."""

import logging
import os
from pathlib import Path

import click

from deploy.local.endpoints import announce, load_endpoints
from deploy.local.paths import home
from offline.warehouse.server import PORT
from processors.sinks.config import SinkConfig
from processors.sinks.process import SinkAddresses, run_sinks

DEFAULT = SinkConfig()


@click.command()
@click.option("--once", is_flag=True, help="End when everything in the topics is stored.")
@click.option("--port", type=click.IntRange(0, 65535),
              help=f"Port of the warehouse's HTTP endpoint; {PORT}, or a free one, if it is not given.")  # fmt: skip
@click.option("--warehouse", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the embedded ClickHouse.  [default: that of the running stack]")  # fmt: skip
@click.option("--no-redis", is_flag=True, help="Fill ClickHouse only.")
@click.option("--prefix", default="", help="Of the topics' names.")
@click.option("--redis-rows", type=click.IntRange(1), default=DEFAULT.redis_rows_max, show_default=True,
              help="Gold rows kept in Redis for each symbol and timeframe.")  # fmt: skip
@click.option("--log-level", default="INFO", show_default=True,
              type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))  # fmt: skip
def sink(
    *, once: bool, port: int | None, warehouse: Path | None, no_redis: bool, prefix: str, redis_rows: int,
    log_level: str,
) -> None:  # fmt: skip
    """Store bars, gold rows, signals, freshness and dead letters in ClickHouse, and the latest rows in Redis.

    ClickHouse gets each record exactly once, whatever is killed: the next run goes on where the rows end.
    Without MPS_CLICKHOUSE_URL the process owns an embedded ClickHouse, and answers for it at a local address:
    `mps sql` finds it, and any ClickHouse client can use it to read. GET /stats there tells rows and lag.
    Stop it with SIGTERM or Ctrl-C.

    \b
    mps sink                    run until stopped
    mps sink --once             store what there is, then end
    """
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    where = home()
    endpoints = load_endpoints(where)
    path = warehouse or Path(endpoints.clickhouse_path or where.clickhouse)
    url = None if warehouse else endpoints.clickhouse_url
    addresses = SinkAddresses(endpoints.bootstrap_servers, None if no_redis else endpoints.redis_url, url, path)

    def tell(address: str) -> None:
        # What stands in the environment is not for us to write; without a running stack there is no file.
        if where.endpoints_file.exists() and "MPS_WAREHOUSE_URL" not in os.environ:
            announce(where, warehouse_url=address)

    config = SinkConfig(redis_rows_max=redis_rows)
    run_sinks(addresses, config, once=once, port=port, prefix=prefix, announce=tell)
