"""Where the lake lies, and what is said where it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest

from offline.lake.reading import read
from offline.lake.store import LakeStore
from offline.lake.table import OpenTable
from offline.lake.tables import lake_table
from processors.errors import ConfigError
from tests.offline.lake.conftest import encode, make_records, records_of, sink_at

ROOT = Path(__file__).parents[3]


def test_a_place_is_a_folder_or_a_bucket():
    """Options come from the environment of any client of S3; keys are never shown; plain http is for loopback."""
    environment = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_SECRET_ACCESS_KEY": "hidden",
        "AWS_DEFAULT_REGION": "x",
    }
    store = LakeStore.at("s3://bucket/prefix/", environment)
    assert store.uri("gold/rows") == "s3://bucket/prefix/gold/rows"
    assert (store.options["AWS_ALLOW_HTTP"], store.options["AWS_REGION"]) == ("true", "x")
    assert "hidden" not in repr(store)
    for wrong, more in (("ftp://a/b", {}), ("s3:///b", {}), ("s3://a/b", {"AWS_ENDPOINT_URL": "http://far.example"})):
        with pytest.raises(ConfigError):
            LakeStore.at(wrong, more)
    assert LakeStore.at("s3://a/b", {"AWS_ENDPOINT_URL": "http://far.example", "AWS_ALLOW_HTTP": "true"}).folder is None


def test_a_folder_that_cannot_be_one_is_said(tmp_path, monkeypatch):
    """A file in its place, and a disk without room, are named with what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="a folder that can be written"):
        OpenTable.for_writing(LakeStore.at(tmp_path / "file"), lake_table("bars"))
    usage = type("Usage", (), {"free": 5 << 20})
    monkeypatch.setattr("offline.lake.store.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ConfigError, match=r"5 MiB.*set MPS_LAKE to a place elsewhere"):
        OpenTable.for_writing(LakeStore.at(tmp_path / "lake"), lake_table("bars"))


FULL = """
import resource, signal, sys
from offline.lake.store import LakeStore
from tests.offline.lake.conftest import encode, make_records, records_of, sink_at
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sink = sink_at(LakeStore.at(sys.argv[1]))
sink.write([records_of("bars.v1", encode("bars.v1", make_records("bars.v1", 3000)))])
resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
sink.finish()
"""


def test_a_disk_that_fills_up_stores_nothing_and_the_next_run_goes_on(store):
    """Writing fails in the middle of a file: the commit is not made, the message says why, nothing is lost."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, store.root], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert "gave up storing 3000 records of bars.v1" in done.stderr
    assert "the disk is full: free some room; nothing was stored" in done.stderr
    assert read(store, "bars").num_rows == 0
    sink = sink_at(store)
    sink.write([records_of("bars.v1", encode("bars.v1", make_records("bars.v1", 3000)))])
    sink.finish()
    assert read(store, "bars").num_rows == 3000
