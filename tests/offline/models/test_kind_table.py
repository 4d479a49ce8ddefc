"""The table of kinds: classes, windows, strategy, schemas, examples and libraries are those of the code."""

import subprocess
import sys
from dataclasses import fields

import pytest

from offline.models.kinds import DEEP, KINDS, TABULAR, loaded, versions
from offline.recipes import json_schema, recipe, strategy
from offline.recipes.reading import read_recipe
from tests.contract.test_layers import imports, modules_of
from tests.offline.training.made import EXAMPLES

LIBRARIES = {"numpy", "onnx", "onnxruntime", "lightgbm", "xgboost", "jax", "optax", "spox", "sklearn", "scipy", "torch"}
"""Of those that a trained file may come from, the ones that a card is to name."""
OF_A_FIT = ("offline.models", "offline.export.trees", "offline.export.lightgbm_trees", "offline.export.xgboost_trees")
"""Where what a kind's own module imports is followed."""


def needed(module):
    """Return the libraries that a module imports, itself or through other modules of a fit."""
    modules, done, todo, found = modules_of("offline"), set(), [module], set()
    while todo:
        here = todo.pop()
        if here in done:
            continue
        done.add(here)
        for name in imports(modules, here):
            if name.startswith(OF_A_FIT) and name in modules:
                todo.append(name)
            elif name.split(".")[0] in LIBRARIES:
                found.add(name.split(".")[0])
    return found


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_what_its_row_says(name):
    """Class, parameters and window are those of the estimator; there is an example; every schema knows it."""
    kind = KINDS[name]
    estimator = loaded(kind.estimator)
    assert estimator.kind == name
    assert estimator.parameters is loaded(kind.parameters)
    assert (estimator().window_bars > 1) == (kind.slot == DEEP)
    assert "coverage" in {f.name for f in fields(estimator.parameters)}
    assert read_recipe(EXAMPLES / f"fx_{name}.yaml").model.kind == name
    schemas = json_schema.schemas()
    models = schemas["strategy.schema.json"]["properties"]["strategy"]["properties"]["models"]["properties"]
    assert name in models[kind.slot]["properties"]["type"]["enum"]
    of_recipe = schemas["recipe.schema.json"]["properties"]["recipe"]["properties"]["model"]["properties"]
    assert of_recipe["kind"]["enum"] == list(KINDS)


def test_recipes_and_strategies_take_their_lists_from_the_table():
    """Neither has a kind that the other lacks."""
    assert tuple(KINDS) == recipe.KINDS
    assert recipe.WINDOW_KINDS == strategy.DEEP
    assert {*strategy.TABULAR, *strategy.DEEP} == set(KINDS)
    assert {k.slot for k in KINDS.values()} == {TABULAR, DEEP}


@pytest.mark.parametrize("name", KINDS)
def test_a_card_names_the_libraries_that_the_kind_imports(name):
    """What its module imports, directly or not, and what its file is run with: no more and no less."""
    assert set(versions(name)) == needed(KINDS[name].estimator.partition(":")[0]) | {"onnxruntime"}
    assert all(v[0].isdigit() for v in versions(name).values())


def test_parameters_are_read_without_what_trains():
    """To check recipes of all kinds imports neither a booster nor JAX."""
    code = (
        "import sys\nfrom offline.models.kinds import KINDS, parameters_of\n"
        "for kind in KINDS: parameters_of(kind, {})\n"
        "print(*sorted({'lightgbm', 'xgboost', 'jax', 'optax', 'spox'} & sys.modules.keys()))"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout == "\n"
