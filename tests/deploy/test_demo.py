"""``mps demo`` to its end: an account that comes out, and one that does not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition

from deploy.local.endpoints import load_endpoints
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.paths import Home
from processors.errors import ConfigError
from processors.sinks.redis_store import signal_key
from processors.topology import STAGE_NAMES
from tests.chaos.commands import mps
from tests.contract.conftest import model
from tests.contract.sample import MARKET
from tests.deploy.test_demo_view import FATES

__all__ = ["model"]

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ROWS = 20_000
"""Seven hours of a Sunday evening, from two vendors: enough minutes for every window to fill and signals to follow."""
END_S_MAX = 240.0


@pytest.fixture(scope="module")
def ticks(tmp_path_factory) -> Path:
    """Return the first rows of a shipped recording."""
    prepare_kafka()
    path: Path = tmp_path_factory.mktemp("cut") / "nzdusd.parquet"
    pq.write_table(pq.read_table(MARKET / "nzdusd_ticks_two_vendors.parquet").slice(0, ROWS), path)
    return path


def demo(folder: Path, ticks: Path, model: Path) -> Any:
    """Run the demo to its end; return exit code, account and what it said on standard error."""
    with mps(folder, "demo", str(ticks), "--json", MPS_MODEL=str(model)) as command:
        code = command.wait(END_S_MAX)
        return code, json.loads(command.out.strip().splitlines()[-1]), command.err


def uneven(account: dict[str, Any]) -> dict[str, int]:
    """Return each line that does not come out, and by how much it is too great."""
    return {row["what"]: row["left"] - sum(row["parts"].values()) for row in account["account"] if not row["even"]}


def test_the_demo_ends_even(tmp_path, ticks, model) -> None:
    """Every line of the account comes out, over every stage and store, and the exit code is 0."""
    code, account, _ = demo(tmp_path, ticks, model)
    assert (code, account["even"], uneven(account)) == (0, True, {})
    lines = {row["what"]: row["left"] for row in account["account"]}
    for what in ("signals.v1 = rows in ClickHouse", "series of signals.v1 = newest rows in Redis",
                 "series of gold.v1 = newest rows in Redis", "series of data.freshness = newest rows in Redis",
                 "bars.v1 = published by bars", "data.freshness = published by reconcile, bars"):  # fmt: skip
        # An account of nothing comes out too.
        assert lines[what] > 0, what
    assert set(FATES) == set(STAGE_NAMES) == set(account["fates"])
    assert lines["published by the feed = records in ticks.raw.v1"] >= ROWS


@contextmanager
def gone(url: str, key: str) -> Iterator[None]:
    """Keep a key out of Redis: whatever writes it, it is away a moment later."""
    stop = threading.Event()

    def work() -> None:
        client = redis.Redis.from_url(url)
        while not stop.wait(0.01):
            try:
                client.delete(key)
            except redis.RedisError:
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def first_record(servers: str, topic: str, done: threading.Event) -> Any:
    """Return the first committed record of a topic, as soon as there is one; None where all is done before."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "fault", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(4)])
    message = None
    while (message is None or message.error()) and not done.is_set():
        message = consumer.poll(0.1)
    consumer.close()
    return message


def test_a_record_too_many_and_one_too_few_fail_the_demo_by_name(tmp_path, ticks, model) -> None:
    """A bar that no stage published, and a signal that Redis has lost: both lines are named, and the exit code is 1."""
    done = threading.Event()

    def inject() -> None:
        while not done.wait(0.1):
            try:
                endpoints = load_endpoints(Home(tmp_path / "home"))
            except ConfigError:
                continue
            bar = first_record(endpoints.bootstrap_servers, "bars.v1", done)
            if bar is None:
                return
            with gone(endpoints.redis_url, signal_key("NZDUSD:FX", "1m")):
                stray = Producer({"bootstrap.servers": endpoints.bootstrap_servers})
                stray.produce("bars.v1", bar.value(), bar.key(), bar.partition())
                assert stray.flush(30) == 0
                done.wait()

    thread = threading.Thread(target=inject)
    thread.start()
    try:
        code, account, said = demo(tmp_path, ticks, model)
    finally:
        done.set()
        thread.join()
    assert (code, account["even"]) == (1, False)
    assert uneven(account) == {"bars.v1 = published by bars": 1, "series of signals.v1 = newest rows in Redis": 1}
    assert "the account does not come out" in said
    for what in uneven(account):
        assert what in said
