"""The session through a real Kafka: published, taken by ``mps run reconcile`` and ``mps run bars``, read back."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.fault_session.outputs import STAGES, TOPICS, Fates, Outputs, Places, outputs_of
from bench.fault_session.report import Row, outside, unexplained
from bench.fault_session.session import SYMBOL, THIRD, VARIANTS, VENDORS, Session
from processors.feeds import port
from processors.reconcile.config import ReconcileConfig
from processors.reconcile.learned import learned
from processors.reconcile.stage import ReconcileStage
from processors.runtime.changelog import read_changelog, unpack_key
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.plain import PlainSink
from processors.runtime.state import COUNTS, row_of
from processors.runtime.topics import create_topics
from processors.topology import build_stage
from schemas.vendors import read_vendors

ROOT = Path(__file__).parents[2]
STOP_S = 60.0
COUNTED = ("missing", "reordered")
OF_THIRD = f'{{source="{THIRD}",symbol_id="{SYMBOL}"}}'
"""Labels of the third vendor; the three variants share them, and only the faulty one has something to count."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a panel.

    Parameters
    ----------
    variants
        Outputs in the order of ``VARIANTS``.
    exit_codes
        Of the processes, asked to stop at the end.
    dead_letters, missing, reordered
        As the processes' metrics counted them; the last two of the third vendor.
    seconds
        From the first record published to the last one read.
    equals_offline
        Whether every topic holds, byte for byte, what the in-memory driver makes of the same records.
    """

    variants: list[Outputs]
    exit_codes: list[int]
    dead_letters: int
    missing: int
    reordered: int
    seconds: float
    equals_offline: bool


def _driver() -> MemoryDriver:
    return MemoryDriver([ReconcileStage(vendors=read_vendors(VENDORS)), *(build_stage(name) for name in STAGES[1:])])


def offline(session: Session) -> tuple[Places, dict[int, Fates], tuple[int, int]]:
    """Return what the in-memory driver publishes, the fates by partition, and missing and reordered of the third."""
    driver = _driver()
    for batch in session.encoded():
        driver.feed(message_batch(batch, 0))
    places = {place: driver.records(*place) for place in driver.logs}
    fates = {p: {name: state.states[name].counts() for name in STAGES} for p, state in driver.states.items()}
    states = [state.states[STAGES[0]] for state in driver.states.values()]
    third = [x for state in states for x in learned(state, ReconcileConfig()) if x.source == THIRD]
    return places, fates, (sum(x.missing for x in third), sum(x.reordered for x in third))


def run_offline(session: Session) -> tuple[list[Outputs], int, int]:
    """Return the outputs of all variants without Kafka, and missing and reordered ticks of the third vendor."""
    places, fates, counted = offline(session)
    return [outputs_of(places, p, fates[p]) for p in range(len(VARIANTS))], *counted


def run_live(session: Session, bootstrap_servers: str, prefix: str, timeout_s: float = 120.0) -> Run:
    """Publish the session, run the stages over it and return what they left.

    Raises
    ------
    TimeoutError
        Fewer records came out than the in-memory driver makes, or a process ended.
    """
    expected, _, _ = offline(session)
    create_topics(bootstrap_servers, prefix)
    begin = time.monotonic()
    _publish(session, bootstrap_servers, prefix)
    with _stages(bootstrap_servers, prefix) as (processes, ports):
        places: Places = {}
        for topic in TOPICS:
            n = sum(len(values) for (t, _), values in expected.items() if t == topic)
            alive = lambda: all(p.poll() is None for p in processes)  # noqa: E731 - one word
            places |= _read(bootstrap_servers, prefix, topic, n, begin + timeout_s, alive)
        seconds = time.monotonic() - begin
        dead_letters = sum(_metric(p, "mps_dead_letters_total") for p in ports)
        missing, reordered = (_metric(ports[0], f"mps_source_{name}_total{OF_THIRD}") for name in COUNTED)
    fates = [_fates(bootstrap_servers, prefix, p) for p in range(len(VARIANTS))]
    variants = [outputs_of(places, p, fates[p]) for p in range(len(VARIANTS))]
    # Two stages write into the shared topics, in any order between them.
    same = all(sorted(places.get(place, [])) == sorted(values) for place, values in expected.items())
    return Run(variants, [p.returncode for p in processes], dead_letters, missing, reordered, seconds, same)


def shortcomings(session: Session, run: Run, rows: list[Row]) -> list[str]:
    """Return what is not as it must be: marks, bars, processes, metrics."""
    found = [f"{row.fault}: {mark.where}: {mark.count}" for row in rows for mark in row.marks if not mark.ok]
    found += [f"{row.fault}: {unexplained(row)} bars differ without a reason" for row in rows if unexplained(row)]
    found += [f"{n} prices that no sound quote spans" for n in [outside(session, run.variants[2])] if n]
    if any(run.exit_codes):
        found.append(f"exit codes {run.exit_codes}")
    if not run.equals_offline:
        found.append("the live topics are not what the in-memory driver makes")
    dead = sum(v.fates["reconcile"]["dead"] for v in run.variants)
    if run.dead_letters != dead:
        found.append(f"mps_dead_letters_total is {run.dead_letters}, the fates say {dead}")
    return found


def _publish(session: Session, bootstrap_servers: str, prefix: str) -> None:
    producer = Producer({
        "logger": CLIENT_LOG,
        "bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "compression.type": "lz4",
        "queue.buffering.max.messages": 200_000,
    })  # fmt: skip
    sink = PlainSink(producer)
    for batch in session.encoded():
        sink.produce(prefix + port.RAW_TOPIC, batch)
    left = producer.flush(30)
    assert left == 0, f"{left} records were not taken"


@contextmanager
def _stages(bootstrap_servers: str, prefix: str) -> Iterator[tuple[list["subprocess.Popen[bytes]"], list[int]]]:
    """Run the stages, a process each, and stop them gracefully; they are killed if the block fails."""
    ports = [_free_port() for _ in STAGES]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "cli.main", "run", name, "--prefix", prefix, "--metrics-port", str(metrics),
             "--log-level", "WARNING"],
            cwd=ROOT, env={**os.environ, "MPS_BOOTSTRAP_SERVERS": bootstrap_servers, "MPS_VENDORS": str(VENDORS)},
        )
        for name, metrics in zip(STAGES, ports, strict=True)
    ]  # fmt: skip
    try:
        yield processes, ports
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(STOP_S)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _metric(metrics_port: int, name: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)))


def _read(
    bootstrap_servers: str, prefix: str, topic: str, n: int, deadline_s: float, alive: Callable[[], bool]
) -> Places:
    """Return the first n committed records of a topic by partition."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap_servers, "group.id": f"{prefix}reader", "enable.auto.commit": False,
        "isolation.level": "read_committed",
    })  # fmt: skip
    out: Places = {}
    count = 0
    try:
        consumer.assign([TopicPartition(prefix + topic, p, 0) for p in range(len(VARIANTS))])
        while count < n:
            if time.monotonic() > deadline_s or not alive():
                raise TimeoutError(f"{topic}: {count:,} of {n:,} records came")
            for message in consumer.consume(10_000, 0.3):
                if message.error() is None:
                    out.setdefault((topic, message.partition() or 0), []).append(message.value() or b"")
                    count += 1
    finally:
        consumer.close()
    return out


def _fates(bootstrap_servers: str, prefix: str, partition: int) -> Fates:
    """Return the exact fates of a partition, from the state."""
    out: Fates = {}
    for name in STAGES:
        for key, value in read_changelog(bootstrap_servers, f"{prefix}{name}.changelog", partition).items():
            stage, table, *fate = unpack_key(key)
            if table == COUNTS.name.encode():
                out.setdefault(stage.decode(), {})[fate[0].decode()] = int(row_of(COUNTS, value)["n"])
    return out
