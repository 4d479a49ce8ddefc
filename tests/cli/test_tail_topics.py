"""``mps tail`` and ``mps topics`` on a real broker."""

import io
import json
import signal
import subprocess
import sys
import time

import fastavro
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from rich.console import Console

from cli.commands import topics
from cli.main import cli
from processors.errors import ConfigError, RetryableError
from processors.runtime.codec import wire_record
from processors.runtime.topics import TopicState
from schemas.registry import load_registry
from tests.contract.test_schemas import examples

pytestmark = pytest.mark.broker


@pytest.fixture
def parts(bootstrap_servers, monkeypatch, tmp_path):
    """Name the broker in the environment, as production does."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    monkeypatch.setenv("MPS_REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("MPS_REGISTRY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MPS_HOME", str(tmp_path))
    return bootstrap_servers


def wire(topic: str, record: dict) -> bytes:
    entry = load_registry().current(topic)
    return wire_record(entry.id, fastavro.parse_schema(entry.schema), record)


def publish(servers, topic, records, *, commit: bool = True):
    """Publish (partition, key, value) in one transaction."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": f"{topic}-{commit}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for partition, key, value in records:
        producer.produce(topic, value, key, partition)
    producer.flush(20)
    if commit:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


def run(*args: str):
    """Return the lines that a command printed."""
    result = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def tailed(*args: str) -> list[dict]:
    return [json.loads(line) for line in run("tail", *args)]


@pytest.fixture
def bars(parts, make_topics):
    """Two bars in partition 1, one in partition 0, and an aborted one."""
    (topic,) = make_topics("bars.v1", partitions=2)
    minute, hour = examples("Bar")
    publish(parts, topic, [(1, "EURUSD:FX", wire("bars.v1", minute)), (0, "NZDUSD:FX", wire("bars.v1", hour))])
    publish(parts, topic, [(1, "EURUSD:FX", wire("bars.v1", hour))], commit=False)
    publish(parts, topic, [(1, "XAUUSD:CFD", wire("bars.v1", hour | {"ts": hour["ts"] + 1}))])
    return topic


def test_tail_prints_what_was_committed_with_times_for_people(bars):
    """Records are printed with place, key and ISO times, to the nanosecond; aborted ones are not."""
    lines = tailed(bars, "--from-beginning", "--end")
    assert sorted((r["partition"], r["key"]) for r in lines) == [
        (0, "NZDUSD:FX"), (1, "EURUSD:FX"), (1, "XAUUSD:CFD")
    ]  # fmt: skip
    minute, hour = examples("Bar")
    shown = next(r for r in lines if r["key"] == "EURUSD:FX")
    assert shown["offset"] == 0
    assert shown["published"].startswith("20")
    assert shown["value"]["ts"] == "2014-05-01T05:17:00Z"
    assert shown["value"]["quality"] == minute["quality"]
    assert {k: v for k, v in shown["value"].items() if not k.startswith("ts")} == {
        k: v for k, v in minute.items() if not k.startswith("ts")
    }
    assert next(r for r in lines if r["key"] == "XAUUSD:CFD")["value"]["ts"] == "2014-05-01T01:00:00.000000001Z"
    assert hour["ts"] == 1398906000000000000


def test_tail_takes_a_number_a_partition_a_key_and_the_uncommitted(bars):
    """-n stops, --partition and --key choose, --read-uncommitted shows aborted records."""
    assert len(tailed(bars, "--from-beginning", "-n", "2")) == 2
    assert [r["key"] for r in tailed(bars, "--from-beginning", "--end", "--partition", "0")] == ["NZDUSD:FX"]
    assert [r["partition"] for r in tailed(bars, "--from-beginning", "-n", "1", "--key", "XAUUSD:CFD")] == [1]
    assert len(tailed(bars, "--from-beginning", "--end", "--read-uncommitted")) == 4
    assert tailed(bars, "--end") == []


def test_tail_shows_the_original_inside_a_dead_letter(parts, make_topics):
    """A dead letter's original is decoded where it is readable, and says why where it is not."""
    (topic,) = make_topics("dead.letter.v1", partitions=1)
    crossed, cut = examples("DeadLetter")
    publish(parts, topic, [(0, "EURUSD:FX", wire("dead.letter.v1", r)) for r in (crossed, cut)])
    readable, unreadable = tailed(topic, "--from-beginning", "--end")
    assert readable["value"]["value"]["vendor"] == "FXCM"
    assert readable["value"]["value"]["bid"] > readable["value"]["value"]["ask"]
    assert readable["value"]["key"] == "EURUSD:FX"
    assert unreadable["value"]["error"] == "undecodable"
    assert "not a RawTick" in unreadable["value"]["value_error"]
    assert "base64" in unreadable["value"]["value"]


def test_tail_shows_bytes_that_are_no_record_of_ours(parts, make_topics):
    """Foreign bytes, a null value and NaN are shown, each as valid JSON."""
    (topic,) = make_topics("foreign", partitions=1)
    bar = examples("Bar")[0] | {"o": float("nan"), "h": float("inf")}
    publish(parts, topic, [(0, None, b"plain text"), (0, b"\xff\x00", None), (0, "k", wire("bars.v1", bar))])
    text, null, nan = tailed(topic, "--from-beginning", "--end")
    assert text["value"] == "plain text"
    assert "no wire header" in text["value_error"]
    assert (null["key"], null["value"]) == ({"base64": "/wA="}, None)
    assert (nan["value"]["o"], nan["value"]["h"]) == ("nan", "inf")


def test_tail_of_an_unknown_topic_lists_the_nearest_known(bars):
    """An unknown topic or partition is refused with those that exist, the most alike first."""
    with pytest.raises(ConfigError, match=rf"topic is '{bars}x': one of {bars},"):
        CliRunner().invoke(cli, ["tail", f"{bars}x"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="partition is 7: one of 0, 1"):
        CliRunner().invoke(cli, ["tail", bars, "--partition", "7"], catch_exceptions=False)


@pytest.mark.usefixtures("parts")
def test_tail_says_that_the_broker_is_away(monkeypatch):
    """Without a broker the command ends with its address."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setattr("serving.tailer.CONNECT_TIMEOUT_S", 1.0)
    with pytest.raises(RetryableError, match=r"Kafka at 127\.0\.0\.1:9 does not answer"):
        CliRunner().invoke(cli, ["tail", "bars.v1"], catch_exceptions=False)


def test_tail_into_head_ends_without_a_traceback(bars):
    """A reader that closes the pipe ends the command in silence."""
    command = f"{sys.executable} -m cli.main tail {bars} --from-beginning --end | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_tail_says_on_standard_error_that_it_waits(bars):
    """Once, with the flag that shows what is there; standard output has records only."""
    for flag, lines in ((), 0), (("--from-beginning",), 3):
        command = [sys.executable, "-u", "-m", "cli.main", "tail", bars, *flag]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                said = process.stderr.readline()
                time.sleep(0.6)
                process.send_signal(signal.SIGINT)
                out, more = process.communicate(timeout=20)
            finally:
                process.kill()
        assert said.startswith(f"waiting for new records of {bars} until Ctrl-C")
        assert ("--from-beginning shows what is there" in said) == (not flag)
        assert more.strip() == ""
        assert len([json.loads(line) for line in out.splitlines()]) == lines
        assert process.returncode == 130


def test_the_table_of_topics_fits_80_columns():
    """The platform's names and a thousand million records fit; nothing is cut or wrapped."""
    states = [TopicState(n, "", t.record, 16, (0,) * 16, (60_000_000,) * 16) for n, t in load_registry().topics.items()]
    console = Console(file=io.StringIO(), width=80)
    console.print(topics._table(states))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == len(states) + 1
    for state, line in zip(states, lines[1:], strict=True):
        assert line.split() == [state.name, state.record, "16", "960,000,000", "6%"]


def test_topics_lists_and_creates(parts, topic_prefix):
    """Missing topics are listed as missing, created on wish, and listed with their offsets, also as JSON."""
    before = json.loads(run("topics", "--json", "--prefix", topic_prefix)[0])
    assert {t["partitions"] for t in before} == {0}
    shown = run("topics", "--prefix", topic_prefix)
    assert sum("missing" in line for line in shown) == len(load_registry().topics) + 1
    assert shown[-1] == "create the missing ones: mps topics --create"
    after = json.loads(run("topics", "--create", "--partitions", "3", "--json", "--prefix", topic_prefix)[0])
    assert [t["name"] for t in after] == [topic_prefix + name for name in load_registry().topics]
    known = load_registry().topics
    assert {t["name"]: t["partitions"] for t in after} == {topic_prefix + n: known[n].partitions_of(3) for n in known}
    publish(parts, f"{topic_prefix}bars.v1", [(1, "k", wire("bars.v1", examples("Bar")[0]))])
    found = {t["name"]: t for t in json.loads(run("topics", "--json", "--prefix", topic_prefix)[0])}
    assert found[f"{topic_prefix}bars.v1"]["end_offsets"] == [0, 2, 0]
    assert found[f"{topic_prefix}bars.v1"]["offsets"] == 2
    with pytest.raises(ConfigError, match="must be 4"):
        CliRunner().invoke(
            cli, ["topics", "--create", "--partitions", "4", "--prefix", topic_prefix], catch_exceptions=False
        )
