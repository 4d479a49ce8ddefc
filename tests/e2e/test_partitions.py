"""A platform of another number of partitions than 4: said once, when its topics are made, and known everywhere."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands.replay import replay as replay_command
from cli.commands.topics import topics as topics_command
from deploy.local.paths import SHIPPED_TICKS
from processors.feedback.inbox import ROWS
from processors.feeds.files import open_recording
from processors.feeds.replay import steps
from processors.runtime.batch import MessageBatch
from processors.runtime.memory import MemoryDriver, message_batch
from processors.topology import build_stage
from tests.chaos.commands import mps, wait_until
from tests.e2e.stages import stages, values_of
from tests.feedback.test_app import free_port
from tests.runtime.ticks import read_all

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PARTITIONS = 8
TICKS = 30_000
COMPARED = ("ticks.consensus.v1", "bars.v1", "features.v1")


def recorded(files: list[Path]) -> list[MessageBatch]:
    """Return what the replay publishes, as a consumer of each partition gets it."""
    offsets = [0] * PARTITIONS
    out = []
    for step in steps(open_recording(files), partitions=PARTITIONS, limit=TICKS):
        for batch in step.batches:
            out.append(message_batch(batch, offsets[batch.partition]))
            offsets[batch.partition] += len(batch)
    return out


def test_eight_partitions_need_to_be_said_once(bootstrap_servers, topic_prefix, model, tmp_path, monkeypatch) -> None:
    """Topics made with 8 partitions are replayed into, run over, gathered, watched, and equal to those in memory."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    monkeypatch.delenv("MPS_PARTITIONS", raising=False)
    # Six partitions have no symbol, and cross waits for each of them for so long.
    monkeypatch.setenv("MPS_CROSS_LIMIT_S", "60")
    # BTC and ETH, which is in partition 7.
    shipped = [SHIPPED_TICKS / "binance_trades_3venues.parquet"]
    ours = ["--prefix", topic_prefix]

    def call(command, *arguments: str) -> None:
        result = CliRunner().invoke(command, [*arguments, *ours], catch_exceptions=False)
        assert result.exit_code == 0, result.output

    call(topics_command, "--create", "--partitions", str(PARTITIONS))
    call(replay_command, *map(str, shipped), "--limit", str(TICKS), "--json")
    driver = MemoryDriver([build_stage(name) for name in ("reconcile", "bars", "featurize")])
    driver.run(recorded(shipped))
    expected = {place: rows for place, rows in values_of(driver.logs).items() if place[0] in COMPARED and rows}
    # What only a platform of 8 has: without it this would prove nothing.
    assert {p for t, p in expected if t == "bars.v1"} - set(range(4))
    changed = {p for (t, p), rows in driver.logs.items() if t == "data.freshness" and rows}
    assert changed - set(range(4))
    port = str(free_port())
    with (
        mps(tmp_path / "feedback", "feedback", "--port", port, *ours) as feedback,
        stages(["reconcile", "bars", "featurize", "cross"], bootstrap_servers, topic_prefix, model),
    ):
        for topic in COMPARED:
            count = sum(len(rows) for (t, _), rows in expected.items() if t == topic)
            got = read_all(bootstrap_servers, topic_prefix + topic, count, timeout_s=90)
            assert len(got) == PARTITIONS
            values = {(topic, p): [value for _, value in rows] for p, rows in got.items() if rows}
            assert values == {place: rows for place, rows in expected.items() if place[0] == topic}
        ranked = read_all(bootstrap_servers, topic_prefix + "cross.v1", 2, timeout_s=60)
        assert len(ranked) == PARTITIONS
        assert {p for p, rows in ranked.items() if rows} - set(range(4))
        wait_until(
            lambda: sum(map(len, read_all(bootstrap_servers, topic_prefix + ROWS).values())) >= len(changed),
            60,
            "rows of the feedback process",
        )
        assert feedback.popen.poll() is None, feedback.err
