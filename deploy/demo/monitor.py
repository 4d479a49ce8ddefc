"""Watches a running platform from outside: counts of every topic, latency of every signal, dead letters by reason."""

import io
import threading
import time
from collections import Counter

import fastavro
import numpy as np

from deploy.demo.newest import FRESHNESS, SERIES, SIGNALS, Newest
from deploy.demo.tap import Clocks, Tap
from processors.runtime.batch import I64, MessageBatch
from processors.runtime.offsets import GroupOffsets
from processors.runtime.topics import partitions_at
from processors.topology import TOPOLOGY
from schemas.registry import load_registry

RAW, DEAD = "ticks.raw.v1", "dead.letter.v1"


class Monitor:
    """Taps every topic in a thread of its own.

    Parameters
    ----------
    bootstrap_servers
        Brokers.
    prefix
        Before every topic and group.
    """

    def __init__(self, bootstrap_servers: str, prefix: str = "") -> None:
        self.prefix = prefix
        self._servers = bootstrap_servers
        registry, partitions = load_registry(), partitions_at(bootstrap_servers, prefix)
        self.taps = {
            name: Tap(bootstrap_servers, prefix + name, topic.partitions_of(partitions))
            for name, topic in registry.topics.items()
        }
        self.clocks = Clocks()
        self.latencies_ms: list[I64] = []
        self.dead_reasons: Counter[tuple[str, str]] = Counter()
        self.freshness_states: Counter[str] = Counter()
        self.newest = Newest()
        self._dead_schema = fastavro.parse_schema(registry.current(DEAD).schema)
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()

    def counts(self) -> dict[str, int]:
        """Return topic -> committed records so far."""
        return {name: tap.count for name, tap in self.taps.items()}

    def latency_ms(self, q: float) -> float:
        """Return a quantile of the time from a raw record in its log to the committed signal here; NaN without one."""
        seen = self.latencies_ms
        return float(np.quantile(np.concatenate(seen), q)) if seen else float("nan")

    def check(self) -> None:
        """Raise what the thread died of, if it did."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Stop the thread and leave."""
        self._stop.set()
        self._thread.join(10)
        for tap in self.taps.values():
            tap.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                busy = False
                for name, tap in self.taps.items():
                    batches = tap.poll()
                    busy |= bool(batches)
                    for batch in batches:
                        self._look(name, batch)
                if not busy:
                    time.sleep(0.01)
        except Exception as e:  # noqa: BLE001 - handed to whoever waits, by ``check``
            self._failure = e

    def _look(self, name: str, batch: MessageBatch) -> None:
        if name == RAW:
            self.clocks.add(batch)
        elif name in SERIES:
            columns = self.newest.add(name, _named(batch, name))
            if name == SIGNALS:
                offsets = np.asarray(columns["lineage.raw_offset"], np.int64)
                self.latencies_ms.append(self.clocks.latency_ms(batch.partition, offsets, time.time() * 1000))
            elif name == FRESHNESS:
                symbols = columns.layout.symbols["state"]
                for state, n in zip(*np.unique(columns["state"], return_counts=True), strict=True):
                    self.freshness_states[symbols[int(state)]] += int(n)
        elif name == DEAD:
            for value in batch.values():
                letter = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._dead_schema, None)
                assert isinstance(letter, dict)
                self.dead_reasons[letter["stage"], letter["error"]] += 1


def _named(batch: MessageBatch, topic: str) -> MessageBatch:
    """Return the batch under its topic's own name, without the prefix."""
    batch.topic = topic
    return batch


class Progress:
    """How far each stage has come, by its group's committed offsets."""

    def __init__(self, bootstrap_servers: str, prefix: str = "") -> None:
        partitions = partitions_at(bootstrap_servers, prefix)
        self._offsets = {
            row.stage: GroupOffsets(bootstrap_servers, prefix + row.stage, prefix + row.source, partitions)
            for row in TOPOLOGY
        }

    def behind(self, monitor: Monitor) -> dict[str, int]:
        """Return stage -> partitions of its source whose last record is not yet committed by its group."""
        out = {}
        for row in TOPOLOGY:
            last = monitor.taps[row.source].last_offset
            committed = self._offsets[row.stage].committed()
            out[row.stage] = sum(committed.get(p, 0) <= offset for p, offset in last.items())
        return out

    def close(self) -> None:
        """Leave the broker."""
        for offsets in self._offsets.values():
            offsets.close()
