"""From a recipe to a file and a version: what was learnt, what resumes, what is honest through a break."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from offline.calibration import sigmoid
from offline.recipes.reading import read_recipe
from offline.recipes.recipe import ModelSpec, ValidationSpec
from offline.registry.place import Place
from offline.registry.registry import Registry
from offline.reliability import calibration_error
from offline.training import run as run_module
from offline.training.adaptive import adaptive_intervals
from offline.training.alone import alone
from offline.training.by_cluster import refine
from offline.training.experiment import experiment_of
from offline.training.run import run
from offline.training.tuning import inner_splits
from offline.training.walk import walk
from processors.errors import ConfigError, RetryableError
from processors.score.config import ScoreConfig
from processors.score.model import Model
from tests.offline.training.made import EXAMPLES, MINUTE, made, recipe_of
from tests.runtime.ticks import REPOSITORY


def quiet(_step, _share):
    """Say nothing."""


@pytest.mark.parametrize("kind", ["linear", "lgbm"])
def test_a_signal_is_learnt_judged_exported_and_registered(kind, tmp_path):
    """The file scores as the trainer does, the report tells the signal, the registry has it with its evidence."""
    data, registry = made(), Registry(Place.of_folder(tmp_path / "registry"))
    out = tmp_path / "model.onnx"
    # A strategy has costs of its own, a recipe those of the environment.
    costs = None if kind == "linear" else ScoreConfig(slippage_bps_per_adv_share=7.0)
    outcome = run(
        recipe_of(kind), data, {}, out, tmp_path / "work", registry=registry, experiment="made",
        progress=quiet, costs=costs,
    )  # fmt: skip
    found = outcome.report["out_of_sample"]
    assert found["auc"] > 0.7
    assert found["log_loss"] < found["log_loss_base_rate"] - 0.03
    assert found["n"] == round(0.6 * len(data)) // 2 * 2
    assert outcome.version is not None
    assert registry.find(outcome.version.name, "candidate").sha256 == outcome.report["sha256"]
    assert registry.evidence(outcome.version).dataset.dropped == {}
    assert registry.evidence(outcome.version).costs == costs
    assert len(registry.trials("made")) == 1
    model = Model(out.read_bytes(), "file")
    said = model.run(data.x[data.at])
    assert ((sigmoid(said.logit) > 0.5) == (data.move > 0)).mean() > 0.65
    assert json.loads((tmp_path / "model.onnx.json").read_text())["kind"] == kind


def test_the_card_names_every_pack_and_the_regime_model(tmp_path):
    """What the rows of training had is what the stream must have: the second pack and whose regimes too."""
    recipe = replace(recipe_of("linear"), feature_packs=("core_value_v1", "core_value_v2"), regime_model="hmm")
    refs, data = tuple(pack.ref for pack in recipe.resolved().packs), made()
    data = replace(data, meta=replace(data.meta, packs=refs))
    registry = Registry(Place.of_folder(tmp_path / "registry"))
    out = run(recipe, data, {}, tmp_path / "m.onnx", tmp_path / "w", registry=registry, progress=quiet).path
    card = Model(out.read_bytes(), "file").card
    assert len(refs) == 2
    assert (card.needs, card.regime_model) == (refs, "hmm")


def test_a_run_that_was_broken_off_goes_on_to_the_same_bytes(tmp_path):
    """With a finished fold less, and with all folds done, the file is that of the undisturbed run."""
    data, recipe = made(1_800), recipe_of("lgbm", num_leaves=7)

    def file(work, out):
        outcome = run(recipe, data, {}, out, work, registry=None, progress=quiet)
        return outcome.path.read_bytes()

    whole = file(tmp_path / "a", tmp_path / "a.onnx")
    again = file(tmp_path / "a", tmp_path / "b.onnx")
    folds = sorted((tmp_path / "a").glob("*/fold-*.npz"))
    assert len(folds) == 3
    before = folds[-1].read_bytes()
    folds[-1].unlink()
    third = file(tmp_path / "a", tmp_path / "c.onnx")
    assert whole == again == third
    fold = np.load(folds[-1])
    assert len(before) > 0
    assert np.isfinite(fold["probability"]).all()


def test_folds_of_other_parameters_libraries_or_code_are_not_used_again(monkeypatch):
    """A default spelled out is the same run; another value, version, share of a window or format is another one."""
    data = made(50)
    key = run_module._key(recipe_of("lgbm", rounds=20), data)
    assert run_module._key(recipe_of("lgbm", rounds=20, num_leaves=15), data) == key
    assert run_module._key(replace(recipe_of("lgbm", rounds=20), limits=("Knows no holidays.",)), data) == key
    others = {run_module._key(recipe_of("lgbm", rounds=20, num_leaves=16), data)}
    for name, other in (("STOP_SHARE", 0.2), ("TRAINING_FORMAT", 0), ("versions", lambda _kind: {"lightgbm": "0.1"})):
        with monkeypatch.context() as patch:
            patch.setattr(run_module, name, other)
            others.add(run_module._key(recipe_of("lgbm", rounds=20), data))
    assert len(others - {key}) == 4


def test_a_grid_is_chosen_inside_each_window_and_registered(tmp_path):
    """Trees that may split beat those that may not, in every fold; the version has the recipe's hash, grid and all."""
    recipe = replace(
        recipe_of("lgbm"), model=ModelSpec("lgbm", {"rounds": 20}, {"min_data_in_leaf": (20, 100_000)}),
        validation=ValidationSpec("nested", 2, embargo_bars=5, inner_folds=2),
    )  # fmt: skip
    registry = Registry(Place.of_folder(tmp_path / "registry"))
    outcome = run(recipe, made(6_000), {}, tmp_path / "m.onnx", tmp_path / "w", registry=registry, progress=quiet)
    assert {p["min_data_in_leaf"] for p in outcome.report["params"].values()} == {20}
    assert outcome.version.facts["recipe_hash"] == recipe.hash
    assert outcome.version.facts["experiment"] == experiment_of(recipe)
    assert len(registry.trials(experiment_of(recipe))) == 1


def test_what_comes_after_until_is_not_seen(tmp_path):
    """The card says until when, and the same rows with another future give the same file."""
    data = made(2_600)
    until = int(np.quantile(data.ts_ns, 0.7))
    changed = made(2_600)
    later = changed.ts_ns > until
    changed.x[later] = 0.0
    files = []
    for name, rows in (("a", data), ("b", changed)):
        out = tmp_path / f"{name}.onnx"
        run(recipe_of("lgbm"), rows, {}, out, tmp_path / name, registry=None, until_ns=until, progress=quiet)
        files.append(out.read_bytes())
    assert files[0] == files[1]
    assert Model(files[0], "file").card.trained_until_ns <= until


def test_probabilities_and_intervals_stay_honest_through_a_break_of_volatility(tmp_path):
    """Out of sample: ECE at most 0.05; coverage within 2 points, over all and where moves grow threefold by itself."""
    data = made(12_000, signal=0.3, wild_from=0.75)
    recipe = recipe_of("linear")
    walked = walk(recipe, data, tmp_path, quiet)
    rows, followed = walked.rows, walked.followed
    assert calibration_error(rows.probability, rows.up, binning="mass") <= 0.05
    inside = (rows.move >= rows.low) & (rows.move <= rows.high)
    wild = np.quantile(data.ts_ns, 0.75)
    calm = rows.ts_ns < wild
    for part in (np.ones(len(rows), np.bool_), calm, ~calm):
        assert abs(inside[part].mean() - rows.coverage) <= 0.02
    # For a horizon nobody has heard of the break.
    first = ~calm & (rows.ts_ns < wild + 100 * MINUTE)
    assert 0.65 < inside[first].mean() < rows.coverage
    assert followed.furthest <= followed.bound
    # The folds are there already: what the model tells by itself is judged alone.
    fixed = replace(recipe, conformal=replace(recipe.conformal, adaptive=False))
    own = walk(fixed, data, tmp_path, quiet).rows
    left = (own.move >= own.low) & (own.move <= own.high)
    assert abs(left[calm].mean() - own.coverage) <= 0.02
    assert left[~calm].mean() < 0.7


def test_adaptive_intervals_keep_their_bound_whatever_comes():
    """With errors that jump by a factor of a thousand, each symbol's misses stay within the proven distance."""
    data = made(3_000, signal=0.0)
    rng = np.random.default_rng(1)
    move = rng.standard_normal(len(data)) * 10.0 ** rng.integers(-1, 3, len(data))
    ones, symbol = np.ones(len(data)), data.symbol[data.at]
    followed = adaptive_intervals(
        data.ts_ns[data.at], data.end_ns, move, -ones, ones, symbol, [np.linspace(0.01, 1.1, 200)] * 2, 0.9, gamma=0.05
    )
    assert followed.furthest <= followed.bound


def edited(folder, *changes):
    """Return the recipe of an example with some words changed, read from a file."""
    text = (EXAMPLES / "fx_lgbm.yaml").read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "edited.yaml"
    path.write_text(text)
    return read_recipe(path)


def test_what_cannot_be_served_is_refused_before_the_first_fit(tmp_path):
    """A recipe with a lag: nothing is begun."""
    lag = "  transformations: [{kind: lag, features: [rsi_14_value], bars: [1]}]"
    recipe = edited(tmp_path, ("  seed: 1", "  seed: 1\n" + lag))
    with pytest.raises(ConfigError, match="transformations is 'lag of rsi_14_value'"):
        run(recipe, made(200), {}, tmp_path / "m.onnx", tmp_path / "work", registry=None, progress=quiet)
    assert not (tmp_path / "work").exists()


def test_inner_folds_judge_at_least_the_length_of_a_label(tmp_path):
    """Of a window's 800 times: the most inner folds are taken; one more is refused by name and line before any fit."""

    def read(n):
        nested = f"{{scheme: nested, folds: 3, embargo_bars: 5, inner_folds: {n}}}"
        return edited(
            tmp_path, ("{scheme: walk_forward, folds: 5, embargo_bars: 60}", nested),
            ("params: {num_leaves: 15, learning_rate: 0.03}", "grid: {num_leaves: [7, 15]}"),
        )  # fmt: skip

    data = made()
    window = np.flatnonzero(data.ts_ns[data.at] < data.ts_ns[800])
    assert len(inner_splits(read(52), data, window)) == 52
    said = r"edited.yaml:13: inner_folds is 53.*at most 52: of 800 times each would judge 14, and a label runs over 15"
    with pytest.raises(ConfigError, match=said):
        inner_splits(read(53), data, window)
    told = []
    with pytest.raises(ConfigError, match="inner_folds is 60"):
        walk(read(60), data, tmp_path, lambda step, _share: told.append(step))
    assert told == []
    assert not list(tmp_path.glob("*.json"))


def test_one_process_trains_in_a_folder(tmp_path):
    """Another is refused with the folder's name; where the first was killed, the folder is free."""
    data, recipe = made(1_800), recipe_of("linear")
    folder = tmp_path / "work" / f"{recipe.recipe_id}-{run_module._key(recipe, data)}"
    words = "import sys, pathlib; from offline.training.alone import alone\n"
    words += "with alone(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", words, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RetryableError, match=f"{re.escape(str(folder))}: another process trains"):
            run(recipe, data, {}, tmp_path / "m.onnx", tmp_path / "work", registry=None, progress=quiet)
        holder.kill()
    assert run(recipe, data, {}, tmp_path / "m.onnx", tmp_path / "work", registry=None, progress=quiet).path.exists()


def test_one_process_refines_in_a_folder(tmp_path):
    """The clusters of a run that another one is at work on are refused before anything is read."""
    base = SimpleNamespace(basis=SimpleNamespace(folder=tmp_path))
    with alone(tmp_path), pytest.raises(RetryableError, match="another process trains"):
        refine(recipe_of("tft"), base, None, registry=None, progress=quiet)
