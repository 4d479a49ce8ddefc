"""The feedback process on a real broker: alerts, webhooks and pages, through kills."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from processors.feedback.app import DRIFT, FRESHNESS
from processors.feedback.outbox import ALERTS, InOrder
from processors.feedback.records import Reader, Writer
from processors.runtime.topics import create_topics
from tests.feedback.receiver import SECRET, T0, Receiver, change
from tests.runtime.ticks import REPOSITORY, read_all

pytestmark = [pytest.mark.broker, pytest.mark.slow]
SYMBOLS = ("EURUSD:FX", "NZDUSD:FX", "GBPUSD:FX", "BTC-USD:CRYPTO", "IBM:US", "GCZ13:CMX")


DRIFTED: dict[str, Any] = {
    "ts": T0, "symbol_id": "EURUSD:FX", "tf": "1m", "feature": "rsi_14_value", "cause": "alarm", "state": "drifted",
    "state_bars": 0, "fill_rate": 1.0, "psi": 0.7, "kl": 0.3, "log_evidence": 9.3, "raw_offset": 5, "missing_runs": 3,
    "missing_run_bars_max": 9,
    **dict.fromkeys(("mean", "std", "q01", "q25", "q50", "q75", "q99"), 50.0),
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait(condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


class Platform:
    """The topics of one prefix, and the feedback process on them."""

    def __init__(self, servers: str, prefix: str, folder: Path) -> None:
        self.servers, self.prefix, self.folder, self.port = servers, prefix, folder, free_port()
        create_topics(servers, prefix=prefix)
        self._writers = {topic: Writer(topic) for topic in (FRESHNESS, DRIFT)}

    def publish(self, *changes: dict[str, Any], abort: bool = False, topic: str = FRESHNESS) -> None:
        """Publish changes of freshness, or other records, in one transaction, as a stage does."""
        producer = Producer({"bootstrap.servers": self.servers, "transactional.id": f"{self.prefix}{abort}"})
        producer.init_transactions(20)
        producer.begin_transaction()
        for record in changes:
            place = SYMBOLS.index(record["symbol_id"]) % 4
            producer.produce(self.prefix + topic, self._writers[topic].write(record), record["symbol_id"], place)
        producer.flush(20)
        (producer.abort_transaction if abort else producer.commit_transaction)(20)

    def alerts(self) -> list[dict[str, Any]]:
        """Return everything in alerts.v1."""
        reader = Reader(ALERTS)
        rows = read_all(self.servers, self.prefix + ALERTS)
        return [reader.read(value) for records in rows.values() for _, value in records]

    def config(self, url: str, **delivery: Any) -> Path:
        """Return a file with one webhook."""
        path = self.folder / "feedback.yaml"
        hook = {
            "name": "desk",
            "url": url,
            "secret_env": "DESK",
            "events": ["on_data_stale"],
            "kinds": ["stale", "recovered"],
        }
        path.write_text(json.dumps({"webhooks": [hook], "delivery": {"pause_s_first": 0.05, **delivery}}))
        return path

    def get(self, path: str) -> str:
        """Return a page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def is_ready(self) -> bool:
        """Say whether the process has its partitions."""
        with suppress(OSError):
            return json.loads(self.get("/health"))["ready"]
        return False

    @contextmanager
    def running(self, config: Path, end: int = signal.SIGTERM, port: int = 0) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the process until the block ends, and stop it with a signal."""
        environment = {
            **os.environ, "DESK": SECRET, "MPS_BOOTSTRAP_SERVERS": self.servers, "MPS_HOME": str(self.folder / "home"),
        }  # fmt: skip
        command = [sys.executable, "-m", "cli.main", "feedback", str(config), "--prefix", self.prefix]
        self.port = port or self.port
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--port", str(self.port)], cwd=REPOSITORY, env=environment, stdout=log, stderr=log
            )
            try:
                wait(lambda: self.is_ready() or process.poll() is not None, "the process")
                assert process.poll() is None, (self.folder / "log").read_text()[-4000:]
                yield process
            finally:
                process.send_signal(end)
                try:
                    process.wait(40)
                finally:
                    process.kill()
                    process.wait()


@pytest.fixture
def platform(bootstrap_servers: str, topic_prefix: str, tmp_path: Path) -> Platform:
    return Platform(bootstrap_servers, topic_prefix, tmp_path)


def test_changes_become_alerts_webhooks_and_pages(platform: Platform) -> None:
    """Stale and recovered are alerts and signed webhooks, once; an aborted change is none; the page shows the state."""
    with Receiver(lambda _, attempt: 503 if attempt < 3 else 200) as receiver:
        config = platform.config(receiver.url)
        with platform.running(config) as process:
            platform.publish(change("IBM:US", 1, "stale"), abort=True)
            platform.publish(change("EURUSD:FX", 1, "fresh", "none"), change("EURUSD:FX", 40, "stale", "delayed"))
            platform.publish(change("EURUSD:FX", 45, "closed", "stale"), change("EURUSD:FX", 90, "fresh", "closed"))
            platform.publish(change("NZDUSD:FX", 50, "stale", "delayed", source="OANDA", tf=""))
            platform.publish(DRIFTED, topic=DRIFT)
            wait(lambda: len(receiver.accepted()) >= 2, "two webhooks")
            wait(lambda: "drift_psi{" in platform.get("/metrics"), "the drift")
            wait(lambda: "OANDA" in platform.get("/freshness"), "the vendor's row")
            shown = json.loads(platform.get("/freshness"))["freshness"]
            assert {(r["symbol_id"], r["source"], r["state"]) for r in shown} == {
                ("EURUSD:FX", "consensus", "fresh"), ("NZDUSD:FX", "OANDA", "stale"),
            }  # fmt: skip
            assert "NZDUSD:FX" in platform.get("/")
            text = platform.get("/metrics")
            assert 'data_freshness_ms{source="OANDA",symbol_id="NZDUSD:FX",tf=""} 41050.0' in text
            assert 'stale_rate{asset_class="fx"} 0.0' in text
            assert 'drift_psi{feature="rsi_14_value",symbol_id="EURUSD:FX",tf="1m"} 0.7' in text
            assert 'feature_drifted{feature="rsi_14_value",symbol_id="EURUSD:FX",tf="1m"} 1.0' in text
        assert process.returncode == 0
    assert all(r.is_signed for r in receiver.requests)
    assert sorted(r.json["kind"] for r in receiver.requests if r.status == 200) == ["recovered", "stale"]
    assert len(receiver.requests) == 6
    found = platform.alerts()
    assert sorted((a["kind"], a["symbol_id"]) for a in found) == [
        ("drift", "EURUSD:FX"), ("recovered", "EURUSD:FX"), ("stale", "EURUSD:FX"), ("stale", "NZDUSD:FX"),
    ]  # fmt: skip
    assert {a["asset_class"] for a in found} == {"fx"}


def test_kill_9_loses_no_webhook_and_sends_none_that_was_done(platform: Platform) -> None:
    """Killed in mid-run three times, every alert arrives; only one that was on its way at a kill may come again."""
    changes = [
        change(symbol, 10 * k + state, ("stale", "fresh")[state], ("fresh", "stale")[state])
        for k in range(20)
        for symbol in SYMBOLS
        for state in (0, 1)
    ]
    concurrency, kills = 2, 3
    part = len(changes) // (kills + 1)
    with Receiver(lambda key, attempt: 500 if hash(key) % 5 == 0 and attempt == 1 else 200, pause_s=0.05) as receiver:
        config = platform.config(receiver.url, concurrency=concurrency)
        for kill in range(kills):
            # One part waits for the start, one falls into the run and, some of it, into the kill.
            platform.publish(*changes[kill * part : (kill + 1) * part - 20])
            before = len(receiver.accepted())
            with platform.running(config, end=signal.SIGKILL):
                wait(lambda before=before: len(receiver.accepted()) >= before + 20, f"webhooks before kill {kill}")
                platform.publish(*changes[(kill + 1) * part - 20 : (kill + 1) * part])
                time.sleep(0.1 * kill)
        assert len(set(receiver.accepted())) < len(changes), "the kills must fall into the run"
        with platform.running(config):
            platform.publish(*changes[kills * part :])
            wait(lambda: len(set(receiver.accepted())) >= len(changes), "all webhooks", 45)
            time.sleep(1.5)
        repeated = len(receiver.accepted()) - len(set(receiver.accepted()))
        assert repeated <= concurrency * kills
        # A receiver that keeps the keys has each exactly once.
        told = [a["id"] for a in platform.alerts() if a["kind"] in {"stale", "recovered"}]
        assert {key.split("|", 1)[1] for key in receiver.accepted()} == set(told)
        assert len(told) == len(set(told)) == len(changes), "each alert once, also in the topic"
    before = len(receiver.requests)
    with platform.running(config):
        platform.publish(*changes)
        time.sleep(5)
    assert len(receiver.requests) == before, "a replay of the topic sends nothing"
    assert receiver.most_at_once <= concurrency * 2


def test_a_webhook_that_gives_up_is_counted_and_told(platform: Platform) -> None:
    """After the last attempt, or a refusal for good, the delivery is dead: an alert says so, and it is not retried."""
    with Receiver(lambda key, _: 500 if "EURUSD" in key else 404) as receiver:
        config = platform.config(receiver.url, attempts_max=3)
        with platform.running(config):
            platform.publish(change("EURUSD:FX", 1, "stale"), change("IBM:US", 2, "stale"))
            wait(lambda: sum(a["kind"] == "webhook_dead" for a in platform.alerts()) == 2, "two dead webhooks")
            wait(
                lambda: 'mps_feedback_webhooks_total{fate="dead",webhook="desk"} 2.0' in platform.get("/metrics"), "it"
            )
        with platform.running(config):
            time.sleep(2)
    assert sorted(r.json["symbol_id"] for r in receiver.requests) == ["EURUSD:FX"] * 3 + ["IBM:US"]
    dead = {a["symbol_id"]: a for a in platform.alerts() if a["kind"] == "webhook_dead"}
    assert dead["EURUSD:FX"]["value"] == 3
    assert dead["EURUSD:FX"]["source"] == "desk"


def test_a_second_process_takes_over(platform: Platform) -> None:
    """The first ends with the reason at its next change; the second tells of it, once, with the rows of the first."""
    with Receiver() as receiver:
        config = platform.config(receiver.url)
        with platform.running(config) as first:
            platform.publish(change("EURUSD:FX", 1, "stale"))
            wait(lambda: len(receiver.accepted()) == 1, "the first webhook")
            with platform.running(config, port=free_port()):
                platform.publish(change("EURUSD:FX", 9, "fresh", "stale"))
                assert first.wait(30) == 1
                wait(lambda: "recovered" in {r.json["kind"] for r in receiver.requests}, "the second webhook")
    assert "has taken over" in (platform.folder / "log").read_text()
    assert sorted(a["kind"] for a in platform.alerts()) == ["recovered", "stale"]


def test_offsets_are_committed_up_to_the_first_that_is_open() -> None:
    """Whatever order deliveries end in, what is committed is a prefix of what came, partition by partition."""
    rng = random.Random(3)
    for _ in range(200):
        places = [(p, o) for o in range(6) for p in (0, 1)]
        order = InOrder()
        for place in places:
            order.begin(*place)
        ended = set()
        for place in rng.sample(places, len(places)):
            ended.add(place)
            order.end(*place)
            for p in (0, 1):
                first_open = next((o for o in range(6) if (p, o) not in ended), 6)
                assert order.moved.get(p, 0) == first_open
