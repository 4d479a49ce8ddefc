"""The stages beside the chain on a real broker leave what the in-memory driver makes: on both paths, and killed."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from processors.runtime.batch import Columns, MessageBatch
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import message_batch
from processors.runtime.strings import STRINGS
from processors.topology import build_stage
from schemas.registry import load_registry
from tests.contract.conftest import activity_bars
from tests.contract.sample import inputs_of, run
from tests.e2e.stages import Places, publish_paced, start
from tests.e2e.test_stages import assert_same, live
from tests.runtime.ticks import read_all

__all__ = ["activity_bars"]
pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.usefixtures("activity_bars")]

CONTRACTS = ("GCV13:CMX", "GCX13:CMX", "GCZ13:CMX", "GCG14:CMX", "GCJ14:CMX")
FIRST_DAY = date(2013, 9, 2)
STEPS, KILLED_AT = 24, 12


def daily_bars() -> MessageBatch:
    """Return half a year of daily bars of five gold contracts, the most traded one after another, and a last mark."""
    days = [d for n in range(182) if (d := FIRST_DAY + timedelta(n)).weekday() < 5]
    entry = load_registry().current("bars.v1")
    codec = FlatCodec(entry.schema, entry.id)
    rows = [(day, k, symbol) for day in days for k, symbol in enumerate(CONTRACTS)]
    bars = Columns.empty(codec.layout, len(rows) + 1)
    bars.floats[:] = 0.0
    for i, (day, k, symbol) in enumerate(rows):
        passed = (day - FIRST_DAY).days
        bars["symbol_id"][i], bars["tf"][i] = STRINGS.code(symbol), STRINGS.code("1d")
        bars["c"][i] = 1300.0 + 3 * k + passed / 8
        bars["v"][i] = 1_000.0 - 10 * abs(passed - 35 * k)
        bars["ts"][i] = int(np.datetime64(f"{day}T21:15", "ns").astype(np.int64))
    bars["symbol_id"][-1], bars["tf"][-1] = STRINGS.code(""), STRINGS.code("")
    bars["ts"][-1] = int(np.datetime64("2014-06-01", "ns").astype(np.int64))
    return message_batch(codec.encode("bars.v1", 1, bars, np.full(len(bars), STRINGS.code("GC:CMX"))), 0)


def inputs(name: str) -> list[MessageBatch]:
    return [daily_bars()] if name == "rolls" else list(inputs_of(name))


@pytest.mark.parametrize("name", ["rolls", "activity"])
def test_a_stage_beside_the_chain_leaves_what_the_memory_driver_makes(
    bootstrap_servers: str, topic_prefix: str, tmp_path: Path, name: str
) -> None:
    """On the native path killed in mid run and started again, and on the plain path: the same bytes, none twice."""
    batches, model = inputs(name), tmp_path / "none.onnx"
    expected: Places = run([build_stage(name)], batches)
    main = build_stage(name).sinks[0]
    n = sum(len(rows) for (topic, _), rows in expected.items() if topic == main)
    assert n > 3, "nothing to lose"
    prefixes = {path: f"{topic_prefix}{path}." for path in ("native", "plain")}
    running = {path: start(name, bootstrap_servers, p, model, "--path", path) for path, p in prefixes.items()}
    seen = []

    def kill_and_start(step: int) -> None:
        if step == KILLED_AT:
            # Work is under way: some of it is committed, some is not.
            got = read_all(bootstrap_servers, prefixes["native"] + main, 1, to_end=False)
            seen.append(sum(map(len, got.values())))
            running["native"].kill()
            running["native"].wait()
            running["native"] = start(name, bootstrap_servers, prefixes["native"], model, "--path", "native")

    try:
        publish_paced(bootstrap_servers, prefixes["plain"], batches)
        publish_paced(bootstrap_servers, prefixes["native"], batches, STEPS, 0.05, kill_and_start)
        for prefix in prefixes.values():
            assert_same(live(bootstrap_servers, prefix, expected), expected)
    finally:
        for process in running.values():
            process.terminate()
        codes = [process.wait(60) for process in running.values()]
    assert codes == [0, 0]
    assert 0 < seen[0] < n
