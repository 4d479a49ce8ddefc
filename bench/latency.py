"""Latency tick -> signal through the five processes at a steady rate: what a consumer of ``signals.v1`` sees.

Measured from outside: from the append time of the raw tick that closed a bar (the signal's lineage names its offset) to
the arrival of the committed signal here. Event time runs many times faster than the clock on the wall, so that bars
close often; the load is ticks a second of wall time.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from bench.ticks import RAW, TickMaker, instruments_csv
from deploy.demo.monitor import Monitor
from processors.runtime.native import choose_path
from processors.runtime.topics import create_changelog, create_topics
from processors.topology import STAGE_NAMES

SPEED = 60.0
"""Event seconds a wall second: a minute bar of every symbol closes each second."""


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


def measure(bootstrap_servers: str, ticks_per_s: float, seconds: float, warm_up_s: float = 75.0) -> Latency:
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
            return _drive(bootstrap_servers, prefix, monitor, ticks_per_s, seconds, warm_up_s)
        finally:
            monitor.close()
            for process in stages:
                process.terminate()
            for process in stages:
                process.wait(30)


def _drive(
    bootstrap_servers: str, prefix: str, monitor: Monitor, ticks_per_s: float, seconds: float, warm_up_s: float
) -> Latency:
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 1})
    sink = choose_path("auto").sink(producer)
    maker = TickMaker(ticks_per_s / SPEED, "quote")
    step_s = 0.01
    n = int(ticks_per_s * step_s)
    began = time.perf_counter()
    step, skip, sent_before = 0, 0, 0
    while (now := time.perf_counter() - began) < warm_up_s + seconds:
        if now < warm_up_s:
            skip, sent_before = len(monitor.latencies_ms), step
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
