"""The registry: whole versions or none, one after another, and no model that does not fit what is served."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from offline.registry.evidence import RETURNS, SHEET, Evidence
from offline.registry.place import ARTIFACTS, DB, Place
from offline.registry.registry import Registry
from offline.registry.signature import Served
from offline.selection.luck import deflated_sharpe
from offline.selection.trials import UNSTATED, Trial, Trials
from processors.errors import ConfigError
from processors.score.config import ScoreConfig
from schemas.features import load_pack
from tests.offline.registry.made import DAY, PACK, evidence, model_file, returns

REPOSITORY = Path(__file__).parents[3]


def children(folder, *jobs):
    """Run a process for each of (place, name, first, kill), all at once; return their exit codes."""
    running = []
    for place, name, first, kill in jobs:
        line = [sys.executable, "-m", "tests.offline.registry.child", place.db, place.artifacts, folder, name, first]
        running.append(subprocess.Popen([*map(str, line), kill], cwd=REPOSITORY))
    until = time.monotonic() + 300
    while not all((folder / f"ready-{first}").exists() for _, _, first, _ in jobs):
        assert time.monotonic() < until
        assert not any(p.poll() for p in running)
        time.sleep(0.05)
    (folder / "go").touch()
    return [p.wait(300) for p in running]


def test_a_registered_model_is_found_by_number_and_alias_and_loads_whole(registry, tmp_path):
    """The version says how it was made, its files are those that were written, and it computes what the file does."""
    file = model_file(tmp_path / "m.onnx")
    made = registry.register("fx", file, evidence())
    assert (made.version, made.aliases, made.label) == (1, ("candidate",), "fx@1")
    assert registry.find("fx", "candidate") == registry.find("fx", "1") == made == registry.versions()[0]
    facts = made.facts
    assert (facts["recipe_hash"], facts["data_snapshot_id"], facts["kind"]) == ("a" * 64, "gold@7", "linear")
    assert facts["universe"] == ["EURUSD:FX", "AIG:US"]
    assert facts["parameters"]["solver"] == {"steps": 100}
    assert facts["signature"]["inputs"] == [{"name": "x", "dtype": "float32", "shape": [-1, 6]}]
    assert set(facts["catalogs"]) >= {"packs.yaml", "indicator_feature_schema_v1.csv"}
    assert {"card.json", "card.md", "report.json", "plots/reliability.png", "model/MLmodel"} <= set(made.files)
    model = registry.load("fx", "candidate")
    assert registry.file(made, "model/model.onnx") == file.read_bytes()
    assert model.sha256 == made.sha256
    run = registry._client.get_run(made.run_id).data
    assert run.metrics["fold/2/ece"] > 0
    assert "regime/stress/auc" in run.metrics
    assert run.params["solver.steps"] == "100"


def test_evidence_comes_back_as_it_was_given(registry, tmp_path):
    """Every array and every field, through Parquet and JSON."""
    given = evidence(returns=replace(returns(), of_paths=(0.5, -0.25), causal=False))
    got = registry.evidence(registry.register("fx", model_file(tmp_path / "m.onnx"), given))
    for name in ("ts_ns", "symbol", "regime", "fold", "probability", "up", "move", "low", "high", "base_rate"):
        assert getattr(got.rows, name).tobytes() == getattr(given.rows, name).tobytes()
    for name in ("ts_ns", "value", "fold"):
        assert getattr(got.returns, name).tobytes() == getattr(given.returns, name).tobytes()
    for name in ("periods_a_year", "period_ns", "of_paths", "causal"):
        assert getattr(got.returns, name) == getattr(given.returns, name)
    assert got.importance.tobytes() == given.importance.tobytes()
    for name in ("recipe", "method", "dataset", "folds", "inputs", "report", "intended_use", "limits", "experiment"):
        assert getattr(got, name) == getattr(given, name)


def test_the_same_file_is_the_same_version_and_the_newest_is_the_candidate(registry, tmp_path):
    """A training that resumes registers again and gets the version it had; aliases are ours alone, and move."""
    first, second = (model_file(tmp_path / f"{w}.onnx", w) for w in (0.1, 0.2))
    assert [registry.register("fx", f, evidence()).version for f in (first, second, first)] == [1, 2, 1]
    assert registry.find("fx", "candidate").version == 2
    registry.set_alias("fx", "champion", "1")
    assert registry.set_alias("fx", "champion", "candidate").aliases == ("candidate", "champion")
    assert [v.aliases for v in registry.versions("fx")] == [(), ("candidate", "champion")]
    with pytest.raises(ConfigError, match="one of candidate, canary, champion"):
        registry.set_alias("fx", "best", "1")
    with pytest.raises(ConfigError, match="one of 1, 2, candidate, champion"):
        registry.find("fx", "canary")
    with pytest.raises(ConfigError, match="model is 'cl': one of fx"):
        registry.find("cl", "1")


def test_a_model_of_another_pack_or_schema_is_refused_by_name(registry, tmp_path):
    """Pack hash, pack, topic and a schema older than the model's are named; a newer schema reads as the old one."""
    registry.register("fx", model_file(tmp_path / "m.onnx"), evidence())
    here = Served.here()
    for served, said in (
        (replace(here, packs=(f"{PACK.pack_id}@{'0' * 64}",)), "fx@1: pack.*other features now"),
        (replace(here, packs=("core_value_v2@" + "1" * 64,)), "fx@1: pack is 'core_value_v1@"),
        (replace(here, topic="gold.v2"), "fx@1: schema is 'gold.v1 version"),
        (replace(here, version=here.version - 1), "fx@1: schema is 'gold.v1 version"),
    ):
        with pytest.raises(ConfigError, match=said):
            registry.load("fx", "1", served)
    assert registry.load("fx", "1", replace(here, version=here.version + 1)).card.pack_hash == PACK.hash


def test_what_is_served_is_what_the_environment_says(registry, tmp_path, monkeypatch):
    """All packs of MPS_FEATURE_PACKS and the model of MPS_REGIME_MODEL, as the score stage has them: both are named."""
    second = load_pack("core_value_v2")
    file = model_file(tmp_path / "a.onnx", packs=(PACK.ref, second.ref), regime_model="hmm")
    registry.register("fx", file, evidence())
    alone = model_file(tmp_path / "b.onnx", pack_id=second.pack_id, pack_hash=second.hash)
    given = evidence()
    of_second = replace(given.dataset, pack_id=second.pack_id, pack_hash=second.hash)
    registry.register("fx", alone, replace(given, dataset=of_second))
    for which in ("1", "2"):
        with pytest.raises(ConfigError, match=f"fx@{which}: pack is '{second.ref}': .*MPS_FEATURE_PACKS"):
            registry.load("fx", which)
    monkeypatch.setenv("MPS_FEATURE_PACKS", "core_value_v1,core_value_v2")
    assert registry.load("fx", "2").card.needs == (second.ref,)
    with pytest.raises(ConfigError, match=r"fx@1: regime_model is 'hmm': .*bocpd.*MPS_REGIME_MODEL"):
        registry.load("fx", "1")
    monkeypatch.setenv("MPS_REGIME_MODEL", "hmm")
    assert registry.load("fx", "1").card.needs == (PACK.ref, second.ref)
    monkeypatch.setenv("MPS_FEATURE_PACKS", "core_value_v2")
    assert registry.load("fx", "2").card.needs == (second.ref,)


@pytest.mark.parametrize(
    ("recipe", "field"),
    [
        ({"packs": [PACK.ref]}, "packs"), ({"packs": [PACK.ref, "core_value_v2@other"]}, "packs"),
        ({"packs": ["core_value_v2@5ec0", PACK.ref], "regime_model": "bocpd"}, "regime_model"),
    ],
)  # fmt: skip
def test_evidence_of_other_packs_or_regimes_is_refused(registry, tmp_path, recipe, field):
    """What the recipe means is held to the file; in the order of its words, or not told, it contradicts nothing."""
    file = model_file(tmp_path / "m.onnx", packs=(PACK.ref, "core_value_v2@5ec0"), regime_model="hmm")
    with pytest.raises(ConfigError, match=f"{field} is .*as the evidence says"):
        registry.register("fx", file, evidence(recipe=recipe))
    told = {"packs": ["core_value_v2@5ec0", PACK.ref], "regime_model": "hmm"}
    assert registry.register("fx", file, evidence(recipe=told)).version == 1


def test_an_altered_or_missing_file_is_refused_by_name(registry, place, tmp_path):
    """One changed byte, or none left, and the model does not load."""
    registry.register("fx", model_file(tmp_path / "m.onnx"), evidence())
    (stored,) = Path(place.artifacts.removeprefix("file://")).rglob("model.onnx")
    raw = stored.read_bytes()
    stored.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(ConfigError, match=r"fx@1: sha256 of model/model.onnx"):
        registry.load("fx", "1")
    stored.unlink()
    with pytest.raises(ConfigError, match=r"fx@1: model/model.onnx is 'missing'"):
        registry.load("fx", "1")


@pytest.mark.parametrize(
    ("changes", "of_data", "field"),
    [
        ({"recipe_hash": ""}, {}, "method.recipe_hash"),
        ({"intended_use": ""}, {}, "intended_use"),
        ({"limits": ()}, {}, "limits"),
        ({}, {"snapshot_id": ""}, "data.snapshot_id"),
        ({}, {"dropped": {"not warm": 3}}, "data.dropped"),
        ({}, {"pack_hash": "0" * 64}, "pack_hash"),
        ({}, {"until_ns": 5}, "trained_until_ns"),
    ],
)
def test_what_lacks_evidence_is_not_registered(registry, tmp_path, changes, of_data, field):
    """The field is named, and nothing is left behind: no version, no run."""
    whole = evidence(**changes)
    whole = replace(whole, dataset=replace(whole.dataset, **of_data))
    with pytest.raises(ConfigError, match=field):
        registry.register("fx", model_file(tmp_path / "m.onnx"), whole)
    assert registry.versions() == []
    assert registry._client.get_experiment_by_name("fx") is None


def test_returns_of_an_older_version_are_read_but_not_compared(tmp_path):
    """Their periods were not stated: they come back bit for bit, and a ratio beside them is refused with the remedy."""
    given = evidence()
    given.write(tmp_path)
    r = given.returns
    pq.write_table(pa.table({"ts_ns": r.ts_ns, "value": r.value, "fold": r.fold}), tmp_path / RETURNS)
    with pytest.raises(ConfigError, match="periods_a_year"):
        Evidence.read(tmp_path)
    sheet = json.loads((tmp_path / SHEET).read_text())
    assert sheet.pop("costs") is None
    (tmp_path / SHEET).write_text(json.dumps({**sheet, "periods_a_year": 251.3}))
    assert Evidence.read(tmp_path).costs is None
    old = Evidence.read(tmp_path).returns
    assert (old.period_ns, old.periods_a_year, old.value.tobytes()) == (UNSTATED, 251.3, r.value.tobytes())
    assert (r.period_ns, r.periods_a_year) == (DAY, 252.0)
    said = deflated_sharpe(r, Trials("fx", (Trial("0", "old", {}, old),))).says
    assert "train again, in a new experiment" in said


def test_the_costs_that_judged_a_version_come_back(tmp_path):
    """Those of a strategy, whole."""
    costs = ScoreConfig(slippage_bps_per_adv_share=7.0, nav=2e6)
    evidence(costs=costs).write(tmp_path)
    assert Evidence.read(tmp_path).costs == costs


def test_every_trial_is_counted_with_those_that_came_to_nothing(registry):
    """Finished, failed, abandoned, deleted and repeated ones; returns come back bit for bit."""
    for seed in range(3):
        with registry.trial("fx", f"seed {seed}", {"seed": seed}) as done:
            done(returns(seed=seed), ece=0.01 * seed, latency_ms=0.2)
    with registry.trial("fx", "again", {"seed": 2}) as done:
        done(returns(seed=2))
    with registry.trial("fx", "other result", {"seed": 2}) as done:
        done(returns(seed=3))
    with pytest.raises(ZeroDivisionError), registry.trial("fx", "broken", {"seed": 7}):
        raise ZeroDivisionError
    with registry.trial("fx", "no result", {"seed": 8}):
        pass
    trials = registry.trials("fx")
    assert [t.label for t in trials.finished] == ["seed 0", "seed 1", "seed 2", "other result"]
    assert (trials.n_failed, trials.finished[2].ece, trials.finished[3].ece) == (2, 0.02, None)
    registry._client.delete_run(trials.finished[0].trial_id)
    assert len(registry.trials("fx")) == 4
    assert trials.finished[1].returns.value.tobytes() == returns(seed=1).value.tobytes()
    assert len(registry.trials("nothing")) == 0


@pytest.mark.slow
def test_concurrent_registrations_each_get_a_number_on_sqlite(place, tmp_path):
    """Three processes, two models each and one of all: seven versions, the newest is the candidate."""
    _seven(place, tmp_path)


@pytest.mark.slow
def test_concurrent_registrations_each_get_a_number_on_postgresql(shared_place, tmp_path):
    """The same on a real PostgreSQL whose tables they make at the same time, and models load from it."""
    _seven(shared_place, tmp_path)
    registry = Registry(shared_place)
    assert registry.load("fx", "candidate").sha256 == registry.find("fx", "7").sha256
    with registry.trial("fx", "one", {"a": 1}) as done:
        done(returns())
    assert len(registry.trials("fx")) == 1


def _seven(place, folder):
    assert children(folder, *((place, "fx", first, "") for first in (1, 2, 3))) == [0, 0, 0]
    registry = Registry(place)
    found = registry.versions("fx")
    assert [v.version for v in found] == list(range(1, 8))
    assert len({v.sha256 for v in found}) == 7
    assert [v.version for v in found if v.aliases] == [7]


@pytest.mark.slow
def test_a_registration_that_is_killed_leaves_no_half_version(empty_registry, postgres, tmp_path):
    """Before its artefacts, before and inside the transaction, on both databases: nothing is seen, nothing is held."""
    places = {}
    for kill in ("artefacts", "commit", "transaction"):
        (tmp_path / kill).mkdir()
        shutil.copy(empty_registry, tmp_path / kill / "registry.db")
        places[kill] = Place.of_folder(tmp_path / kill)
    jobs = [(at, "killed", number, kill) for number, (kill, at) in enumerate(places.items())]
    server = Place(postgres, (tmp_path / "artifacts").as_uri())
    codes = children(tmp_path, *jobs, (server, "killed", 9, "transaction"))
    assert codes == [-signal.SIGKILL] * 4
    for number, place in enumerate([*places.values(), server]):
        registry = Registry(place)
        assert registry.versions("killed") == []
        made = registry.register("killed", model_file(tmp_path / "m.onnx", 7.0 + number), evidence())
        assert (made.version, made.aliases) == (1, ("candidate",))


def test_the_place_is_what_the_environment_says(mps_home, monkeypatch, tmp_path):
    """The data folder by default; a server needs a place for artefacts; a password is never shown."""
    assert Place.from_environment().db == f"sqlite:///{mps_home}/registry/registry.db"
    assert Place.from_environment().artifacts == f"file://{mps_home}/registry/artifacts"
    monkeypatch.setenv(DB, str(tmp_path / "own.db"))
    assert Place.from_environment() == Place(f"sqlite:///{tmp_path}/own.db", f"file://{tmp_path}/artifacts")
    monkeypatch.setenv(DB, "mysql://host/models")
    with pytest.raises(ConfigError, match="sqlite:///PATH or postgresql"):
        Place.from_environment()
    monkeypatch.setenv(DB, "postgresql://me:secret@host/models")
    with pytest.raises(ConfigError, match=ARTIFACTS):
        Place.from_environment()
    monkeypatch.setenv(ARTIFACTS, "s3://bucket/models")
    assert Place.from_environment().shown() == "postgresql+psycopg2://host/models"


def test_the_command_line_asks_for_help_without_mlflow():
    """Importing the registry and the command does not import MLflow or matplotlib."""
    code = "import sys, cli.main, cli.commands.models; print([m for m in ('mlflow', 'matplotlib') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=True, text=True)
    assert json.loads(out.stdout.replace("'", '"')) == []
