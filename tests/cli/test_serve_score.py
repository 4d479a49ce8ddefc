"""``mps serve`` and ``mps score`` as processes, with a real Redis."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest
import redis
from click.testing import CliRunner

from cli.checks import parts
from cli.main import cli
from deploy.local.endpoints import Endpoints
from deploy.local.paths import CHECKOUT, Home
from deploy.local.redis import EmbeddedRedis
from offline.features.packs import load_view
from processors.errors import PlatformError
from processors.sinks.redis_store import gold_key, row_member, row_score_ms
from schemas.features import FOUNDING_PACK
from serving.client import check_health
from tests.serving.support import gold_record, model_bytes, wire


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Run a Redis with ten rows, and the service as its own process; yield its environment."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "tiny.onnx").write_bytes(model_bytes())
    with EmbeddedRedis(folder / "redis", folder / "logs") as server:
        client = redis.Redis.from_url(server.url)
        for i in range(10):
            record = gold_record(i)
            member = row_member(record["ts"], i, wire("gold.v1", record))
            client.zadd(gold_key("EURUSD:FX", "1m"), {member: row_score_ms(record["ts"])})
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


def test_the_addresses_of_both_doors_are_found_by_others(service):
    """What the process announces is the gRPC address and the root of REST, which doctor tells too."""
    _, env, address, _ = service
    file = Home(Path(env["MPS_HOME"])).endpoints_file
    deadline_s = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    found = json.loads(file.read_text())
    assert found["grpc_address"] == address
    with urlopen(f"{found['rest_url']}/v1/packs", timeout=20) as answer:  # noqa: S310 - of this machine
        assert json.load(answer)["packs"]
    endpoints = Endpoints("", "", "", grpc_address=address, rest_url=found["rest_url"])
    assert parts._score_service(endpoints).found == f"SERVING at {address}, REST at {found['rest_url']}"


def test_the_python_of_the_page_runs(service, capsys):
    """What docs/feature-service.md shows in Python gives the newest rows, from Redis and over gRPC."""
    _, _, address, server = service
    view = load_view(FOUNDING_PACK)
    # Before the rows of the other tests, which have another pack.
    records = [gold_record(-i, packs=[view.ref], pack_id=view.pack_id, pack_hash=view.hash) for i in (1, 2, 3)]
    rows = {row_member(r["ts"], r["raw_offset"], wire("gold.v1", r)): row_score_ms(r["ts"]) for r in records}
    page = (CHECKOUT / "docs/feature-service.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    with redis.Redis.from_url(server.url) as client:
        client.zadd(gold_key("EURUSD:FX", "1m"), rows)
        try:
            for block in blocks:
                there = block.replace("redis://127.0.0.1:16379/0", server.url).replace("127.0.0.1:50051", address)
                assert server.url in there or address in there
                exec(compile(there, "docs/feature-service.md", "exec"), {})  # noqa: S102 - our own page
                assert f"'rsi_14_value': {records[0]['features']['rsi_14_value']}" in capsys.readouterr().out
        finally:
            client.zrem(gold_key("EURUSD:FX", "1m"), *rows)


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


@pytest.mark.parametrize("has_model", [False, True])
def test_where_none_has_announced_itself_the_reason_is_told(has_model, tmp_path, monkeypatch):
    """The parts run and the service does not: without a model that is why, and `mps train` comes first."""
    path = tmp_path / "model.onnx"
    if has_model:
        path.touch()
    monkeypatch.setenv("MPS_MODEL", str(path))
    monkeypatch.delenv("MPS_GRPC_ADDRESS", raising=False)
    monkeypatch.setattr(
        "cli.commands.score.load_endpoints", lambda _home: Endpoints("h:1", "redis://h:2", "http://h:3")
    )
    with pytest.raises(PlatformError) as e:
        CliRunner().invoke(cli, ["score", "EURUSD:FX"], catch_exceptions=False)
    told = str(e.value)
    assert told.startswith("the ScoreService is not running: ")
    assert ("`mps serve`" in told) == has_model
    assert (f"there is no model at {path} yet: make one with `mps train`" in told) == (not has_model)


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
