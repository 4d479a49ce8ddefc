"""``mps train --lake``: rows of a snapshot give the model that their ticks give, whatever becomes of the lake since."""

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.commands.dataset import dataset
from cli.commands.train import train
from deploy.local.paths import SHIPPED_TICKS
from offline.dataset import GOLD, _recorded, gold_rows
from offline.datasets.build import from_rows
from offline.datasets.lake_source import LakeGold
from offline.datasets.sources import GoldRows, Wanted
from offline.lake import reading
from offline.lake.reading import open_at, read
from offline.lake.snapshot import SnapshotId
from offline.lake.store import LakeStore
from offline.lake.upkeep import compact
from offline.recipes.reading import read_recipe
from offline.registry.registry import Registry
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.runtime.codec import FlatCodec
from processors.score.model import Model
from schemas.registry import load_registry
from tests.offline.lake.conftest import records_of, sink_at
from tests.offline.training.made import EXAMPLES
from tests.score.gold_rows import make_gold

TICKS = 160_000
RECIPE = """
recipe:
  id: small
  feature_packs: [core_value_v1]
  exclude: [volume_ratio_20, adv_share_value, "regime.hmm_*"]
  label_spec: {horizon_bars: 5}
  universe_spec: {timeframe: 1m, symbols: ["NZDUSD:FX"]}
  model: {kind: linear}
  validation: {folds: 2, embargo_bars: 5}
"""


def encoded(rows: Columns) -> list[bytes]:
    """Return gold rows as they travel."""
    entry = load_registry().current(GOLD)
    return list(FlatCodec(entry.schema, entry.id).encode(GOLD, 0, rows, rows["symbol_id"]).values())


def store_rows(store: LakeStore, rows: Columns, first: int = 0) -> SnapshotId:
    """Store rows as the sink does, in two commits; return the newest snapshot."""
    values = encoded(rows)
    half = len(values) // 2
    for begin, part in ((0, values[:half]), (half, values[half:])):
        sink = sink_at(store)
        sink.write([records_of(GOLD, part, first + begin, partitions=1)])
        sink.finish()
    return open_at(store, "gold").snapshot_id


def trained(monkeypatch, home, *words):
    """Train in a data folder of its own, so that nothing is taken from another run; return the model and the report."""
    monkeypatch.setenv("MPS_HOME", str(home))
    asked = [str(word) for word in words]
    result = CliRunner().invoke(train, [*asked, "--out", str(home / "m.onnx"), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return (home / "m.onnx").read_bytes(), json.loads(result.stdout)


def parts_of(raw: bytes):
    """Return the graph of a model file, and its card without what names the rows."""
    graph = onnx.load_from_string(raw)
    del graph.metadata_props[:]
    return graph.SerializeToString(deterministic=True), replace(
        Model(raw, "a file").card, data_snapshot_id="", dataset_sha256=""
    )


def test_a_snapshot_gives_the_model_of_its_ticks_for_good(tmp_path, monkeypatch):
    """Ticks and their rows in the lake give one model, and so does the snapshot of a lake that has grown since."""
    ticks, recipe, store = tmp_path / "ticks.parquet", tmp_path / "small.yaml", LakeStore.at(tmp_path / "lake")
    pq.write_table(pq.read_table(SHIPPED_TICKS / "nzdusd_ticks_two_vendors.parquet").slice(0, TICKS), ticks)
    recipe.write_text(RECIPE)
    gold = gold_rows(_recorded([ticks], lambda _: None, frozenset({GOLD})))
    snapshot = store_rows(store, gold)
    of_ticks, _ = trained(monkeypatch, tmp_path / "a", recipe, ticks, "--no-register")
    lake = ("--lake", store.root, "--snapshot", str(snapshot))
    of_lake, report = trained(monkeypatch, tmp_path / "b", recipe, *lake)
    assert parts_of(of_lake) == parts_of(of_ticks)
    card = Model(of_lake, "a file").card
    assert card.data_snapshot_id == report["data_snapshot_id"] == str(snapshot)
    version = Registry().find("small", "candidate")
    assert (version.sha256, version.facts["data_snapshot_id"]) == (report["sha256"], str(snapshot))

    later = make_gold(300, symbol="NZDUSD:FX", start_ns=int(np.max(gold["ts"])))
    newest = store_rows(store, later, first=len(gold))
    assert compact(open_at(store, "gold")).partitions > 0
    again, _ = trained(monkeypatch, tmp_path / "c", recipe, *lake, "--no-register")
    assert again == of_lake
    # That rows matter at all: the newest version is another set, of another name.
    _, grown = trained(monkeypatch, tmp_path / "d", recipe, "--lake", store.root, "--no-register")
    assert grown["samples"] > report["samples"]
    assert grown["data_snapshot_id"] not in {str(snapshot), str(newest)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Fill a lake with a few made-up rows of one symbol and pack, and return its folder."""
    folder = tmp_path_factory.mktemp("lake")
    store_rows(LakeStore.at(folder), make_gold(40))
    return folder


@pytest.fixture
def small(filled, tmp_path):
    """Return a copy of the small lake, to be changed at will."""
    return LakeStore.at(shutil.copytree(filled, tmp_path / "lake"))


def test_a_set_of_the_lake_is_that_of_its_rows(small, tmp_path):
    """``mps dataset build`` takes the same flags: it makes the set of the rows, to the digest, snapshot included."""
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE.replace("NZDUSD", "EURUSD"))
    words = ("build", str(recipe), "--lake", small.root, "--out", str(tmp_path / "set"), "--no-leak-check", "--json")
    result = CliRunner().invoke(dataset, words, catch_exceptions=False)
    snapshot = str(open_at(small, "gold").snapshot_id)
    rows = GoldRows(make_gold(40), None, snapshot)
    want, report = from_rows(read_recipe(recipe), rows)
    told = json.loads(result.stdout)
    assert told["meta"]["data_snapshot_id"] == snapshot
    assert (told["meta"]["sha256"], told["report"]["samples"]) == (want.meta.sha256, report.samples)


def wanted(**changes) -> Wanted:
    """Return what a small recipe reads."""
    return replace(Wanted(("features.rsi_14_value",), (), ("core_value_v1",), "1m", ("EURUSD:FX",)), **changes)


def test_only_what_is_wanted_is_read(small, monkeypatch):
    """Columns that no recipe asks for stay null, rows of other symbols in the files, and values are the same."""
    store_rows(small, make_gold(30, symbol="NZDUSD:FX"), first=100)
    asked = []
    monkeypatch.setattr(reading, "read", lambda *words: asked.append(words[2]) or read(*words))
    got = LakeGold.at(small).rows(wanted())
    made = make_gold(40)
    assert len(got.gold) == 40
    np.testing.assert_array_equal(got.gold["features.rsi_14_value"], made["features.rsi_14_value"])
    np.testing.assert_array_equal(got.gold["ts"], made["ts"])
    assert np.isnan(got.gold["features.atr_14_value"]).all()
    assert "features_atr_14_value" not in asked[0].columns
    assert (asked[0].symbols, asked[0].timeframes) == (("EURUSD:FX",), ["1m"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pack_ids": ("core_value_v2",)}, "packs of the rows is 'core_value_v1@.*MPS_FEATURE_PACKS"),
        ({"symbols": ("AIG:US",)}, "rows of 1m is 0.*some of AIG:US"),
        ({"timeframe": "1h"}, "rows of 1h is 0"),
        ({"cross_columns": ("ts",)}, "the lake does not keep them"),
        ({"columns": ("features.no_such",)}, "lacks features_no_such"),
    ],
)
def test_rows_that_a_recipe_cannot_use_are_refused_with_place_and_version(small, changes, says):
    """A pack, symbol, timeframe or column that is not there names table, version, what is there, and the remedy."""
    source = LakeGold.at(small)
    with pytest.raises(ConfigError, match=says) as refused:
        source.rows(wanted(**changes))
    assert f"{small.root}/gold/rows at {source.snapshot}" in str(refused.value)


def test_snapshots_that_cannot_be_read_are_refused_by_name(small):
    """Another lake's id, a version to come, another table's, no id at all, and one whose files vacuum has removed."""
    old = open_at(small, "gold").snapshot_id
    with pytest.raises(ConfigError, match="is of another lake"):
        LakeGold.at(small, f"gold@{old.version}.00000000-0000-4000-8000-000000000000")
    with pytest.raises(ConfigError, match=rf"version is 99: at most {old.version}, the newest"):
        LakeGold.at(small, f"gold@99.{old.table_id}")
    with pytest.raises(ConfigError, match="table is 'bars': a snapshot of gold"):
        LakeGold.at(small, f"bars@1.{old.table_id}")
    with pytest.raises(ConfigError, match="as `mps lake show` prints it"):
        LakeGold.at(small, "17")
    for path in open_at(small, "gold").files()["path"].to_pylist():
        (small.folder / "gold/rows" / path).unlink()
    with pytest.raises(ConfigError, match=rf"snapshot is '{old}'.*vacuum removed some"):
        LakeGold.at(small, str(old)).rows(wanted())


def test_flags_that_contradict_each_other_are_refused(tmp_path):
    """Two sources, a flag without its other, a recipe taken for a place, and stored rows for the baseline."""
    recipe = EXAMPLES / "fx_linear.yaml"
    for words, says in (
        ((recipe, "--lake", "--clickhouse"), "--clickhouse and --lake"),
        ((recipe, "ticks.parquet", "--lake=x"), "FILES and --lake"),
        ((recipe, "--snapshot", "gold@1"), "--snapshot is 'gold@1': beside --lake only"),
        ((recipe, "--lake", recipe), "write --lake behind the recipes"),
        (("--lake",), "the baseline is trained on recorded ticks"),
        ((recipe, "--lake", tmp_path), "fill it with `mps lake sync`"),
    ):
        with pytest.raises(ConfigError, match=says):
            CliRunner().invoke(train, [str(word) for word in words], catch_exceptions=False)
