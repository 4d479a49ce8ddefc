"""Recipes and strategy files: what is read, what is refused and where, and what a hash means."""

import json
import pickle
import re
from pathlib import Path

import pytest
import yaml

from offline.calibrators import FITS
from offline.export.head import CURVES
from offline.recipes import json_schema
from offline.recipes.reading import read_file, read_recipe, read_strategy
from offline.recipes.recipe import CALIBRATIONS, KINDS, ModelRecipe, check_servable
from offline.training.tuning import candidates
from processors.errors import ConfigError, GatheredConfigError

EXAMPLES = Path(__file__).parents[3] / "offline" / "recipes" / "examples"
RECIPE = """\
recipe:
  id: one
  feature_packs: [core_value_v1]
  label_spec: {horizon_bars: 15}
  universe_spec: {timeframe: 1m, symbols: ["EURUSD:FX"]}
  model: {kind: lgbm, params: {num_leaves: 15}}
"""
STRATEGY = (EXAMPLES / "strategy.yaml").read_text()


def read(tmp_path: Path, text: str):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return read_file(path)


def test_there_is_an_example_of_each_kind():
    """Five recipes for the shipped pairs, one a kind, a quarter of an hour ahead; each names the schema for editors."""
    found = [read_recipe(EXAMPLES / f"fx_{kind}.yaml") for kind in KINDS]
    assert [r.model.kind for r in found] == list(KINDS)
    for recipe in found:
        assert (recipe.universe.timeframe, recipe.label.horizon_bars) == ("1m", 15)
        check_servable(recipe)
        names = [i.name for i in recipe.inputs()]
        assert "features.rsi_14_value" in names
        assert not {"features.ema_10_value", "features.volume_ratio_20", "regime.hmm_p_trend"} & set(names)
    for path in EXAMPLES.glob("*.yaml"):
        first = path.read_text().splitlines()[0]
        assert (path.parent / first.split("$schema=")[1]).resolve().is_file()


def test_the_strategy_of_the_design_means_features_of_the_catalog():
    """Every word of the file becomes a feature that a row has, free of the price, and each model a recipe."""
    found = read_strategy(EXAMPLES / "strategy.yaml")
    assert found.features.names() == (
        "rsi_14_value", "atr_14_ratio", "ema_10_ratio", "ema_20_ratio", "ema_50_ratio", "roc_5_value", "roc_20_value",
        "xs_momentum_1mo_rank", "xs_momentum_3mo_rank", "xs_momentum_6mo_rank", "xs_low_vol_rank", "curve_slope",
        "curve_carry", "curve_f1f2_log", "curve_f2f3_log",
    )  # fmt: skip
    lgbm, tft = found.recipes()
    assert (lgbm.model.kind, tft.model.kind) == ("lgbm", "tft")
    assert lgbm.model.params == {"num_leaves": 64, "learning_rate": 0.05}
    assert lgbm.universe.roots == ("CL:NYM", "GC:CMX")
    assert lgbm.universe.symbols == ("AAPL:US", "MSFT:US")
    assert [p.pack_id for p in lgbm.resolved().packs] == ["core_value_v2", "outside_v1"]
    assert lgbm.resolved().cross_pack.pack_id == "cross_section_v1"
    assert found.guards.stale_threshold_s == 10
    with pytest.raises(ConfigError, match="no row back for the cross-section"):
        check_servable(lgbm)


@pytest.mark.parametrize(
    ("line", "old", "new", "said"),
    [
        (3, "core_value_v1", "core_valeu_v1", "feature_packs is 'core_valeu_v1'.*core_value_v1"),
        (4, "horizon_bars: 15", "horizon_bars: 0", "label_spec.horizon_bars is '0': a number from 1"),
        (4, "15}", "15, target: sign, transform: vol_scaled}", "transform is 'vol_scaled': of sign: none"),
        (4, "15}", "15, target: forward_retrun}", "near it: forward_return"),
        (4, "15}", "15, barriers: {up: 2}}", "barriers is 'forward_return': only with target: triple_barrier"),
        (5, "timeframe: 1m, ", "", "universe_spec.timeframe is None: is needed"),
        (6, "kind: lgbm", "kind: lightgbm", "model.kind is 'lightgbm': one of linear, lgbm"),
        (6, "{num_leaves: 15}", "[1]", "model.params is 'a list': a mapping"),
        (6, "num_leaves: 15", "learning_rte: 0.03", "model.params.learning_rte is 0.03: no parameter; allowed are"),
        (7, "{num_leaves: 15}}", "{\n    rounds: 0}}", "model.params.rounds is 0: from 1 to 100000"),
        (6, "num_leaves: 15", "num_leaves: [7, 15]", r"model.params.num_leaves is .7, 15.: a value of type int"),
        (6, "15}}", "15}, grid: {rounds: [10, 20]}}", "model.grid is 'rounds': only with validation: .scheme: nested"),
        (6, "15}}", "15}, grid: {num_leaves: [7, 15]}}", "model.grid.num_leaves is 15: in params or in grid"),
        (6, "15}}", "15}, grid: {rounds: [10, none]}}", "model.grid.rounds is 'none': a value of type int"),
        (6, "15}}", "15}, grid: {rounds: []}}", "model.grid.rounds is 'a list': a list that is not empty"),
        (6, "15}}", f"15}}, grid: {{rounds: {list(range(1, 66))}}}}}", "model.grid is '65 combinations': 1 to 64"),
        (7, "", "  validation: {scheme: nested}\n", "validation.scheme is 'nested': with model.grid"),
        (7, "", "  limits: Knows no holidays\n", "limits is 'Knows no holidays': a list"),
        (7, "", "  seed: -1\n", "seed is '-1'"),
        (7, "", "  exclude: [nothing_like_it]\n", "exclude is 'nothing_like_it': a pattern that matches"),
        (7, "", "  extra_features: [rsi_14_valeu]\n", "near it: rsi_14_value"),
        (7, "", "  transformations: [{kind: lag, features: [ema_10_value], bars: 1}]\n", "an input of the recipe"),
        (7, "", "  transformations: [{kind: rank, features: [rsi_14_value], bars: 1}]\n", "2 or more for rank"),
        (7, "", "  validation: {scheme: combinatorial, folds: 3, test_folds: 3}\n", "fewer than the 3 folds"),
        (7, "", "  sede: 1\n", "recipe is 'sede': one of id"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path, line, old, new, said):
    """File and line, key, value and remedy, for values, for what does not fit together, and for missing keys."""
    text = RECIPE.replace(old, new, 1) if old else RECIPE + new
    with pytest.raises(ConfigError, match=said) as e:
        read(tmp_path, text)
    assert e.value.where == f"{tmp_path}/file.yaml:{line}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rsi: 14", "rsi: 15", r"features.ts.rsi is 15: the catalog has rsi with 14; 2; 7; 21"),
        ("rsi: 14", "rsy: 14", r"features.ts.rsy is 14: an indicator of the catalog; near it: rsi"),
        ("[1, 3, 6]", "[1, 2]", r"features.cross.momentum_months is 2: of 1, 3, 6"),
        ('"F1F2"', '"F1F9"', r"features.curve.spreads is 'F1F9': one of F1F2, F2F3"),
        ('"lgbm"', '"lgmb"', r"models.tabular.type is 'lgmb': one of linear, lgbm, xgb; near it: lgbm"),
        ("vol_target: 0.12", "vol_target: 0", r"risk.vol_target is '0'"),
        ('"adv_participation"', '"square_root"', r"costs.slippage.model is 'square_root'"),
        ("strategy:", "strategies:", r"file is 'strategies': one of recipe, strategy"),
    ],
)  # fmt: skip
def test_a_wrong_strategy_is_told_with_its_line(tmp_path, old, new, said):
    """Unknown indicators name those that are near, and the parameters that there are."""
    text = STRATEGY.replace(old, new, 1)
    with pytest.raises(ConfigError, match=said) as e:
        read(tmp_path, text)
    at = next(i for i, line in enumerate(text.splitlines(), 1) if new.strip('"') in line)
    assert e.value.where == f"{tmp_path}/file.yaml:{at}"


def test_a_hash_is_of_the_meaning(tmp_path):
    """Comments, order, the name and patterns that choose the same do not move it; what changes the model does."""
    plain = read(tmp_path, RECIPE)
    spelt = "# other words\nrecipe:\n" + "".join(reversed(RECIPE.splitlines(keepends=True)[1:])).replace("one", "two")
    same = [
        spelt,
        RECIPE.replace("15}\n", "15.0, target: forward_return, transform: vol_scaled}\n", 1),
        RECIPE + "  validation: {scheme: walk_forward, test_folds: 3}\n",
        RECIPE + "  seed: 1\n  include: ['*_*', 'regime.*']\n",
        RECIPE.replace("feature_packs: [core_value_v1]", "feature_packs: [core_value_v1]\n  exclude: []"),
    ]
    assert [read(tmp_path, text).hash for text in same] == [plain.hash] * len(same)
    other = [
        RECIPE.replace("15}\n", "16}\n", 1), RECIPE + "  seed: 2\n", RECIPE + "  exclude: [rsi_*]\n",
        RECIPE.replace("EURUSD", "NZDUSD"), RECIPE.replace("num_leaves: 15", "num_leaves: 16"),
        RECIPE + "  transformations: [{kind: lag, features: [rsi_14_value], bars: 1}]\n",
        RECIPE + "  conformal: {coverage: 0.8}\n", RECIPE + "  quality: {drop_gap: true}\n",
        RECIPE.replace("15}\n", "15, target: triple_barrier, barriers: {up: 2}}\n", 1),
    ]  # fmt: skip
    hashes = {read(tmp_path, text).hash for text in other}
    assert len(hashes) == len(other)
    assert plain.hash not in hashes


def test_the_default_spelled_out_is_the_default(tmp_path):
    """A recipe means its parameters with all defaults, those of the interval's coverage among them."""
    bare = read(tmp_path, RECIPE.replace(", params: {num_leaves: 15}", ""))
    assert bare.hash == read(tmp_path, RECIPE).hash
    assert bare.meaning()["model"]["params"]["learning_rate"] == 0.03
    spelt = RECIPE.replace("num_leaves: 15", "num_leaves: 15, coverage: 0.9")
    assert read(tmp_path, spelt).hash == bare.hash
    assert read(tmp_path, spelt + "  conformal: {coverage: 0.8}\n").hash != bare.hash
    said = RECIPE + "  intended_use: To be looked at.\n  limits: [Knows no holidays.]\n"
    assert read(tmp_path, said).hash == bare.hash


def test_lists_are_values_and_a_grid_is_what_nested_chooses_from(tmp_path):
    """Penalties, stacks and the like are lists; each combination of a grid is a recipe without one."""
    linear = RECIPE.replace("lgbm, params: {num_leaves: 15}", "linear, params: {penalties: [1, 0.1]}")
    assert read(tmp_path, linear).meaning()["model"]["params"]["penalties"] == (1.0, 0.1)
    stacks = RECIPE.replace("lgbm, params: {num_leaves: 15}", "nbeats, params: {stacks: [trend], frozen: []}")
    assert read(tmp_path, stacks).model.params == {"stacks": ("trend",), "frozen": ()}
    grid = "grid: {num_leaves: [7, 15], learning_rate: [0.1, 0.03]}"
    text = RECIPE.replace("params: {num_leaves: 15}", grid) + "  validation: {scheme: nested}\n"
    found = candidates(read(tmp_path, text))
    assert [tuple(r.model.params.values()) for r in found] == [(7, 0.1), (7, 0.03), (15, 0.1), (15, 0.03)]
    assert not any(r.model.grid for r in found)
    lists = RECIPE.replace("lgbm, params: {num_leaves: 15}", "linear, grid: {penalties: [[1.0], [0.1, 0.01]]}")
    found = candidates(read(tmp_path, lists + "  validation: {scheme: nested}\n"))
    assert [r.model.params["penalties"] for r in found] == [(1.0,), (0.1, 0.01)]
    assert read(tmp_path, text).hash != read(tmp_path, text.replace("[7, 15]", "[7, 31]")).hash


def test_a_recipe_with_transformations_is_not_exported(tmp_path):
    """The refusal names the line, the columns, and the window models."""
    recipe = read(tmp_path, RECIPE + "  transformations: [{kind: lag, features: [rsi_14_value], bars: [1, 2]}]\n")
    assert [i.name for i in recipe.inputs()[-2:]] == ["lag_1(features.rsi_14_value)", "lag_2(features.rsi_14_value)"]
    with pytest.raises(ConfigError, match=r"lag of rsi_14_value.*score stage can compute.*tft, nbeats") as e:
        check_servable(recipe)
    assert e.value.where.endswith("file.yaml:7")


def test_the_published_schemas_are_those_of_the_code():
    """``python -m offline.recipes.json_schema`` would change nothing."""
    for name, schema in json_schema.schemas().items():
        assert (json_schema.FOLDER / name).read_text(encoding="utf-8") == json_schema.text_of(schema)


def test_schema_and_reader_agree(tmp_path):
    """The examples fit the schema; what the reader refuses for a key, a kind or a range, so does the schema."""
    jsonschema = pytest.importorskip("jsonschema")
    validators = {k.split(".")[0]: jsonschema.Draft202012Validator(v) for k, v in json_schema.schemas().items()}
    for path in EXAMPLES.glob("*.yaml"):
        document = yaml.safe_load(path.read_text())
        assert not list(validators[next(iter(document))].iter_errors(document)), path
    for old, new in (("horizon_bars: 15", "horizon_bars: 0"), ("kind: lgbm", "kind: x"), ("  id: one\n", ""),
                     ("model:", "modell:"), ("core_value_v1", "core_value_v9")):  # fmt: skip
        text = RECIPE.replace(old, new)
        with pytest.raises(ConfigError):
            read(tmp_path, text)
        assert list(validators["recipe"].iter_errors(yaml.safe_load(text))), text


def test_every_key_of_the_schemas_says_what_it_means():
    """No key without a description, so that an editor shows one."""

    def keys(schema):
        for name, value in schema.get("properties", {}).items():
            yield name, value
            yield from keys(value)
            yield from keys(value.get("items", {}))

    found = [k for schema in json_schema.schemas().values() for k in keys(schema) if k[0] not in {"recipe", "strategy"}]
    assert len(found) > 60
    assert not [name for name, value in found if not value.get("description")]
    json.dumps(found)


def test_places_are_lines_of_the_file(tmp_path):
    """A key that is found wrong later is told with its line, or that of the key above it."""
    recipe = read(tmp_path, RECIPE)
    assert isinstance(recipe, ModelRecipe)
    assert re.fullmatch(r".*file.yaml:6", recipe.place("model.params.num_leaves"))
    assert recipe.place("model.params.other").endswith(":6")
    assert recipe.place("nothing") == "recipe one"


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("feature_packs: [core_value_v1]", "feature_packs: [core_valu_v1]"),
        ("horizon_bars: 15", "horizon_bar: 15"),
        ("num_leaves: 15", "num_leafs: 15"),
    ],
)
def test_a_name_that_is_nearly_right_is_told(tmp_path, wrong, near):
    """Of packs, keys and parameters alike."""
    text = (EXAMPLES / "fx_lgbm.yaml").read_text()
    assert wrong in text
    meant = wrong.split(": [")[-1].rstrip("]") if "[" in wrong else wrong.split(":")[0]
    with pytest.raises(ConfigError, match=f"near it: .*{meant}"):
        read(tmp_path, text.replace(wrong, near))


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    """Unknown and missing keys, wrong values at any depth and in lists: a line each; what they mean together later."""
    text = """\
recipe:
  feature_packs: [core_valu_v1]
  extra_features: [rsi_14, ema_10]
  label_spec: {horizon_bars: 0, targets: sign}
  universe_spec: {timeframe: 2m}
  model: {kind: lgbm, kind: xgb}
  seeds: 1
"""
    with pytest.raises(GatheredConfigError) as caught:
        read(tmp_path, text)
    told = [(e.where.rsplit(":", 1)[1], e.key, e.value) for e in caught.value.errors]
    assert told == [
        ("7", "recipe", "seeds"), ("2", "recipe.id", None), ("2", "recipe.feature_packs", "core_valu_v1"),
        ("3", "recipe.extra_features", "rsi_14"), ("3", "recipe.extra_features", "ema_10"),
        ("4", "recipe.label_spec", "targets"), ("4", "recipe.label_spec.horizon_bars", "0"),
        ("5", "recipe.universe_spec.timeframe", "2m"), ("6", "recipe.model", "kind"),
    ]  # fmt: skip
    assert str(caught.value).splitlines() == [str(e) for e in caught.value.errors]
    assert pickle.loads(pickle.dumps(caught.value)).errors[0].key == "recipe"  # noqa: S301 - our own bytes


def test_every_calibration_has_a_fit_and_a_form_in_a_graph():
    """A recipe can ask for none that training or the export does not know, and for all that they know."""
    assert {*FITS} == {*CURVES} == {*CALIBRATIONS} - {"none"}
