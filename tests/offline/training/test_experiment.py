"""Whose trial a run is: all that try to predict the same thing, and nobody else."""

from dataclasses import replace

import pytest

from offline.recipes.recipe import KINDS
from offline.registry.registry import check_name
from offline.training.experiment import experiment_of
from tests.offline.training.made import recipe_of


def test_the_example_recipes_of_all_kinds_are_trials_of_one_experiment():
    """Its name says timeframe, horizon, target and universe, and stands in an address."""
    names = {experiment_of(recipe_of(kind)) for kind in KINDS}
    assert len(names) == 1
    name = names.pop()
    assert name.startswith("1m_15bars_forward_return_2symbols_")
    check_name(name)


@pytest.mark.parametrize(
    ("of", "changes"),
    [("label", {"horizon_bars": 16}), ("label", {"stretch_max": 3.0}), ("universe", {"symbols": ("EURUSD:FX",)}),
     ("universe", {"timeframe": "5m"}), ("universe", {"roots": ("CL:NYM",)})],
)  # fmt: skip
def test_another_target_is_another_experiment(of, changes):
    """Horizon, rule of the label, symbols, timeframe; the order of symbols and the history they must have are not."""
    recipe = recipe_of("linear")
    other = replace(recipe, **{of: replace(getattr(recipe, of), **changes)})
    assert experiment_of(other) != experiment_of(recipe)
    same = replace(
        recipe, universe=replace(recipe.universe, symbols=recipe.universe.symbols[::-1], min_history_bars=9), seed=7
    )
    assert experiment_of(same) == experiment_of(recipe)
