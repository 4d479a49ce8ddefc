"""Stages with side topics, in memory and on a real broker: the same bytes however the topics interleave."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from processors.errors import ConfigError
from processors.runtime.batch import EncodedBatch, MessageBatch
from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import GATHER_ROWS_MAX, KafkaDriver
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.pipeline import DEAD_LETTER, Pipeline
from processors.runtime.stage import Output, Stage
from schemas.registry import load_registry
from tests.contract.sample import cut
from tests.runtime.echo import CONSENSUS, Echo
from tests.runtime.pair import FRESHNESS, Pair, PairOfEcho
from tests.runtime.test_kafka import running, values, wait
from tests.runtime.ticks import BARS, RAW, REPOSITORY, bar_batch, publish, raw_batch, read_all

PATHS = ("plain", "native")


def given(n: int = 2000) -> tuple[list[EncodedBatch], list[EncodedBatch]]:
    """Return n ticks for each of the four partitions, and their bars."""
    at = [(p, 100_000 * p + 3, n) for p in range(4)]
    return [raw_batch(*a) for a in at], [bar_batch(*a) for a in at]


def expected(stages: list[Stage], ticks: list[EncodedBatch], bars: list[EncodedBatch]) -> dict[int, list[bytes]]:
    """Return what the in-memory driver makes of them, ticks first."""
    driver = MemoryDriver(stages)
    driver.run(message_batch(b, 0) for b in ticks + bars)
    return {b.partition: driver.records(FRESHNESS, b.partition) for b in ticks}


def driver_of(servers: str, prefix: str, path: str = "auto", stage: Pair | None = None, **more: Any) -> KafkaDriver:
    """Return a driver of the pairing stage."""
    return KafkaDriver(Pipeline([stage or Pair()]), KafkaConfig(servers, "pair", prefix=prefix, path=path, **more))


def shuffled(ticks: EncodedBatch, bars: EncodedBatch, seed: int) -> list[MessageBatch]:
    """Return both in pieces that are mixed anyhow, each in its own order."""
    rng = np.random.default_rng(seed)
    left = [message_batch(ticks, 0), message_batch(bars, 0)]
    out = []
    while left:
        i = int(rng.integers(len(left)))
        n = min(int(rng.integers(1, 200)), len(left[i]))
        out.append(cut(left[i], 0, n))
        left[i] = left[i].skip(n)
        if not len(left[i]):
            del left[i]
    return out


@pytest.mark.parametrize("seed", range(5))
def test_any_interleaving_of_the_topics_gives_the_same_bytes(seed: int) -> None:
    """A batch of a side goes to the stage that has it, and all orders of arrival end in the same records."""
    ticks, bars = raw_batch(0, 0, 1500), bar_batch(0, 0, 1500)
    driver = MemoryDriver([Pair()])
    driver.run(shuffled(ticks, bars, seed))
    assert driver.records(FRESHNESS, 0) == expected([Pair()], [ticks], [bars])[0]
    assert len(driver.records(FRESHNESS, 0)) == len(bars) - 1
    assert driver.counts("pair") == {"tick": 1499, "bar": len(bars), "dead": 1}


def test_a_side_in_the_middle_of_a_chain() -> None:
    """In a chain, a side's batch enters at its stage: the stages before it do not see it, and its output flows on."""
    ticks, bars = raw_batch(0, 0, 1500), bar_batch(0, 0, 1500)
    chain = MemoryDriver([Echo(), PairOfEcho()])
    assert chain.pipeline.inputs == [RAW, BARS]
    chain.run(shuffled(ticks, bars, 3))
    echo = MemoryDriver([Echo()])
    echo.feed(message_batch(ticks, 0))
    consensus = echo.records(CONSENSUS, 0)
    assert chain.records(CONSENSUS, 0) == consensus
    assert chain.records(FRESHNESS, 0) == expected([Pair()], [ticks], [bars])[0]
    assert chain.counts("echo") == echo.counts("echo")


def test_a_topic_that_two_stages_of_a_chain_read() -> None:
    """The source of the first stage may be a side of a later one: both get it."""

    class AlsoTicks(PairOfEcho):
        sides = (RAW,)

        def step(self, state: Any, batch: Any) -> Any:  # noqa: ARG002 - the names of a stage's step
            seen.append((batch.topic, len(batch)))
            return Output(counts={"row": len(batch)})

    seen: list[tuple[str, int]] = []
    driver = MemoryDriver([Echo(), AlsoTicks()])
    seen.clear()
    driver.feed(message_batch(raw_batch(0, 0, 10), 0))
    assert seen == [(CONSENSUS, 10), (RAW, 10)]
    assert driver.counts("echo") == {"echoed": 10}


def test_garbage_in_a_side_names_its_topic_and_stage() -> None:
    """A side's record that does not decode is a dead letter of the stage that has the side, and counted there once."""
    driver = MemoryDriver([Echo(), PairOfEcho()])
    bars = bar_batch(0, 1, 3)
    junk = message_batch(bars, 0)
    junk.payload[0] = 1
    driver.feed(junk)
    (letter,) = driver.records(DEAD_LETTER, 0)
    assert BARS.encode() in letter
    assert b"pair" in letter
    assert driver.counts("pair") == {"bar": 2, "dead": 1}
    assert driver.counts("echo") == {}


def gathering(**partitions: int) -> Any:
    """Return the registry with other numbers of partitions."""
    registry = load_registry()
    changed = {t: replace(registry.topics[t], partitions=n) for t, n in partitions.items()}
    return replace(registry, topics=registry.topics | changed)


def test_topics_of_different_partitions_are_not_read_together() -> None:
    """A chain or a side across a gathered topic is refused when the pipeline is made."""
    with pytest.raises(ConfigError, match="which the same process reads: run the stages apart"):
        Pipeline([Pair()], gathering(**{BARS: 1}))
    with pytest.raises(ConfigError, match="which the same process reads: run the stages apart"):
        Pipeline([Echo(), PairOfEcho()], gathering(**{CONSENSUS: 1}))
    with pytest.raises(ConfigError, match="1, or absent"):
        Pipeline([Echo()], gathering(**{CONSENSUS: 3}))


@pytest.mark.parametrize("gathered", [(CONSENSUS, [Echo()]), (FRESHNESS, [Echo(), PairOfEcho()])])
def test_where_any_stage_gathers_less_is_taken_at_once(gathered: tuple[str, list[Stage]]) -> None:
    """Alone or at the end of a chain, a stage whose partitions meet in one keeps them close to each other."""
    topic, stages = gathered
    config = KafkaConfig("nobody:1", "echo")
    assert KafkaDriver(Pipeline(stages), config).rows_max == config.batch_rows_max
    assert KafkaDriver(Pipeline(stages, gathering(**{topic: 1})), config).rows_max == GATHER_ROWS_MAX


@pytest.mark.broker
@pytest.mark.parametrize("path", PATHS)
def test_live_equals_offline(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """On both paths a stage with a side publishes what the in-memory driver makes, byte for byte."""
    ticks, bars = given()
    n = publish(bootstrap_servers, topic_prefix, bars + ticks)
    driver = driver_of(bootstrap_servers, topic_prefix, path)
    with running(driver):
        wait(lambda: driver.rows >= n)
    assert driver.path == path
    want = expected([Pair()], ticks, bars)
    # The markers of a commit that was answered may still be on their way.
    n = sum(map(len, want.values()))
    assert values(read_all(bootstrap_servers, topic_prefix + FRESHNESS, n)) == want


@pytest.mark.broker
@pytest.mark.parametrize("path", PATHS)
def test_kill_9_loses_nothing_and_doubles_nothing(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """A process killed in mid-run and started again leaves the topic as an undisturbed run would."""
    ticks, bars = given()
    publish(bootstrap_servers, topic_prefix, ticks + bars)
    want = expected([Pair()], ticks, bars)
    n, topic = sum(map(len, want.values())), topic_prefix + FRESHNESS
    command = [sys.executable, "-m", "tests.runtime.worker", bootstrap_servers, topic_prefix, "0", path, "0.01", "pair"]
    for _ in range(2):
        before = sum(map(len, read_all(bootstrap_servers, topic).values()))
        process = subprocess.Popen(command, cwd=REPOSITORY)
        try:
            read_all(bootstrap_servers, topic, before + 400, to_end=False)
        finally:
            process.kill()
            process.wait()
    done = sum(map(len, read_all(bootstrap_servers, topic).values()))
    assert 0 < done < n, "the kill must fall into the run"
    with running(driver_of(bootstrap_servers, topic_prefix, path)):
        got = read_all(bootstrap_servers, topic, n, timeout_s=60)
    assert values(got) == want


class InPieces(Consumer):
    """Hears of one topic after the other, as brokers may tell it."""

    def subscribe(self, topics: list[str], **on: Callable[..., None]) -> None:  # type: ignore[override]
        """Call back once for each topic."""

        def split(call: Callable[..., None]) -> Callable[..., None]:
            def each(consumer: Consumer, partitions: list[TopicPartition]) -> None:
                for topic in topics:
                    part = [p for p in partitions if p.topic == topic]
                    if part:
                        call(consumer, part)

            return each

        super().subscribe(topics, **{name: split(call) for name, call in on.items()})  # type: ignore[arg-type]


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["classic", "consumer", "consumer in pieces"])
def test_instances_join_and_leave(
    bootstrap_servers: str, topic_prefix: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions that move between processes, with their state, lose nothing and double nothing."""
    if protocol.endswith("pieces"):
        monkeypatch.setattr("processors.runtime.kafka.Consumer", InPieces)
    ticks, bars = given(3500)
    n = publish(bootstrap_servers, topic_prefix, ticks + bars)
    more = {"batch_rows_max": 100, "commit_interval_ms": 30, "group_protocol": protocol.split(maxsplit=1)[0]}
    first = driver_of(bootstrap_servers, topic_prefix, "native", Pair(0.02), instance="a", **more)
    second = driver_of(bootstrap_servers, topic_prefix, "plain", Pair(0.02), instance="b", **more)
    with running(first):
        wait(lambda: first.rows > 1000)
        with running(second):
            wait(lambda: second.rows > 1000)
        wait(lambda: first.rows + second.rows >= n)
    want = expected([Pair()], ticks, bars)
    # The markers of a commit that was answered may still be on their way.
    n = sum(map(len, want.values()))
    assert values(read_all(bootstrap_servers, topic_prefix + FRESHNESS, n)) == want


@pytest.mark.broker
@pytest.mark.parametrize("path", PATHS)
def test_back_pressure_rewinds_every_topic(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """While a partition is blocked by a row of one topic, both topics wait; then both go on where they were."""
    ticks, bars = given(1000)
    publish(bootstrap_servers, topic_prefix, ticks + bars)
    want = expected([Pair()], ticks, bars)
    stage = Pair()
    stage.blocked = {"P2S3:US"}
    n = sum(len(rows) for rows in want.values())
    with running(driver_of(bootstrap_servers, topic_prefix, path, stage)):
        blocked = read_all(bootstrap_servers, topic_prefix + FRESHNESS, n - len(want[2]))
        assert values(blocked) == want | {2: []}
        stage.blocked = set()
        got = read_all(bootstrap_servers, topic_prefix + FRESHNESS, n)
    assert values(got) == want


@pytest.mark.broker
def test_topics_with_different_partitions_are_refused(bootstrap_servers: str, topic_prefix: str) -> None:
    """A side with fewer partitions than the source stops the process at its start, and says which it is."""
    publish(bootstrap_servers, topic_prefix, [])

    def started() -> KafkaDriver:
        return driver_of(bootstrap_servers, topic_prefix)

    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.delete_topics([topic_prefix + BARS])[topic_prefix + BARS].result(20)
    wait(lambda: topic_prefix + BARS not in admin.list_topics(timeout=10).topics)
    with pytest.raises(ConfigError, match=f"partitions of {topic_prefix}{BARS} is 0"), running(started()) as thread:
        thread.join(40)
    admin.create_topics([NewTopic(topic_prefix + BARS, 3)])[topic_prefix + BARS].result(20)
    wait(lambda: topic_prefix + BARS in admin.list_topics(timeout=10).topics)
    with pytest.raises(ConfigError, match=r"bars.v1 is 3.*has \(4\)"), running(started()) as thread:
        thread.join(40)
