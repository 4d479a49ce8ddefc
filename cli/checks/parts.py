"""Which processes of this home run, and whether every part answers."""

import json
import time
import urllib.request
from collections.abc import Callable

import grpc
import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cli.checks import Finding
from deploy.local.endpoints import Endpoints, from_environment, load_endpoints
from deploy.local.paths import Home
from deploy.local.run_file import read_running
from offline.warehouse.ask import answers, ask
from offline.warehouse.client import DATABASE
from offline.warehouse.engine import QueryError
from processors.errors import ConfigError, RetryableError
from processors.sinks.stats import ask_stats
from processors.topology import PLATFORM_STAGES

TIMEOUT_S = 5.0


def known_endpoints(home: Home) -> Endpoints | None:
    """Return the addresses of what runs, None where nothing does."""
    if not read_running(home) and "bootstrap_servers" not in from_environment():
        return None
    try:
        return load_endpoints(home)
    except ConfigError:
        return None


def check_parts(home: Home, endpoints: Endpoints | None) -> list[Finding]:
    """Return which processes run and what each part answers."""
    findings = _processes(home)
    if endpoints is None:
        return findings
    findings += [
        _asked("Kafka", endpoints.bootstrap_servers, _kafka),
        _asked("Redis", endpoints.redis_url, _redis),
        _asked("schema registry", endpoints.registry_url, _registry),
    ]
    findings.append(_warehouse(endpoints))
    findings.append(_score_service(endpoints))
    return findings


def _processes(home: Home) -> list[Finding]:
    running = read_running(home)
    if not running:
        return [Finding("parts", "processes", "ok", f"nothing runs in {home.folder}; `mps up` starts it")]
    left = [p.name for p in running if p.is_left_over]
    if left:
        found = f"{', '.join(left)}: left by a crash"
        return [Finding("parts", "processes", "warn", found, "`mps up` replaces them, `mps down` stops them")]
    stages = [p.name for p in running if p.name in PLATFORM_STAGES]
    others = [p.name for p in running if p.name not in PLATFORM_STAGES]
    found = f"{', '.join(others)}; stages: {', '.join(stages) or 'none (`mps up --stages`)'}"
    return [Finding("parts", "processes", "ok", found)]


def _asked(name: str, address: str, ask_it: Callable[[str], str]) -> Finding:
    begun_s = time.monotonic()
    try:
        found = ask_it(address)
    except (OSError, KafkaException, redis.RedisError, ValueError) as e:
        reason = str(e).splitlines()[0][:160] if str(e) else type(e).__name__
        remedy = "see its log in the home's folder logs; `mps down` and `mps up` start it again"
        return Finding("parts", name, "fail", f"{address} does not answer: {reason}", remedy)
    return Finding("parts", name, "ok", f"{found} at {address}, {(time.monotonic() - begun_s) * 1e3:.0f} ms")


def _kafka(address: str) -> str:
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    cluster = admin.describe_cluster(request_timeout=TIMEOUT_S).result(TIMEOUT_S)
    return f"{len(cluster.nodes)} broker(s), cluster {cluster.cluster_id}"


def _redis(address: str) -> str:
    with redis.Redis.from_url(address, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as client:
        info = client.info()
        keys = client.dbsize()
    assert isinstance(info, dict)
    return f"{info['redis_version']}, {keys:,} keys, {info['used_memory_human']}"


def _registry(address: str) -> str:
    with urllib.request.urlopen(f"{address}/subjects", timeout=TIMEOUT_S) as reply:  # noqa: S310 - from our own file
        return f"{len(json.load(reply))} subjects"


def _warehouse(endpoints: Endpoints) -> Finding:
    name, url = "sink, SQL", endpoints.warehouse_url
    if not url:
        return Finding("parts", name, "warn", "does not run", "`mps up` starts it, or `mps sink`")
    stats = ask_stats(url)
    if not stats.up:
        remedy = "see logs/sink.log in the home; `mps up` starts it again"
        return Finding("parts", name, "fail", f"{url} does not answer", remedy)
    behind = {topic: n for topic, n in stats.lag.items() if n}
    rows = f"{sum(stats.rows.values()):,} rows"
    if stats.refused:
        remedy = "mps sql \"SELECT * FROM dead_letters WHERE stage = 'sink'\""
        return Finding("parts", name, "warn", f"{rows}; {stats.refused} records were refused", remedy)
    if not stats.caught_up:
        return Finding("parts", name, "ok", f"{rows}, catching up: {sum(behind.values()):,} offsets behind, at {url}")
    return Finding("parts", name, "ok", f"{_clickhouse_version(endpoints, url)}{rows}, caught up, at {url}")


def _clickhouse_version(endpoints: Endpoints, url: str) -> str:
    where = endpoints.clickhouse_url or url
    if not endpoints.clickhouse_url and not answers(url):
        return ""
    try:
        return f"ClickHouse {ask(where, 'SELECT version()', 'TSV', database=DATABASE).body.decode().strip()}, "
    except (QueryError, RetryableError):
        return ""


def _score_service(endpoints: Endpoints) -> Finding:
    from serving.client import check_health

    name, address = "ScoreService", endpoints.grpc_address
    if not address:
        return Finding("parts", name, "warn", "does not run", "`mps up` starts it once there is a model")
    with grpc.insecure_channel(address) as channel:
        health = check_health(channel)
    if health.is_healthy:
        rest = f", REST at {endpoints.rest_url}" if endpoints.rest_url else ""
        return Finding("parts", name, "ok", f"{health.state} at {address}{rest}")
    remedy = "see logs/serve.log in the home; `mps up` starts it again"
    return Finding("parts", name, "fail", f"{health.state} at {address} {health.message[:120]}".rstrip(), remedy)
