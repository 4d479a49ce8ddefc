"""The in-memory driver keeps one state for each partition."""

import io

import fastavro
import numpy as np
import pytest
from confluent_kafka import Producer

from processors.runtime.batch import Columns, MessageBatch, pack
from processors.runtime.memory import MemoryDriver
from processors.runtime.pipeline import DEAD_LETTER, PartitionState, Pipeline
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State
from processors.topology import build_stage
from schemas.registry import load_registry
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


class RefuseAll(Stage):
    """Refuses every consensus tick."""

    name, source, sinks, tables = "bars", "ticks.consensus.v1", (), ()

    def step(self, state: State, batch: Columns) -> Output:  # noqa: ARG002 - the signature of every stage
        """Return no record."""
        self.raw_offsets = np.array(batch["raw_offset"])
        return Output(rejected=[Rejected(i, "no", "is refused") for i in range(len(batch))])


def test_a_dead_letter_of_a_later_stage_names_the_tick_it_was_made_of() -> None:
    """Handed over in memory, the record has no offset: it says so by -1, and its reason has the raw tick's."""
    later = RefuseAll()
    driver = MemoryDriver([build_stage("reconcile"), later])
    batch = cut(raw_records()[0], 100, 160)
    driver.feed(batch)
    schema = load_registry().current(DEAD_LETTER).schema
    raw = driver.records(DEAD_LETTER, batch.partition)
    letters = [fastavro.schemaless_reader(io.BytesIO(r[5:]), schema, None) for r in raw]
    ours = [letter for letter in letters if letter["stage"] == later.name]
    assert ours
    assert {(letter["topic"], letter["offset"]) for letter in ours} == {("ticks.consensus.v1", -1)}
    assert [letter["reason"] for letter in ours] == [
        f"is refused (made of ticks.raw.v1 offset {at})" for at in later.raw_offsets
    ]
    assert set(later.raw_offsets) <= set(batch.offset)
    assert len(set(later.raw_offsets)) > 1


@pytest.mark.parametrize(("key_bytes", "value_bytes"), [(9, 1_040_000), (500_000, 500_000)])
def test_a_dead_letter_is_no_larger_than_a_producer_takes(key_bytes: int, value_bytes: int) -> None:
    """Of a record that the broker let in and a letter has no room for, the letter holds the beginning and says so."""
    key, value = b"k" * key_bytes, b"\xff" * value_bytes
    driver = MemoryDriver([build_stage("reconcile")])
    driver.feed(MessageBatch("ticks.raw.v1", 0, *pack([value]), *pack([key]), np.array([7]), np.array([0])))
    (raw,) = driver.records(DEAD_LETTER, 0)
    # Taken into the queue of one that has no broker: too large a record is refused before that.
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    producer.produce(DEAD_LETTER, raw, driver.logs[DEAD_LETTER, 0][0].key.tobytes())
    producer.purge()
    letter = fastavro.schemaless_reader(io.BytesIO(raw[5:]), load_registry().current(DEAD_LETTER).schema, None)
    assert value.startswith(letter["value"])
    assert key.startswith(letter["key"])
    for name, whole in (("key", key), ("value", value)):
        told = f"cut to the first {len(letter[name]):,} of {len(whole):,} bytes of its {name}"
        assert (told in letter["reason"]) == (letter[name] != whole)
    assert "cut to the first" in letter["reason"]
