"""From recipe to locked backtest by flows, on recorded ticks: each result is what its parts say of the same rows."""

import json

import boto3
import numpy as np
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from offline.jobs.catalog import JOBS
from offline.jobs.flows.backtest import RECEIPT, RETURNS, scored_market
from offline.jobs.flows.score import read_scores
from offline.jobs.run import execute
from offline.lake.reading import open_at, read
from offline.registry.registry import Registry
from processors.errors import ConfigError
from processors.runtime.strings import STRINGS
from processors.score.config import ScoreConfig
from processors.score.model import load_model, model_path
from processors.score.score import score_rows
from processors.score.stage import ScoreStage

BUCKET = "evidence"


@pytest.fixture
def locked_bucket(monkeypatch):
    """Run a server that speaks S3 on loopback, with a bucket that has object lock."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (("AWS_ENDPOINT_URL", f"http://{host}:{port}"), ("AWS_ACCESS_KEY_ID", "key"),
                        ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "us-east-1"),
                        ("AWS_DEFAULT_REGION", "us-east-1")):  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    yield f"s3://{BUCKET}/backtests"
    server.stop()


def flow(name, **parameters):
    """Run a flow, and return what it came to."""
    return execute(JOBS[name], parameters)


def test_from_recipe_to_locked_backtest(lake, gold, ticks, recipe, locked_bucket, monkeypatch, tmp_path):
    """Trained, promoted, scored, judged and locked; then the lake is compacted, and the snapshot reads as before."""
    monkeypatch.delenv("MPS_MODEL", raising=False)
    # Without a fee something is traded: a model that never trades has no score, and is not promoted.
    config = tmp_path / "config.yaml"
    config.write_text("score: {costs: {fee_bps: {fx: 0}}}")
    monkeypatch.setenv("MPS_CONFIG", str(config))
    until = int(np.quantile(np.asarray(gold["ts"]), 0.7))
    (model,) = flow("train", recipes=str(recipe), files=str(ticks), until=str(until)).result["models"]
    assert (model["model"], model["version"]) == ("eurusd", 1)

    judged = flow("promote", model="eurusd", ece_max=0.5, coverage_off_max=0.5, deploy=True).result
    assert judged["promoted"] == "eurusd@1", judged
    assert Registry().find("eurusd", "champion").version == 1
    assert load_model(model_path()).sha256 == model["sha256"]

    scored = flow("score", model="eurusd")
    table, made_by = read_scores(scored.folder / "out" / "scores.parquet")
    loaded = Registry().load("eurusd", "1")
    assert made_by["snapshot"] == str(open_at(lake, "gold").snapshot_id)
    assert made_by["model_sha256"] == model["sha256"]
    stage = ScoreStage(loaded, ScoreConfig.from_environment())
    want = stage.step(stage.open(), gold.take(gold["tf"] == STRINGS.code("1m"))).records["signals.v1"]
    assert table.column("ts_ns").to_pylist() == np.asarray(want["ts"]).tolist()
    for name, field in (("prob_up", "prob_up"), ("interval_lo", "interval.lo"), ("interval_hi", "interval.hi")):
        assert table.column(name).to_numpy().tobytes() == np.asarray(want[field]).tobytes()
    # The intervals are not the model's own: they have followed their misses.
    own = score_rows(loaded, ScoreConfig.from_environment(), gold.take(gold["tf"] == STRINGS.code("1m"))).signals
    assert (np.asarray(own["interval.hi"]) != np.asarray(want["interval.hi"])).any()
    assert min(table.column("ts_ns").to_pylist()) > loaded.card.trained_until_ns
    assert scored.result["fates"]["in_sample"] > 0

    tested = flow("backtest", scores=scored.run, evidence=locked_bucket, days=30)
    report = tested.result
    returns = pq.read_table(tested.folder / "out" / RETURNS)
    value = returns.column("value").to_numpy()
    # A day and a half has too few hours for a ratio.
    held = int(np.count_nonzero(value))
    assert report["sharpe"] == {"value": None, "low": None, "high": None, "held": held, "periods": len(value)}
    assert 0 < held < 30
    assert report["return"] == pytest.approx(value.sum())
    assert json.loads(returns.schema.metadata[b"mps.backtest"])["snapshot"] == made_by["snapshot"]
    assert (report["evidence"]["bucket"], report["evidence"]["files"]) == (BUCKET, 3)
    assert json.loads((tested.folder / "out" / RECEIPT).read_text())["keep_until"] == report["evidence"]["keep_until"]

    before = read(lake, "gold", at=made_by["snapshot"])
    kept = flow("compact", tables="gold", closed_days=False).result
    assert kept["snapshots_kept"] == [made_by["snapshot"]]
    assert kept["compacted"]["gold"]["files_before"] > kept["compacted"]["gold"]["files_after"]
    assert read(lake, "gold", at=made_by["snapshot"]).equals(before)
    assert flow("compact", tables="gold", closed_days=False).result["compacted"]["gold"]["partitions"] == 0

    market, said, _ = scored_market(scored.folder / "out" / "scores.parquet", None)
    (horizon,) = load_model(model_path()).card.horizon_bars.values()
    close = dict(zip(gold["ts"].tolist(), gold["meta.close"].tolist(), strict=True))
    assert market.close.tolist() == [close[t] for t in market.ts_ns.tolist()]
    assert np.unique(said.end - said.begin).tolist() == [horizon]
    assert np.all(np.diff(market.ts_ns[said.begin]) >= 0)


def test_a_recipe_is_trained_on_a_snapshot(lake, ticks, recipe):
    """The same model as of the ticks that the rows were made of; the snapshot is named, and ticks beside it refused."""
    (of_ticks,) = flow("train", recipes=str(recipe), files=str(ticks)).result["models"]
    (of_lake,) = flow("train", recipes=str(recipe), snapshot="newest").result["models"]
    assert of_lake["data_snapshot_id"] == str(open_at(lake, "gold").snapshot_id)
    assert of_lake["out_of_sample"] == of_ticks["out_of_sample"]
    assert (of_ticks["version"], of_lake["version"]) == (1, 2)
    with pytest.raises(ConfigError, match="none beside snapshot"):
        flow("train", recipes=str(recipe), snapshot="newest", files=str(ticks))


def test_compact_says_what_it_does_not_know(mps_home):
    """A table of no such name, and a lake that is empty."""
    with pytest.raises(ConfigError, match="among ticks, bars, gold, refused"):
        flow("compact", tables="silver")
    with pytest.raises(ConfigError, match="mps lake sync"):
        flow("compact", lake=str(mps_home / "nothing"))
