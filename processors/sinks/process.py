"""The sink process: both sinks, and the HTTP endpoint through which others read an embedded warehouse.

Redis has a copy of what the topics and ClickHouse have: while it is away or full, ClickHouse gets its rows still.
"""

import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.warehouse.client import Warehouse
from offline.warehouse.engine import Engine
from offline.warehouse.server import PORT, WarehouseServer
from processors.errors import ConfigError, PlatformError, RetryableError
from processors.sinks.clickhouse import ClickHouseSink
from processors.sinks.config import SinkConfig
from processors.sinks.redis import RedisSink
from processors.sinks.run import SinkRunner

STOP_GRACE_S = 20.0
POLL_S = 0.1
OPEN_TRIES = 20
OPEN_WAIT_S = 0.5
"""A sink that was killed lets go of the path at once; one that stops, or an ``mps sql`` at work, within seconds."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SinkAddresses:
    """Where the parts are.

    Parameters
    ----------
    redis_url
        None leaves the Redis sink out.
    clickhouse_url
        A ClickHouse server; None for chDB at ``clickhouse_path``.
    """

    bootstrap_servers: str
    redis_url: str | None
    clickhouse_url: str | None
    clickhouse_path: Path


def run_sinks(
    addresses: SinkAddresses,
    config: SinkConfig,
    *,
    once: bool = False,
    port: int | None = None,
    prefix: str = "",
    announce: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the sinks until SIGTERM or SIGINT, or until they have caught up.

    Parameters
    ----------
    port
        Of the HTTP endpoint, on loopback; 0 for a free one, None for the usual one if that is free.
    prefix
        Of the topics' names.
    announce
        Told the endpoint's address once it answers.

    Raises
    ------
    ConfigError
        The warehouse does not fit, or the port is in use.
    PlatformError
        A sink gave up; what is stored stays, and the next run goes on from there.
    """
    stop = threading.Event()
    stop_on_signals(stop)
    with contextlib.ExitStack() as exits:
        warehouse = _open(addresses, stop)
        exits.callback(warehouse.close)
        warehouse.create()
        sink = ClickHouseSink(warehouse, config, stop, prefix)
        runners = [
            SinkRunner(
                sink, addresses.bootstrap_servers, config, stop, once=once,
                records_max=config.batch_records_max, wait_s=config.clickhouse_wait_ms / 1e3,
            )
        ]  # fmt: skip
        if addresses.redis_url:
            latest = RedisSink(addresses.redis_url, config, prefix)
            exits.callback(latest.close)
            runners.append(
                SinkRunner(
                    latest, addresses.bootstrap_servers, config, stop, once=once, is_copy=True,
                    records_max=config.redis_records_max, wait_s=config.redis_wait_ms / 1e3,
                )
            )  # fmt: skip
        engine = None
        if not addresses.clickhouse_url:
            engine = exits.enter_context(Engine(addresses.clickhouse_path))
        server = _serve(engine, lambda: _stats(warehouse, sink, prefix, runners), port)
        exits.callback(server.close)
        announce(server.url)
        _log.info("the warehouse answers at %s", server.url)
        exits.callback(_end, runners, stop)
        for runner in runners:
            runner.start()
        wait_for(runners, stop)


def _serve(engine: Engine | None, stats: Callable[[], dict[str, Any]], port: int | None) -> WarehouseServer:
    """Start the endpoint; without a port asked for, at the usual one or, where that is taken, at a free one."""
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            server = WarehouseServer(engine, stats, wanted)
        except OSError as e:
            _log.debug("port %d: %s", wanted, e.strerror)
        else:
            server.start()
            return server
    raise ConfigError("mps sink", "port", port, "it is in use, or may not be listened at: name another one")


def _end(runners: list[SinkRunner], stop: threading.Event, grace_s: float = STOP_GRACE_S) -> None:
    stop.set()
    for runner in runners:
        runner.join(grace_s)


def wait_for(runners: list[SinkRunner], stop: threading.Event, grace_s: float = STOP_GRACE_S) -> None:
    """Wait until the sinks end or are told to, and raise what ended one of them."""
    while any(runner.is_alive() for runner in runners) and not stop.wait(POLL_S):
        pass
    _end(runners, stop, grace_s)
    for runner in runners:
        if runner.error:
            raise runner.error
        _log.info("sink %s: %s", runner.sink.name, runner.stats())


def _open(addresses: SinkAddresses, stop: threading.Event) -> Warehouse:
    for last in [False] * (OPEN_TRIES - 1) + [True]:
        try:
            if addresses.clickhouse_url:
                return Warehouse.server(addresses.clickhouse_url)
            return Warehouse.embedded(addresses.clickhouse_path)
        except RetryableError as e:
            if last or stop.wait(OPEN_WAIT_S):
                raise
            _log.warning("%s", e)
    raise AssertionError


def _stats(warehouse: Warehouse, sink: ClickHouseSink, prefix: str, runners: list[SinkRunner]) -> dict[str, Any]:
    """Return {table: {rows, lag, marks}} and the counters of each sink."""
    try:
        rows: dict[str, int | None] = dict(warehouse.rows())
    except PlatformError:
        rows = {}
    by_name = {runner.sink.name: runner.stats() for runner in runners}
    lag = by_name[sink.name]["lag"]
    found: dict[str, Any] = {
        table.name: {
            "rows": rows.get(table.name),
            "lag": lag.get(prefix + topic),
            "marks": sink.marks[prefix + topic],
        }
        for topic, table in warehouse.tables.items()
    }
    return {**found, "sinks": by_name, "caught_up": all(s["caught_up"] for s in by_name.values())}


def stop_on_signals(stop: threading.Event) -> None:
    """Set the event at SIGTERM and SIGINT."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
