"""The process of the sink into the lake, ``mps lake sync``: the other sinks run without Delta."""

import threading
from collections.abc import Sequence
from typing import Any

from offline.lake.store import LakeStore
from processors.sinks.config import SinkConfig
from processors.sinks.lake import LakeSink
from processors.sinks.process import stop_on_signals, wait_for
from processors.sinks.run import SinkRunner

LAKE_GRACE_S = 120.0
"""What waits is stored before the end: up to 32 MiB of records into files."""


def run_lake(
    bootstrap_servers: str, store: LakeStore, config: SinkConfig, *, once: bool = False, prefix: str = "",
    tables: Sequence[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Fill the lake until SIGTERM or SIGINT, or until it has caught up; return counters and snapshot ids.

    Raises
    ------
    ConfigError
        The lake's place or tables do not fit.
    PlatformError
        The sink gave up; what is stored stays, and the next run goes on from there.
    """
    stop = threading.Event()
    stop_on_signals(stop)
    sink = LakeSink(store, config, stop, prefix, tables)
    runner = SinkRunner(
        sink, bootstrap_servers, config, stop, once=once,
        records_max=config.batch_records_max, wait_s=config.clickhouse_wait_ms / 1e3,
    )  # fmt: skip
    runner.start()
    wait_for([runner], stop, LAKE_GRACE_S)
    return {**runner.stats(), "snapshots": sink.versions}
