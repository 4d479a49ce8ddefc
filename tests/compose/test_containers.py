"""The platform comes up in containers, where Docker is."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from testcontainers.compose import DockerCompose

from processors.topology import PLATFORM_STAGES

ROOT = Path(__file__).parents[2]
PARTS = ["kafka", "clickhouse", "redis", "registry"]


def why_not() -> str | None:
    """Return why no container can be started here."""
    for command, reason in (
        (["docker", "info"], "no Docker engine answers here"),
        (["docker", "compose", "version"], "the Docker client has no compose plug-in"),
    ):
        if shutil.which("docker") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return reason
    return None


REASON = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.fixture(scope="module")
def platform() -> Iterator[DockerCompose]:
    # The score stage is left out: it waits for a model, which takes minutes to train.
    services = [*PARTS, *(stage for stage in PLATFORM_STAGES if stage != "score"), "sink"]
    with DockerCompose(
        str(ROOT), compose_file_name="docker-compose.kafka.yml", build=True, wait=True, services=services
    ) as compose:
        yield compose


def test_every_container_becomes_well(platform):
    """Every container becomes healthy."""
    containers = platform.get_containers()
    assert len(containers) == len(PARTS) + len(PLATFORM_STAGES)
    assert {container.Health for container in containers} == {"healthy"}


@pytest.mark.usefixtures("platform")
def test_the_topics_are_there_from_outside():
    """From the host the broker answers, and the stages have made the topics."""
    topics = AdminClient({"bootstrap.servers": "127.0.0.1:29092"}).list_topics(timeout=20).topics
    assert {"ticks.raw.v1", "signals.v1"} <= set(topics)
