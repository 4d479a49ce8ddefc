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
from processors.topology import STAGE_NAMES, TOPOLOGY, build_stage
from tests.contract.sample import cut, inputs_of, run

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("model")
EACH = pytest.mark.parametrize("name", STAGE_NAMES)
ROWS_MAX = 4000
"""Records of a partition in tests that feed one record at a time."""


def short(name: str) -> list[MessageBatch]:
    """Return the beginning of each partition's sample."""
    return [cut(b, 0, min(len(b), ROWS_MAX)) for b in inputs_of(name)]


@EACH
def test_the_sample_makes_the_stage_work(name: str) -> None:
    """Every stage publishes to its main topic on the sample, else the tests below would prove nothing."""
    out = run([build_stage(name)], list(inputs_of(name)))
    assert sum(len(v) for (topic, _), v in out.items() if topic == build_stage(name).sinks[0]) > 100


@EACH
def test_code_agrees_with_the_table(name: str) -> None:
    """Name, source and sinks of the stage are those of its row of the topology."""
    row = next(r for r in TOPOLOGY if r.stage == name)
    stage = build_stage(name)
    assert (stage.name, stage.source, stage.sinks) == (row.stage, row.source, row.sinks)


@EACH
def test_a_batch_is_the_fold_of_its_records(name: str) -> None:
    """One record at a time gives the same bytes as all at once."""
    batches = short(name)
    singles = [cut(b, i, i + 1) for b in batches for i in range(len(b))]
    assert run([build_stage(name)], singles) == run([build_stage(name)], batches)


@EACH
def test_same_input_same_bytes(name: str) -> None:
    """Two runs over the same input give the same bytes."""
    batches = list(inputs_of(name))
    assert run([build_stage(name)], batches) == run([build_stage(name)], batches)


@EACH
def test_split_and_restored_equals_unsplit(name: str) -> None:
    """State that went through its changelog goes on as if nothing had happened, slots and counts included."""
    rng = np.random.default_rng(7)
    for batch in inputs_of(name):
        pipeline = Pipeline([build_stage(name)])
        whole, state = pipeline.open(), pipeline.open()
        expected = [v for out in pipeline.run(whole, batch) if out.topic != DEAD_LETTER for v in out.values()]
        edges = [0, *sorted(rng.integers(0, len(batch), 4).tolist()), len(batch)]
        changelog: dict[bytes, bytes] = {}
        outs: list[EncodedBatch] = []
        for a, b in pairwise(edges):
            outs += pipeline.run(state, cut(batch, a, b))
            changelog |= dict(state.changed())
            state = pipeline.open()
            # The order of a changelog is not the order of its slots.
            state.restore(dict(sorted(changelog.items(), reverse=True)))
        got = {t: [v for out in outs if out.topic == t for v in out.values()] for t in build_stage(name).sinks}
        assert [v for t in build_stage(name).sinks for v in got[t]] == sorted_by_topic(expected, pipeline, batch)
        assert state.states[name].counts() == whole.states[name].counts()


def sorted_by_topic(expected: list[bytes], pipeline: Pipeline, batch: MessageBatch) -> list[bytes]:
    """Return the records of one undisturbed run in the order of the stage's sinks."""
    state = pipeline.open()
    outs = pipeline.run(state, batch)
    rows = [v for t in pipeline.stages[0].sinks for out in outs if out.topic == t for v in out.values()]
    assert sorted(rows) == sorted(expected)
    return rows


@EACH
def test_no_look_ahead(name: str) -> None:
    """A prefix of the input gives a prefix of the output: nothing depends on what comes later."""
    for batch in inputs_of(name):
        whole = run([build_stage(name)], [batch])
        for share in (0.3, 0.77):
            part = run([build_stage(name)], [cut(batch, 0, int(len(batch) * share))])
            for place, records in part.items():
                assert records == whole[place][: len(records)]


@EACH
def test_fates_add_up(name: str) -> None:
    """Every input record meets exactly one fate."""
    driver = MemoryDriver([build_stage(name)])
    batches = inputs_of(name)
    driver.run(batches)
    assert sum(driver.counts(name).values()) == sum(map(len, batches))


@EACH
def test_garbage_between_records_changes_nothing_else(name: str) -> None:
    """Bytes that do not decode go to the dead letter, one for each, and the output is that of the good records."""
    batch = max(short(name), key=len)
    values, garbage = list(batch.values()), [b"", b"\x00\x00\x00\x00\x63abc", b"\xff" * 40, next(batch.values())[:-1]]
    mixed = [v for i, value in enumerate(values) for v in ([garbage[i // 7 % 4], value] if i % 7 == 0 else [value])]
    payload, start = pack(mixed)
    dirty = message_batch(EncodedBatch(batch.topic, batch.partition, payload, start, *pack([b"k"] * len(mixed))), 0)
    driver = MemoryDriver([build_stage(name)])
    driver.feed(dirty)
    clean = MemoryDriver([build_stage(name)])
    # Lineage names offsets of the raw topic: give the good records the offsets that they have among the garbage.
    good = np.array([i for i, v in enumerate(mixed) if len(v) > 3 and v not in garbage])
    placed = cut(batch, 0, len(batch))
    placed.offset = good.astype(np.int64)
    clean.feed(placed)
    dead = driver.records(DEAD_LETTER, batch.partition)
    assert len(dead) - len(clean.records(DEAD_LETTER, batch.partition)) == len(mixed) - len(values)
    for topic in build_stage(name).sinks:
        assert driver.records(topic, batch.partition) == clean.records(topic, batch.partition)


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
        "from processors.topology import build_stage\n"
        "from tests.contract.sample import run\n"
        "batches = pickle.loads(Path(sys.argv[2]).read_bytes())\n"
        "Path(sys.argv[3]).write_bytes(pickle.dumps(run([build_stage(sys.argv[1])], batches)))\n"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, name, str(given), str(taken)],
        cwd=REPOSITORY, check=True, env={**os.environ, "MPS_MODEL": str(model), "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert pickle.loads(taken.read_bytes()) == run([build_stage(name)], batches)  # noqa: S301 - written above
