"""The in-memory driver: the topology over recorded ticks, without Kafka. For training, back-fills, tests."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from processors.runtime.batch import EncodedBatch, MessageBatch
from processors.runtime.pipeline import PartitionState, Pipeline
from processors.runtime.stage import Stage


@dataclass(slots=True)
class MemoryDriver:
    """Runs stages over batches and keeps what they publish.

    Parameters
    ----------
    stages
        In the order of the topology.
    keep
        Topics whose records are kept; all where None.
    """

    stages: list[Stage]
    keep: frozenset[str] | None = None
    logs: dict[tuple[str, int], list[EncodedBatch]] = field(default_factory=dict)
    states: dict[int, PartitionState] = field(default_factory=dict)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        """Chain the stages."""
        self.pipeline = Pipeline(self.stages)

    def feed(self, batch: MessageBatch) -> None:
        """Run one batch of one partition, as it would come from the source topic."""
        state = self.states.get(batch.partition)
        if state is None:
            state = self.states[batch.partition] = self.pipeline.open()
        for out in self.pipeline.run(state, batch):
            if self.keep is None or out.topic in self.keep:
                self.logs.setdefault((out.topic, out.partition), []).append(out)

    def run(self, batches: Iterable[MessageBatch]) -> None:
        """Run all batches."""
        for batch in batches:
            self.feed(batch)

    def records(self, topic: str, partition: int) -> list[bytes]:
        """Return the records published to a topic and partition, in order."""
        return [value for batch in self.logs.get((topic, partition), []) for value in batch.values()]

    def counts(self, stage: str) -> dict[str, int]:
        """Return the count of each fate of a stage, over all partitions."""
        total: dict[str, int] = {}
        for state in self.states.values():
            for fate, n in state.states[stage].counts().items():
                total[fate] = total.get(fate, 0) + n
        return total


def message_batch(encoded: EncodedBatch, first_offset: int, timestamp_ms: int = 0) -> MessageBatch:
    """Return encoded records as consumed from a log, at consecutive offsets."""
    n = len(encoded)
    return MessageBatch(
        encoded.topic, encoded.partition, encoded.payload, encoded.start, encoded.key, encoded.key_start,
        np.arange(first_offset, first_offset + n), np.full(n, timestamp_ms, np.int64),
    )  # fmt: skip
