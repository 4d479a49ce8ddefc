"""Throughput of reconcile and bars in one process, exactly once, against a bare ``consume()`` loop in the same run."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from bench.ticks import RAW, fill, instruments_csv
from deploy.demo.tap import Tap
from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import KafkaDriver
from processors.runtime.pipeline import Pipeline
from processors.runtime.topics import create_changelog
from processors.topology import build_chain, platform_partitions

QUIET_S = 3.0
"""A topic that nobody writes to any more is read to its end when nothing has come for so long."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One measured rate. ``cpu_s_per_m`` is this process's processor time for a million ticks, seconds."""

    name: str
    ticks: int
    seconds: float
    cpu_s_per_m: float
    commits: int = 0

    @property
    def per_s(self) -> float:
        """Ticks a second."""
        return self.ticks / self.seconds


def bare_consume(bootstrap_servers: str, prefix: str, n: int) -> Rate:
    """Measure confluent-kafka's ``consume()`` of all ticks with nothing done to them."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap_servers, "group.id": "bare", "enable.auto.commit": False,
        "queued.min.messages": 100_000, "isolation.level": "read_committed",
                "fetch.queue.backoff.ms": 5,
    })  # fmt: skip
    consumer.assign([TopicPartition(prefix + RAW, p, 0) for p in range(platform_partitions())])
    seen = len(consumer.consume(1, 20))
    began, cpu = time.perf_counter(), time.process_time()
    while seen < n:
        seen += len(consumer.consume(20_000, 1.0))
    rate = Rate("bare consume()", seen, time.perf_counter() - began, (time.process_time() - cpu) * 1e6 / seen)
    consumer.close()
    return rate


def chain(bootstrap_servers: str, prefix: str, n: int, path: str) -> Rate:
    """Measure reconcile and bars over all ticks, from the first batch to the last commit."""
    group = f"bench-{path}"
    config = KafkaConfig(bootstrap_servers, group, prefix=prefix, path=path)
    create_changelog(bootstrap_servers, config.changelog)
    driver = KafkaDriver(Pipeline(build_chain(["reconcile", "bars"])), config)
    began = cpu = 0.0
    counted = 0

    def watch() -> None:
        nonlocal began, cpu, counted
        while driver.rows == 0:
            time.sleep(0.002)
        began, cpu, counted = time.perf_counter(), time.process_time(), driver.rows
        while driver.rows < n:
            time.sleep(0.005)
        driver.stop()

    threading.Thread(target=watch, daemon=True).start()
    driver.run()
    rows = n - counted
    return Rate(path, rows, time.perf_counter() - began, (time.process_time() - cpu) * 1e6 / rows, driver.commits)


def main() -> None:
    """Run one measurement in this process: ``python -m bench.throughput SERVERS PREFIX N bare|plain|native``."""
    servers, prefix, n, what = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    rate = bare_consume(servers, prefix, n) if what == "bare" else chain(servers, prefix, n, what)
    sys.stdout.write(f"{rate.name}\t{rate.ticks}\t{rate.seconds}\t{rate.cpu_s_per_m}\t{rate.commits}\n")


def measure(bootstrap_servers: str, n: int, rounds: int) -> tuple[list[Rate], list[str]]:
    """Return bare, plain and native in turn, ``rounds`` times, each in a process of its own over the same ticks.

    The second value names the prefix of the topics of each round.
    """
    rates, prefixes = [], []
    with tempfile.TemporaryDirectory() as folder:
        instruments = Path(folder) / "instruments.csv"
        instruments.write_text(instruments_csv())
        environment = {**os.environ, "MPS_INSTRUMENTS": str(instruments)}
        for i in range(rounds):
            prefix = f"bench{os.getpid()}r{i}."
            prefixes.append(prefix)
            fill(bootstrap_servers, prefix, n)
            for what in ("bare", "plain", "native"):
                command = [sys.executable, "-m", "bench.throughput", bootstrap_servers, prefix, str(n), what]
                out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
                name, ticks, seconds, cpu, commits = out.strip().splitlines()[-1].split("\t")
                rates.append(Rate(name, int(ticks), float(seconds), float(cpu), int(commits)))
    return rates, prefixes


def same_bytes(bootstrap_servers: str, prefix: str) -> bool:
    """Return whether both paths published the same: each partition holds first what plain wrote, then native."""
    for topic in ("ticks.consensus.v1", "bars.v1"):
        tap = Tap(bootstrap_servers, prefix + topic, platform_partitions())
        values: dict[int, list[bytes]] = {p: [] for p in range(platform_partitions())}
        heard = time.monotonic()
        while time.monotonic() - heard < QUIET_S:
            for batch in tap.poll():
                values[batch.partition] += batch.values()
                heard = time.monotonic()
        tap.close()
        for records in values.values():
            half = len(records) // 2
            if not records or records[:half] != records[half:]:
                return False
    return True


if __name__ == "__main__":
    main()
