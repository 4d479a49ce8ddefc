"""Which partition a tick belongs to: Kafka's default rule over the partition key, so that any client agrees."""

from collections.abc import Iterable

import numpy as np

from processors.feeds import kernel
from processors.runtime.batch import I64
from processors.runtime.strings import STRINGS
from schemas.instruments import partition_key


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as Kafka's default partitioner and librdkafka's ``murmur2_random`` give it."""
    data = np.frombuffer(bytearray(key), np.uint8) if key else np.zeros(0, np.uint8)
    return int(kernel.murmur2(data) & 0x7FFFFFFF) % partitions


class Partitioner:
    """Partition and key of symbols, computed once a symbol.

    Parameters
    ----------
    partitions
        Number of partitions of the topic.
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._partition = np.full(1024, -1, np.int64)
        self._key = np.full(1024, -1, np.int64)

    def of(self, symbol_codes: I64) -> tuple[I64, I64]:
        """Return the partition and the key (as string code) of each symbol (as string code), shape (n,) each."""
        top = int(symbol_codes.max(initial=0))
        if top >= len(self._partition):
            more = np.full(2 * top + 1 - len(self._partition), -1, np.int64)
            self._partition = np.concatenate([self._partition, more])
            self._key = np.concatenate([self._key, more])
        missing = symbol_codes[self._partition[symbol_codes] < 0]
        self._learn(np.unique(missing).tolist())
        return self._partition[symbol_codes], self._key[symbol_codes]

    def _learn(self, codes: Iterable[int]) -> None:
        for code in codes:
            key = partition_key(STRINGS.text(code))
            self._key[code] = STRINGS.code(key)
            self._partition[code] = partition_of(key.encode(), self.partitions)
