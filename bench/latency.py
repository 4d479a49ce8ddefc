"""Latency tick -> signal through the five processes at a steady rate: what a consumer of ``signals.v1`` sees.

Measured from outside: from the append time of the raw tick that closed a bar (the signal's lineage names its offset) to
the arrival of the committed signal here. The load is ticks a second on the wall, and begins when each stage has its
partitions. Event time runs faster than that clock while windows fill, so that this takes a minute and not an hour, and
a little faster afterwards, so that several minutes close. At each close 500 symbols have a bar at once. It is measured
from when the stages have caught up with the filling of the windows.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.ticks import RAW, TickMaker, instruments_csv
from deploy.demo.monitor import Monitor
from processors.errors import PlatformError
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.native import choose_path
from processors.runtime.topics import create_changelog, create_topics
from processors.topology import STAGE_NAMES, platform_partitions

WARM_UP_SPEED = 60.0
"""Event seconds a wall second while windows fill: a minute bar of every symbol closes each second."""
SPEED = 4.0
"""Event seconds a wall second while it is measured: a minute bar of every symbol closes each 15 seconds."""
READY_S_MAX = 300.0
"""Longest wait for the stages: where their kernels are not compiled yet, they compile them first."""
CATCH_UP_S_MAX = 120.0
"""Longest wait for the stages to catch up after the windows have filled."""
CAUGHT_UP_MS = 1_000
"""Latency of a close's last signal from which on the stages have caught up."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What was seen. Quantiles in milliseconds."""

    ticks_per_s: float
    signals: int
    p50_ms: float
    p99_ms: float


def _model(folder: Path) -> Path:
    """Return the baseline, trained on the shipped recordings of 2014: none of the benchmark's rows is in them."""
    path = folder / "model.onnx"
    command = [sys.executable, "-m", "cli.main", "train", "--out", str(path), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def measure(
    bootstrap_servers: str, ticks_per_s: float, seconds: float, warm_up_s: float = 75.0, speed: float = SPEED
) -> Latency:
    """Run the five stages as processes at a steady rate and return what the signals' consumer saw after warming up."""
    prefix = f"latency{os.getpid()}."
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        instruments = folder / "instruments.csv"
        instruments.write_text(instruments_csv("quote"))
        environment = {
            **os.environ, "MPS_MODEL": str(_model(folder)), "MPS_INSTRUMENTS": str(instruments),
            "MPS_BOOTSTRAP_SERVERS": bootstrap_servers,
        }  # fmt: skip
        create_topics(bootstrap_servers, prefix=prefix)
        for stage in STAGE_NAMES:
            create_changelog(bootstrap_servers, f"{prefix}{stage}.changelog")
        command = [sys.executable, "-m", "cli.main", "run", "--prefix", prefix, "--log-level", "WARNING"]
        stages = [subprocess.Popen([*command, stage], env=environment) for stage in STAGE_NAMES]
        monitor = Monitor(bootstrap_servers, prefix)
        try:
            _await_stages(bootstrap_servers, prefix, stages)
            return _drive(bootstrap_servers, prefix, monitor, ticks_per_s, seconds, warm_up_s, speed)
        finally:
            monitor.close()
            for process in stages:
                process.terminate()
            for process in stages:
                process.wait(30)


def _await_stages(bootstrap_servers: str, prefix: str, stages: list["subprocess.Popen[bytes]"]) -> None:
    """Return when every stage has every partition of its source."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "logger": CLIENT_LOG})
    groups = [prefix + stage for stage in STAGE_NAMES]
    deadline = time.monotonic() + READY_S_MAX
    while True:
        held = [_partitions_of(asked) for asked in admin.describe_consumer_groups(groups).values()]
        if all(len({p.partition for p in of}) == platform_partitions() for of in held):
            return
        if any(stage.poll() is not None for stage in stages) or time.monotonic() > deadline:
            missing = [name for name, of in zip(groups, held, strict=True) if not of]
            raise PlatformError(f"no partitions after {READY_S_MAX:.0f} s, or ended: {', '.join(missing)}")
        time.sleep(0.5)


def _partitions_of(asked: "Future[Any]") -> set[TopicPartition]:
    """Return what the members of a group hold; nothing while its coordinator is still being found."""
    try:
        return {p for member in asked.result(20).members for p in member.assignment.topic_partitions}
    except KafkaException as e:
        if e.args[0].code() not in {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}:
            raise
        return set()


def _caught_up(monitor: Monitor) -> bool:
    return bool(monitor.latencies_ms) and int(monitor.latencies_ms[-1].max(initial=0)) < CAUGHT_UP_MS


def _drive(
    bootstrap_servers: str, prefix: str, monitor: Monitor, ticks_per_s: float, seconds: float, warm_up_s: float,
    speed: float,
) -> Latency:  # fmt: skip
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 1, "logger": CLIENT_LOG}
    )
    sink = choose_path("auto").sink(producer)
    maker = TickMaker(ticks_per_s / WARM_UP_SPEED, "quote")
    # Making a few ticks costs as much as making a hundred: seldom enough to keep the pace beside all else.
    step_s = 0.025
    n = int(ticks_per_s * step_s)
    began = time.perf_counter()
    step, skip, sent_before, measure_from = 0, 0, 0, None
    while measure_from is None or time.perf_counter() - began < measure_from + seconds:
        now = time.perf_counter() - began
        if now > warm_up_s:
            maker.pace(ticks_per_s / speed)
            if measure_from is None and (_caught_up(monitor) or now > warm_up_s + CATCH_UP_S_MAX):
                measure_from, skip, sent_before = now, len(monitor.latencies_ms), step
        for batch in maker.make(n):
            sink.produce(prefix + RAW, batch)
        step += 1
        time.sleep(max(0.0, step * step_s - (time.perf_counter() - began)))
    rate = (step - sent_before) * n / seconds
    producer.flush(10)
    sink.close()
    time.sleep(2.0)
    monitor.check()
    seen = np.concatenate([*monitor.latencies_ms[skip:], np.zeros(0, np.int64)])
    assert len(seen), f"no signal came: {monitor.counts()}"
    return Latency(rate, len(seen), float(np.quantile(seen, 0.5)), float(np.quantile(seen, 0.99)))
