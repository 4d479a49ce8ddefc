"""Fixtures for every test: one real broker and one real redis-server for the whole test session."""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from hypothesis import settings

from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.redis import EmbeddedRedis
from tests.support import SHARED

ONE_AFTER_ANOTHER = ("chaos", "cli", "deploy")
"""Folders whose tests start and stop whole platforms: two at a time would be in each other's way."""


# How long an example takes is the machine's affair: two workers on a busy one are slow at times. The examples are the
# same in every run, so that a change is judged by what it changes; `--hypothesis-profile explore` looks for new ones.
settings.register_profile("mps", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("mps")

# A shell starts its background jobs without Ctrl-C, and they hand that on: tests that interrupt commands would wait for
# ever in one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what stays on one core where tests run on several: the tests of a file, and all that start platforms."""
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        group = "platforms" if place.parts[0] in ONE_AFTER_ANOTHER else str(place)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Run one Apache Kafka for all tests; a test makes topics and groups of its own in it."""
    prepare_kafka()
    folder = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(folder / "kafka", folder / "logs") as broker:
        yield broker


@pytest.fixture(scope="session")
def bootstrap_servers(request: pytest.FixtureRequest) -> str:
    """Return the broker's address; `MPS_TEST_BOOTSTRAP_SERVERS` names one that already runs."""
    given = os.environ.get("MPS_TEST_BOOTSTRAP_SERVERS")
    if given:
        return given
    broker: EmbeddedKafka = request.getfixturevalue("kafka")
    return broker.bootstrap_servers


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one redis-server for all tests; a test uses keys of its own."""
    folder = tmp_path_factory.mktemp("redis")
    with EmbeddedRedis(folder / "redis", folder / "logs") as server:
        yield server.url


@pytest.fixture
def topic_prefix() -> str:
    """Return a prefix that no other test has, for topics, groups and transactional ids."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of known answers, or skip."""
    folder = SHARED / "conformance"
    if not folder.is_dir():
        pytest.skip(f"no known answers at {folder}: name their folder in MPS_SHARED")
    return folder


MakeTopics = Callable[..., list[str]]


@pytest.fixture
def make_topics(bootstrap_servers: str, topic_prefix: str) -> MakeTopics:
    """Return a function that creates topics under this test's prefix and returns their names.

    `make_topics("in", "out", partitions=2, config={"cleanup.policy": "compact"})`
    """
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def make(*names: str, partitions: int = 4, config: dict[str, str] | None = None) -> list[str]:
        full = [topic_prefix + name for name in names]
        wanted = [NewTopic(name, partitions, 1, config=config or {}) for name in full]
        for future in admin.create_topics(wanted).values():
            future.result(timeout=20)
        return full

    return make


@pytest.fixture
def mps_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point `MPS_HOME` at an empty folder and return it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MPS_HOME", str(folder))
    return folder
