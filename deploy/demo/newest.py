"""The newest record of each series, as the topics have it and as Redis has it."""

from dataclasses import dataclass, field

import numpy as np

from deploy.demo.tap import Tap
from processors.runtime.batch import Columns, MessageBatch
from processors.runtime.codec import FlatCodec
from processors.runtime.strings import STRINGS
from processors.sinks.redis_store import RedisStore
from schemas.registry import load_registry

GOLD, SIGNALS, FRESHNESS = "gold.v1", "signals.v1", "data.freshness"
SERIES = {GOLD: ("symbol_id", "tf"), SIGNALS: ("symbol_id", "tf"), FRESHNESS: ("symbol_id", "source", "tf")}
"""Topics of which Redis keeps the newest record, and what one series of them is."""

Key = tuple[str, ...]


@dataclass(slots=True)
class Newest:
    """The last record of each series in its topic: Avro bytes, or of freshness (state, ts in ns)."""

    records: dict[str, dict[Key, bytes | tuple[str, int]]] = field(default_factory=lambda: {t: {} for t in SERIES})
    _codecs: dict[str, FlatCodec] = field(init=False)

    def __post_init__(self) -> None:
        """Read the schemas."""
        registry = load_registry()
        self._codecs = {t: FlatCodec((e := registry.current(t)).schema, e.id) for t in SERIES}

    def add(self, topic: str, batch: MessageBatch) -> Columns:
        """Take the records of a batch, in the order of its partition; return them as columns."""
        columns, _ = self._codecs[topic].decode(batch)
        codes = np.stack([np.asarray(columns[name], np.int64) for name in SERIES[topic]])
        _, from_end = np.unique(codes[:, ::-1], axis=1, return_index=True)
        states = columns.layout.symbols.get("state", ())
        for at in (len(batch) - 1 - from_end).tolist():
            key = tuple(STRINGS.text(int(code)) for code in codes[:, at])
            # A clock mark has no symbol and is no row.
            if not key[0]:
                continue
            if topic == FRESHNESS:
                self.records[topic][key] = (states[int(columns["state"][at])], int(columns["ts"][at]))
            else:
                self.records[topic][key] = batch.payload[batch.start[at] : batch.start[at + 1]].tobytes()
        return columns

    def against(self, store: RedisStore) -> dict[str, tuple[int, int]]:
        """Return topic -> number of its series, and of how many of them Redis has the very last record."""
        return {
            topic: (len(series), sum(_held(store, topic, key) == record for key, record in series.items()))
            for topic, series in self.records.items()
        }


def _held(store: RedisStore, topic: str, key: Key) -> bytes | tuple[str, int] | None:
    if topic == GOLD:
        return store.latest_gold(*key)
    if topic == SIGNALS:
        return store.latest_signal(*key)
    symbol_id, source, tf = key
    found = store.freshness(symbol_id).get((source, tf))
    return None if found is None else (found.state, found.ts_ns)


def behind(store: RedisStore, taps: dict[str, Tap]) -> dict[str, int]:
    """Return topic -> partitions whose last record is not yet in Redis."""
    positions = store.positions()
    return {
        topic: sum(positions.get((taps[topic].topic, p), 0) <= offset for p, offset in taps[topic].last_offset.items())
        for topic in SERIES
    }
