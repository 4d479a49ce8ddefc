"""Parts that are away at the start, go away in mid-run, come back, or stay away; and ports that are taken."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.redis import EmbeddedRedis
from processors.errors import ConfigError, PlatformError
from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import KafkaDriver
from processors.runtime.pipeline import Pipeline
from processors.topology import build_stage
from tests.chaos.commands import mps
from tests.contract.sample import cut, raw_records, run
from tests.e2e.stages import publish_paced
from tests.runtime.echo import Echo
from tests.runtime.test_kafka import running
from tests.runtime.ticks import publish, raw_batch, read_all

AWAY_S_MAX = 45.0
"""The look for the broker is 8 s; the rest is for imports on a busy machine."""
AWAY_GIVEN_UP_S_MAX = 60.0
"""At work there is a commit to wait for, 20 s, before the second attempt."""
CONSENSUS = "ticks.consensus.v1"


@pytest.fixture
def nowhere() -> str:
    """Return an address where nothing listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def everything_at(address: str) -> dict[str, str]:
    """Return the environment that says every part is at one address."""
    return {
        "MPS_BOOTSTRAP_SERVERS": address, "MPS_REDIS_URL": f"redis://{address}/0", "MPS_REGISTRY_URL": f"http://{address}",
    }  # fmt: skip


def test_a_broker_that_is_away_is_named_within_seconds(nowhere: str, tmp_path: Path) -> None:
    """run, replay, tail and topics end with 1 and one line that names the address and the remedy, without any noise."""
    commands = (("run", "reconcile"), ("replay", "--json"), ("tail", "signals.v1"), ("topics",), ("topics", "--create"))
    begin_s = time.monotonic()
    with ExitStack() as exits:
        started = [
            exits.enter_context(mps(tmp_path / str(i), *command, **everything_at(nowhere)))
            for i, command in enumerate(commands)
        ]
        codes = [command.wait() for command in started]
        said = [(command.out, command.err.splitlines()) for command in started]
    assert codes == [1] * len(commands)
    for out, lines in said:
        assert (out, len(lines)) == ("", 1)
        assert lines[0].startswith(f"mps: Kafka at {nowhere} does not answer")
        assert "start it with `mps up`, or set MPS_BOOTSTRAP_SERVERS" in lines[0]
    assert time.monotonic() - begin_s < AWAY_S_MAX


@pytest.mark.broker
def test_redis_away_is_said_by_the_sink(
    bootstrap_servers: str, topic_prefix: str, nowhere: str, tmp_path: Path
) -> None:
    """A sink whose Redis is away says which address and why, tries again, and stops when it is told to."""
    publish(bootstrap_servers, topic_prefix, [])
    environment = {**everything_at(nowhere), "MPS_BOOTSTRAP_SERVERS": bootstrap_servers}
    with mps(tmp_path, "sink", "--once", "--port", "0", "--prefix", topic_prefix, **environment) as sink:
        sink.wait_for("sink redis, try 2 of")
        sink.stop()
    said = next(line for line in sink.err.splitlines() if "sink redis, try 1 of" in line)
    assert nowhere in said
    assert "Traceback" not in sink.err


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Run a broker that these tests may stop."""
    prepare_kafka()
    folder = tmp_path_factory.mktemp("away")
    # Not the usual port: while this broker is stopped, another must not take its place there.
    port = ports.choose("Kafka", preferred=ports.ANY)
    with EmbeddedKafka(folder / "kafka", folder / "logs", port=port) as broker:
        yield broker


@pytest.mark.broker
@pytest.mark.slow
def test_a_broker_that_comes_back_finds_the_stage_at_work(own_broker: EmbeddedKafka, tmp_path: Path) -> None:
    """Stopped for a while, and then killed, in mid-run: the stage waits, goes on, and its topics are undisturbed."""
    servers, batches = own_broker.bootstrap_servers, [cut(b, 0, min(len(b), 4000)) for b in raw_records()]
    expected = run([build_stage("reconcile")], batches)

    def disturb(step: int) -> None:
        if step in (0, 4):
            read_all(servers, "back." + CONSENSUS, 1, to_end=False)
        if step == 1:
            own_broker.stop()
            time.sleep(1)
            own_broker.start()
        if step == 5:
            own_broker.kill()
            own_broker.start()

    command = ("run", "reconcile", "--prefix", "back.", "--commit-interval-ms", "20")
    with mps(tmp_path, *command, MPS_BOOTSTRAP_SERVERS=servers) as stage:
        publish_paced(servers, "back.", batches, 8, 0.1, disturb)
        n = sum(len(v) for (topic, _), v in expected.items() if topic == CONSENSUS)
        got = read_all(servers, "back." + CONSENSUS, n, 90.0)
        stage.stop()
    for (topic, p), records in expected.items():
        if topic == CONSENSUS:
            assert [v for _, v in got[p]] == records
    assert "Traceback" not in stage.err
    assert not any(line.startswith("%") for line in stage.err.splitlines())


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("busy", [False, True])
def test_a_broker_that_stays_away_ends_the_stage(own_broker: EmbeddedKafka, busy: bool) -> None:
    """Idle or at work, a stage whose broker stays away gives up after its retries, with the address and the reason."""
    prefix = f"stays{busy}."
    servers = own_broker.bootstrap_servers
    publish(servers, prefix, [raw_batch(p, 0, 2000) for p in range(4)])
    config = KafkaConfig(
        servers, "echo", prefix=prefix, retries_max=1, open_timeout_s=1.0, silence_s_max=1.0, batch_rows_max=100,
        commit_interval_ms=20,
    )  # fmt: skip
    driver = KafkaDriver(Pipeline([Echo(0.05 if busy else 0.0)]), config)

    def work_until_given_up() -> None:
        with running(driver) as thread:
            read_all(servers, prefix + CONSENSUS, 300 if busy else 8_000, to_end=False)
            own_broker.stop()
            thread.join(AWAY_GIVEN_UP_S_MAX)
            assert not thread.is_alive()

    try:
        with pytest.raises(PlatformError, match=f"gave up after 2 attempts in a row: .*{servers}"):
            work_until_given_up()
    finally:
        own_broker.start()


def take(part: str, port: int, folder: Path) -> None:
    """Start a part at a port."""
    if part == "Kafka":
        EmbeddedKafka(folder / "kafka", folder / "logs", port=port).start()
    elif part == "Redis":
        EmbeddedRedis(folder / "redis", folder / "logs", port=port).start()
    else:
        ports.choose(part, preferred=ports.ANY, required=port)


@pytest.mark.parametrize("part", ["Kafka", "Redis", "registry"])
def test_a_port_in_use_is_refused_by_name(part: str, tmp_path: Path) -> None:
    """A part whose port is in use does not start: the error names the port, who holds it, and what to do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        words = rf"{part}: port is {port}: it is in use .*\(pid {os.getpid()}\).*choose another"
        with pytest.raises(ConfigError, match=words):
            take(part, port, tmp_path)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("serve", "--port"), "ScoreService: address is '127.0.0.1:{port}': it is in use"),
        (("sink", "--once", "--port"), "mps sink: port is {port}: it is in use"),
    ],
    ids=["serve", "sink"],
)
def test_a_service_whose_port_is_in_use_ends_with_2(
    command: tuple[str, ...], words: str, nowhere: str, tmp_path: Path
) -> None:
    """Serve and sink end with 2 and one line that names the port and the remedy."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        with mps(tmp_path, *command, port, **everything_at(nowhere)) as service:
            assert service.wait() == 2
    err = service.err
    line = err.splitlines()[-1]
    assert line.startswith(f"mps: {words.format(port=port)}")
    assert "Traceback" not in err
