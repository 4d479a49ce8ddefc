"""The parts come up and go down as one, again in seconds, and after every kind of accident."""

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient

from deploy.local.endpoints import (
    VARIABLES,
    Endpoints,
    announce,
    from_environment,
    load_endpoints,
    save_endpoints,
)
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.paths import CHECKOUT, Home
from deploy.local.run_file import read_running
from deploy.local.stack import Stack
from deploy.local.supervisor import stop_everything
from processors.errors import ConfigError
from schemas.registry import load_registry

OWNER = """
import sys, time
from pathlib import Path
from deploy.local.paths import Home
from deploy.local.stack import Stack
Stack(Home(Path(sys.argv[1]))).up()
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    prepare_kafka()
    for variable in ("MPS_BOOTSTRAP_SERVERS", "MPS_REDIS_URL", "MPS_REGISTRY_URL", "MPS_CLICKHOUSE_URL"):
        monkeypatch.delenv(variable, raising=False)
    where = Home(tmp_path / "home")
    yield where
    stop_everything(where)


def reap(stack: Stack) -> None:
    # Parts that stay outlive their parent; here the parent lives on and has to take note of their end.
    for name in ("kafka", "redis", "registry"):
        with contextlib.suppress(KeyError):
            stack.supervisor.child(name).popen.wait(20)


def assert_answers(endpoints: Endpoints) -> None:
    assert AdminClient({"bootstrap.servers": endpoints.bootstrap_servers}).list_topics(timeout=10).brokers
    with redis.Redis.from_url(endpoints.redis_url) as client:
        assert client.ping()
    with SchemaRegistryClient({"url": endpoints.registry_url}) as client:
        assert client.get_subjects() == sorted({entry.subject for entry in load_registry().ids.values()})


@pytest.mark.broker
def test_the_parts_answer_while_it_is_up_and_not_after(home):
    """All parts answer while the stack is up; afterwards no process and no address is left."""
    steps: list[str] = []
    with Stack(home, progress=steps.append) as stack:
        assert_answers(stack.endpoints)
        assert load_endpoints(home) == stack.endpoints
        assert [process.name for process in read_running(home)] == ["registry", "redis", "kafka"]
    assert read_running(home) == []
    assert not home.endpoints_file.exists()
    assert "starting Kafka" in steps


@pytest.mark.broker
def test_a_left_over_of_a_crash_is_replaced(home):
    """After a kill -9 of the process that owns the stack the next one comes up in the same place."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home.folder)], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    left = read_running(home)
    owner.kill()
    owner.communicate()
    with Stack(home) as stack:
        assert_answers(stack.endpoints)
        assert not any(process.identity.is_alive() for process in left)


@pytest.mark.broker
def test_parts_that_stay_are_used_and_left(home):
    """What `mps up` has started is used by the next run, left by it, and ended by `mps down`."""
    first = Stack(home, stays=True)
    first.up()
    first.down()
    with Stack(home) as second:
        assert second.reused
        assert_answers(second.endpoints)
    assert len(read_running(home)) == 3
    assert sorted(stop_everything(home)) == ["kafka", "redis", "registry"]
    reap(first)
    assert read_running(home) == []


@pytest.mark.broker
def test_half_a_stack_is_completed(home):
    """A stack that has lost one part is started anew, not used."""
    first = Stack(home, stays=True)
    first.up()
    first.supervisor.kill("redis")
    with Stack(home) as second:
        assert not second.reused
        assert_answers(second.endpoints)
    reap(first)


def test_a_part_given_by_the_environment_is_not_started(home, monkeypatch):
    """With addresses of production in the environment nothing is started, and no password is written."""
    given = {
        "MPS_BOOTSTRAP_SERVERS": "kafka.example:9092",
        "MPS_REDIS_URL": "redis://:secret@redis.example:6379/0",
        "MPS_REGISTRY_URL": "http://registry.example:8081",
        "MPS_CLICKHOUSE_URL": "clickhouse://me:secret@clickhouse.example:8123/mps",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with Stack(home) as stack:
        assert stack.endpoints.bootstrap_servers == "kafka.example:9092"
        assert {VARIABLES[field]: value for field, value in asdict(stack.endpoints).items()}.items() >= given.items()
        assert read_running(home) == []
        assert "secret" not in home.endpoints_file.read_text()


@pytest.mark.parametrize("value", ["zero", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(home, monkeypatch, value):
    """A port in the environment that is no port is refused by its variable, and nothing stays running."""
    monkeypatch.setenv("MPS_REDIS_PORT", value)
    with pytest.raises(ConfigError, match=f"environment: MPS_REDIS_PORT is '{value}': a port number"):
        Stack(home).up()
    assert read_running(home) == []


def test_without_a_stack_the_remedy_is_named(tmp_path, monkeypatch):
    """Without a running stack the error begins with the cause, and names the command and the variable."""
    monkeypatch.delenv("MPS_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(ConfigError, match=r"^nothing runs here yet: start the parts with `mps up`, or set MPS_B"):
        load_endpoints(Home(tmp_path))


def test_an_announced_address_is_found_by_others(tmp_path, monkeypatch):
    """An address that a process announces is in the file, beside those that were there."""
    monkeypatch.delenv("MPS_GRPC_ADDRESS", raising=False)
    where = Home(Path(tmp_path))
    save_endpoints(where, Endpoints("127.0.0.1:1", "redis://127.0.0.1:2/0", "http://127.0.0.1:3"))
    announce(where, grpc_address="127.0.0.1:4")
    assert json.loads(where.endpoints_file.read_text())["grpc_address"] == "127.0.0.1:4"
    assert load_endpoints(where).grpc_address == "127.0.0.1:4"
    assert "grpc_address" not in from_environment()


ANNOUNCER = """
import sys
from dataclasses import asdict
from pathlib import Path
from deploy.local.endpoints import announce
from deploy.local.paths import Home
home, field = Home(Path(sys.argv[1])), sys.argv[2]
sys.stdin.readline()
for i in range(1, 201):
    found = announce(home, **{field: f"{field}:{i}"})
    assert getattr(found, field) == f"{field}:{i}", found
"""


def test_two_processes_that_announce_at_once_lose_nothing(tmp_path, monkeypatch):
    """The sink and the service announce two hundred times each, side by side: no address is lost or set back."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    where = Home(tmp_path)
    save_endpoints(where, Endpoints("127.0.0.1:1", "redis://127.0.0.1:2/0", "http://127.0.0.1:3"))
    several = [
        subprocess.Popen(
            [sys.executable, "-c", ANNOUNCER, str(tmp_path), field], stdin=subprocess.PIPE, text=True, cwd=CHECKOUT
        )
        for field in ("warehouse_url", "grpc_address")
    ]
    for one in several:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in several:
        one.communicate(timeout=60)
        assert one.returncode == 0
    found = load_endpoints(where)
    assert (found.warehouse_url, found.grpc_address) == ("warehouse_url:200", "grpc_address:200")
    assert found.bootstrap_servers == "127.0.0.1:1"
    announce(where, grpc_address=None)
    assert (load_endpoints(where).warehouse_url, load_endpoints(where).grpc_address) == ("warehouse_url:200", None)


def test_what_is_announced_takes_nothing_else_from_the_file(tmp_path, monkeypatch):
    """With Kafka of the environment, an announcement keeps the file's own Kafka, and writes nothing of the other."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    where = Home(tmp_path)
    save_endpoints(where, Endpoints("127.0.0.1:1", "redis://127.0.0.1:2/0", "http://127.0.0.1:3"))
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", "kafka.example:9092")
    assert announce(where, grpc_address="127.0.0.1:4").bootstrap_servers == "kafka.example:9092"
    assert json.loads(where.endpoints_file.read_text())["bootstrap_servers"] == "127.0.0.1:1"
