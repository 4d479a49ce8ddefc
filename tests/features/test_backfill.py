"""Back-fills of recorded bars: the rows of the stream bit for bit, whatever is killed, and versions that stay."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from offline.features import backfill as job
from offline.features.bar_source import ClickHouseBars, ParquetBars
from offline.features.clickhouse_rows import ClickHouseRows, at_address
from offline.features.packs import load_view
from offline.features.service import FeatureService
from offline.features.versions import VersionRows, complete_versions, read_version
from offline.warehouse.tables import tables
from processors.errors import ConfigError, RetryableError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.stage import Featurize
from processors.feeds.replay import recorded_batches
from processors.reference.records import MarketEvent
from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import MemoryDriver
from processors.runtime.strings import STRINGS
from processors.sinks.decode import Records, RowDecoder
from processors.topology import PARTITIONS, build_stage
from schemas.features import FOUNDING_PACK
from schemas.registry import load_registry
from tests.features.conftest import REPOSITORY
from tests.features.test_service import bits
from tests.featurize.test_splits import DAY_NS, OPEN_NS
from tests.featurize.test_splits import days as split_days
from tests.featurize.test_splits import run as run_stage
from tests.featurize.test_splits import split as split_bars

TICKS = REPOSITORY / "deploy" / "demo" / "market" / "eurusd_ticks_two_vendors.parquet"
BATCHES = 8
LAST = 2**61
FIRST = 10**18


@pytest.fixture(scope="session")
def streamed():
    """Return what the stream made of some recorded ticks: bars and feature rows, as they travel."""
    stages = [build_stage("reconcile"), build_stage("bars"), Featurize(FeaturizeConfig((FOUNDING_PACK,)))]
    driver = MemoryDriver(stages, keep=frozenset({"bars.v1", "features.v1"}))
    for i, batch in enumerate(recorded_batches([TICKS], PARTITIONS, 65_536)):
        if i == BATCHES:
            break
        driver.feed(batch)
    return {topic: [v for (t, _), found in sorted(driver.logs.items()) if t == topic for b in found for v in b.values()]
            for topic in ("bars.v1", "features.v1")}  # fmt: skip


@pytest.fixture(scope="session")
def bars_file(streamed, tmp_path_factory):
    """Return a Parquet file of the table ``bars`` with those bars."""
    n = len(streamed["bars.v1"])
    records = Records("bars.v1", streamed["bars.v1"], np.zeros(n, np.int64), np.arange(n), np.zeros(n, np.int64))
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    pq.write_table(RowDecoder(tables()["bars.v1"]).decode(records).rows, path)
    return path


@pytest.fixture(scope="session")
def feature_rows(streamed):
    """Return symbol, timeframe, time and the features' bytes of each row of the stream."""
    entry = load_registry().current("features.v1")
    codec = FlatCodec(entry.schema, entry.id)
    payload, start = pack(streamed["features.v1"])
    rows, error = codec.decode(EncodedBatch("features.v1", 0, payload, start, payload[:0], start))
    assert not error.any()
    rows = rows.take(rows["symbol_id"] != STRINGS.code(""))
    take = [rows.layout.column[f"features.{name}"][1] for name in load_view(FOUNDING_PACK).names]
    return {
        (STRINGS.text(int(rows["symbol_id"][i])), STRINGS.text(int(rows["tf"][i])), int(rows["ts"][i])):
        rows.floats[take, i].tobytes() for i in range(len(rows))
    }  # fmt: skip


def plan_of(root, chunk_bars=200, from_ns=FIRST, to_ns=LAST, pack=None):
    return job.Plan(root, pack or load_view(FOUNDING_PACK), from_ns, to_ns, "bars", chunk_bars)


def rows_of(table):
    """Return the same of a back-filled table."""
    names = load_view(FOUNDING_PACK).names
    values = np.array([table.column(n).to_numpy() for n in names])
    keys = zip(table.column("symbol_id").to_pylist(), table.column("tf").to_pylist(),
               table.column("ts").cast(pa.int64()).to_pylist(), strict=True)  # fmt: skip
    return {key: np.ascontiguousarray(values[:, i]).tobytes() for i, key in enumerate(keys)}


def files(folder):
    """Return the bytes of every file of rows, by its path in the version."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "rows").rglob("*.parquet"))}


@pytest.fixture(scope="session")
def unbroken(bars_file, tmp_path_factory):
    """Return a version made without a break."""
    root = tmp_path_factory.mktemp("versions")
    version, manifest = job.backfill(plan_of(root), ParquetBars([bars_file], None, LAST))
    return root, version, manifest


def test_the_rows_are_those_of_the_stream_bit_for_bit(unbroken, feature_rows):
    """The rows of a back-fill are those that the stream made of the same bars, bit for bit."""
    root, _, manifest = unbroken
    found = rows_of(read_version(root, load_view(FOUNDING_PACK)))
    assert len(found) == sum(manifest.rows.values()) > 1000
    assert {key[1] for key in found} == {"1m", "5m", "15m", "1h", "1d"} & {key[1] for key in feature_rows}
    assert found == feature_rows


def test_rows_of_a_part_of_history_have_windows_as_full_as_live(bars_file, tmp_path, feature_rows):
    """Rows of a part of history have their windows as full as live, and none is outside its bounds."""
    times = sorted({key[2] for key in feature_rows})
    from_ns, to_ns = times[len(times) // 2], times[2 * len(times) // 3]
    job.backfill(plan_of(tmp_path, 999, from_ns, to_ns), ParquetBars([bars_file], None, to_ns))
    found = rows_of(read_version(tmp_path, load_view(FOUNDING_PACK)))
    assert found == {key: row for key, row in feature_rows.items() if from_ns <= key[2] <= to_ns}


def test_splits_of_a_file_are_those_of_the_stream(tmp_path):
    """A share that is split: with the file its rows are those of the stream that had the event, without it not."""
    split = MarketEvent("AIG:US", "s", "split", "ratio", OPEN_NS, OPEN_NS - DAY_NS, 7.0, "shares", "", "test")
    facts = tmp_path / "splits.csv"
    facts.write_text("symbol_id,event_id,type,name,ts_event,ts_known,value,unit\n"
                     "AIG:US,s,split,ratio,2014-06-09T13:30:00Z,2014-06-08T13:30:00Z,7,shares\n")  # fmt: skip
    bars = split_bars(split_days(120, 60), 7.0, 60)
    bars["tf"] = STRINGS.code("1d")
    schema = load_registry().current("bars.v1")
    batch = FlatCodec(schema.schema, schema.id).encode("bars.v1", 0, bars, np.asarray(bars["symbol_id"]))
    n = len(bars)
    records = Records("bars.v1", list(batch.values()), np.zeros(n, np.int64), np.arange(n), np.zeros(n, np.int64))
    path = tmp_path / "bars.parquet"
    pq.write_table(RowDecoder(tables()["bars.v1"]).decode(records).rows, path)
    rows = run_stage(Featurize(FeaturizeConfig((FOUNDING_PACK,))), bars, [split])
    take = [rows.layout.column[f"features.{name}"][1] for name in load_view(FOUNDING_PACK).names]
    expected = {int(rows["ts"][i]): rows.floats[take, i].tobytes() for i in range(n)}
    folders = set()
    for given in ((str(facts),), ()):
        plan = dataclasses.replace(plan_of(tmp_path / f"v{len(given)}", 50), facts_files=given)
        version, _ = job.backfill(plan, ParquetBars([path], None, LAST))
        folders.add(version.folder.name)
        found = {key[2]: row for key, row in rows_of(read_version(plan.root, load_view(FOUNDING_PACK))).items()}
        assert (found == expected) is bool(given)
    assert len(folders) == 2


RUN = [sys.executable, "-m", "cli.main", "features", "backfill", "--from", "2001-09-09", "--to", "2040-01-01"]


@pytest.mark.slow
def test_a_kill_leaves_what_an_unbroken_run_makes(bars_file, tmp_path, unbroken):
    """Killed again and again (SIGKILL), the same command ends with the files of a run without a break."""
    _, whole, told = unbroken
    command = [*RUN, "--bars", str(bars_file), "--out", str(tmp_path), "--chunk-bars", "200", "--json"]
    environment = {**os.environ, "MPS_HOME": str(tmp_path / "home")}
    kills, deadline = 0, time.monotonic() + 240
    for wanted in (1, 4):
        # Each run is killed once it has made some chunks more than the one before.
        with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and len(list(tmp_path.rglob("*.parquet"))) < wanted:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
    assert kills == 2
    (manifest,) = tmp_path.rglob("manifest.json")
    assert json.loads(manifest.read_text())["complete"] is False
    assert complete_versions(tmp_path, load_view(FOUNDING_PACK)) == []
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert files(manifest.parent) == files(whole.folder)
    assert json.loads(done.stdout)["rows_sha256"] == told.rows_sha256


def test_what_is_done_is_not_done_again(bars_file, tmp_path):
    """A version that is complete is not made again; one that was broken off goes on behind its last checkpoint."""

    class Broken(ParquetBars):
        """Ends after some pages."""

        left = 3
        read = 0

        def pages(self, symbols, after, size):
            """Yield pages until the source breaks."""
            for page in super().pages(symbols, after, size):
                if size == 200:
                    if not self.left:
                        raise RetryableError("ClickHouse: away")
                    self.left -= 1
                    self.read += len(page.bars)
                yield page

    source = Broken([bars_file], None, LAST)
    with pytest.raises(RetryableError, match="away"):
        job.backfill(plan_of(tmp_path), source)
    assert source.read == 600
    source.left = 10**6
    seen = []
    job.backfill(plan_of(tmp_path), source, progress=lambda _, n: seen.append(n))
    assert seen[0] == 600
    assert source.read == sum(seen) == sum(source.counts().values())
    job.backfill(plan_of(tmp_path), source)
    assert source.read == sum(seen)


def test_other_bars_make_another_version(bars_file, tmp_path):
    """A bar that differs in one bit makes another snapshot; versions stand side by side and none is changed."""
    table = pq.read_table(bars_file)
    closes = table.column("c").to_numpy().copy()
    closes[7] = np.nextafter(closes[7], np.inf)
    changed = tmp_path / "changed.parquet"
    pq.write_table(table.set_column(table.column_names.index("c"), "c", pa.array(closes)), changed)
    made = [job.backfill(plan_of(tmp_path, 10**6), ParquetBars([f], None, LAST))[1] for f in (bars_file, changed)]
    assert len({m.snapshot for m in made}) == len({m.rows_sha256 for m in made}) == 2
    versions = complete_versions(tmp_path, load_view(FOUNDING_PACK))
    assert {m.snapshot for _, m in versions} == {m.snapshot for m in made}
    with pytest.raises(ConfigError, match="mps features backfill"):
        read_version(tmp_path, load_view(FOUNDING_PACK), "nope")


@pytest.mark.slow
def test_bars_of_clickhouse_give_the_rows_of_bars_of_parquet(streamed, unbroken, tmp_path):
    """Bars read from ClickHouse give the rows of the same bars in Parquet; and the service finds both."""
    (tmp_path / "rows").write_bytes(pickle.dumps({"bars.v1": streamed["bars.v1"]}))
    command = [sys.executable, "-m", "tests.features.warehouse_owner", str(tmp_path / "ch"), str(tmp_path / "rows")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as owner:
        asking = at_address(owner.stdout.readline().strip())
        version, _ = job.backfill(plan_of(tmp_path / "v"), ClickHouseBars(asking, None, LAST))
        assert files(version.folder) == files(unbroken[1].folder)
        # No gold row is there: what the service gives is the back-fill's.
        service = FeatureService([ClickHouseRows(asking), VersionRows(tmp_path / "v")])
        served = service.get_features(["EURUSD:FX"], rows=50)
        owner.stdin.close()
    alone = FeatureService([VersionRows(unbroken[0])])
    assert bits(served) == bits(alone.get_features(["EURUSD:FX"], rows=50))
    assert served.num_rows == 50


def test_back_filled_rows_are_served_as_of_a_time(unbroken, feature_rows):
    """Back-filled rows are served as of a time: strictly, over the files' bounds, newest last."""
    service = FeatureService([VersionRows(unbroken[0])])
    minutes = sorted(key[2] for key in feature_rows if key[:2] == ("EURUSD:FX", "1m"))
    for at in (minutes[0], minutes[150], minutes[-1]):
        for as_of in (at - 1, at):
            found = service.get_features(["EURUSD:FX", "AIG:US"], as_of, rows=120)
            expected = [m for m in minutes if m <= as_of][-120:]
            assert found.column("ts").cast(pa.int64()).to_pylist() == expected


def test_two_at_once_and_wrong_bounds_are_refused(bars_file, tmp_path):
    """Two processes never make one version; bounds that cannot be and bars that are none are refused."""
    source = ParquetBars([bars_file], None, LAST)
    version, _ = job.backfill(plan_of(tmp_path), source)
    with job._alone(version.folder), pytest.raises(RetryableError, match="another process"):
        job.backfill(plan_of(tmp_path), source)
    with pytest.raises(ConfigError, match="--from"):
        plan_of(tmp_path, to_ns=FIRST - 1)
    with pytest.raises(ConfigError, match="chunk_bars"):
        plan_of(tmp_path, chunk_bars=0)
    with pytest.raises(ConfigError, match="none"):
        job.backfill(plan_of(tmp_path), ParquetBars([bars_file], ["NOPE:X"], LAST))
    with pytest.raises(ConfigError, match="missing"):
        ParquetBars([tmp_path / "nope"], None, LAST)
    narrow = tmp_path / "narrow.parquet"
    pq.write_table(pq.read_table(bars_file).drop_columns(["vwap"]), narrow)
    with pytest.raises(ConfigError, match="vwap"):
        ParquetBars([narrow], None, LAST)
    assert dataclasses.asdict(version.manifest())["complete"]
    assert Path(version.folder).is_relative_to(tmp_path)
