"""Which partition a record goes to: that of the record it was made of, the only one, or the one of its key.

    source            sink              a record goes to
    as the platform   as the platform   its source's partition
    any               1                 the only partition: what all partitions write is gathered there
    1                 as the platform   the partition of its key, where the feeds would have put it

How many a topic has is in its data file (``partitions``, absent for as many as the platform).
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from processors.errors import ConfigError
from processors.feeds.partitioner import Partitioner
from processors.runtime.batch import I64, Columns
from processors.runtime.stage import Stage
from processors.topology import PARTITIONS_VARIABLE, platform_partitions
from schemas.registry import Topic


class Placing:
    """Splits what a pipeline publishes into partitions.

    Parameters
    ----------
    stages
        Of the pipeline.
    topics
        Data files of all topics.

    Raises
    ------
    ConfigError
        The stages read topics of different numbers of partitions: one state cannot serve them.
    """

    def __init__(self, stages: Sequence[Stage], topics: Mapping[str, Topic]) -> None:
        read = {t: topics[t].partitions for s in stages for t in (s.source, *s.sides)}
        own = read[stages[0].source]
        for topic, count in read.items():
            if count != own:
                raise ConfigError(
                    "topology", f"partitions of {topic}", count or "as the platform",
                    f"as many as {stages[0].source}, which the same process reads: run the stages apart",
                )  # fmt: skip
        written = {t: topics[t].partitions for s in stages for t in s.sinks}
        for topic, count in (read | written).items():
            if count not in (0, 1):
                raise ConfigError("schemas/topics", f"partitions of {topic}", count, "1, or absent")
        self._gathered = frozenset(t for t, count in written.items() if count == 1)
        self._spread = frozenset(t for t, count in written.items() if own == 1 and count == 0)
        self._expected = {s.name: s.partitions for s in stages}
        self._partitioner = Partitioner(next(filter(None, self._expected.values()), 0) or platform_partitions())

    @property
    def spread(self) -> frozenset[str]:
        """Sinks whose records are placed by their key."""
        return self._spread

    def gathers(self, stage: Stage) -> bool:
        """Return whether a stage writes to a topic in which all partitions meet."""
        return any(t in self._gathered for t in stage.sinks)

    def set_partitions(self, partitions: int) -> None:
        """Say how many partitions the platform's topics have, before anything is run.

        Raises
        ------
        ConfigError
            A stage counts on another number.
        """
        for name, expected in self._expected.items():
            if expected not in (0, partitions):
                raise ConfigError(
                    name, "partitions", expected, f"{partitions}, as Kafka has: set {PARTITIONS_VARIABLE} to it"
                )
        self._partitioner = Partitioner(partitions)

    def split(self, topic: str, partition: int, rows: Columns) -> Iterator[tuple[int, Columns]]:
        """Yield the rows of each partition in their order, by partition.

        Parameters
        ----------
        partition
            Of the batch that the rows were made of.
        rows
            At least one, with a ``symbol_id``.
        """
        if topic in self._spread:
            symbols: I64 = rows["symbol_id"]  # type: ignore[assignment]
            of, _ = self._partitioner.of(symbols)
            for each in np.unique(of).tolist():
                yield each, rows.take(of == each)
        elif topic in self._gathered:
            yield 0, rows
        else:
            yield partition, rows
