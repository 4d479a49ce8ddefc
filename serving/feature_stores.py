"""The stores of a feature service as it is run: live rows, history, back-fills."""

import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from offline.features.clickhouse_rows import ClickHouseRows, at_address
from offline.features.redis_rows import RedisRows
from offline.features.rows import FeatureStore
from offline.features.service import FeatureService
from offline.features.versions import VersionRows
from processors.errors import RetryableError

REDIS_TIMEOUT_S = 1.0
"""A loopback answer takes 0.1 ms; a caller of a latency service does not wait for seconds."""


def make_feature_service(
    redis_url: str, warehouse_url: Callable[[], str | None], versions: Path, clock: str = "event"
) -> FeatureService:
    """Return the service over Redis, ClickHouse and the back-filled versions, in this order.

    Parameters
    ----------
    warehouse_url
        Returns the present address of ClickHouse, asked at each question: its owner may start later than we do.
    versions
        Folder of the back-filled versions.
    clock
        As of the ScoreService: ``event`` or ``wall``.
    """
    # One retry without a wait: a pooled connection may have been closed by a server that is back.
    client = redis.Redis.from_url(
        redis_url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )

    def ask(sql: str) -> pa.Table:
        address = warehouse_url()
        if address is None:
            raise RetryableError("ClickHouse: its address is not known: start `mps sink`, or set MPS_CLICKHOUSE_URL")
        return at_address(address)(sql)

    stores: list[FeatureStore] = [RedisRows(client), ClickHouseRows(ask), VersionRows(versions)]
    return FeatureService(stores, time.time_ns if clock == "wall" else None)
