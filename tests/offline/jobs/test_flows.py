"""From recipe to locked backtest by flows, on recorded ticks: each result is what its parts say of the same rows."""

import json
from dataclasses import replace
from types import SimpleNamespace

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from offline.jobs.catalog import JOBS
from offline.jobs.flows import backtest, score, stages
from offline.jobs.flows.backtest import BARRED, RECEIPT, RETURNS, scored_market
from offline.jobs.flows.score import _NUMBERS, _WHOLE, GATES, READ, read_scores
from offline.jobs.run import execute
from offline.lake.reading import open_at, read
from offline.registry.registry import Registry
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from processors.score.config import ScoreConfig
from processors.score.model import load_model, model_path
from processors.score.score import score_rows
from processors.score.stage import ScoreStage
from schemas.instruments import instruments_file

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
    minutes, asked = gold.take(gold["tf"] == STRINGS.code("1m")), set()
    with monkeypatch.context() as patched:
        take = Columns.__getitem__
        patched.setattr(
            Columns, "__getitem__", lambda rows, name: asked.add((id(rows.layout), name)) or take(rows, name)
        )
        want = stage.step(stage.open(), minutes).records["signals.v1"]
    # No field that the stage asks for is left unread, and none is read for nothing.
    assert {n for layout, n in asked if layout == id(gold.layout)} == {*READ, *(i.name for i in loaded.card.inputs)}
    # The flow has read some columns, the stage here has all.
    for name, field in (_NUMBERS | _WHOLE).items():
        assert table.column(name).to_numpy().tobytes() == np.asarray(want[field]).tobytes(), name
    gates = [list(STRINGS.array(int(code))) for code in np.asarray(want["gates"])]
    assert table.column(GATES).to_pylist() == gates
    assert any(gates)
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
    assert report["costs_of"] == "environment"
    assert report["rows"] + sum(report["left_out"].values()) == table.num_rows
    assert json.loads(returns.schema.metadata[b"mps.backtest"])["snapshot"] == made_by["snapshot"]
    assert (report["evidence"]["bucket"], report["evidence"]["files"]) == (BUCKET, 3)
    assert json.loads((tested.folder / "out" / RECEIPT).read_text())["keep_until"] == report["evidence"]["keep_until"]

    before = read(lake, "gold", at=made_by["snapshot"])
    kept = flow("compact", tables="gold", closed_days=False).result
    assert kept["snapshots_kept"] == [made_by["snapshot"]]
    assert kept["compacted"]["gold"]["files_before"] > kept["compacted"]["gold"]["files_after"]
    assert read(lake, "gold", at=made_by["snapshot"]).equals(before)
    assert flow("compact", tables="gold", closed_days=False).result["compacted"]["gold"]["partitions"] == 0

    file = scored.folder / "out" / "scores.parquet"
    of_file = scored_market(file, None)
    market, said = of_file.market, of_file.said
    (horizon,) = load_model(model_path()).card.horizon_bars.values()
    close = dict(zip(gold["ts"].tolist(), gold["meta.close"].tolist(), strict=True))
    assert market.close.tolist() == [close[t] for t in market.ts_ns.tolist()]
    assert np.unique(said.end - said.begin).tolist() == [horizon]
    assert np.all(np.diff(market.ts_ns[said.begin]) >= 0)
    judged_by_a_strategy(file, tmp_path, held, monkeypatch)
    barred_rows_are_left_out(file, tmp_path)


def judged_by_a_strategy(file, folder, held, monkeypatch):
    """Hold that costs are those that training judged by: with the fee of a strategy less is worth a trade."""
    of_strategy = replace(Registry().evidence(Registry().find("eurusd", "1")), costs=ScoreConfig())
    with monkeypatch.context() as patched:
        patched.setattr(Registry, "evidence", lambda *_: of_strategy)
        found = flow("backtest", scores=str(scores_of(file, folder / "same.parquet", []))).result
    assert found["costs_of"] == "strategy"
    assert found["sharpe"]["held"] < held


def barred_rows_are_left_out(file, folder):
    """Hold that what its data forbid is not traded, and that what its costs do is asked of the costs that judge."""
    free = scored_market(file, None)
    gates = [["stale", "gap"], ["gap"], ["drift", "no_edge"], ["low_validity"], ["no_edge", "no_adv"]]
    less = scored_market(scores_of(file, folder / "barred.parquet", gates), None)
    assert less.left_out == {**free.left_out, **{gate: free.left_out.get(gate, 0) + 1 for gate in BARRED}}
    assert less.said.begin.tolist() == free.said.begin[4:].tolist()
    n = pq.read_metadata(file).num_rows
    with pytest.raises(ConfigError, match=r"rows to judge is 0.*'stale': "):
        scored_market(scores_of(file, folder / "none.parquet", [["stale"]] * n), None)
    pq.write_table(pq.read_table(file).drop_columns([GATES]), folder / "old.parquet")
    with pytest.raises(ConfigError, match="lacks gates"):
        scored_market(folder / "old.parquet", None)


def scores_of(file, path, gates):
    """Write a copy of scores with other gates in the first rows that are none of the data's, and return its path."""
    table = pq.read_table(file)
    own = table.column(GATES).to_pylist()
    free = [i for i, found in enumerate(own) if not set(found) & set(BARRED)]
    for at, other in zip(free, gates, strict=False):
        own[at] = other
    column = pa.array(own, pa.list_(pa.string()))
    pq.write_table(table.set_column(table.column_names.index(GATES), GATES, column), path, compression="zstd")
    return path


def test_a_finished_score_is_old_where_what_decides_its_gates_has_changed(monkeypatch, tmp_path):
    """Costs and risk, and the list of instruments: their files are part of the key, beside version and snapshot."""
    monkeypatch.setattr(score, "_choose", lambda *_: {"version": 1, "snapshot": "gold@1"})
    told = [score.state(model="m", which="1", snapshot=None, lake=None)]
    for variable, text in (("MPS_CONFIG", "{}"), ("MPS_INSTRUMENTS", instruments_file().read_text())):
        path = tmp_path / variable
        path.write_text(text)
        monkeypatch.setenv(variable, str(path))
        told.append(score.state(model="m", which="1", snapshot=None, lake=None))
        path.write_text(f"{text}\n")
        told.append(score.state(model="m", which="1", snapshot=None, lake=None))
    assert len({json.dumps(one, sort_keys=True) for one in told}) == len(told)


def test_a_backtest_of_other_rules_is_no_answer(monkeypatch, tmp_path):
    """What earlier rules made of the same scores has another key."""
    file = tmp_path / "scores.parquet"
    file.touch()
    before = backtest.state(scores=str(file))
    monkeypatch.setattr(backtest, "FORMAT", backtest.FORMAT + 1)
    assert backtest.state(scores=str(file)) != before


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


@pytest.mark.usefixtures("mps_home")
def test_a_finished_back_fill_is_old_where_facts_have_changed(monkeypatch, tmp_path):
    """Where none are named it reads the files of MPS_FACTS, and what the topics of a platform know."""
    facts, bars = tmp_path / "facts.csv", tmp_path / "bars.parquet"
    facts.write_text("date,symbol,dividend,split\n")
    bars.touch()
    monkeypatch.setenv("MPS_FACTS", str(facts))
    job = JOBS["featurize"]
    given = job.checked({"pack": "outside_v2", "begin": "2014-01-01", "end": "2015-01-01", "bars": str(bars)})
    told = [job.input_state(given)]
    facts.write_text("date,symbol,dividend,split\n\n")
    told.append(job.input_state(given))
    monkeypatch.setattr(stages, "known_endpoints", lambda: SimpleNamespace(bootstrap_servers="127.0.0.1:9"))
    for end in (7, 8):
        monkeypatch.setattr(stages, "ends_of", lambda topics, _prefix, end=end: dict.fromkeys(topics, end))
        told.append(job.input_state(given))
    assert told[-1]["facts"] == {"fundamentals.v1": 8, "events.v1": 8}
    assert len({json.dumps(one, sort_keys=True) for one in told}) == len(told)
    for of_no_topic in ({"without_facts": True}, {"pack": "core_value_v2"}):
        assert job.input_state({**given, **of_no_topic})["facts"] is None
