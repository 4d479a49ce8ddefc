"""Flows over a real broker: recorded ticks to gold rows in the lake, each stage a process that ends by itself."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from offline.dataset import record_gold
from offline.jobs.catalog import JOBS
from offline.jobs.flows import ingest
from offline.jobs.run import CANCELLED, execute, records
from offline.lake.reading import read
from offline.lake.store import LakeStore
from processors.runtime.topics import create_topics
from schemas.features import FOUNDING_PACK
from tests.offline.jobs.conftest import TICKS
from tests.runtime.ticks import REPOSITORY

pytestmark = pytest.mark.broker
ROWS = 25_000


@pytest.fixture
def few(tmp_path):
    """Return a file of an hour or two of ticks."""
    path = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(TICKS).slice(0, ROWS), path)
    return path


@pytest.fixture
def platform(bootstrap_servers, topic_prefix, mps_home, monkeypatch):
    """Name the broker and an empty home in the environment, and return the prefix of the topics."""
    mps_home.mkdir()
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    monkeypatch.delenv("MPS_LAKE", raising=False)
    create_topics(bootstrap_servers, prefix=topic_prefix)
    return topic_prefix


def as_in_the_warehouse(bars):
    """Return bars of the lake with times as a back-fill reads them."""
    for name in [n for n in bars.column_names if n.endswith("_ns")]:
        times = bars.column(name).cast(pa.timestamp("ns", "UTC"))
        bars = bars.drop_columns([name]).append_column(name.removesuffix("_ns"), times)
    return bars


def test_ticks_become_gold_rows_in_the_lake(platform, few, mps_home):
    """Ingest, reconcile, featurize: the lake has the ticks that were published and the gold rows of the stages."""
    store = LakeStore.at(mps_home / "lake")
    published = execute(JOBS["ingest"], {"files": str(few), "prefix": platform}).result["published"]
    ticks = read(store, "ticks")
    assert ticks.num_rows == published["ticks"] == ROWS
    execute(JOBS["reconcile"], {"prefix": platform})
    bars = read(store, "bars")
    execute(JOBS["featurize"], {"prefix": platform})
    gold = read(store, "gold")
    # Bars that wait for later ticks are open in both.
    want = record_gold([few])
    assert gold.num_rows == len(want) > 50
    assert sorted(gold.column("ts_ns").to_pylist()) == sorted(np.asarray(want["ts"]).tolist())
    assert set(gold.column("symbol_id").to_pylist()) == {"EURUSD:FX"}
    assert bars.num_rows >= gold.num_rows
    path = mps_home / "bars.parquet"
    pq.write_table(as_in_the_warehouse(bars), path)
    made = execute(JOBS["featurize"], {"pack": FOUNDING_PACK, "begin": "2014-01-01", "end": "2015-01-01",
                                       "bars": str(path)}).result  # fmt: skip
    assert made["rows"] == gold.num_rows
    again = execute(JOBS["reconcile"], {"prefix": platform})
    assert again.attempts == 1
    assert len(records()) == 4, "nothing came since: the run is the one that was"


def test_a_flow_that_is_stopped_stops_its_stage(platform, few, mps_home):
    """SIGTERM: exit code 130, the run says so, no stage is left; the next start goes on with it."""
    execute(JOBS["ingest"], {"files": str(few), "prefix": platform})
    command = [sys.executable, "-m", "cli.main", "jobs", "run", "reconcile", "-p", f"prefix={platform}", "--json"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ, stdout=subprocess.PIPE)
    runs = mps_home / "jobs" / "runs"
    deadline_s = time.monotonic() + 60
    while not list(runs.glob("reconcile-*/logs/reconcile.log")):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=90)
    assert process.returncode == 130
    (stopped,) = (r for r in records() if r.flow == "reconcile")
    assert stopped.status == CANCELLED
    done = execute(JOBS["reconcile"], {"prefix": platform})
    assert (done.run, done.attempts) == (stopped.run, 2)
    assert [s["name"] for s in done.steps()] == ["reconcile", "bars", "lake bars"]


def test_an_ingest_that_was_broken_off_publishes_nothing_twice(platform, few, mps_home, monkeypatch):
    """Broken off behind the ticks and before its note: the second start finds every record there already."""

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ingest, "sync_lake", fail)
        with pytest.raises(KeyboardInterrupt):
            execute(JOBS["ingest"], {"files": str(few), "prefix": platform})
    (broken,) = records()
    (broken.folder / "steps" / "publish.json").unlink()
    done = execute(JOBS["ingest"], {"files": str(few), "prefix": platform})
    assert (done.run, done.result["published"]["ticks"]) == (broken.run, ROWS)
    assert read(LakeStore.at(mps_home / "lake"), "ticks").num_rows == ROWS
