"""The sink into Redis: the newest gold and cross rows, signals and freshness states, with the position they belong to.

Rows and position are written in one transaction, so a kill leaves them in agreement; and writing a record twice makes
the same rows. Redis keeps nothing on disk by default: one that comes back empty is filled again from the topics.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import redis

from offline.warehouse.tables import TABLE_OF_TOPIC, tables
from processors.errors import RetryableError
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records, RowDecoder
from processors.sinks.follow import Place
from processors.sinks.redis_store import (
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
        self._config = config
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

        Rows of a topic that was deleted and made anew are removed first: they are only a copy.

        Raises
        ------
        RetryableError
            Redis does not answer.
        """
        try:
            found = {k.decode(): v.decode() for k, v in self._client.hgetall(POSITIONS_KEY).items()}  # type: ignore[union-attr]
            if any(found.get(topic, topic_ids[topic]) != topic_ids[topic] for topic in self.topics):
                _log.warning("Redis holds rows of topics that were deleted since: removing them")
                self._clear()
                found = {}
            self._client.hset(POSITIONS_KEY, mapping={topic: topic_ids[topic] for topic in self.topics})
        except redis.RedisError as e:
            raise RetryableError(f"Redis: {e}") from e
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
            raise RetryableError(f"Redis: {e}") from e
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
            raise RetryableError(f"Redis: {e}") from e

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
                raise RetryableError(f"Redis: {e}") from e
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

    def _clear(self) -> None:
        for pattern in (gold_key("*", "*"), row_key("cross", "*", "*"), signal_key("*", "*"), freshness_key("*")):
            for key in self._client.scan_iter(pattern, count=1000):
                self._client.delete(key)
        self._client.delete(POSITIONS_KEY)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


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
