"""Training sets: the rows and labels of a recipe, what is left out, and bytes on disk."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.dataset import make_dataset
from offline.datasets import training_set
from offline.datasets.build import build, from_rows
from offline.datasets.reasons import SAMPLE_REASONS
from offline.datasets.sources import ArrowGold, GoldRows, ParquetGold
from offline.recipes.recipe import (
    Barriers,
    Encoder,
    LabelSpec,
    ModelRecipe,
    ModelSpec,
    Quality,
    Transformation,
    UniverseSpec,
)
from offline.warehouse.tables import tables
from processors.errors import ConfigError
from processors.runtime.strings import STRINGS
from tests.offline.datasets.gold_tables import as_table
from tests.score.gold_rows import concat, make_gold

RECIPE = ModelRecipe(
    "test", LabelSpec(15), UniverseSpec("1m"), ModelSpec("lgbm"), feature_packs=("core_value_v1",),
    quality=Quality(drop_gap=True),
)  # fmt: skip


def rows_of(gold):
    return GoldRows(gold, None, "made up")


def two_symbols(n=300):
    return concat(make_gold(n), make_gold(n, symbol="NZDUSD:FX", seed=2))


def test_a_plain_recipe_gives_the_rows_of_the_baseline():
    """Inputs, labels, ends and order are those of ``offline.dataset``, bit for bit."""
    gold = concat(two_symbols(), make_gold(50, tf="5m"))
    gold["quality.stale"][7] = 1
    gold["warm"][9] = 0
    data, report = from_rows(RECIPE, rows_of(gold))
    want = make_dataset(gold, {"1m": 15})
    assert data.inputs == want.inputs
    np.testing.assert_array_equal(data.x[data.at], want.x)
    np.testing.assert_array_equal(data.ts_ns[data.at], want.ts_ns)
    np.testing.assert_array_equal(data.end_ns, want.end_ns)
    np.testing.assert_array_equal(data.move, want.move)
    np.testing.assert_array_equal(data.up, want.up)
    np.testing.assert_array_equal(data.target, want.move)
    np.testing.assert_array_equal(data.regime[data.at], want.regime)
    assert report.rows_left_out == {"other_timeframe": 50}
    assert report.samples_left_out == {"not_warm": 1, "stale": 1, "label_after_end": 30}


def test_every_row_that_is_left_out_is_counted_once():
    """Each reason finds its rows, and the counts add up."""
    gold = concat(two_symbols(), make_gold(20, symbol="GBPUSD:FX"), make_gold(10, symbol="XAUUSD:CFD"), make_gold(5))
    gold["meta.realized_vol"][10:12] = 0.0
    gold["quality.gap"][20:23] = 1
    gold["quality.outlier_frac"][30] = 0.9
    gold["packs"][40:44] = STRINGS.array_code(("other@x",))
    gold["regime.model"][50] = 2
    gold["ts"][100:300] += 10**15
    gold["features.rsi_14_value"][60] = np.nan
    gold["features.volume_ratio_20"] = gold["features.adv_share_value"] = 1.0
    gold["features.spread_bp_value"][70] = np.nan
    for name in ("hmm_p_trend", "hmm_p_meanrev", "hmm_p_stress"):
        gold[f"regime.{name}"] = 0.3
    universe = UniverseSpec("1m", asset_classes=("fx",), min_history_bars=3)
    recipe = replace(RECIPE, universe=universe, missing="drop", quality=Quality(True, True, 0.5))
    data, report = from_rows(recipe, rows_of(gold))
    assert report.rows_left_out == {
        "other_symbol": 10, "lacks_pack": 4, "other_regime_model": 1, "repeated": 5,
    }  # fmt: skip
    assert report.samples_left_out == {
        "short_history": 9, "not_warm": 1, "gap": 3, "outliers": 1, "null_input": 1, "no_volatility": 2,
        "label_after_end": 45, "label_stretched": 15,
    }  # fmt: skip
    assert report.rows_read == report.rows + sum(report.rows_left_out.values())
    assert report.rows == report.samples + sum(report.samples_left_out.values()) == len(data.x)
    assert set(report.symbols) == {"EURUSD:FX", "GBPUSD:FX", "NZDUSD:FX"} == set(data.symbols)


def test_a_reason_without_words_is_refused_at_once(monkeypatch):
    """Not only where no sample is left; an order that is not that of the words is refused too."""
    swapped = {"not_warm": "", "short_history": ""} | SAMPLE_REASONS
    fewer = {reason: words for reason, words in SAMPLE_REASONS.items() if reason != "label_over_closed"}
    for words in (swapped, fewer):
        monkeypatch.setattr("offline.datasets.build.SAMPLE_REASONS", words)
        with pytest.raises(AssertionError, match="each reason has its words"):
            from_rows(RECIPE, rows_of(two_symbols()))


def test_no_sample_says_why():
    """The counts are in the error."""
    gold = make_gold(40)
    gold["quality.stale"] = 1
    with pytest.raises(ConfigError, match=r"samples is 0: some: 40 made of stale ticks"):
        from_rows(RECIPE, rows_of(gold))
    with pytest.raises(ConfigError, match=r"gold rows is 40: some that fit: 40 of another timeframe"):
        from_rows(replace(RECIPE, universe=UniverseSpec("1h")), rows_of(gold))


def test_the_order_of_the_rows_does_not_count():
    """Rows in any order give the same digest."""
    gold = two_symbols()
    first, _ = from_rows(RECIPE, rows_of(gold))
    again, _ = from_rows(RECIPE, rows_of(gold.take(np.random.default_rng(1).permutation(len(gold)))))
    assert first.meta.sha256 == again.meta.sha256


def test_windows_stay_in_their_symbol():
    """A window is the rows up to its own, oldest first; samples near the begin of a symbol are not offered."""
    data, _ = from_rows(RECIPE, rows_of(two_symbols()))
    offered = data.offered(8)
    windows = data.windows(data.at[offered], 8)
    assert len(offered) == len(data) - 2 * 7
    assert windows.shape == (len(offered), 8, len(data.inputs))
    for place in (0, 5, len(offered) - 1):
        row = data.at[offered[place]]
        np.testing.assert_array_equal(windows[place], data.x[row - 7 : row + 1])
        assert len(set(data.symbol[row - 7 : row + 1])) == 1
    with pytest.raises(ConfigError, match="offered"):
        data.windows(data.at, 8)


@pytest.mark.parametrize("target", ["sign", "forward_sharpe", "triple_barrier"])
def test_targets_are_what_they_say(target):
    """A sign is up; a barrier is 1 or -1, touched no later than the horizon; up is where move and target are."""
    data, _ = from_rows(replace(RECIPE, label=LabelSpec(15, target)), rows_of(two_symbols()))
    np.testing.assert_array_equal(data.up, (data.target > 0).astype(float))
    assert (data.exit_ns > data.ts_ns[data.at]).all()
    assert (data.exit_ns <= data.end_ns).all()
    assert ((data.end_move == data.move) == (data.exit_ns == data.end_ns)).all()
    if target == "triple_barrier":
        assert set(data.target) == {-1.0, 1.0}
        early = data.exit_ns < data.end_ns
        assert 0.3 < early.mean() < 0.9
        # The move ends where a barrier is touched: beyond it, and by less than a bar's move.
        assert (np.abs(data.move[early]) >= 1.0).all()
        assert np.abs(data.move[early]).max() < 2.5
        assert np.abs(data.move[~early]).max() < 2.5


MARKETS = st.sampled_from((0, 7, 60))
SPECS = st.sampled_from(
    (
        LabelSpec(15), LabelSpec(15, transform="none"), LabelSpec(15, transform="winsorized", winsor_limit=0.5),
        LabelSpec(15, "sign"), LabelSpec(15, "forward_sharpe"), LabelSpec(15, "triple_barrier"),
        LabelSpec(15, "triple_barrier", barriers=Barriers(0.5, 0.5, "zero")), LabelSpec(3, over_closed_hours=True),
    )
)  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(SPECS, MARKETS, st.sampled_from(("keep", "drop")), st.booleans(), st.integers(60, 230), st.booleans())
def test_what_comes_later_changes_no_earlier_sample(label, history, missing, stepped, cut, ends_early):
    """By any label, history, missing policy, transformation and encoder: rows appended later are as if never read.

    One symbol begins later than the other, or one ends early: neither is taken out of its own past, nor in.
    """
    recipe = replace(
        RECIPE, label=label, universe=UniverseSpec("1m", min_history_bars=history), missing=missing,
        transformations=(Transformation("rank", ("rsi_14_value",), (5,)),) if stepped else (),
        encoders=(Encoder("asset_class"),) if stepped else (),
    )  # fmt: skip
    late = make_gold(300, symbol="NZDUSD:FX", seed=2)
    late = late.take(slice(0, 150) if ends_early else slice(120, 300))
    gold = concat(make_gold(300), late)
    gold["features.volume_ratio_20"] = gold["features.adv_share_value"] = 1.0
    for name in ("hmm_p_trend", "hmm_p_meanrev", "hmm_p_stress"):
        gold[f"regime.{name}"] = 0.3
    ts = np.asarray(gold["ts"])
    until = int(np.unique(ts)[cut])
    assert digest_until(recipe, gold, until) == digest_until(recipe, gold.take(ts <= until), until)


def digest_until(recipe, gold, until):
    """Return the digest of every array, of the symbols and of what the set says of itself; nothing of no sample."""
    try:
        return from_rows(recipe, rows_of(gold))[0].before(until).meta.sha256
    except ConfigError as error:
        if error.key not in ("samples", "until"):
            raise
        return ""


def test_transforms_of_the_label():
    """Plain returns, returns in volatilities, and those cut at a limit."""
    gold = make_gold(400)
    plain, _ = from_rows(replace(RECIPE, label=LabelSpec(15, transform="none")), rows_of(gold))
    cut, _ = from_rows(replace(RECIPE, label=LabelSpec(15, transform="winsorized", winsor_limit=0.5)), rows_of(gold))
    vol = np.asarray(gold["meta.realized_vol"])[plain.at]
    np.testing.assert_allclose(plain.target, plain.move * vol * np.sqrt(15), rtol=1e-12)
    np.testing.assert_array_equal(cut.target, np.clip(cut.move, -0.5, 0.5))


def test_a_set_is_read_as_it_was_written(tmp_path, monkeypatch):
    """Every array and the metadata; equal sets give equal bytes; a changed file or one of another format is refused."""
    recipe = replace(RECIPE, transformations=(Transformation("zscore", ("rsi_14_value",), (5, 20)),))
    data, report = from_rows(recipe, rows_of(two_symbols()))
    training_set.write(data, tmp_path / "a", report.as_json())
    training_set.write(data, tmp_path / "b", report.as_json())
    for name in (training_set.FILE, training_set.REPORT):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    back, told = training_set.read(tmp_path / "a")
    for name in training_set.ARRAYS:
        np.testing.assert_array_equal(getattr(back, name), getattr(data, name))
        assert getattr(back, name).dtype == getattr(data, name).dtype
    assert (back.inputs, back.symbols, back.regimes, back.meta) == (data.inputs, data.symbols, data.regimes, data.meta)
    assert told == report.as_json()
    table = pq.read_table(tmp_path / "a" / training_set.FILE)
    moved = table.column("move").combine_chunks().to_numpy(zero_copy_only=False).copy()
    moved[3] += 1e-9
    changed = table.set_column(table.schema.get_field_index("move"), "move", pa.array(moved, from_pandas=True))
    pq.write_table(changed, tmp_path / "a" / training_set.FILE)
    with pytest.raises(ConfigError, match="the file was changed"):
        training_set.read(tmp_path / "a")
    with pytest.raises(ConfigError, match="missing"):
        training_set.read(tmp_path / "c")
    monkeypatch.setattr(training_set, "FORMAT", training_set.FORMAT + 1)
    with pytest.raises(ConfigError, match=r"format 4, not 5.*build it again: mps dataset build"):
        training_set.read(tmp_path / "b")


def test_rows_of_arrow_and_parquet_are_those_of_the_stream(tmp_path):
    """An Arrow table, with underscores, dots or nested, and Parquet files give the very set."""
    gold = two_symbols()
    want, _ = from_rows(RECIPE, rows_of(gold))
    table = as_table(gold)
    dotted = table.rename_columns([c.path for c in tables()["gold.v1"].columns if c.path])
    inner = [n for n in dotted.schema.names if n.startswith("meta.")]
    struct = pa.StructArray.from_arrays([dotted.column(n).combine_chunks() for n in inner], [n[5:] for n in inner])
    nested = dotted.drop_columns(inner).append_column("meta", struct)
    for one in (table, dotted, nested):
        got, _ = build(RECIPE, ArrowGold(one, "made up"))
        assert got.meta.sha256 == want.meta.sha256
    pq.write_table(table.slice(0, 100), tmp_path / "0.parquet")
    pq.write_table(table.slice(100), tmp_path / "1.parquet")
    got, _ = build(RECIPE, ParquetGold([tmp_path]))
    np.testing.assert_array_equal(got.x, want.x)
    np.testing.assert_array_equal(got.target, want.target)
    again, _ = build(RECIPE, ParquetGold([tmp_path]))
    assert got.meta == again.meta
    assert got.meta.data_snapshot_id.startswith("parquet:")
    with pytest.raises(ConfigError, match=r"lacks meta\.close"):
        build(RECIPE, ArrowGold(table.drop_columns(["meta_close"]), "made up"))


def test_files_that_change_places_are_another_snapshot(tmp_path):
    """Of two records of a bar the one of the later file counts: names that are exchanged give other rows."""
    gold = make_gold(200)
    other = gold.take(np.arange(200))
    other["features.rsi_14_value"] += 1.0
    for names in (("a0", "a1"), ("b1", "b0")):
        for name, rows in zip(names, (gold, other), strict=True):
            (tmp_path / name[0]).mkdir(exist_ok=True)
            pq.write_table(as_table(rows), tmp_path / name[0] / f"{name[1]}.parquet")
    first, second = (build(RECIPE, ParquetGold([tmp_path / name]))[0] for name in "ab")
    assert first.meta.sha256 != second.meta.sha256
    assert first.meta.data_snapshot_id != second.meta.data_snapshot_id
