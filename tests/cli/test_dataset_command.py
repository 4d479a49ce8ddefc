"""``mps dataset`` and ``mps recipe``: what they print, and how they refuse."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.commands.dataset import dataset
from cli.commands.recipe import recipe
from offline.datasets.training_set import REPORT
from processors.errors import ConfigError
from tests.offline.datasets.gold_tables import as_table
from tests.score.gold_rows import concat, make_gold

EXAMPLES = Path(__file__).parents[2] / "offline" / "recipes" / "examples"
FX = str(EXAMPLES / "fx_lgbm.yaml")


def called(command, *words):
    return CliRunner().invoke(command, list(words), catch_exceptions=False)


def test_a_set_is_built_and_shown(tmp_path):
    """Parquet files of gold rows become a folder; show tells the same, and both have a table and JSON."""
    gold = concat(make_gold(700, skill=0.0), make_gold(700, symbol="NZDUSD:FX", seed=2, skill=0.0))
    gold["warm"][3] = 0
    gold["quality.stale"][4] = 1
    pq.write_table(as_table(gold), tmp_path / "gold.parquet")
    asked = ("build", FX, "--gold", str(tmp_path / "gold.parquet"), "--out", str(tmp_path / "set"))
    told = json.loads(called(dataset, *asked, "--json").stdout)
    assert told["report"]["samples"] == 2 * (700 - 15) - 2
    assert told["meta"]["recipe_id"] == "fx_lgbm"
    shown = json.loads(called(dataset, "show", str(tmp_path / "set"), "--json").stdout)
    assert shown == told
    page = called(dataset, "show", str(tmp_path / "set")).stdout
    reasons = [line.split("no sample: ")[1].split("  ")[0] for line in page.splitlines() if "no sample: " in line]
    assert reasons == ["a window is not full", "made of stale ticks", "the symbol's rows end before the horizon"]
    assert told["meta"]["sha256"][:16] in page
    assert called(dataset, *asked).stdout == page


def test_a_reason_of_a_newer_version_is_shown_by_its_name(tmp_path):
    """After those that are known, so that the counts still add up."""
    pq.write_table(as_table(make_gold(700, skill=0.0)), tmp_path / "gold.parquet")
    called(dataset, "build", FX, "--gold", str(tmp_path / "gold.parquet"), "--out", str(tmp_path / "set"))
    path = tmp_path / "set" / REPORT
    report = json.loads(path.read_text())
    report["samples_left_out"] = {"halted": 7} | report["samples_left_out"]
    path.write_text(json.dumps(report))
    lines = [line for line in called(dataset, "show", str(path.parent)).stdout.splitlines() if "no sample: " in line]
    assert lines[-1].split() == ["no", "sample:", "halted", "7"]
    assert "before the horizon" in lines[0]


def test_a_named_symbol_without_rows_is_told(tmp_path):
    """The set is built of what there is, and both table and JSON name what there is not."""
    pq.write_table(as_table(make_gold(700, skill=0.0)), tmp_path / "gold.parquet")
    asked = ("build", FX, "--gold", str(tmp_path / "gold.parquet"), "--out", str(tmp_path / "set"))
    assert "no rows of NZDUSD:FX, which the recipe names" in called(dataset, *asked).stdout
    told = json.loads(called(dataset, "show", str(tmp_path / "set"), "--json").stdout)["report"]
    assert (told["symbols"]["NZDUSD:FX"]["rows"], told["symbols"]["EURUSD:FX"]["rows"]) == (0, 700)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    """It is refused before rows are read: nothing is written, and nothing that is there is replaced."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"one that holds notes.txt"):
        called(dataset, "build", FX, "--gold", str(tmp_path / "nothing"), "--out", str(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_two_sources_are_refused(tmp_path):
    """One source at a time; a strategy is no recipe; a missing folder says how to make one."""
    with pytest.raises(ConfigError, match="one of FILES, --gold, --clickhouse and --lake"):
        called(dataset, "build", FX, "ticks.parquet", "--clickhouse", "--out", str(tmp_path))
    with pytest.raises(ConfigError, match="beside --gold only"):
        called(dataset, "build", FX, "--cross", "x", "--out", str(tmp_path))
    with pytest.raises(ConfigError, match="mps recipe check"):
        called(dataset, "build", str(EXAMPLES / "strategy.yaml"), "--out", str(tmp_path))
    with pytest.raises(ConfigError, match="mps dataset build RECIPE --out FOLDER"):
        called(dataset, "show", str(tmp_path / "none"))


def test_a_recipe_and_a_strategy_are_checked(tmp_path):
    """Columns, packs and hash; models of a strategy, and what keeps them from use; a wrong key with its line."""
    page = called(recipe, "check", FX).stdout
    assert "as it should be" in page
    assert "rsi_14_value" in page
    told = json.loads(called(recipe, "check", str(EXAMPLES / "strategy.yaml"), "--json").stdout)
    assert [r["recipe_id"] for r in told["recipes"]] == ["strategy_lgbm", "strategy_tft"]
    notes = told["recipes"][0]["notes"]
    assert any("symbol AAPL:US is not among the instruments" in n for n in notes)
    assert any("for research only" in n for n in notes)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("recipe:\n  id: x\n  seeds: 1\n")
    with pytest.raises(ConfigError, match=r"wrong.yaml:3: recipe is 'seeds'"):
        called(recipe, "check", str(wrong))


def test_several_files_are_checked(tmp_path):
    """Those that are right are shown, and every one that is wrong is told."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("recipe:\n  id: x\n  seeds: 1\n")
    both = json.loads(called(recipe, "check", FX, str(EXAMPLES / "strategy_fx.yaml"), "--json").stdout)
    assert [[r["recipe_id"] for r in one["recipes"]] for one in both] == [
        ["fx_lgbm"], ["strategy_fx_lgbm", "strategy_fx_tft"],
    ]  # fmt: skip
    found = CliRunner().invoke(recipe, ["check", str(tmp_path / "a.yaml"), FX, str(tmp_path / "b.yaml")])
    assert "as it should be" in found.stdout
    assert isinstance(found.exception, ConfigError)
    for name in ("a", "b"):
        assert f"{name}.yaml:3: recipe is 'seeds'" in str(found.exception)
