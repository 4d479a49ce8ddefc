"""``mps up`` and ``mps down`` as a user calls them, on real parts in a home of their own."""

import json
import os
import subprocess
import sys

import fastavro
import pytest
import redis
from confluent_kafka import Producer

from deploy.local.endpoints import load_endpoints
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.paths import CHECKOUT, Home
from deploy.local.run_file import read_running
from deploy.local.supervisor import stop_everything
from processors.runtime.codec import wire_record
from processors.sinks.redis_store import gold_key
from schemas.registry import load_registry
from tests.contract.test_schemas import examples
from tests.serving.support import model_bytes

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
def where(tmp_path, monkeypatch):
    """Yield a home of its own, stopped at the end whatever happens."""
    prepare_kafka()
    for variable in ("MPS_BOOTSTRAP_SERVERS", "MPS_REDIS_URL", "MPS_REGISTRY_URL", "MPS_CLICKHOUSE_URL", "MPS_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    home = Home(tmp_path / "home")
    monkeypatch.setenv("MPS_HOME", str(home.folder))
    yield home
    stop_everything(home)


def mps(*arguments: str, stdin: str = "", **environment: str):
    """Call the command line as a process."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], cwd=CHECKOUT, env={**os.environ, **environment},
        input=stdin, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def said(*arguments: str, **environment: str):
    """Return what a command with --json printed."""
    done = mps(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def publish_gold(servers: str) -> dict:
    """Publish the first example of a gold row in a transaction, and return it."""
    entry = load_registry().current("gold.v1")
    record = examples("GoldRow")[0]
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "test"})
    producer.init_transactions(20)
    producer.begin_transaction()
    value = wire_record(entry.id, fastavro.parse_schema(entry.schema), record)
    producer.produce("gold.v1", value, record["symbol_id"].encode(), 0)
    producer.commit_transaction(20)
    return record


def names(home: Home) -> set[str]:
    return {process.name for process in read_running(home)}


def test_up_brings_everything_back_after_down_and_twice_is_once(where, tmp_path):
    """Up fills Redis from the topics again, a second up starts nothing, and down stops all but keeps the data."""
    first = said("up")
    by_name = {service["name"]: service for service in first["services"]}
    assert {part["name"] for part in first["parts"]} == {"Kafka", "Redis", "schema registry"}
    assert by_name["sink, SQL"]["state"] == "answers"
    assert by_name["ScoreService"]["state"] == "not started"
    assert "mps train" in by_name["ScoreService"]["note"]
    record = publish_gold(load_endpoints(where).bootstrap_servers)

    pids = {p.name: p.identity.pid for p in read_running(where)}
    again = said("up")
    assert again["reused"]
    assert {p.name: p.identity.pid for p in read_running(where)} == pids

    stopped = said("down")
    assert set(stopped["stopped"]) == set(pids)
    assert not names(where)
    assert said("down")["stopped"] == []

    (tmp_path / "tiny.onnx").write_bytes(model_bytes())
    (tmp_path / "feedback.yaml").write_text("alerts: {sources: false}")
    back = said("up", MPS_MODEL=str(tmp_path / "tiny.onnx"), MPS_FEEDBACK=str(tmp_path / "feedback.yaml"))
    assert {service["name"]: service["state"] for service in back["services"]} == {
        "sink, SQL": "answers", "ScoreService": "answers", "REST": "answers", "feedback": "answers",
    }  # fmt: skip
    with redis.Redis.from_url(load_endpoints(where).redis_url) as client:
        assert client.zcard(gold_key(record["symbol_id"], record["tf"])) == 1
    rows = mps("sql", "SELECT count() FROM gold", "--csv")
    assert rows.stdout.split()[-1] == "1"


def test_stages_run_with_up_stages_and_a_stage_that_dies_undoes_what_was_started(where, tmp_path):
    """Without a model all but score run; with one of another pack score dies, and only what ran before still runs."""
    states = {s["name"]: s["state"] for s in said("up", "--stages")["services"]}
    assert states["score"] == "not started"
    assert all(states[stage] == "running" for stage in ("reconcile", "bars", "featurize", "regime", "cross"))
    before = names(where)

    (tmp_path / "tiny.onnx").write_bytes(model_bytes())
    done = mps("up", "--stages", MPS_MODEL=str(tmp_path / "tiny.onnx"))
    assert done.returncode == 1
    assert "score ended" in done.stderr
    assert "pack" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(where) == before


def test_wipe_asks_first_and_then_leaves_the_model_alone(where):
    """Down --wipe without a yes changes nothing; with it topics, ClickHouse, Redis and logs go and the models stay."""
    where.kafka.mkdir(parents=True)
    (where.kafka / "log").write_text("records")
    (where.folder / "models").mkdir()
    declined = mps("down", "--wipe", stdin="n\n")
    assert declined.returncode == 1
    assert "nothing was removed" in declined.stderr
    assert (where.kafka / "log").exists()
    assert mps("down", "--wipe", "--json").returncode == 2

    wiped = said("down", "--wipe", "--yes")
    assert wiped["removed"] == ["kafka"]
    assert not where.kafka.exists()
    assert (where.folder / "models").is_dir()
    assert "there was no data" in mps("down", "--wipe").stdout
