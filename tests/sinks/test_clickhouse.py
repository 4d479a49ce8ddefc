"""The ClickHouse sink on the real broker and engine: every record one row, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, TopicPartition

from deploy.local.redis import EmbeddedRedis
from offline.warehouse.tables import tables
from processors.sinks.stats import ask_stats

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
RUN = """
import logging, sys
from pathlib import Path
from processors.sinks.config import SinkConfig
from processors.sinks.process import SinkAddresses, run_sinks
logging.basicConfig(level="INFO")
servers, redis_url, path, prefix, once, batch = sys.argv[1:]
config = SinkConfig(batch_records_max=int(batch), clickhouse_wait_ms=100, tries_max=3, backoff_first_ms=20)
run_sinks(SinkAddresses(servers, redis_url or None, None, Path(path)), config, once=once == "once", prefix=prefix,
          port=0, announce=lambda url: print(url, flush=True))
"""


def start(servers, path, prefix, *, once=False, batch=50_000, redis_url=""):
    """Start the sink process; its standard output is its address."""
    command = [sys.executable, "-c", RUN, servers, redis_url, str(path), prefix, "once" if once else "", str(batch)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
    )


def run_once(servers, path, prefix, **more):
    """Run the sink until it has caught up; returns its log."""
    process = start(servers, path, prefix, once=True, **more)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    return log


def ask(path, *queries):
    """Return the rows of each query, asked by a process of its own as ``mps sql --json`` does."""
    script = (
        "import sys; from pathlib import Path; from offline.warehouse.engine import Engine\n"
        "with Engine(Path(sys.argv[1])) as engine:\n"
        "    for sql in sys.argv[2:]:\n"
        "        sys.stdout.buffer.write(engine.ask(sql, 'JSONEachRow', database='mps',"
        " settings={'output_format_json_quote_64bit_integers': '0'}).body + b'-\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), *queries], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = [[]]
    for line in done.stdout.splitlines():
        if line == "-":
            answers.append([])
        else:
            answers[-1].append(json.loads(line))
    return answers[:-1]


def log_of(servers, topic):
    """Return (partition, offset, value) of every committed record: the oracle."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "oracle", "isolation.level": "read_committed",
         "enable.partition.eof": True, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 10}
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, p, 0) for p in range(4)])
    found, ended = [], 0
    while ended < 4:
        message = consumer.poll(10)
        assert message is not None
        if message.error():
            ended += 1
        else:
            found.append((message.partition(), message.offset(), message.value()))
    consumer.close()
    return sorted(found)


def test_every_record_is_one_row_with_every_field(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish
):
    """Each committed record of each topic is a row with the same values; aborted ones and clock marks are none."""
    expected = {}
    for topic in ("bars.v1", "gold.v1", "signals.v1", "data.freshness", "dead.letter.v1"):
        records = random_records(topic, 40)
        mark = [{**records[0], "symbol_id": ""}] if "symbol_id" in records[0] else []
        publish(sink_topics + topic, wire(topic, records + mark))
        expected[topic] = records
    path = tmp_path / "warehouse"
    run_once(bootstrap_servers, path, sink_topics)
    # Bytes as hexadecimal digits: JSON has none.
    shown_as = {"dead.letter.v1": "REPLACE (hex(key) AS key, hex(value) AS value)"}
    queries = [
        f"SELECT * EXCEPT _published {shown_as.get(topic, '')} FROM {tables()[topic].name}"  # noqa: S608 - our names
        for topic in expected
    ]
    for (topic, records), rows in zip(expected.items(), ask(path, *queries), strict=True):
        table = tables()[topic]
        assert sorted((r["_partition"], r["_offset"]) for r in rows) == [
            place[:2] for place in log_of(bootstrap_servers, sink_topics + topic) if place[2] in wire(topic, records)
        ]
        columns = [c for c in table.columns if c.path]
        shown = sorted(repr([_as_text(r[c.name]) for c in columns]) for r in rows)
        assert shown == sorted(repr([_as_text(_leaf(r, c.path), c.kind) for c in columns]) for r in records)


def _leaf(record, path):
    for name in path.split("."):
        record = record[name]
    return record


def _as_text(value, kind=""):
    if isinstance(value, bytes):
        return value.hex().upper()
    if "DateTime64" in kind:
        seconds, ns = divmod(value, 10**9)
        return f"{datetime(1970, 1, 1) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.{ns:09d}"  # noqa: DTZ001
    return value


@pytest.mark.slow
def test_killed_in_mid_run_it_loses_and_doubles_nothing(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish
):
    """Killed again and again between and within blocks, the table ends with exactly the offsets of the topic."""
    topics = ("bars.v1", "gold.v1")
    for topic in topics:
        publish(sink_topics + topic, wire(topic, random_records(topic, 1500)))
    path = tmp_path / "warehouse"
    seen = []
    for delay_s in (0.011, 0.05):
        process = start(bootstrap_servers, path, sink_topics, batch=20)
        url = process.stdout.readline().strip()
        assert url, process.stderr.read()
        before = sum(seen[-1:])
        while (rows := sum(ask_stats(url).rows.values())) <= before:
            assert process.poll() is None
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(rows)
    assert 0 < seen[0] < seen[-1] < 3000
    run_once(bootstrap_servers, path, sink_topics, batch=700)
    queries = [f"SELECT _partition p, _offset o FROM {tables()[topic].name}" for topic in topics]  # noqa: S608 - our names
    for topic, rows in zip(topics, ask(path, *queries), strict=True):
        assert sorted((r["p"], r["o"]) for r in rows) == [
            place[:2] for place in log_of(bootstrap_servers, sink_topics + topic)
        ]


def test_bad_records_go_to_the_dead_letters_once(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish
):
    """Undecodable bytes become one dead letter each with place and reason, also when read twice; the rest is stored."""
    good = wire("bars.v1", random_records("bars.v1", 6))
    bad = [b"", b"\x01abcdef", good[0][:-3], b"\0\0\0\xff\xff" + good[1][5:], good[2] + b"x"]
    # The bad ones last: no row says that they were read, so the second run meets them again.
    publish(sink_topics + "bars.v1", good + bad, partition=2)
    path = tmp_path / "warehouse"
    for _ in range(2):
        run_once(bootstrap_servers, path, sink_topics)
    stored, letters = ask(
        path,
        "SELECT count() n FROM bars",
        "SELECT stage, topic, partition, offset, reason, length(value) n FROM dead_letters ORDER BY offset",
    )
    assert stored == [{"n": 6}]
    assert [r["n"] for r in letters] == [len(b) for b in bad]
    assert {(r["stage"], r["topic"], r["partition"]) for r in letters} == {("sink", sink_topics + "bars.v1", 2)}
    assert [r["reason"].split(" ")[0] for r in letters] == ["shorter", "first", "record", "unknown", "bytes"]
    offsets = [offset for _, offset, value in log_of(bootstrap_servers, sink_topics + "bars.v1") if value in bad]
    assert [r["offset"] for r in letters] == offsets


def test_a_topic_made_anew_is_refused(bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish):
    """Rows of a deleted topic cannot be told from those of its successor: the sink says so and stops with status 1."""
    from confluent_kafka.admin import AdminClient

    from processors.runtime.topics import create_topics

    publish(sink_topics + "bars.v1", wire("bars.v1", random_records("bars.v1", 4)))
    path = tmp_path / "warehouse"
    run_once(bootstrap_servers, path, sink_topics)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.delete_topics([sink_topics + "bars.v1"])[sink_topics + "bars.v1"].result(20)
    time.sleep(0.5)
    create_topics(bootstrap_servers, prefix=sink_topics)
    process = start(bootstrap_servers, path, sink_topics, once=True)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was deleted since; remove the warehouse to fill it anew" in log


def test_missing_topics_end_the_run_after_the_tries(bootstrap_servers, tmp_path, topic_prefix):
    """Without its topics the sink waits, says what is missing, and ends with status 1."""
    process = start(bootstrap_servers, tmp_path / "warehouse", topic_prefix)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "try 3 of 3" in log
    assert "`mps topics` creates" in log


def test_sigterm_ends_it_cleanly_and_both_sinks_are_counted(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish, own_redis
):
    """/stats tells rows, lag and the end of the topics; SIGTERM ends the process with status 0."""
    publish(sink_topics + "gold.v1", wire("gold.v1", random_records("gold.v1", 30)))
    process = start(bootstrap_servers, tmp_path / "warehouse", sink_topics, redis_url=own_redis)
    url = process.stdout.readline().strip()
    deadline = time.monotonic() + 30
    while not (stats := ask_stats(url)).caught_up:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (stats.rows["gold.v1"], stats.lag["gold.v1"], stats.refused) == (30, 0, 0)
    assert stats.sinks["redis"]["rows"] == 30
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log


def await_stats(url, wanted):
    """Return what the sink says once it is as wanted."""
    deadline = time.monotonic() + 30
    while not wanted(stats := ask_stats(url)):
        assert time.monotonic() < deadline, stats
        time.sleep(0.05)
    return stats


def test_redis_full_and_away_does_not_end_the_clickhouse_sink(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish
):
    """Redis is full and then away for more than the tries: ClickHouse has every row, and Redis catches up."""
    records = wire("gold.v1", random_records("gold.v1", 400))
    publish(sink_topics + "gold.v1", records[:200])
    with EmbeddedRedis(tmp_path / "redis", tmp_path / "logs") as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory", "1mb")
        process = start(bootstrap_servers, tmp_path / "warehouse", sink_topics, redis_url=server.url)
        url = process.stdout.readline().strip()
        full = await_stats(url, lambda s: s.rows["gold.v1"] == 200 and "give it memory" in s.sinks["redis"]["away"])
        assert not full.caught_up
        server.stop()
        publish(sink_topics + "gold.v1", records[200:])
        away = await_stats(url, lambda s: s.rows["gold.v1"] == 400 and "refused" in s.sinks["redis"]["away"])
        assert not away.caught_up
        # Where it was, and with its usual memory.
        server.start()
        back = await_stats(url, lambda s: s.caught_up)
        assert (back.rows["gold.v1"], back.sinks["redis"]["away"]) == (400, "")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert "sink redis, try 4: " in log


def test_once_it_fails_where_redis_is_away_and_stores_all_the_same(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish
):
    """A run that shall end says that Redis was away with status 1, after ClickHouse has every row."""
    publish(sink_topics + "gold.v1", wire("gold.v1", random_records("gold.v1", 30)))
    path = tmp_path / "warehouse"
    process = start(bootstrap_servers, path, sink_topics, once=True, redis_url="redis://127.0.0.1:9/0")
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "sink redis, try 3 of 3" in log
    assert ask(path, "SELECT count() n FROM gold") == [[{"n": 30}]]
