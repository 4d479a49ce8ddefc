"""The lake on S3, and evidence under object lock, against a server on loopback that speaks S3."""

import hashlib
import json

import pytest

from offline.lake.evidence import EvidenceStore
from offline.lake.reading import Wanted, open_at, read
from offline.lake.store import LakeStore
from offline.lake.table import OpenTable
from offline.lake.tables import lake_table
from offline.lake.upkeep import compact
from processors.errors import ConfigError, PlatformError, RetryableError
from tests.offline.lake.conftest import encode, make_records, records_of, sink_at


@pytest.fixture(scope="module")
def environment():
    """Run the server, with one bucket that has object lock and one that has not."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
             "AWS_REGION": "us-east-1"}  # fmt: skip
    client = boto3.client("s3", endpoint_url=found["AWS_ENDPOINT_URL"], region_name="us-east-1",
                          aws_access_key_id="key", aws_secret_access_key="secret")  # noqa: S106 # fmt: skip
    client.create_bucket(Bucket="the-lake")
    client.create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True)
    yield found
    server.stop()


@pytest.fixture
def bucket(environment, tmp_path):
    """Return an empty lake in the bucket."""
    return LakeStore.at(f"s3://the-lake/{tmp_path.name}", environment)


def test_the_lake_is_the_same_in_a_bucket(bucket, fill):
    """Filled, read at a snapshot, compacted: rows and positions are what they are in a folder."""
    for first in range(0, 60, 20):
        fill(bucket, "bars.v1", 20, seed=first, first=first)
    snapshot = open_at(bucket, "bars").snapshot_id
    before = read(bucket, "bars", at=str(snapshot))
    assert before.num_rows == 60
    done = compact(OpenTable.for_writing(bucket, lake_table("bars"), "id"))
    assert done.files_before > done.files_after
    assert read(bucket, "bars").equals(before)
    assert read(bucket, "bars", at=snapshot).equals(before)
    one = read(bucket, "bars", Wanted(symbols=["AIG:US"], timeframes=["1m"]))
    assert one.to_pylist() == [r for r in before.to_pylist() if (r["symbol_id"], r["tf"]) == ("AIG:US", "1m")]
    assert OpenTable.open(bucket, lake_table("bars")).positions("bars.v1") == {0: 32, 1: 32}


def test_of_two_writers_in_a_bucket_one_begins_again(bucket, fill):
    """The commit is a put that fails where the object is there: no lock table beside it is needed."""
    early = sink_at(bucket)
    values = encode("bars.v1", make_records("bars.v1", 12))
    fill(bucket, "bars.v1", 10)
    table = early._open["bars.v1"]
    update, table.delta.update_incremental = table.delta.update_incremental, lambda: None
    with pytest.raises(RetryableError, match="another writer was first"):
        early._commit("bars.v1", _waiting(early, values))
    table.delta.update_incremental = update
    with pytest.raises(RetryableError, match="another writer has stored some"):
        early.finish()
    assert read(bucket, "bars").num_rows == 10


def _waiting(sink, values):
    sink.write([records_of("bars.v1", values)])
    return sink._waiting["bars.v1"]


def test_a_bucket_that_is_not_there_is_said(environment):
    """A wrong name is an error at the start, in the storage's words."""
    with pytest.raises((RetryableError, ConfigError), match="s3://no-such-bucket"):
        OpenTable.for_writing(LakeStore.at("s3://no-such-bucket/x", environment), lake_table("bars"))


def test_evidence_cannot_be_deleted_before_its_time(environment, tmp_path):
    """Files and receipt are locked in COMPLIANCE mode; each version refuses to go, and reads as it was sent."""
    files = [tmp_path / "report.json", tmp_path / "trades.parquet"]
    files[0].write_text('{"sharpe": 1.2}')
    files[1].write_bytes(bytes(range(256)) * 40)
    evidence = EvidenceStore.at(LakeStore.at("s3://evidence/backtests", environment))
    receipt = evidence.put(files, days=30, under="run-7")
    assert [f.key for f in receipt.files] == ["backtests/run-7/report.json", "backtests/run-7/trades.parquet"]
    assert receipt.files[1].sha256 == hashlib.sha256(files[1].read_bytes()).hexdigest()
    where = {"Bucket": "evidence", "Key": receipt.locked.key, "VersionId": receipt.locked.version_id}
    stored = json.loads(evidence._client.get_object(**where)["Body"].read())
    assert [f["version_id"] for f in stored["files"]] == [f.version_id for f in receipt.files]
    # A later file of the same name is another version: the first one stays what it was.
    files[0].write_text("{}")
    evidence.put(files[:1], days=1, under="run-7")
    evidence.prove(receipt)


def test_evidence_that_could_be_deleted_is_no_evidence(environment, tmp_path):
    """Where the server lets a version go, where there is no lock, and in a folder: each is an error."""
    (tmp_path / "a").write_text("a")
    evidence = EvidenceStore.at(LakeStore.at("s3://evidence/x", environment))
    real = evidence._client.delete_object
    evidence._client.delete_object = lambda **_: {}
    with pytest.raises(PlatformError, match="could be deleted: the bucket holds nothing"):
        evidence.put([tmp_path / "a"], days=1, under="r")
    evidence._client.delete_object = real
    with pytest.raises(ConfigError, match="one with object lock"):
        EvidenceStore.at(LakeStore.at("s3://the-lake/x", environment))
    with pytest.raises(ConfigError, match="a folder cannot refuse its owner"):
        EvidenceStore.at(LakeStore.at(tmp_path))
    for days, files in ((0, ["a"]), (99_999, ["a"]), (1, []), (1, ["missing"])):
        with pytest.raises(ConfigError):
            evidence.put([tmp_path / name for name in files], days=days, under="r")
