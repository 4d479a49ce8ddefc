"""The cross-section on a real broker: gathered from four partitions, spread to four again, whatever happens."""

import subprocess
import sys

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from processors.cross.config import CrossConfig
from processors.cross.stage import CROSS, Cross
from processors.errors import ConfigError
from processors.runtime.changelog import begin_changelog
from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import KafkaDriver
from processors.runtime.memory import MemoryDriver
from processors.runtime.pipeline import Pipeline
from processors.runtime.state import COUNTS, unpack_key
from processors.runtime.topics import create_changelog, create_topics, partition_counts
from processors.topology import build_stage
from tests.contract.sample import cut, inputs_of
from tests.cross.universe import UNIVERSE, batch_of, interleaved, made_up
from tests.runtime.test_kafka import running, values, wait
from tests.runtime.ticks import REPOSITORY, read_all

pytestmark = pytest.mark.broker


def driver_of(servers: str, prefix: str, path: str, stage: str = "cross") -> KafkaDriver:
    """Return a driver of a stage of the platform."""
    create_topics(servers, prefix)
    config = KafkaConfig(servers, stage, prefix=prefix, path=path, batch_rows_max=200, commit_interval_ms=30)
    create_changelog(servers, config.changelog)
    return KafkaDriver(Pipeline([build_stage(stage)]), config)


@pytest.mark.parametrize("path", ["plain", "native"])
def test_a_killed_cross_section_publishes_the_same(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """Killed in mid run, and started again: each partition is, byte for byte, that of an undisturbed run."""
    batch = batch_of(interleaved(made_up(5, minutes=120), 2))
    memory = MemoryDriver([Cross(CrossConfig())])
    memory.feed(batch)
    want = {p: memory.records(CROSS, p) for p in range(4)}
    n = sum(map(len, want.values()))
    assert all(want.values())
    driver = driver_of(bootstrap_servers, topic_prefix, path)
    counts = partition_counts(AdminClient({"bootstrap.servers": bootstrap_servers}), bootstrap_servers)
    assert (counts[topic_prefix + UNIVERSE], counts[topic_prefix + CROSS]) == (1, 4)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True})
    records = list(zip(batch.keys(), batch.values(), strict=True))

    def publish(part: slice) -> None:
        for key, value in records[part]:
            producer.produce(topic_prefix + UNIVERSE, value, key, 0)
        assert producer.flush(30) == 0

    half = len(records) // 2
    publish(slice(half))
    script = "import sys; from tests.cross.test_broker import driver_of; driver_of(*sys.argv[1:]).run()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, bootstrap_servers, topic_prefix, path], cwd=REPOSITORY
    )  # fmt: skip
    try:
        read_all(bootstrap_servers, topic_prefix + CROSS, n // 4, timeout_s=90, to_end=False)
    finally:
        process.kill()
        process.wait()
    publish(slice(half, None))
    before = sum(map(len, read_all(bootstrap_servers, topic_prefix + CROSS).values()))
    assert 0 < before < n, "the kill must fall into the run"
    with running(driver):
        got = read_all(bootstrap_servers, topic_prefix + CROSS, n, timeout_s=60)
    assert values(got) == want


def test_a_cross_section_that_begins_with_history_goes_on_from_it(bootstrap_servers: str, topic_prefix: str) -> None:
    """Begun with the state of earlier rows, it publishes what follows; rows that it has had change nothing."""
    batch = batch_of(interleaved(made_up(5, minutes=60), 2))
    half = len(batch) // 2
    memory = MemoryDriver([Cross(CrossConfig())])
    memory.feed(cut(batch, 0, half))
    past = {p: len(memory.records(CROSS, p)) for p in range(4)}
    entries = {k: v for k, v in memory.states[0].changed() if unpack_key(k)[1] != COUNTS.name.encode()}
    memory.feed(cut(batch, half, len(batch)))
    want = {p: memory.records(CROSS, p)[past[p] :] for p in range(4)}
    driver = driver_of(bootstrap_servers, topic_prefix, "plain")
    begin_changelog(bootstrap_servers, driver.config.changelog, 0, entries)
    with pytest.raises(ConfigError, match="an empty changelog"):
        begin_changelog(bootstrap_servers, driver.config.changelog, 0, entries)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True})
    # The topic begins before history has ended.
    for key, value in list(zip(batch.keys(), batch.values(), strict=True))[half // 2 :]:
        producer.produce(topic_prefix + UNIVERSE, value, key, 0)
    assert producer.flush(30) == 0
    with running(driver):
        got = read_all(bootstrap_servers, topic_prefix + CROSS, sum(map(len, want.values())), timeout_s=60)
    assert values(got) == want
    assert all(want.values())


@pytest.mark.slow
def test_all_partitions_of_featurize_meet_in_one(bootstrap_servers: str, topic_prefix: str) -> None:
    """What featurize makes of the bars of every partition is in the only partition of the universe, each in order."""
    memory = MemoryDriver([build_stage("featurize")], keep=frozenset({UNIVERSE}))
    bars = [b for b in inputs_of("featurize") if b.topic == "bars.v1"]
    by_partition = []
    for batch in bars:
        before = len(memory.records(UNIVERSE, 0))
        memory.feed(batch)
        by_partition.append(memory.records(UNIVERSE, 0)[before:])
    assert sum(map(bool, by_partition)) > 1
    driver = driver_of(bootstrap_servers, topic_prefix, "native", "featurize")
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True})
    for batch in bars:
        for key, value in zip(batch.keys(), batch.values(), strict=True):
            producer.produce(topic_prefix + batch.topic, value, key, batch.partition)
    assert producer.flush(30) == 0
    n = sum(map(len, by_partition))
    with running(driver):
        got = values(read_all(bootstrap_servers, topic_prefix + UNIVERSE, n, timeout_s=90))
    assert list(got) == [0]
    assert sorted(got[0]) == sorted(v for part in by_partition for v in part)
    for part in by_partition:
        mine = set(part)
        assert [v for v in got[0] if v in mine] == part


def test_a_platform_of_other_partitions_is_refused(bootstrap_servers: str, topic_prefix: str) -> None:
    """Where Kafka has another number than the stage counts on, it stops at its start and says what to set."""
    create_topics(bootstrap_servers, topic_prefix, [CROSS], partitions=2)
    create_topics(bootstrap_servers, topic_prefix, [UNIVERSE, "dead.letter.v1"])
    config = KafkaConfig(bootstrap_servers, "cross", prefix=topic_prefix)
    create_changelog(bootstrap_servers, config.changelog)
    driver = KafkaDriver(Pipeline([build_stage("cross")]), config)
    with pytest.raises(ConfigError, match="set MPS_PARTITIONS"), running(driver) as thread:
        wait(lambda: not thread.is_alive())
