"""``mps serve`` and ``mps score`` as processes, with a real Redis."""

import json
import os
import signal
import subprocess
import sys
import time

import grpc
import pytest
import redis
from click.testing import CliRunner

from cli.commands.score import as_of_ns
from cli.main import cli
from deploy.local.redis import EmbeddedRedis
from processors.errors import ConfigError, PlatformError
from processors.sinks.redis_store import gold_key, gold_member, gold_score_ms
from serving.client import check_health
from tests.serving.support import TS0_NS, gold_record, model_bytes, wire


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Run a Redis with ten rows, and the service as its own process; yield its environment."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "tiny.onnx").write_bytes(model_bytes())
    with EmbeddedRedis(folder / "redis", folder / "logs") as server:
        client = redis.Redis.from_url(server.url)
        for i in range(10):
            record = gold_record(i)
            member = gold_member(record["ts"], i, wire("gold.v1", record))
            client.zadd(gold_key("EURUSD:FX", "1m"), {member: gold_score_ms(record["ts"])})
        client.close()
        env = {
            **os.environ,
            "MPS_HOME": str(folder / "home"),
            "MPS_MODEL": str(folder / "tiny.onnx"),
            "MPS_REDIS_URL": server.url,
            "MPS_BOOTSTRAP_SERVERS": "127.0.0.1:9",
            "MPS_REGISTRY_URL": "http://127.0.0.1:9",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "serve", "--port", "0"], env=env, stdout=subprocess.PIPE, text=True
        )
        line = process.stdout.readline()
        assert "ScoreService listens on 127.0.0.1:" in line
        yield process, env, line.split()[3], server
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def score(service, monkeypatch):
    """Return a function that runs ``mps score`` against the service."""
    _, env, address, _ = service
    for name in ("MPS_HOME", "MPS_REDIS_URL", "MPS_BOOTSTRAP_SERVERS", "MPS_REGISTRY_URL"):
        monkeypatch.setenv(name, env[name])

    def run(*args: str) -> str:
        result = CliRunner().invoke(cli, ["score", *args, "--address", address], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    return run


def test_score_prints_the_signal(score):
    """The panel has the score, probability, return, interval, size, gates and lineage; --json has every field."""
    text = score("EURUSD:FX")
    for word in (
        "EURUSD:FX 1m, known at 2014-05-05T12:09:00Z",
        "prob up",
        "E[R]",
        "interval",
        "% of NAV",
        "gates",
        "1009",
    ):
        assert word in text
    signal_ = json.loads(score("EURUSD:FX", "--as-of", "2014-05-05T12:03:59.999999999Z", "--json"))
    assert signal_["ts"] == "2014-05-05T12:03:00Z"
    assert signal_["lineage"]["raw_offset"] == "1003"
    assert signal_["gates"] == []
    assert 0 < signal_["prob_up"] < 1


def test_score_finds_the_running_service(service, monkeypatch):
    """Without an address the service that announced itself is asked."""
    for name in ("MPS_HOME", "MPS_REDIS_URL", "MPS_BOOTSTRAP_SERVERS", "MPS_REGISTRY_URL"):
        monkeypatch.setenv(name, service[1][name])
    result = CliRunner().invoke(cli, ["score", "EURUSD:FX", "--json"], catch_exceptions=False)
    assert json.loads(result.output)["symbol_id"] == "EURUSD:FX"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["EURUSD:FX", "--tf", "2m"], "INVALID_ARGUMENT: tf is '2m': one of 1m"),
        (["NOSUCH:XX"], "NOT_FOUND: NOSUCH:XX is no instrument"),
        (["EURUSD:FX", "--as-of", "2014-05-05T14:00:00+01:00"], "FAILED_PRECONDITION: EURUSD:FX 1m is stale"),
    ],
)
def test_an_error_is_its_status_and_details(score, args, words):
    """An error is one line with the status name and the details, and the command fails."""
    with pytest.raises(PlatformError) as e:
        score(*args)
    assert words in str(e.value)


def test_without_a_service_the_remedy_is_named(service):
    """Where nothing listens the command names `mps serve`, on one line, with exit code 1."""
    command = [sys.executable, "-m", "cli.main", "score", "EURUSD:FX", "--address", "127.0.0.1:9"]
    done = subprocess.run(command, env=service[1], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "mps: UNAVAILABLE: no ScoreService listens on 127.0.0.1:9: start it with `mps serve`\n"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2014-05-05T12:00:00Z", TS0_NS),
        ("2014-05-05 12:00", TS0_NS),
        ("2014-05-05T14:00:00.000000001+02:00", TS0_NS + 1),
        ("2014-05-05T12:00:00.5", TS0_NS + 500_000_000),
        ("2014-05-05", TS0_NS - 12 * 3600 * 10**9),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
    ],
)
def test_as_of_is_read_to_the_nanosecond(text, ns):
    """ISO times are read to the nanosecond, in UTC unless they say otherwise."""
    assert as_of_ns(text) == ns


@pytest.mark.parametrize("text", ["yesterday", "2014-13-01", "1399291200", "2014-05-05T25:00:00Z", ""])
def test_another_time_is_refused(text):
    """What is no ISO time is refused with an example."""
    with pytest.raises(ConfigError, match="an ISO time, for example"):
        as_of_ns(text)


def test_the_service_survives_redis_and_stops_gracefully(service, score):
    """With Redis gone the answer is UNAVAILABLE and health says so; SIGTERM ends the process with code 0."""
    process, _, address, server = service
    score("EURUSD:FX")
    server.stop()
    with pytest.raises(PlatformError, match="UNAVAILABLE: Redis"):
        score("EURUSD:FX")
    deadline = time.monotonic() + 10
    with grpc.insecure_channel(address) as channel:
        while check_health(channel).state != "NOT_SERVING":
            assert time.monotonic() < deadline
            time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
