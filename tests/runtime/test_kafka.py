"""The Kafka driver on a real broker: exactly once, whatever happens to its processes."""

import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import fastavro
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from processors.errors import ConfigError, QueueFullError
from processors.runtime import kafka
from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.config import KafkaConfig
from processors.runtime.deadletter import DeadLetterLimitError
from processors.runtime.kafka import FencedError, KafkaDriver
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.pipeline import DEAD_LETTER, Pipeline
from processors.runtime.ports import Path, Sink, Source
from processors.runtime.restore import LostRecordsError, committed_positions
from processors.runtime.topics import create_changelog
from schemas.registry import load_registry
from tests.runtime.echo import CONSENSUS, Echo
from tests.runtime.ticks import RAW, REPOSITORY, publish, raw_batch, read_all

pytestmark = pytest.mark.broker
PATHS = ("plain", "native")


def batches(n: int = 3000) -> list[EncodedBatch]:
    """Return n ticks for each of the four partitions."""
    return [raw_batch(p, 100_000 * p, n) for p in range(4)]


def offline(given: list[EncodedBatch]) -> dict[int, list[bytes]]:
    """Return what the in-memory driver makes of the batches, by partition."""
    driver = MemoryDriver([Echo()])
    for batch in given:
        driver.feed(message_batch(batch, 0))
    return {b.partition: driver.records(CONSENSUS, b.partition) for b in given}


@contextmanager
def running(driver: KafkaDriver) -> Iterator[threading.Thread]:
    """Run a driver in a thread; an error of it is an error of the test."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            driver.run()
        except BaseException as e:  # noqa: BLE001 - handed to the test's thread
            failed.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        driver.stop()
        thread.join(60)
    if failed:
        raise failed[0]


def wait(condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def driver_of(servers: str, prefix: str, path: str = "auto", stage: Echo | None = None, **more: object) -> KafkaDriver:
    """Return a driver of the echo stage."""
    config = KafkaConfig(servers, "echo", prefix=prefix, path=path, **more)  # type: ignore[arg-type]
    return KafkaDriver(Pipeline([stage or Echo()]), config)


def values(records: dict[int, list[tuple[bytes, bytes]]]) -> dict[int, list[bytes]]:
    """Return the values without their keys."""
    return {p: [v for _, v in rows] for p, rows in records.items()}


@pytest.mark.parametrize("path", PATHS)
def test_live_equals_offline(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """On both paths the live topic is, byte for byte and partition by partition, what the in-memory driver makes."""
    given = batches()
    n = publish(bootstrap_servers, topic_prefix, given)
    driver = driver_of(bootstrap_servers, topic_prefix, path)
    with running(driver):
        wait(lambda: driver.rows >= n)
    assert driver.path == path
    assert values(read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)) == offline(given)


@pytest.mark.parametrize("path", PATHS)
def test_kill_9_loses_nothing_and_doubles_nothing(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """A process killed in mid-run and started again leaves the topic as an undisturbed run would."""
    given = batches(4000)
    n = publish(bootstrap_servers, topic_prefix, given)
    command = [sys.executable, "-m", "tests.runtime.worker", bootstrap_servers, topic_prefix, "0", path, "0.01"]
    topic = topic_prefix + CONSENSUS
    for _ in range(2):
        before = sum(map(len, read_all(bootstrap_servers, topic).values()))
        process = subprocess.Popen(command, cwd=REPOSITORY)
        try:
            read_all(bootstrap_servers, topic, before + 500, to_end=False)
        finally:
            process.kill()
            process.wait()
    done = sum(map(len, read_all(bootstrap_servers, topic).values()))
    assert 0 < done < n, "the kill must fall into the run"
    driver = driver_of(bootstrap_servers, topic_prefix, path)
    with running(driver):
        got = read_all(bootstrap_servers, topic, n, timeout_s=60)
    assert values(got) == offline(given)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_instances_join_and_leave(bootstrap_servers: str, topic_prefix: str, protocol: str) -> None:
    """Partitions that move between processes, with their state, lose nothing and double nothing."""
    given = batches(6000)
    n = publish(bootstrap_servers, topic_prefix, given)
    more = {"batch_rows_max": 200, "commit_interval_ms": 30, "group_protocol": protocol}
    first = driver_of(bootstrap_servers, topic_prefix, "native", Echo(0.02), instance="a", **more)
    second = driver_of(bootstrap_servers, topic_prefix, "plain", Echo(0.02), instance="b", **more)
    with running(first):
        wait(lambda: first.rows > 1000)
        with running(second):
            wait(lambda: second.rows > 1000)
        wait(lambda: first.rows + second.rows >= n)
    assert values(read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)) == offline(given)


def test_a_fault_of_the_client_within_a_callback_is_retried(
    bootstrap_servers: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of the client that fails while partitions are assigned is an attempt that failed, not the end."""
    n = publish(bootstrap_servers, topic_prefix, batches(200))
    asked: list[int] = []

    def positions(consumer: Consumer, places: list[TopicPartition], *, accept_loss: bool) -> list[TopicPartition]:
        asked.append(len(places))
        if len(asked) == 1:
            consumer.seek(TopicPartition("of nobody", 0, 0))
        return committed_positions(consumer, places, accept_loss=accept_loss)

    monkeypatch.setattr(kafka, "committed_positions", positions)
    driver = driver_of(bootstrap_servers, topic_prefix)
    with running(driver):
        wait(lambda: driver.rows >= n)
    assert len(asked) > 1


def test_a_fenced_process_stops(bootstrap_servers: str, topic_prefix: str) -> None:
    """When another process takes the same group and instance, the older one stops with an error that says so."""
    n = publish(bootstrap_servers, topic_prefix, batches(3000))
    more = {"batch_rows_max": 100, "commit_interval_ms": 20}
    # Slow enough to be at work still when the new one has opened, however busy the machine is.
    old = driver_of(bootstrap_servers, topic_prefix, stage=Echo(0.1), **more)
    new = driver_of(bootstrap_servers, topic_prefix)
    topic = topic_prefix + CONSENSUS

    def both() -> None:
        with running(old):
            wait(lambda: old.rows > 300)
            with running(new):
                got.update(read_all(bootstrap_servers, topic, n))

    got: dict[int, list[tuple[bytes, bytes]]] = {}
    with pytest.raises(FencedError, match="taken over"):
        both()
    assert sum(map(len, got.values())) == n


@pytest.mark.parametrize("happened", [True, False])
def test_unknown_outcome(
    bootstrap_servers: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    """A commit that times out, whether it happened or not, is settled by a new producer; the commit is not repeated."""
    given = batches(2000)
    n = publish(bootstrap_servers, topic_prefix, given)
    left = [3]

    class Deaf(Producer):
        """Loses the answer of the first commits."""

        def commit_transaction(self, *a: object) -> None:  # type: ignore[override]
            if left[0]:
                left[0] -= 1
                if happened:
                    super().commit_transaction(*a)  # type: ignore[arg-type]
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the test lost the answer"))
            super().commit_transaction(*a)  # type: ignore[arg-type]

    monkeypatch.setattr("processors.runtime.kafka.Producer", Deaf)
    more = {"batch_rows_max": 100, "commit_interval_ms": 20}
    driver = driver_of(bootstrap_servers, topic_prefix, stage=Echo(0.02), **more)
    with running(driver):
        got = read_all(bootstrap_servers, topic_prefix + CONSENSUS, n, timeout_s=60)
    assert left == [0]
    assert values(got) == offline(given)


@pytest.mark.parametrize("path", PATHS)
def test_back_pressure_pauses_one_partition(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """While one partition is blocked the others go on; when it is free again it goes on where it was."""
    given = batches(1000)
    n = publish(bootstrap_servers, topic_prefix, given)
    stage = Echo()
    stage.blocked = {"P2S3:US"}
    driver = driver_of(bootstrap_servers, topic_prefix, path, stage)
    with running(driver):
        blocked = read_all(bootstrap_servers, topic_prefix + CONSENSUS, 3000)
        assert {p: len(rows) for p, rows in blocked.items()} == {0: 1000, 1: 1000, 2: 0, 3: 1000}
        stage.blocked = set()
        got = read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)
    assert values(got) == offline(given)


@pytest.mark.parametrize("path", PATHS)
def test_a_queue_that_drains_is_waited_for(
    bootstrap_servers: str, topic_prefix: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer's queue far smaller than a batch holds the driver up, and nothing is given up or repeated."""
    small = {"queue.buffering.max.messages": 50, "batch.num.messages": 50}
    settings = kafka.producer_settings
    monkeypatch.setattr(kafka, "producer_settings", lambda config: settings(config) | small)
    rewinds: list[object] = []
    monkeypatch.setattr(KafkaDriver, "_rewind", lambda *arguments: rewinds.append(arguments))
    given = batches(1000)
    n = publish(bootstrap_servers, topic_prefix, given)
    driver = driver_of(bootstrap_servers, topic_prefix, path)
    with running(driver):
        got = read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)
    assert values(got) == offline(given)
    assert not rewinds


class Full:
    """A path whose sinks are full while ``full`` says so, after half of their records."""

    name = "full"

    def __init__(self, path: Path) -> None:
        self._path, self.full, self.refused, self.made = path, False, 0, 0

    def source(self, consumer: Consumer, topics: Mapping[str, str], rows_max: int) -> Source:
        """Return the source of the path."""
        return self._path.source(consumer, topics, rows_max)

    def sink(self, producer: Producer) -> Sink:
        """Return a sink of the path, that may be full."""
        self.made += 1
        self._sink = self._path.sink(producer)
        return self

    def produce(self, topic: str, batch: EncodedBatch) -> None:
        """Take a batch, or a half of it."""
        if not self.full:
            self._sink.produce(topic, batch)
            return
        half = len(batch) // 2
        taken = *pack([*batch.values()][:half]), *pack([*batch.keys()][:half])
        self._sink.produce(topic, EncodedBatch(batch.topic, batch.partition, *taken))
        self.refused += 1
        raise QueueFullError("full by the test")

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()


@pytest.mark.parametrize("path", PATHS)
def test_a_queue_that_takes_nothing_goes_back_to_the_last_commit(
    bootstrap_servers: str, topic_prefix: str, path: str
) -> None:
    """Half a batch that the queue took is taken back, all partitions pause, and the same clients go on."""
    given = batches(1000)
    publish(bootstrap_servers, topic_prefix, [b for b in given if b.partition < 2])
    driver = driver_of(bootstrap_servers, topic_prefix, path)
    full = driver._path = Full(driver._path)
    with running(driver):
        read_all(bootstrap_servers, topic_prefix + CONSENSUS, 2000)
        full.full = True
        publish(bootstrap_servers, topic_prefix, [b for b in given if b.partition >= 2])
        deadline = time.monotonic() + 30
        paused: set[int] = set()
        while full.refused < 2 or paused != {0, 1, 2, 3}:
            assert time.monotonic() < deadline, paused
            paused = set(driver._paused_until)
            time.sleep(0.01)
        assert sum(map(len, read_all(bootstrap_servers, topic_prefix + CONSENSUS, 2000).values())) == 2000
        full.full = False
        got = read_all(bootstrap_servers, topic_prefix + CONSENSUS, 4000)
    assert values(got) == offline(given)
    assert full.made == 1


@pytest.mark.parametrize("path", PATHS)
def test_garbage_goes_to_the_dead_letter(bootstrap_servers: str, topic_prefix: str, path: str) -> None:
    """Bytes that do not decode end in the dead letter with place and reason; the records around them go on."""
    good = raw_batch(1, 0, 300)
    first = next(good.values())
    bad = [b"", b"\x00", b"hello world", b"\x00\x00\x00\x00\x63" + first[5:], first[:-3], first + b"!"]
    payload, start = pack(bad)
    key, key_start = pack([b"k"] * len(bad))
    garbage = EncodedBatch(RAW, 1, payload, start, key, key_start)
    publish(bootstrap_servers, topic_prefix, [good, garbage, raw_batch(1, 300, 300)])
    driver = driver_of(bootstrap_servers, topic_prefix, path)
    with running(driver):
        rows = read_all(bootstrap_servers, topic_prefix + CONSENSUS, 600)[1]
        dead = read_all(bootstrap_servers, topic_prefix + DEAD_LETTER, len(bad))[1]
    assert len(rows) == 600
    schema = fastavro.parse_schema(load_registry().current(DEAD_LETTER).schema)
    letters = [fastavro.schemaless_reader(_body(v), schema, None) for _, v in dead]
    assert [letter["value"] for letter in letters] == bad
    assert [letter["offset"] for letter in letters] == list(range(300, 300 + len(bad)))
    assert [letter["reason"] for letter in letters] == [
        "shorter than the 5-byte wire header", "shorter than the 5-byte wire header",
        "first byte is not the magic byte 0", "unknown schema id", "record ends early",
        "bytes left over after the record",
    ]  # fmt: skip


def test_too_many_dead_letters_stop_the_stage(bootstrap_servers: str, topic_prefix: str) -> None:
    """Past the limit the stage stops with the share and the place, and has committed nothing of the last batch."""
    payload, start = pack([b"junk"] * 3000)
    publish(bootstrap_servers, topic_prefix, [EncodedBatch(RAW, 0, payload, start, *pack([b"k"] * 3000))])
    driver = driver_of(bootstrap_servers, topic_prefix, dead_letter_window_rows=1000, batch_rows_max=3000)
    with pytest.raises(DeadLetterLimitError, match="are dead letters"), running(driver) as thread:
        thread.join(40)
    assert sum(map(len, read_all(bootstrap_servers, topic_prefix + DEAD_LETTER).values())) == 0


def test_starting_again_does_not_get_round_the_dead_letter_limit(bootstrap_servers: str, topic_prefix: str) -> None:
    """The window is state: process after process stops at the same record, and discards no more than one window."""
    payload, start = pack([b"junk"] * 6000)
    publish(bootstrap_servers, topic_prefix, [EncodedBatch(RAW, 0, payload, start, *pack([b"k"] * 6000))])
    more = {"dead_letter_window_rows": 1000, "batch_rows_max": 300, "commit_interval_ms": 1}
    letters = []
    for _ in range(3):
        driver = driver_of(bootstrap_servers, topic_prefix, stage=Echo(0.02), **more)
        with (
            pytest.raises(DeadLetterLimitError, match=r"offset \d+: shorter than the 5-byte"),
            running(driver) as thread,
        ):
            thread.join(40)
        letters.append(sum(map(len, read_all(bootstrap_servers, topic_prefix + DEAD_LETTER).values())))
    assert letters[0] < 1000
    assert letters == [letters[0]] * 3


def test_offsets_without_a_changelog_are_refused(bootstrap_servers: str, topic_prefix: str) -> None:
    """A changelog that was deleted under committed offsets ends in an error, not in a state that starts empty."""
    n = publish(bootstrap_servers, topic_prefix, batches(500))
    with running(driver_of(bootstrap_servers, topic_prefix)):
        read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.delete_topics([f"{topic_prefix}echo.changelog"])[f"{topic_prefix}echo.changelog"].result(20)
    wait(lambda: f"{topic_prefix}echo.changelog" not in admin.list_topics(timeout=10).topics)
    create_changelog(bootstrap_servers, f"{topic_prefix}echo.changelog")
    with (
        pytest.raises(ConfigError, match="its state is lost"),
        running(driver_of(bootstrap_servers, topic_prefix)) as thread,
    ):
        thread.join(40)


def test_a_changelog_without_offsets_is_refused(bootstrap_servers: str, topic_prefix: str) -> None:
    """Offsets that the brokers forgot under a state end in an error, not in records that count twice."""
    n = publish(bootstrap_servers, topic_prefix, batches(500))
    with running(driver_of(bootstrap_servers, topic_prefix)):
        read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)
    group = f"{topic_prefix}echo"
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.delete_consumer_groups([group])[group].result(20)
    with (
        pytest.raises(ConfigError, match=r"none.*state of records that were read.*count twice"),
        running(driver_of(bootstrap_servers, topic_prefix)) as thread,
    ):
        thread.join(40)
    assert sum(map(len, read_all(bootstrap_servers, topic_prefix + CONSENSUS, n).values())) == n


def test_deleted_records_are_not_passed_over_in_silence(bootstrap_servers: str, topic_prefix: str) -> None:
    """Retention that overtook a stage stops it; with ``accept_loss`` it goes on from what is left."""
    given = batches(1000)
    n = publish(bootstrap_servers, topic_prefix, given)
    with running(driver_of(bootstrap_servers, topic_prefix)):
        read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)
    more = [raw_batch(0, 1000, 500)]
    publish(bootstrap_servers, topic_prefix, more)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    place = TopicPartition(topic_prefix + RAW, 0, 1200)
    admin.delete_records([place])[place].result(20)
    with (
        pytest.raises(LostRecordsError, match="committed offset 1000, but the log holds 1200 to 1500"),
        running(driver_of(bootstrap_servers, topic_prefix)) as thread,
    ):
        thread.join(40)
    with running(driver_of(bootstrap_servers, topic_prefix, accept_loss=True)):
        got = read_all(bootstrap_servers, topic_prefix + CONSENSUS, n + 300)
    assert len(got[0]) == 1300


def _body(value: bytes) -> io.BytesIO:
    return io.BytesIO(value[5:])
