"""The batch: the stages in memory, as training sets are made, then the cross-section over the whole universe."""

from pathlib import Path

import fastavro
import numpy as np

from bench.skew.live import ROWS
from bench.skew.sample import LIMIT_S, Fact
from offline.cross_join import decoded
from offline.dataset import BATCH_ROWS, GOLD
from processors.cross.config import CrossConfig
from processors.cross.stage import Cross
from processors.featurize.universe import UNIVERSE
from processors.feeds.partitioner import Partitioner, partition_of
from processors.feeds.replay import recorded_batches
from processors.reference.records import MarketEvent, avro_of
from processors.runtime.batch import Columns, EncodedBatch, MessageBatch, pack
from processors.runtime.codec import FlatCodec, wire_record
from processors.runtime.memory import MemoryDriver, message_batch
from processors.topology import PARTITIONS, build_chain
from schemas.instruments import partition_key
from schemas.registry import load_registry


def computed(files: list[Path], facts: list[Fact]) -> dict[str, Columns]:
    """Return the rows of gold.v1 and cross.v1 that the stages make in memory: all facts first, then all ticks."""
    driver = MemoryDriver(build_chain(["reconcile", "bars", "featurize", "regime"]), keep=frozenset({GOLD, UNIVERSE}))
    for batch in [*_batches(facts), *recorded_batches(files, PARTITIONS, BATCH_ROWS)]:
        driver.feed(batch)
    cross = MemoryDriver([Cross(CrossConfig(limit_s=LIMIT_S))])
    cross.feed(by_time(decoded(driver, UNIVERSE)))
    return {topic: decoded(of, topic) for topic, of in zip(ROWS, (driver, cross), strict=True)}


def by_time(universe: Columns) -> MessageBatch:
    """Return the rows of all partitions merged by time; those of each partition keep their order."""
    partition, _ = Partitioner(PARTITIONS).of(np.asarray(universe["symbol_id"], np.int64))
    clock = np.array(universe["ts"], np.int64)
    for p in range(PARTITIONS):
        clock[partition == p] = np.maximum.accumulate(clock[partition == p])
    universe = universe.take(np.argsort(clock, kind="stable"))
    entry = load_registry().current(UNIVERSE)
    symbols = np.asarray(universe["symbol_id"], np.int64)
    return message_batch(FlatCodec(entry.schema, entry.id).encode(UNIVERSE, 0, universe, symbols), 0)


def _batches(facts: list[Fact]) -> list[MessageBatch]:
    """Return the records of facts, one batch a topic and partition, as the store publishes them."""
    values: dict[tuple[str, int], list[tuple[bytes, bytes]]] = {}
    parsed = {t: (load_registry().current(t).id, fastavro.parse_schema(load_registry().current(t).schema))
              for t in sorted({f.TOPIC for f in facts})}  # fmt: skip
    for fact in facts:
        own = partition_of(partition_key(fact.partition_key).encode(), PARTITIONS)
        everywhere = isinstance(fact, MarketEvent) and fact.is_market_wide
        for p in range(PARTITIONS) if everywhere else (own,):
            record = ("|".join(fact.key).encode(), wire_record(*parsed[fact.TOPIC], avro_of(fact)))
            values.setdefault((fact.TOPIC, p), []).append(record)
    return [
        message_batch(EncodedBatch(topic, p, *pack([v for _, v in found]), *pack([k for k, _ in found])), 0)
        for (topic, p), found in values.items()
    ]
