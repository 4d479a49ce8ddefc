"""The compose file says what the topology says, and every container is watched and hardened."""

import re
import time
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Consumer

from cli.commands.run import instance_name, run
from deploy.images.health import CHECKS, main
from deploy.local.endpoints import VARIABLES
from processors.runtime.config import KafkaConfig, producer_settings
from processors.topology import PLATFORM_STAGES

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "mps:local"}
LASTING = {name: service for name, service in SERVICES.items() if "profiles" not in service}


def test_every_stage_of_the_topology_is_a_service():
    """Each stage of the topology is one service that runs it, in the order of the topology."""
    assert tuple(name for name, service in OURS.items() if service.get("command", [""])[0] == "run") == PLATFORM_STAGES
    for stage in PLATFORM_STAGES:
        assert SERVICES[stage]["command"] == ["run", stage]
        assert SERVICES[stage]["healthcheck"]["test"][-2:] == ["group", stage]


def test_the_parts_and_services_of_production_are_there():
    """Kafka 4, ClickHouse, Redis, registry, sink and gRPC run beside the stages."""
    assert set(SERVICES) == {"kafka", "clickhouse", "redis", "registry", *PLATFORM_STAGES, "sink", "grpc", "tools"}
    assert SERVICES["kafka"]["image"].startswith("apache/kafka:4.")


def test_the_broker_keeps_what_stages_go_on_from():
    """Neither records nor the offsets of a group without members go by time: both are kept for years."""
    kept = SERVICES["kafka"]["environment"]
    assert kept["KAFKA_LOG_RETENTION_MS"] == -1
    assert kept["KAFKA_OFFSETS_RETENTION_MINUTES"] > 365 * 24 * 60


@pytest.mark.parametrize("name", LASTING)
def test_every_container_is_watched(name):
    """Every container has a health check with an interval, a time-out and an end of patience."""
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name):
    """No container runs as root, has capabilities, gains privileges or listens beyond loopback."""
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service.get("read_only") is True or name == "kafka"


@pytest.mark.parametrize("name", OURS)
def test_nothing_starts_before_what_it_needs_is_well(name):
    """Every container of ours waits for the health, not the start, of what it needs."""
    needs = SERVICES[name].get("depends_on", {})
    assert all(
        SERVICES[other]["healthcheck"] and how == {"condition": "service_healthy"} for other, how in needs.items()
    )
    assert name == "registry" or {"kafka", "registry"} <= set(needs)


@pytest.mark.parametrize("stage", PLATFORM_STAGES)
def test_a_stage_can_be_scaled(stage, monkeypatch):
    """Two containers of one stage have transactional ids of their own, and nothing that only one of them can have."""
    service = SERVICES[stage]
    assert not {"container_name", "hostname", "ports"} & set(service)
    image = (ROOT / "deploy/images/Dockerfile").read_text(encoding="utf-8")
    [instance] = re.findall(r"^ +MPS_INSTANCE=(\S+)$", image, re.MULTILINE)
    # What the file sets wins over the image, and is the same in every container of the service.
    assert "MPS_INSTANCE" not in service["environment"]
    assert "--instance" not in service["command"]
    monkeypatch.setenv("MPS_INSTANCE", instance)
    ids = set()
    for host in ("0f3c", "a417"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        given = run.make_context("run", service["command"][1:]).params["instance"]
        config = KafkaConfig("unused", stage, instance=instance_name(given))
        ids.add(producer_settings(config)["transactional.id"])
    assert ids == {f"{stage}-0f3c", f"{stage}-a417"}


def test_images_have_versions():
    """Every foreign image names a version."""
    assert all(re.search(r":\d", service["image"]) for service in SERVICES.values() if service not in OURS.values())


def test_volumes_and_variables_exist():
    """Named volumes are declared, and variables are those that the code reads."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]
    assert set(COMPOSE["x-mps"]["environment"]) <= {*VARIABLES.values(), "MPS_MODEL", "MPS_PARTITIONS", "MPS_CONFIG"}


def test_the_image_copies_what_the_build_context_has():
    """Whatever the Dockerfile copies exists and is let through by .dockerignore."""
    text = (ROOT / "deploy/images/Dockerfile").read_text(encoding="utf-8")
    copied = [path for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for path in line.split()]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert copied
    for path in copied:
        assert (ROOT / path).exists()
        assert f"!{path.split('/')[0]}" in allowed
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


def test_a_health_check_speaks_by_its_exit_code(capsys):
    """A wrong use ends with 2, a target that does not answer with 1 and the reason."""
    assert main(["group"]) == 2
    assert main(["nonsense", "x"]) == 2
    assert main(["http", "ftp://x"]) == 1
    assert "no http address" in capsys.readouterr().err
    assert set(CHECKS) == {"group", "grpc", "http"}


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_is_well_while_it_has_members(bootstrap_servers, make_topics, monkeypatch, capsys, protocol):
    """A stage is well while its consumer group has members, and ill without, whatever the group protocol."""
    for variable in ("MPS_REDIS_URL", "MPS_REGISTRY_URL"):
        monkeypatch.setenv(variable, "unused")
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    [topic] = make_topics("in")
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": topic, "group.protocol": protocol})
    consumer.subscribe([topic])
    deadline = time.monotonic() + 20
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.poll(0.1)
    assert main(["group", topic]) == 0, capsys.readouterr().err
    consumer.close()
    assert main(["group", topic]) == 1
    assert capsys.readouterr().err == f"group {topic} has no members\n"


@pytest.mark.parametrize("name", [name for name in OURS if name != "registry"])
def test_the_command_line_knows_every_command(name):
    """What a container runs is a command of `mps` with options that it has."""
    command, *arguments = SERVICES[name]["command"]
    found = getattr(import_module(f"cli.commands.{command}"), command)
    assert found.make_context(command, arguments).params
