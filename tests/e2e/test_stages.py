"""The stages as processes on a real broker: what they leave is what the in-memory driver makes, whatever happens."""

from pathlib import Path

import pytest

from processors.runtime.memory import MemoryDriver
from processors.runtime.pipeline import DEAD_LETTER
from processors.topology import STAGE_NAMES, build_stage
from tests.contract.sample import cut, inputs_of, raw_records, run
from tests.e2e.stages import Places, publish_paced, stages, start, values_of
from tests.runtime.ticks import read_all

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def live(bootstrap_servers: str, prefix: str, expected: Places) -> Places:
    """Return the committed records of every topic that ``expected`` names, once as many are there."""
    out: Places = {}
    for topic in sorted({t for t, _ in expected}):
        n = sum(len(v) for (t, _), v in expected.items() if t == topic)
        for partition, rows in read_all(bootstrap_servers, prefix + topic, n, timeout_s=90).items():
            if rows or (topic, partition) in expected:
                out[topic, partition] = [value for _, value in rows]
    return out


def assert_same(got: Places, expected: Places) -> None:
    """Compare by place, so that a difference names its topic and partition."""
    assert {k: len(v) for k, v in got.items()} == {k: len(v) for k, v in expected.items()}
    for place, records in expected.items():
        # Records of two stages, or of all partitions, meet in the shared topics in any order; each one's own order is
        # the in-memory one.
        same = got[place] == records if place[0] not in SHARED else sorted(got[place]) == sorted(records)
        assert same, f"{place} differs"


SHARED = ("data.freshness", DEAD_LETTER, "universe.v1")


@pytest.mark.parametrize("path", ["native", "plain"])
def test_five_processes_equal_one_memory_driver(
    bootstrap_servers: str, topic_prefix: str, model: Path, path: str
) -> None:
    """Every live topic equals, byte for byte, the offline run of the same recorded ticks."""
    driver = MemoryDriver([build_stage(name) for name in STAGE_NAMES])
    driver.run(raw_records())
    expected = values_of(driver.logs)
    publish_paced(bootstrap_servers, topic_prefix, list(raw_records()))
    with stages(list(STAGE_NAMES), bootstrap_servers, topic_prefix, model, "--path", path):
        got = live(bootstrap_servers, topic_prefix, expected)
    assert_same(got, expected)


def test_one_process_of_two_stages_equals_two(bootstrap_servers: str, topic_prefix: str, model: Path) -> None:
    """Reconcile and bars chained in one process publish the same bytes as apart."""
    batches = [cut(b, 0, min(len(b), 6000)) for b in raw_records()]
    expected = run([build_stage("reconcile"), build_stage("bars")], batches)
    publish_paced(bootstrap_servers, topic_prefix, batches)
    process = start("reconcile", bootstrap_servers, topic_prefix, model, "bars")
    try:
        got = live(bootstrap_servers, topic_prefix, expected)
    finally:
        process.terminate()
    assert process.wait(60) == 0
    assert_same(got, expected)


@pytest.mark.parametrize("name", STAGE_NAMES)
def test_kill_9_in_mid_run_changes_nothing(bootstrap_servers: str, topic_prefix: str, model: Path, name: str) -> None:
    """A stage killed twice while it works, and started again, leaves its topics as an undisturbed run does."""
    batches = list(inputs_of(name))
    expected = run([build_stage(name)], batches)
    running = [start(name, bootstrap_servers, topic_prefix, model)]
    main = build_stage(name).sinks[0]
    seen: list[int] = []

    def kill_and_start(step: int) -> None:
        # Late enough for the windows of featurize to be full, so that score has something to publish.
        if step in (27, 33):
            # Work is under way: some of it is committed, some is not.
            got = read_all(bootstrap_servers, topic_prefix + main, 1, to_end=False)
            seen.append(sum(map(len, got.values())))
            running[-1].kill()
            running[-1].wait()
            running.append(start(name, bootstrap_servers, topic_prefix, model))

    try:
        publish_paced(bootstrap_servers, topic_prefix, batches, 40, 0.05, kill_and_start)
        got = live(bootstrap_servers, topic_prefix, expected)
    finally:
        running[-1].terminate()
    assert running[-1].wait(60) == 0
    assert all(0 < n < sum(len(v) for (t, _), v in expected.items() if t == main) for n in seen)
    assert_same(got, expected)
