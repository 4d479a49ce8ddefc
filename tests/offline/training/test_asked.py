"""What files ask to be trained: recipes, and the members of strategies with their costs."""

from dataclasses import replace

import pytest

from offline.datasets.build import wanted_of
from offline.recipes.reading import read_recipe
from offline.training.asked import ReadOnce, asked_for
from processors.errors import ConfigError
from processors.score.config import ScoreConfig
from tests.offline.training.made import EXAMPLES


def test_a_strategy_asks_for_each_of_its_models_with_its_costs(tmp_path):
    """In the order of the files; a recipe is judged by the costs of the environment."""
    plain, tabular, deep = asked_for([EXAMPLES / "fx_lgbm.yaml", EXAMPLES / "strategy_fx.yaml"])
    assert [a.recipe.recipe_id for a in (plain, tabular, deep)] == ["fx_lgbm", "strategy_fx_lgbm", "strategy_fx_tft"]
    assert plain.costs is None
    assert tabular.costs == deep.costs
    text = (EXAMPLES / "strategy_fx.yaml").read_text().replace("fee_bps: 0.2", "fee_bps: 1.0")
    (tmp_path / "dear.yaml").write_text(text)
    (_, dear) = asked_for([tmp_path / "dear.yaml"])
    assert isinstance(dear.costs, ScoreConfig)
    assert set(dear.costs.fee_bps.values()) == {1.0}
    # The same model, judged by other costs: what the first came to is no answer.
    (tmp_path / "strategy_fx.yaml").write_text(text)
    (_, again), (_, edited) = (asked_for([f / "strategy_fx.yaml"]) for f in (EXAMPLES, tmp_path))
    assert (again.recipe.hash, again.hash) == (deep.recipe.hash, deep.hash)
    assert edited.recipe.hash == deep.recipe.hash
    assert edited.hash != deep.hash
    assert (dear.costs.slippage_bps_per_adv_share, dear.costs.max_adv_share) == (30.0, 0.02)


def test_two_models_of_one_id_are_refused(tmp_path):
    """One file would be written over the other."""
    same = tmp_path / "again.yaml"
    same.write_text((EXAMPLES / "fx_lgbm.yaml").read_text())
    with pytest.raises(ConfigError, match=r"again.yaml: id is 'fx_lgbm'|fx_lgbm.yaml: id is 'fx_lgbm'"):
        asked_for([EXAMPLES / "fx_lgbm.yaml", same])


def test_the_same_rows_are_read_once():
    """Of a source that counts; other rows are read by themselves."""
    asked = []

    class Counted:
        def rows(self, wanted, _progress):
            asked.append(wanted)
            return object()

    source = ReadOnce(Counted())
    wanted = wanted_of(read_recipe(EXAMPLES / "fx_lgbm.yaml"))
    hourly = replace(wanted, timeframe="1h")
    assert source.rows(wanted) is source.rows(wanted)
    assert source.rows(hourly) is not source.rows(wanted)
    assert asked == [wanted, hourly]


def test_what_could_not_be_served_is_refused_before_rows_are_read():
    """Score holds no row back for the cross-section."""
    with pytest.raises(ConfigError, match="score holds no row back for the cross-section"):
        asked_for([EXAMPLES / "strategy.yaml"])
