"""A disk that fills up under Kafka and under ClickHouse: a clear error, and with room again nothing lost or doubled."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local import kafka as kafka_part
from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import prepare_kafka
from processors.errors import ConfigError, RetryableError
from processors.feeds import publish as feed
from processors.feeds.files import open_recording
from processors.feeds.replay import steps
from processors.runtime.batch import EncodedBatch, pack
from processors.topology import PARTITIONS
from tests.chaos.commands import mps
from tests.chaos.test_bad_files import GOOD
from tests.runtime.ticks import publish, read_all
from tests.sinks.conftest import encode, make_records

BARS = 700
MakeDisk = Callable[[int], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """Return a function that makes a disk of so many megabytes, in memory."""
    made: list[Path] = []

    def make(megabytes: int) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small disk needs the right to mount: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        # Lazy: a server that is just ending may still hold a file.
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left, and return the file that does."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\1" * size)
            except OSError:
                continue
    assert shutil.disk_usage(folder).free == 0
    return filler


def bars() -> EncodedBatch:
    """Return bars of one partition, random in every field."""
    values = encode("bars.v1", make_records("bars.v1", BARS))
    return EncodedBatch("bars.v1", 1, *pack(values), *pack([b"k"] * BARS))


def addresses_of(bootstrap_servers: str, clickhouse: Path) -> dict[str, str]:
    """Return the environment of a command that has Kafka and a warehouse, and no other part."""
    return {
        "MPS_BOOTSTRAP_SERVERS": bootstrap_servers, "MPS_REDIS_URL": "redis://127.0.0.1:1/0",
        "MPS_REGISTRY_URL": "http://127.0.0.1:1", "MPS_CLICKHOUSE_PATH": str(clickhouse),
    }  # fmt: skip


def test_a_part_does_not_start_on_a_full_disk(disk: MakeDisk) -> None:
    """Kafka is not started where there is no room for its logs: the error names the folder and the remedy."""
    folder = disk(64)
    broker = EmbeddedKafka(folder / "kafka", folder / "logs")
    with pytest.raises(ConfigError, match=r"kafka: free disk space is '6\d MiB': at least 1024 MiB.*set MPS_HOME"):
        broker.start()
    assert broker.child is None


@pytest.mark.broker
@pytest.mark.slow
def test_a_full_disk_under_kafka_stops_the_feed_and_resume_completes_it(
    disk: MakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Kafka's disk is full the replay fails and says so; with room again --resume leaves exactly the recording."""
    monkeypatch.setattr(kafka_part, "DISK_FREE_MIN_BYTES", 0)
    monkeypatch.setattr(feed, "DELIVERY_TIMEOUT_S", 4.0)
    prepare_kafka()
    folder = disk(64)
    recording, options = open_recording([GOOD]), feed.ReplayOptions(limit=60_000, batch_rows=4000)
    expected: dict[int, list[bytes]] = {p: [] for p in range(PARTITIONS)}
    for step in steps(recording, batch_rows=4000, limit=60_000):
        for batch in step.batches:
            expected[batch.partition] += batch.values()
    broker = EmbeddedKafka(folder / "kafka", tmp_path / "logs")
    broker.start()
    fillers: list[Path] = []

    def fill_when_under_way(account: feed.Published, _: int) -> None:
        if account.ticks > 20_000 and not fillers:
            fillers.append(fill(folder))

    try:
        with pytest.raises(RetryableError, match=r"Kafka at 127\.0\.0\.1:\d+.*(--resume|did not take|does not answer)"):
            feed.Publisher(broker.bootstrap_servers, fill_when_under_way).publish(recording, options)
        broker.kill()
        fillers[0].unlink()
        broker.start()
        more = feed.ReplayOptions(limit=60_000, batch_rows=4000, resume=True)
        account = feed.Publisher(broker.bootstrap_servers).publish(recording, more)
        got = read_all(broker.bootstrap_servers, "ticks.raw.v1", account.records)
    finally:
        broker.kill()
    assert account.records == sum(map(len, expected.values()))
    assert {p: [v for _, v in rows] for p, rows in got.items()} == expected


@pytest.mark.broker
@pytest.mark.slow
def test_a_full_disk_under_clickhouse_is_waited_for(
    bootstrap_servers: str, topic_prefix: str, disk: MakeDisk, tmp_path: Path
) -> None:
    """While ClickHouse's disk is full the sink says so and tries again; with room again it holds every bar once."""
    folder = disk(96)
    addresses = addresses_of(bootstrap_servers, folder / "clickhouse")
    publish(bootstrap_servers, topic_prefix, [])
    command = ("sink", "--no-redis", "--port", "0", "--prefix", topic_prefix)
    with mps(tmp_path / "sink", *command, **addresses) as sink:
        sink.wait_for("following")
        filler = fill(folder)
        publish(bootstrap_servers, topic_prefix, [bars()])
        sink.wait_for("try 2 of")
        filler.unlink()
        time.sleep(1.5)
        sink.stop()
    with mps(tmp_path / "rest", *command, "--once", **addresses) as rest:
        assert rest.wait() == 0, rest.err
    assert "No space left on device" in sink.err or "NOT_ENOUGH_SPACE" in sink.err
    assert "Traceback" not in sink.err
    with mps(tmp_path / "ask", "sql", "SELECT count() AS n, uniqExact(_partition, _offset) AS u FROM bars", "--json",
             **addresses) as sql:  # fmt: skip
        assert sql.wait() == 0, sql.err
    assert json.loads(sql.out) == {"n": BARS, "u": BARS}


@pytest.mark.broker
@pytest.mark.slow
def test_a_sink_on_a_full_disk_is_refused_and_the_warehouse_stays_whole(
    bootstrap_servers: str, topic_prefix: str, disk: MakeDisk, tmp_path: Path
) -> None:
    """A sink that starts on a full disk ends with 2 and the remedy; with room again the warehouse opens as it was."""
    folder = disk(96)
    addresses = addresses_of(bootstrap_servers, folder / "clickhouse")
    publish(bootstrap_servers, topic_prefix, [bars()])
    command = ("sink", "--no-redis", "--port", "0", "--prefix", topic_prefix, "--once")
    count = ("sql", "SELECT count() AS n FROM ohlcv", "--json")
    answers = []
    for name in ("first", "full", "again"):
        filler = fill(folder) if name == "full" else None
        with mps(tmp_path / name, *command, **addresses) as sink:
            assert sink.wait() == (0 if filler is None else 2), sink.err
        if filler is not None:
            filler.unlink()
            assert "free disk space is '0 MiB': at least 64 MiB are needed" in sink.err.splitlines()[-1]
        with mps(tmp_path / f"ask {name}", *count, **addresses) as sql:
            assert sql.wait() == 0, sql.err
            answers.append(json.loads(sql.out)["n"])
    assert answers[0] > 0
    assert answers == answers[:1] * 3
