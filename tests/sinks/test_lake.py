"""The sink into the lake on the real broker: every record one row, whatever is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from offline.lake.reading import Wanted, open_at, read
from offline.lake.store import LakeStore
from tests.sinks.test_clickhouse import log_of

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
RUN = """
import logging, sys
from offline.lake.store import LakeStore
from processors.sinks.config import SinkConfig
from processors.sinks.lake_process import run_lake
logging.basicConfig(level="INFO")
servers, place, prefix, once, batch, wait_ms = sys.argv[1:]
config = SinkConfig(batch_records_max=int(batch), clickhouse_wait_ms=100, tries_max=3, backoff_first_ms=20,
                    lake_wait_ms=int(wait_ms))
print(run_lake(servers, LakeStore.at(place), config, once=once == "once", prefix=prefix), flush=True)
"""


def start(servers, place, prefix, *, once=False, batch=50_000, wait_ms=1):
    """Start the sink process; at its end it prints its counters."""
    command = [sys.executable, "-c", RUN, servers, str(place), prefix, "once" if once else "", str(batch), str(wait_ms)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
    )


def stored(place, name="bars"):
    """Return the place of every row, sorted, or none while there is no table."""
    store = LakeStore.at(place)
    if not (store.folder / "silver/bars/_delta_log").is_dir():
        return []
    rows = read(store, name, Wanted(columns=["_partition", "_offset"])).to_pydict()
    return sorted(zip(rows["_partition"], rows["_offset"], strict=True))


@pytest.mark.slow
def test_killed_in_mid_run_it_loses_and_doubles_nothing(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish
):
    """Killed again and again while files are written and committed, the tables end with the offsets of the topics."""
    for topic in ("bars.v1", "ticks.raw.v1"):
        publish(sink_topics + topic, wire(topic, random_records(topic, 6000)))
    place = tmp_path / "lake"
    seen = [0]
    for delay_s in (0.003, 0.02, 0.07):
        process = start(bootstrap_servers, place, sink_topics, batch=25)
        deadline_s = time.monotonic() + 180
        while len(stored(place)) <= seen[-1] < 6000:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline_s
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(len(stored(place)))
    # The first kill is in mid-run; how far the others get depends on the machine.
    assert 0 < seen[1] < 6000
    for _ in range(2):
        process = start(bootstrap_servers, place, sink_topics, once=True)
        out, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
    # The second run had nothing to do.
    assert "'rows': 0, 'marks': 0, 'refused': 0, 'commits': 0" in out
    for topic, name in (("bars.v1", "bars"), ("ticks.raw.v1", "ticks")):
        assert stored(place, name) == [p[:2] for p in log_of(bootstrap_servers, sink_topics + topic)]


def test_what_waits_is_stored_when_it_is_told_to_stop(
    bootstrap_servers, sink_topics, tmp_path, random_records, wire, publish
):
    """Records wait for company; SIGTERM stores them in one commit and ends with status 0; clock marks are no rows."""
    records = random_records("bars.v1", 60)
    publish(sink_topics + "bars.v1", wire("bars.v1", [*records, {**records[0], "symbol_id": ""}]))
    process = start(bootstrap_servers, tmp_path / "lake", sink_topics, wait_ms=3_600_000)
    while "following" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(2)
    assert stored(tmp_path / "lake") == []
    process.send_signal(signal.SIGTERM)
    out, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert len(stored(tmp_path / "lake")) == 60
    assert "'marks': 1" in out
    assert open_at(LakeStore.at(tmp_path / "lake"), "bars").version == 1
