"""The stream: five processes as ``mps run`` starts them, fed slice by slice, each once the one before is through."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from confluent_kafka import Producer

from bench.skew.sample import LIMIT_S, SLICE_S, Fact
from deploy.demo.tap import Tap
from processors.errors import PlatformError
from processors.featurize.outside import FACT_FATES
from processors.feeds.files import Recording
from processors.feeds.port import RAW_TOPIC
from processors.feeds.replay import Step, steps
from processors.reference.store import ReferenceStore
from processors.runtime.batch import Columns
from processors.runtime.changelog import read_account
from processors.runtime.codec import FlatCodec
from processors.runtime.offsets import GroupOffsets
from processors.runtime.plain import PlainSink
from processors.runtime.topics import create_changelog, create_topics
from processors.topology import BRANCHES, PARTITIONS, TOPOLOGY
from schemas.registry import load_registry

STAGES = ("reconcile", "bars", "featurize", "regime", "cross")
ROWS = ("gold.v1", "cross.v1")
SLICE_NS = SLICE_S * 1_000_000_000
FACTS_AHEAD_NS = 20 * SLICE_NS
"""Facts are published in portions, each before the first tick of the time in which it becomes known."""
LOOKS = 3
"""Looks in a row that find nothing behind: between two transactions of neighbours nothing is, for an instant."""
DRAIN_S_MAX = 120.0


def streamed(bootstrap_servers: str, recording: Recording, facts: list[Fact]) -> dict[str, Columns]:
    """Return the rows of gold.v1 and cross.v1 that five processes publish of ticks and facts.

    Parameters
    ----------
    facts
        In the order of their knowledge.

    Raises
    ------
    PlatformError
        A process ended, or one did not get through a slice within two minutes.
    """
    prefix = f"skew{os.getpid()}."
    create_topics(bootstrap_servers, prefix=prefix)
    for stage in STAGES:
        create_changelog(bootstrap_servers, f"{prefix}{stage}.changelog")
    store, waiting, until_ns = ReferenceStore(bootstrap_servers, prefix), list(facts), 0
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 2,
                         "queue.buffering.max.messages": 1_000_000})  # fmt: skip
    sink = PlainSink(producer)
    with _processes(bootstrap_servers, prefix) as processes, _watch(bootstrap_servers, prefix, processes) as watch:
        for portion in slices(recording):
            if waiting and portion[-1].clock_ns > until_ns:
                until_ns = portion[-1].clock_ns + FACTS_AHEAD_NS
                due = [f for f in waiting if f.ts_known <= until_ns]
                waiting = waiting[len(due) :]
                if due:
                    store.publish(due)
                    watch.wait(0)
            published = 0
            for batch in (b for step in portion for b in step.batches):
                sink.produce(prefix + RAW_TOPIC, batch)
                published += len(batch)
            producer.flush(60)
            watch.wait(published)
        watch.wait_for_all()
        return watch.rows()


def slices(recording: Recording) -> Iterator[list[Step]]:
    """Yield the steps of a recording, those of one slice of time together."""
    portion: list[Step] = []
    for step in steps(recording, slice_ns=SLICE_NS):
        if portion and step.clock_ns // SLICE_NS != portion[-1].clock_ns // SLICE_NS:
            yield portion
            portion = []
        portion.append(step)
    if portion:
        yield portion


@contextmanager
def _processes(bootstrap_servers: str, prefix: str) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run every stage until the block ends."""
    environment = {**os.environ, "MPS_BOOTSTRAP_SERVERS": bootstrap_servers, "MPS_CROSS_LIMIT_S": str(LIMIT_S)}
    command = [sys.executable, "-m", "cli.main", "run", "--prefix", prefix, "--log-level", "WARNING"]
    processes = {stage: subprocess.Popen([*command, stage], env=environment) for stage in STAGES}
    try:
        yield processes
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(60)


@contextmanager
def _watch(
    bootstrap_servers: str, prefix: str, processes: dict[str, subprocess.Popen[bytes]]
) -> Iterator["_Watch"]:  # fmt: skip
    watch = _Watch(bootstrap_servers, prefix, processes)
    try:
        yield watch
    finally:
        watch.close()


class _Watch:
    """Follows every topic between the stages, and how far each stage has come in it."""

    def __init__(self, bootstrap_servers: str, prefix: str, processes: dict[str, subprocess.Popen[bytes]]) -> None:
        self._processes, self._published = processes, 0
        self._where = bootstrap_servers, prefix
        topics = load_registry().topics
        rows = [row for row in TOPOLOGY + BRANCHES if row.stage in STAGES]
        reads = [(row.stage, topic) for row in rows for topic in (row.source, *row.sides)]
        count = {topic: topics[topic].partitions_of(PARTITIONS) for topic in (*(t for _, t in reads), *ROWS)}
        self._taps = {t: Tap(bootstrap_servers, prefix + t, n) for t, n in count.items()}
        self._offsets = {
            (s, t): GroupOffsets(bootstrap_servers, prefix + s, prefix + t, count[t]) for s, t in reads
        }  # fmt: skip
        self._codecs = {t: FlatCodec((e := load_registry().current(t)).schema, e.id) for t in ROWS}
        self._parts: dict[str, list[Columns]] = {t: [Columns.empty(self._codecs[t].layout, 0)] for t in ROWS}

    def wait(self, n: int) -> None:
        """Wait until n more ticks, and whatever else was published, have passed every stage."""
        self._published += n
        last, looks = time.monotonic() + DRAIN_S_MAX, 0
        while looks < LOOKS:
            self._poll()
            through = self._taps[RAW_TOPIC].count >= self._published and not self._behind()
            looks = looks + 1 if through else 0
            for stage, process in self._processes.items():
                if process.poll() is not None:
                    raise PlatformError(f"{stage} ended with code {process.returncode}: its own words stand above")
            if time.monotonic() > last:
                raise PlatformError(f"not through within {DRAIN_S_MAX:.0f} s: {self._behind() or 'ticks are missing'}")
            time.sleep(0.01)

    def wait_for_all(self) -> None:
        """Wait until each stage of the chain has counted all that the one before it has published, to the last record.

        What is seen of topics and offsets may be old on a busy machine; the counts in the changelogs are exact.
        """
        last = time.monotonic() + DRAIN_S_MAX
        while lack := self._lacking():
            self._poll()
            if time.monotonic() > last:
                raise PlatformError(f"not through within {DRAIN_S_MAX:.0f} s: {lack}")
            time.sleep(0.1)

    def _lacking(self) -> str:
        """Return what is still to come, by the accounts of the stages, else nothing."""
        bootstrap_servers, prefix = self._where
        came = {RAW_TOPIC: self._published}
        for row in (row for row in TOPOLOGY if row.stage in STAGES):
            fates, published = read_account(bootstrap_servers, f"{prefix}{row.stage}.changelog", PARTITIONS)
            taken = sum(n for fate, n in fates.get(row.stage, {}).items() if fate not in FACT_FATES)
            if taken < came[row.source]:
                return f"{row.stage} has taken {taken} of {came[row.source]} records of {row.source}"
            came |= published.get(row.stage, {})
        seen = {topic: self._taps[topic].count for topic in ROWS if topic in came}
        return "".join(f"{seen[t]} of {came[t]} records of {t} were seen" for t in seen if seen[t] < came[t])

    def _poll(self) -> None:
        for topic, tap in self._taps.items():
            for batch in tap.poll():
                if topic in ROWS:
                    batch.topic = topic
                    columns, error = self._codecs[topic].decode(batch)
                    assert not error.any(), "a stage's own record does not decode"
                    self._parts[topic].append(columns)

    def _behind(self) -> str:
        """Return the first stage that has not committed the last record of a topic seen here, else nothing."""
        for (stage, topic), offsets in self._offsets.items():
            committed = offsets.committed()
            if any(committed.get(p, 0) <= last for p, last in self._taps[topic].last_offset.items()):
                return f"{stage} in {topic}"
        return ""

    def rows(self) -> dict[str, Columns]:
        """Return what was published."""
        out = {}
        for topic, parts in self._parts.items():
            ints, floats = (np.concatenate([getattr(p, kind) for p in parts], axis=1) for kind in ("ints", "floats"))
            out[topic] = Columns(parts[0].layout, ints, floats)
        return out

    def close(self) -> None:
        """Leave the broker."""
        for part in (*self._taps.values(), *self._offsets.values()):
            part.close()
