"""The sink into Redis: the newest gold and cross rows, signals and freshness states, with the position they belong to.

Rows and position are written in one transaction, so a kill leaves them in agreement; and writing a record twice makes
the same rows. Redis keeps nothing on disk by default: one that comes back empty is filled again from the topics. Its
readers are told until its rows are the newest again (``FILLING_KEY``), and so they are while it is full.
"""

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import redis

from offline.warehouse.tables import TABLE_OF_TOPIC, tables
from processors.errors import RetryableError
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records, RowDecoder
from processors.sinks.follow import Place
from processors.sinks.prefix import refuse_other_prefix
from processors.sinks.redis_store import (
    FILLED_KEY,
    FILLING_KEY,
    POSITIONS_KEY,
    TIMEOUT_S,
    FreshnessState,
    encode_freshness,
    freshness_key,
    gold_key,
    row_key,
    row_member,
    row_score_ms,
    signal_key,
)

_TOPICS = ("gold.v1", "cross.v1", "signals.v1", "data.freshness")

_log = logging.getLogger(__name__)


class RedisSink:
    """Writes batches of records into Redis.

    Parameters
    ----------
    url
        "redis://host:port/db".
    prefix
        Of the topics' names in Kafka, before the name in the registry.
    """

    name = "redis"

    def __init__(self, url: str, config: SinkConfig, prefix: str = "") -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._url, self._config, self._prefix = url, config, prefix
        self._kind = {prefix + topic: TABLE_OF_TOPIC[topic] for topic in _TOPICS}
        self._decoders = {prefix + topic: RowDecoder(tables()[topic]) for topic in _TOPICS}
        self._id_fields: list[str] = []
        self.counts: dict[str, int] = {"rows": 0, "marks": 0, "refused": 0, "writes": 0}

    @property
    def topics(self) -> list[str]:
        """Return the topics that are kept, as Kafka names them."""
        return list(self._kind)

    def positions(self, topic_ids: dict[str, str]) -> dict[Place, int]:
        """Return the offset to go on from, of each partition that was written.

        Rows are removed first, since they are only a copy, where a topic was deleted and made anew, and where the id of
        one is missing: a removal was cut short, or Redis came back empty and took one more write.

        Raises
        ------
        ConfigError
            The rows are of topics of another prefix.
        RetryableError
            Redis does not answer.
        """
        try:
            found = {k.decode(): v.decode() for k, v in self._client.hgetall(POSITIONS_KEY).items()}  # type: ignore[union-attr]
            refuse_other_prefix(
                f"Redis at {_shown(self._url)}", (name.partition(":")[0] for name in found), self._prefix,
                "name another database (MPS_REDIS_URL), or none (--no-redis)",
            )  # fmt: skip
            if any(found.get(topic) != topic_ids[topic] for topic in self.topics):
                if found:
                    _log.warning("Redis holds rows of topics that were deleted since, or not all: removing them")
                self._clear()
                found = {}
                with self._client.pipeline(transaction=True) as pipe:
                    pipe.set(FILLING_KEY, 1)
                    pipe.hset(POSITIONS_KEY, mapping={topic: topic_ids[topic] for topic in self.topics})
                    pipe.execute()
        except redis.RedisError as e:
            raise _retryable(e) from e
        self._id_fields = self.topics
        places = (name.rpartition(":") for name in found if ":" in name)
        return {(t, int(p)): int(found[f"{t}:{p}"]) for t, _, p in places if t in self._kind}

    def write(self, batches: Sequence[Records]) -> None:
        """Write the records and the position after them in one transaction.

        Raises
        ------
        RetryableError
            Redis does not answer, is full, or has lost its rows.
        """
        try:
            with self._client.pipeline(transaction=True) as pipe:
                for records in batches:
                    self._queue(pipe, records)
                pipe.hmget(POSITIONS_KEY, self._id_fields)
                answers = pipe.execute()
        except redis.RedisError as e:
            if isinstance(e, redis.OutOfMemoryError):
                self._rename(FILLED_KEY, FILLING_KEY)
            raise _retryable(e) from e
        self._check_kept(answers[-1])
        self.counts["writes"] += 1

    def idle(self) -> None:
        """Look whether Redis still has what was written.

        Raises
        ------
        RetryableError
            It does not answer, or came back empty.
        """
        try:
            self._check_kept(self._client.hmget(POSITIONS_KEY, self._id_fields))  # type: ignore[arg-type]
        except redis.RedisError as e:
            raise _retryable(e) from e

    def backlog_read(self) -> None:
        """Tell readers that the newest rows are those of the topics again.

        Raises
        ------
        RetryableError
            Redis does not answer.
        """
        self._rename(FILLING_KEY, FILLED_KEY)

    def finish(self) -> None:
        """Do nothing: each write is stored at once."""

    def waiting(self) -> int:
        """Return 0: each write is stored at once."""
        return 0

    def _check_kept(self, ids: Sequence[bytes | None]) -> None:
        # The client reconnects by itself, so a restart of Redis shows in nothing but the missing keys.
        if None in ids:
            try:
                self._clear()
            except redis.RedisError as e:
                raise _retryable(e) from e
            raise RetryableError("Redis came back empty: filling it again from the topics")

    def _queue(self, pipe: "redis.client.Pipeline", records: Records) -> None:
        decoded = self._decoders[records.topic].decode(records)
        self.counts["rows"] += decoded.rows.num_rows
        self.counts["marks"] += decoded.marks
        # Counted only: the ClickHouse sink meets the same record and keeps its bytes.
        self.counts["refused"] += len(decoded.refused)
        kind = self._kind[records.topic]
        if kind == "freshness":
            _queue_freshness(pipe, decoded.rows)
        else:
            columns = decoded.rows.select(["symbol_id", "tf"]).to_pydict()
            ts_ns = decoded.rows.column("ts").cast("int64").to_pylist()
            rows = zip(columns["symbol_id"], columns["tf"], ts_ns, decoded.at.tolist(), strict=True)
            if kind == "signals":
                self._queue_signals(pipe, records, list(rows))
            else:
                self._queue_rows(pipe, kind, records, list(rows))
        for partition in np.unique(records.partition).tolist():
            after = int(records.offset[records.partition == partition][-1]) + 1
            pipe.hset(POSITIONS_KEY, f"{records.topic}:{partition}", after)

    def _queue_rows(
        self, pipe: "redis.client.Pipeline", kind: str, records: Records, rows: list[tuple[str, str, int, int]]
    ) -> None:
        by_key: dict[str, dict[bytes, int]] = {}
        for symbol_id, tf, ts_ns, at in rows:
            member = row_member(ts_ns, int(records.offset[at]), records.values[at])
            by_key.setdefault(row_key(kind, symbol_id, tf), {})[member] = row_score_ms(ts_ns)
        kept = self._config.redis_rows_max
        for key, members in by_key.items():
            newest = sorted(members)[-kept:]
            pipe.zadd(key, {member: members[member] for member in newest})
            pipe.zremrangebyrank(key, 0, -kept - 1)

    def _queue_signals(
        self, pipe: "redis.client.Pipeline", records: Records, rows: list[tuple[str, str, int, int]]
    ) -> None:
        # The last one in the log: one symbol is in one partition, whose order is that of the decisions.
        for key, at in {signal_key(symbol_id, tf): at for symbol_id, tf, _, at in rows}.items():
            pipe.set(key, records.values[at])

    def _rename(self, old: str, new: str) -> None:
        try:
            if self._client.exists(old):
                self._client.rename(old, new)
        except redis.RedisError as e:
            raise _retryable(e) from e

    def _clear(self) -> None:
        # The positions first: rows without them are removed again, positions without their rows would be believed.
        self._client.delete(POSITIONS_KEY, FILLED_KEY)
        for pattern in (gold_key("*", "*"), row_key("cross", "*", "*"), signal_key("*", "*"), freshness_key("*")):
            for key in self._client.scan_iter(pattern, count=1000):
                self._client.delete(key)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _shown(url: str) -> str:
    """Return an address without the password."""
    at = urlsplit(url)
    return f"{at.scheme}://{at.hostname}:{at.port}{at.path}"


def _retryable(error: redis.RedisError) -> RetryableError:
    full = "; give it memory (maxmemory), or restart it empty and keep fewer rows (`mps sink --redis-rows`)"
    return RetryableError(f"Redis: {error}{full if isinstance(error, redis.OutOfMemoryError) else ''}")


def _queue_freshness(pipe: "redis.client.Pipeline", table: pa.Table) -> None:
    rows = table.drop_columns(["ts", "since", "_published"]).to_pydict()
    ts_ns, since_ns = (table.column(name).cast("int64").to_pylist() for name in ("ts", "since"))
    newest: dict[str, dict[Any, Any]] = {}
    for i, symbol_id in enumerate(rows["symbol_id"]):
        state = FreshnessState(
            rows["state"][i], rows["previous"][i], ts_ns[i], since_ns[i], rows["age_ms"][i], rows["threshold_ms"][i]
        )
        field = f"{rows['source'][i]}:{rows['tf'][i]}"
        newest.setdefault(freshness_key(symbol_id), {})[field] = encode_freshness(state)
    for key, states in newest.items():
        pipe.hset(key, mapping=states)
