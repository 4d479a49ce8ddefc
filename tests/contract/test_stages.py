"""What every stage must keep, found by discovery over the topology: a new stage is tested by being in the table."""

import os
import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from processors.runtime.batch import EncodedBatch, MessageBatch, pack
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.pipeline import DEAD_LETTER, Pipeline
from processors.topology import BRANCHES, TOPOLOGY, build_stage
from tests.contract.sample import STAGES, cut, inputs_of, joined, part, partitions_of, run

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("model", "activity_bars")
ROWS = TOPOLOGY + BRANCHES
EACH = pytest.mark.parametrize("name", list(STAGES))
IDLE = {"rolls": "the sample has no futures: tests/futures/test_stage.py makes them up"}
"""Stages that publish nothing on the sample, and why: they are held to the rest all the same."""
ROWS_MAX = 4000
"""Records of a partition in tests that feed one record at a time."""


def short(name: str) -> list[MessageBatch]:
    """Return the beginning of each partition's sample."""
    return [b for batches in partitions_of(name) for b in part(batches, 0, ROWS_MAX)]


def by_place(outs: list[EncodedBatch]) -> dict[tuple[str, int], list[bytes]]:
    """Return the records by topic and partition, the dead letters aside."""
    found: dict[tuple[str, int], list[bytes]] = {}
    for out in outs:
        if out.topic != DEAD_LETTER:
            found.setdefault((out.topic, out.partition), []).extend(out.values())
    return found


@EACH
def test_the_sample_makes_the_stage_work(name: str) -> None:
    """Every stage publishes to its main topic on the sample, else the tests below would prove nothing."""
    if name in IDLE:
        pytest.skip(IDLE[name])
    out = run([STAGES[name]()], list(inputs_of(name)))
    assert sum(len(v) for (topic, _), v in out.items() if topic == STAGES[name]().sinks[0]) > 100


@pytest.mark.parametrize("name", [row.stage for row in ROWS])
def test_code_agrees_with_the_table(name: str) -> None:
    """Name, source, sides and sinks of the stage are those of its row of the topology."""
    row = next(r for r in ROWS if r.stage == name)
    stage = build_stage(name)
    assert (stage.name, stage.source, stage.sides, stage.sinks) == (row.stage, row.source, row.sides, row.sinks)


@EACH
def test_a_batch_is_the_fold_of_its_records(name: str) -> None:
    """One record at a time gives the same bytes as all at once."""
    batches = short(name)
    singles = [cut(b, i, i + 1) for b in batches for i in range(len(b))]
    assert run([STAGES[name]()], singles) == run([STAGES[name]()], batches)


@EACH
def test_same_input_same_bytes(name: str) -> None:
    """Two runs over the same input give the same bytes."""
    batches = list(inputs_of(name))
    assert run([STAGES[name]()], batches) == run([STAGES[name]()], batches)


@pytest.mark.parametrize("name", [*(row.stage for row in ROWS if row.sides), "pair"])
def test_the_order_of_the_topics_does_not_matter(name: str) -> None:
    """A stage with sides publishes the same, whichever of its topics comes first."""
    batches = list(inputs_of(name))
    topics = list(dict.fromkeys(b.topic for b in batches))
    for order in (topics, topics[::-1]):
        assert run([STAGES[name]()], [b for t in order for b in batches if b.topic == t]) == run(
            [STAGES[name]()], batches
        )


@EACH
def test_split_and_restored_equals_unsplit(name: str) -> None:
    """State that went through its changelog goes on as if nothing had happened, slots and counts included."""
    rng = np.random.default_rng(7)
    for batches in partitions_of(name):
        pipeline = Pipeline([STAGES[name]()])
        whole, state = pipeline.open(), pipeline.open()
        expected = by_place([out for batch in batches for out in pipeline.run(whole, batch)])
        n = sum(map(len, batches))
        edges = [0, *sorted(rng.integers(0, n, 4).tolist()), n]
        changelog: dict[bytes, bytes] = {}
        outs: list[EncodedBatch] = []
        for a, b in pairwise(edges):
            for batch in part(batches, a, b):
                outs += pipeline.run(state, batch)
            changelog |= dict(state.changed())
            state = pipeline.open()
            # The order of a changelog is not the order of its slots.
            state.restore(dict(sorted(changelog.items(), reverse=True)))
        assert by_place(outs) == expected
        assert state.states[name].counts() == whole.states[name].counts()


@EACH
def test_every_change_of_state_reaches_the_changelog(name: str) -> None:
    """Committed after every record, the changelog gives every row of the state as it is."""
    for batches in partitions_of(name):
        pipeline = Pipeline([STAGES[name]()])
        state, changelog = pipeline.open(), {}
        for batch in part(batches, 0, ROWS_MAX):
            for i in range(len(batch)):
                pipeline.run(state, cut(batch, i, i + 1))
                changelog |= dict(state.changed())
                state.clean()
        restored = pipeline.open()
        restored.restore(changelog)
        for table, live in state.states[name].tables.items():
            assert len(restored.states[name][table]) == len(live)
            for slot in range(len(live)):
                assert restored.states[name][table].rows[slot].tobytes() == live.rows[slot].tobytes(), live.key(slot)


@EACH
def test_no_look_ahead(name: str) -> None:
    """A prefix of the input gives a prefix of the output: nothing depends on what comes later."""
    for batches in partitions_of(name):
        whole = run([STAGES[name]()], batches)
        for share in (0.3, 0.77):
            beginning = part(batches, 0, int(sum(map(len, batches)) * share))
            for place, records in run([STAGES[name]()], beginning).items():
                assert records == whole[place][: len(records)]


@EACH
def test_fates_add_up(name: str) -> None:
    """Every input record meets exactly one fate."""
    driver = MemoryDriver([STAGES[name]()])
    batches = inputs_of(name)
    driver.run(batches)
    assert sum(driver.counts(name).values()) == sum(map(len, batches))


@EACH
def test_garbage_between_records_changes_nothing_else(name: str) -> None:
    """Bytes that do not decode go to the dead letter, one for each, and the output is that of the good records."""
    group = max(partitions_of(name), key=lambda batches: sum(map(len, batches)))
    group = part(group, 0, ROWS_MAX)
    driver, clean, n_bad = MemoryDriver([STAGES[name]()]), MemoryDriver([STAGES[name]()]), 0
    for topic in dict.fromkeys(b.topic for b in group):
        batch = message_batch(joined([b for b in group if b.topic == topic]), 0)
        dirty, placed = soiled(batch)
        n_bad += len(dirty) - len(placed)
        driver.feed(dirty)
        clean.feed(placed)
    assert n_bad > 0
    dead, few = (sum(len(d.records(*place)) for place in d.logs if place[0] == DEAD_LETTER) for d in (driver, clean))
    assert dead - few == n_bad
    for place in driver.logs | clean.logs:
        if place[0] != DEAD_LETTER:
            assert driver.records(*place) == clean.records(*place)


def soiled(batch: MessageBatch) -> tuple[MessageBatch, MessageBatch]:
    """Return a batch with garbage among its records, and the good ones alone at the same offsets."""
    values, garbage = list(batch.values()), [b"", b"\x00\x00\x00\x00\x63abc", b"\xff" * 40, next(batch.values())[:-1]]
    mixed = [v for i, value in enumerate(values) for v in ([garbage[i // 7 % 4], value] if i % 7 == 0 else [value])]
    payload, start = pack(mixed)
    dirty = message_batch(EncodedBatch(batch.topic, batch.partition, payload, start, *pack([b"k"] * len(mixed))), 0)
    # Lineage names offsets of the raw topic: give the good records the offsets that they have among the garbage.
    good = np.array([i for i, v in enumerate(mixed) if len(v) > 3 and v not in garbage])
    placed = cut(batch, 0, len(batch))
    placed.offset = good.astype(np.int64)
    return dirty, placed


@EACH
@pytest.mark.slow
def test_compiled_equals_interpreted(name: str, model: Path, tmp_path: Path) -> None:
    """The compiled kernels and the same Python, interpreted, give the same bytes."""
    batches = [cut(b, 0, min(len(b), 400)) for b in inputs_of(name)]
    given, taken = tmp_path / "given.pickle", tmp_path / "taken.pickle"
    given.write_bytes(pickle.dumps(batches))
    script = (
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "from tests.contract.sample import STAGES, run\n"
        "batches = pickle.loads(Path(sys.argv[2]).read_bytes())\n"
        "Path(sys.argv[3]).write_bytes(pickle.dumps(run([STAGES[sys.argv[1]]()], batches)))\n"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, name, str(given), str(taken)],
        cwd=REPOSITORY, check=True, env={**os.environ, "MPS_MODEL": str(model), "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert pickle.loads(taken.read_bytes()) == run([STAGES[name]()], batches)  # noqa: S301 - written above
