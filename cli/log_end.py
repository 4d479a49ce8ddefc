"""What stands at the end of the topics of ticks, read from outside and without a group.

Called by ``mps doctor`` (which newest ticks came late) and ``mps replay`` (how far time has come).
"""

import time
from collections.abc import Mapping

import numpy as np
from confluent_kafka import Consumer, KafkaError, TopicPartition

from processors.configuration import configured
from processors.errors import RetryableError
from processors.reconcile.config import ReconcileConfig
from processors.runtime.batch import Columns, EncodedBatch, pack
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.codec import FlatCodec
from processors.runtime.topics import TopicState, describe_topics
from schemas.registry import load_registry

RAW, CONSENSUS = "ticks.raw.v1", "ticks.consensus.v1"
READ_S_MAX = 20.0
"""Longest wait for the ends of one topic: they are read in a second or two."""
LAST_OFFSETS = 1_000
"""Offsets from the end in which the last record is looked for: a few marks of transactions lie behind it."""
UNSEEN_MAX = 100_000
"""Most raw records of a partition that are read where reconcile has not seen them: a second of reading in all."""


def read_newest(
    bootstrap_servers: str, state: TopicState, name: str, most: int, begin: Mapping[int, int] | None = None
) -> dict[int, Columns]:
    """Return partition -> the newest committed records of a topic that can be decoded, in their order.

    Parameters
    ----------
    state
        The topic as the broker has it; no partition where it does not exist.
    name
        The topic without its prefix.
    most
        Offsets to go back from the end of each partition; marks of transactions are among them.
    begin
        Partition -> offset to begin at, if that is later.

    Raises
    ------
    RetryableError
        The broker is away, or the end was not reached within ``READ_S_MAX``.
    """
    given = begin or {}
    ends = enumerate(zip(state.first_offsets, state.end_offsets, strict=True))
    first = {p: max(low, end - most, given.get(p, 0)) for p, (low, end) in ends}
    first = {p: at for p, at in first.items() if at < state.end_offsets[p]}
    records = _records(bootstrap_servers, state.name, first)
    entry = load_registry().current(name)
    codec = FlatCodec(entry.schema, entry.id)
    out = {}
    for p, found in records.items():
        keys = pack([b""] * len(found))
        columns, error = codec.decode(EncodedBatch(name, p, *pack([value for _, value in found]), *keys))
        columns.offset = np.array([offset for offset, _ in found], np.int64)
        out[p] = columns.take(error == 0)
    return out


def _records(bootstrap_servers: str, topic: str, first: Mapping[int, int]) -> dict[int, list[tuple[int, bytes]]]:
    """Return partition -> offsets and values of what is committed from an offset on, until the end."""
    found: dict[int, list[tuple[int, bytes]]] = {p: [] for p in first}
    open_ = set(first)
    if not open_:
        return found
    consumer = Consumer({
        "bootstrap.servers": bootstrap_servers, "group.id": "unused", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True, "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 20, "fetch.queue.backoff.ms": 5, "logger": CLIENT_LOG,
    })  # fmt: skip
    deadline_s = time.monotonic() + READ_S_MAX
    try:
        consumer.assign([TopicPartition(topic, p, at) for p, at in first.items()])
        while open_:
            for message in consumer.consume(10_000, 0.05):
                error, partition = message.error(), message.partition()
                if error is None and partition in open_:
                    found[partition].append((message.offset() or 0, _raw(message.value())))
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    open_.discard(partition or 0)
            if time.monotonic() > deadline_s:
                raise RetryableError(f"{topic}: the end was not reached within {READ_S_MAX:.0f} s")
    finally:
        consumer.close()
    return found


def _raw(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def newest_event_ns(bootstrap_servers: str, prefix: str = "") -> dict[int, int]:
    """Return partition -> greatest event time that the platform has seen of it; none where it has seen nothing.

    Not that of the last records: older ticks may have been published behind newer ones. The watermark on the last
    consensus tick remembers the greatest of all before it; the raw ticks that reconcile has not done yet, at most
    ``UNSEEN_MAX`` of each partition, are read themselves.

    Raises
    ------
    RetryableError
        The broker is away.
    """
    states = {s.name.removeprefix(prefix): s for s in describe_topics(bootstrap_servers, prefix)}
    lateness_ns = configured("reconcile", ReconcileConfig()).lateness_ms * 1_000_000
    newest: dict[int, int] = {}
    done = {}
    for p, ticks in read_newest(bootstrap_servers, states[CONSENSUS], CONSENSUS, LAST_OFFSETS).items():
        if len(ticks):
            newest[p] = int(np.max(ticks["watermark"])) + lateness_ns
        done[p] = int(np.max(ticks["raw_offset"], initial=-1)) + 1
    for p, ticks in read_newest(bootstrap_servers, states[RAW], RAW, UNSEEN_MAX, done).items():
        if len(ticks):
            newest[p] = max(newest.get(p, 0), int(np.max(ticks["ts_event"])))
    return newest
