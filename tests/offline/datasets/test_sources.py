"""Sources of gold rows: recorded ticks, a real ClickHouse, and the cross-section beside them."""

import pickle
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.local.paths import SHIPPED_TICKS
from offline.dataset import make_dataset, record_gold
from offline.datasets.build import build, from_rows, wanted_of
from offline.datasets.shares import actions_by_zone
from offline.datasets.sources import ClickHouseGold, GoldRows, RecordedTicks
from offline.features.clickhouse_rows import at_address
from offline.features.known_facts import columns_of
from offline.recipes.recipe import LabelSpec, ModelRecipe, ModelSpec, UniverseSpec
from processors.errors import ConfigError
from processors.reference.records import MarketEvent
from processors.runtime.batch import Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from processors.times import DAY_NS
from schemas.features import load_pack
from schemas.registry import load_registry
from tests.score.gold_rows import concat, make_gold

REPOSITORY = Path(__file__).parents[3]
RECIPE = ModelRecipe(
    "test", LabelSpec(15), UniverseSpec("1m", symbols=("EURUSD:FX",)), ModelSpec("lgbm"),
    feature_packs=("core_value_v1",),
)  # fmt: skip
RANKED = replace(RECIPE, feature_packs=(), extra_features=("rsi_14_value", "xs_return_rank"))


def ranks_of(gold: Columns) -> Columns:
    """Return a row of the cross-section for each gold row."""
    rows = Columns.empty(layout_of(load_registry().current("cross.v1").schema), len(gold))
    for name in ("symbol_id", "tf", "ts"):
        rows[name] = gold[name]
    rows["features.xs_return_rank"] = np.arange(len(gold)) / len(gold)
    rows["packs"] = STRINGS.array_code(tuple(load_pack(f"cross_section_v{i}").ref for i in (1, 2)))
    return rows


def test_recorded_ticks_are_the_rows_of_the_baseline():
    """The stages run with the packs of the recipe; the snapshot is that of the files."""
    files = [SHIPPED_TICKS / "eurusd_ticks_two_vendors.parquet"]
    data, report = build(RECIPE, RecordedTicks(files))
    want = make_dataset(record_gold(files), {"1m": 15})
    np.testing.assert_array_equal(data.x[data.at], want.x)
    np.testing.assert_array_equal(data.move, want.move)
    assert data.meta.data_snapshot_id.startswith("ticks:")
    assert report.rows_read == report.rows + sum(report.rows_left_out.values())


def test_features_of_the_cross_section_are_joined_by_their_bar():
    """A recipe of both topics has both; without rows of cross.v1 it is refused."""
    gold = make_gold(100)
    data, _ = from_rows(RANKED, GoldRows(gold, ranks_of(gold), "made up"))
    assert [i.name for i in data.inputs[:2]] == ["features.rsi_14_value", "features.xs_return_rank"]
    np.testing.assert_array_equal(data.x[:, 1], (np.arange(100) / 100).astype(np.float32))
    with pytest.raises(ConfigError, match=r"rows of cross.v1 is 0"):
        from_rows(RANKED, GoldRows(gold, None, "made up"))


def encoded(topic: str, rows: Columns) -> list[bytes]:
    """Return rows as they travel."""
    entry = load_registry().current(topic)
    return list(FlatCodec(entry.schema, entry.id).encode(topic, 0, rows, rows["symbol_id"]).values())


@contextmanager
def clickhouse(folder, rows):
    """Give the source of a warehouse with encoded rows by topic, in a folder of its own."""
    (folder / "rows").write_bytes(pickle.dumps(rows))
    command = [sys.executable, "-m", "tests.features.warehouse_owner", str(folder / "clickhouse"), str(folder / "rows")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as owner:
        yield ClickHouseGold(at_address(owner.stdout.readline().strip()))
        owner.stdin.close()


def test_rows_of_clickhouse_are_those_of_the_stream(tmp_path):
    """Of the universe only, of two records of a bar the later one, the cross-section and the actions beside them."""
    gold = concat(make_gold(120), make_gold(50, symbol="NZDUSD:FX", seed=2))
    older = gold.take(slice(3, 4))
    older["features.rsi_14_value"] = -7.0
    rows = {"gold.v1": encoded("gold.v1", concat(older, gold)), "cross.v1": encoded("cross.v1", ranks_of(gold))}
    known = int(gold["ts"][50])
    event = MarketEvent("EURUSD:FX", "s", "split", "ratio", known - 10 * DAY_NS, known, 2.0, "", "", "test")
    rows["events.v1"] = 2 * encoded("events.v1", columns_of("events.v1", [event]))
    with clickhouse(tmp_path, rows) as source:
        assert source.rows(wanted_of(RECIPE)).actions == actions_by_zone([event])
        for recipe in (RECIPE, RANKED):
            got, report = build(recipe, source)
            want, _ = from_rows(recipe, GoldRows(gold, ranks_of(gold), got.meta.data_snapshot_id))
            assert got.meta == want.meta
            assert report.rows_read == 120
        other, _ = build(replace(RECIPE, universe=UniverseSpec("1m")), source)
        assert other.meta.data_snapshot_id != got.meta.data_snapshot_id
        assert build(RANKED, source)[0].meta == got.meta


def test_the_snapshot_of_clickhouse_is_of_the_rows_that_came(tmp_path):
    """The same rows read twice are the same; one other value in a row that has a null too makes it another."""
    gold = make_gold(60)
    assert np.isnan(gold["meta.adv_pct"]).all()
    other = gold.take(np.arange(60))
    other["features.rsi_14_value"][7] += 1.0
    found = []
    for name, rows in (("a", gold), ("b", other)):
        (tmp_path / name).mkdir()
        with clickhouse(tmp_path / name, {"gold.v1": encoded("gold.v1", rows)}) as source:
            found += [source.rows(wanted_of(RECIPE)).snapshot_id for _ in range(2)]
    assert found[0] == found[1]
    assert found[2] == found[3] != found[0]
