"""The in-memory driver keeps one state for each partition."""

import pytest

from processors.runtime.memory import MemoryDriver
from processors.runtime.pipeline import PartitionState, Pipeline
from processors.topology import build_stage
from tests.contract.sample import cut, raw_records


def test_the_state_of_a_partition_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches of two partitions open two states: a fresh one is megabytes that would be thrown away."""
    opened: list[PartitionState] = []
    open_state = Pipeline.open
    monkeypatch.setattr(Pipeline, "open", lambda self: opened.append(open_state(self)) or opened[-1])
    a, b = raw_records()[:2]
    driver = MemoryDriver([build_stage("reconcile")])
    driver.run([cut(a, 0, 10), cut(b, 0, 10), cut(a, 10, 20)])
    assert list(driver.states) == [a.partition, b.partition]
    assert list(driver.states.values()) == opened
    assert sum(driver.counts("reconcile").values()) == 30
