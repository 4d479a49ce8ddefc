"""The cross-section beside gold rows: the same bar's row, in time, or nothing; and what becomes of such a model."""

from dataclasses import replace

import numpy as np
import pytest

from offline import train_baseline as t
from offline.cross_join import cross_rows, with_cross
from offline.dataset import make_dataset
from processors.cross.config import CrossConfig
from processors.cross.stage import CROSS, Cross
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.memory import MemoryDriver
from processors.runtime.strings import STRINGS
from processors.score.model import load_model
from schemas.features import cross_packs, load_pack
from schemas.registry import load_registry
from tests.cross.universe import UNIVERSE, batch_of, made_up
from tests.score.gold_rows import concat, make_gold

PACK = load_pack("cross_section_v2")
REFS = tuple(p.ref for p in cross_packs())


def ranks_of(gold: Columns) -> Columns:
    """Return a row of the cross-section for each gold row, every feature another number."""
    rows = Columns.empty(layout_of(load_registry().current(CROSS).schema), len(gold))
    for name in ("symbol_id", "tf", "ts"):
        rows[name] = gold[name]
    for j, feature in enumerate(PACK.features):
        rows[f"features.{feature.name}"] = np.arange(len(gold)) + j / 16
    rows["packs"] = STRINGS.array_code(REFS)
    return rows


def test_a_row_gets_the_cross_section_of_its_own_bar_or_none() -> None:
    """Only the row of the same symbol, timeframe and close joins, if it was not held and has the pack."""
    gold = concat(make_gold(40), make_gold(40, symbol="NZDUSD:FX", seed=2))
    ranks = ranks_of(gold)
    ranks["tf"][3] = STRINGS.code("5m")
    ranks["ts"][5] += 1
    ranks["waited_s"][7] = 600.0
    ranks["packs"][9] = STRINGS.array_code(REFS[:1])
    twice = concat(ranks, ranks.take(slice(20, 21)))
    twice["features.market_beta"][-1] = -7.0
    order = np.random.default_rng(1).permutation(len(twice) - 1)
    found = with_cross(gold, concat(twice.take(order), twice.take(slice(80, 81))), PACK)
    without = [3, 5, 7, 9]
    for j, feature in enumerate(PACK.features):
        values = np.asarray(found[f"features.{feature.name}"], np.float64)
        want = np.arange(80) + j / 16
        want[without] = np.nan
        if feature.name == "market_beta":
            want[20] = -7.0
        np.testing.assert_array_equal(values, want)
    assert found["features.rsi_14_value"].tobytes() == gold["features.rsi_14_value"].tobytes()
    assert found.ints is gold.ints


def test_the_cross_section_of_recorded_rows_is_that_of_rows_in_the_order_of_time() -> None:
    """However far the batches of partitions are apart, no row is late: they are put in the order of time first."""
    config = CrossConfig(limit_s=300.0)
    partitions = made_up(5, minutes=40)
    driver = MemoryDriver([Cross(config)])
    driver.logs[UNIVERSE, 0] = [batch_of(rows) for rows in partitions]
    got = cross_rows(driver, config)
    # A long limit lets nothing be late either, whatever the order.
    patient = MemoryDriver([Cross(replace(config, limit_s=100_000.0))])
    for rows in partitions:
        patient.feed(batch_of(rows))
    assert len(got) > 100
    naive = MemoryDriver([Cross(config)])
    for rows in partitions:
        naive.feed(batch_of(rows))
    assert naive.counts("cross").get("straggler", 0) > patient.counts("cross").get("straggler", 0)
    counted = sum(len(naive.records(CROSS, p)) for p in range(4))
    assert len(got) > counted


def test_a_model_of_the_cross_section_trains_and_is_refused_where_rows_are_scored(tmp_path) -> None:
    """Training reads the joined features; score and ScoreService refuse such a model by its inputs, with the reason."""
    gold = make_gold(3000)
    ranks = ranks_of(gold)
    ranks["features.xs_return_rank"] = gold["features.log_return_1"]
    with pytest.raises(ConfigError, match=r"rows of cross.v1 is 0.*two symbols"):
        make_dataset(gold, pack_id=PACK.pack_id)
    data = make_dataset(gold, pack_id=PACK.pack_id, cross=ranks)
    names = [i.name for i in data.inputs]
    assert names[: len(PACK.features)] == [f"features.{f.name}" for f in PACK.features]
    np.testing.assert_array_equal(data.x[:, 0], np.asarray(ranks["features.xs_return_rank"][: len(data)], np.float32))
    path = tmp_path / "ranks.onnx"
    report = t.train_baseline(gold, path, pack_id=PACK.pack_id, cross=ranks)
    assert report["pack"] == PACK.pack_id
    with pytest.raises(ConfigError, match=r"ranks.onnx: inputs is 'features.xs_return_rank.*score holds no row back"):
        load_model(path)
