"""Whose trial a run is: all that try to predict the same thing, and nobody else."""

from dataclasses import replace

import pytest

from offline.recipes.recipe import KINDS, LabelSpec
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


@pytest.mark.parametrize(
    "written",
    [LabelSpec(15, transform="vol_scaled"), LabelSpec(15, winsor_limit=2.5), LabelSpec(15, stretch_max=2),
     LabelSpec(15, over_closed_hours=False)],
    ids=["a default spelled out", "a limit that cuts nothing", "a whole number", "what a timeframe means"],
)  # fmt: skip
def test_recipes_that_mean_the_same_are_trials_of_one_experiment(written):
    """However the label is written: as many tries are counted as there are for one recipe hash."""
    recipe = replace(recipe_of("linear"), label=LabelSpec(15))
    same = replace(recipe, label=written)
    assert same.hash == recipe.hash
    assert experiment_of(same) == experiment_of(recipe)
    # What cuts is another label.
    cut = [replace(recipe, label=LabelSpec(15, transform="winsorized", winsor_limit=limit)) for limit in (2.0, 2.5)]
    assert experiment_of(cut[0]) != experiment_of(cut[1])
