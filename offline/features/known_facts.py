"""Facts for a back-fill: those that featurize would have read from its side topics, for the symbols of a partition.

An event of the whole market goes to every partition, as an import writes it; every other record to its symbol's.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import fastavro

from processors.featurize.facts_table import MARKET, chain_of
from processors.feeds.partitioner import partition_of
from processors.reference.records import Fundamental, MarketEvent, avro_of
from processors.runtime.batch import Columns, EncodedBatch, pack
from processors.runtime.codec import FlatCodec, wire_record
from schemas.instruments import partition_key
from schemas.registry import load_registry

Fact = Fundamental | MarketEvent


class KnownFacts:
    """Facts by the chain that features read them from.

    Parameters
    ----------
    records
        As they are in the topics, or in files.
    partitions
        Of the platform.
    """

    def __init__(self, records: Iterable[Fact] = (), partitions: int = 1) -> None:
        self._by_chain: dict[str, list[Fact]] = {}
        self._partitions = partitions
        for record in records:
            chain = chain_of(record)
            if chain is not None:
                self._by_chain.setdefault(chain, []).append(record)

    def __len__(self) -> int:
        """Return the number of facts that a feature may read."""
        return sum(map(len, self._by_chain.values()))

    def digest(self) -> str:
        """Return a digest of all facts that a feature may read, whatever their order."""
        told = sorted(repr(r) for records in self._by_chain.values() for r in records)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def of(self, partition: int, symbols: Sequence[str]) -> Iterator[Columns]:
        """Yield what is to be known of symbols of one partition, a batch a topic."""
        chains = dict.fromkeys(name for s in symbols for name in (s, partition_key(s)))
        found = [r for chain in chains for r in self._by_chain.get(chain, ())]
        found += [r for r in self._by_chain.get(MARKET, ()) if self._is_told(r, partition)]
        for record in (Fundamental, MarketEvent):
            rows = [r for r in found if isinstance(r, record)]
            if rows:
                yield columns_of(record.TOPIC, rows)

    def _is_told(self, record: Fact, partition: int) -> bool:
        if isinstance(record, MarketEvent) and record.is_market_wide:
            return True
        return partition_of(partition_key(record.partition_key).encode(), self._partitions) == partition


def columns_of(topic: str, records: Sequence[Fact]) -> Columns:
    """Return records as a stage gets them from a topic."""
    entry = load_registry().current(topic)
    parsed = fastavro.parse_schema(entry.schema)
    payload, start = pack([wire_record(entry.id, parsed, avro_of(r)) for r in records])
    batch = EncodedBatch(topic, 0, payload, start, *pack([b""] * len(records)))
    columns, error = FlatCodec(entry.schema, entry.id).decode(batch)
    assert not error.any(), "a record of our own does not decode"
    columns.topic = topic
    return columns
