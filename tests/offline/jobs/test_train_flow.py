"""The flow ``train``: what makes a finished run old, what a step stands for, and how often rows are read."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.local.paths import SHIPPED_TICKS
from offline.datasets.build import wanted_of
from offline.datasets.sources import RecordedTicks
from offline.jobs.catalog import JOBS
from offline.jobs.run import execute
from offline.registry import registry
from offline.training import asked
from offline.training import run as training
from processors.errors import ConfigError, PlatformError
from schemas.instruments import instruments_file
from schemas.vendors import vendors_file
from tests.offline.training.made import EXAMPLES

TICKS = str(SHIPPED_TICKS / "eurusd_ticks_two_vendors.parquet")
BROKEN = 13
"""Seed of a recipe whose fit fails."""


pytestmark = pytest.mark.usefixtures("mps_home")


@pytest.fixture
def fitted(monkeypatch):
    """Return seeds of recipes that were fitted, and names of the rows that were read; nothing is computed."""
    done, read = [], []

    def fit(recipe, _data, _left_out, out, _work, **_more):
        if recipe.seed == BROKEN:
            raise PlatformError("broken off")
        done.append(recipe.seed)
        names = ("kind", "recipe_hash", "data_snapshot_id", "sha256", "trained_until", "sharpe", "out_of_sample")
        return SimpleNamespace(
            version=SimpleNamespace(name=recipe.recipe_id, version=1), path=out, report=dict.fromkeys(names, "")
        )

    monkeypatch.setattr(RecordedTicks, "rows", lambda _self, wanted, _progress: read.append(wanted))
    monkeypatch.setattr(asked, "rows_of", lambda recipe, source, _tell: (source.rows(wanted_of(recipe)), {}))
    monkeypatch.setattr(training, "run", fit)
    monkeypatch.setattr(registry, "Registry", lambda: None)
    return done, read


def recipe_file(folder, name, seed):
    """Write a recipe that is told by its seed, and return its path."""
    text = (EXAMPLES / "fx_linear.yaml").read_text()
    for old, new in (("id: fx_linear", f"id: {name}"), ("seed: 1\n", f"seed: {seed}\n")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def test_recipes_that_want_the_same_rows_read_them_once(fitted, tmp_path):
    """Both are fitted."""
    done, read = fitted
    recipes = [recipe_file(tmp_path, "a", 1), recipe_file(tmp_path, "b", 2)]
    execute(JOBS["train"], {"recipes": recipes, "files": TICKS})
    assert done == [1, 2]
    assert len(read) == 1


def test_an_edited_recipe_is_not_answered_by_an_old_step(fitted, tmp_path):
    """A run that failed at the second recipe goes on: the first one is fitted anew where it was edited."""
    done, _ = fitted
    recipes = [recipe_file(tmp_path, "a", 1), recipe_file(tmp_path, "b", BROKEN)]
    for seed in (1, 3):
        recipe_file(tmp_path, "a", seed)
        with pytest.raises(PlatformError, match="broken off"):
            execute(JOBS["train"], {"recipes": recipes, "files": TICKS})
    assert done == [1, 3]


@pytest.mark.parametrize("changed", ["MPS_FACTS", "MPS_INSTRUMENTS", "MPS_VENDORS", "MPS_CONFIG", "format"])
def test_a_finished_run_is_old_where_what_decides_its_rows_has_changed(fitted, monkeypatch, tmp_path, changed):
    """Facts, instruments, vendors, knobs of the stages, or what labels mean; else it is returned as it is."""
    done, _ = fitted
    files = {name: tmp_path / name for name in ("MPS_FACTS", "MPS_INSTRUMENTS", "MPS_VENDORS", "MPS_CONFIG")}
    files["MPS_FACTS"].write_text("date,symbol,dividend,split\n")
    files["MPS_INSTRUMENTS"].write_text(instruments_file().read_text())
    files["MPS_VENDORS"].write_text(vendors_file().read_text())
    files["MPS_CONFIG"].write_text("{}")
    for name, path in files.items():
        monkeypatch.setenv(name, str(path))
    given = {"recipes": recipe_file(tmp_path, "a", 1), "files": TICKS}
    first = execute(JOBS["train"], given)
    assert execute(JOBS["train"], given).run == first.run
    if changed == "format":
        monkeypatch.setattr(training, "TRAINING_FORMAT", training.TRAINING_FORMAT + 1)
    else:
        Path(files[changed]).write_text(files[changed].read_text() + "\n")
    assert execute(JOBS["train"], given).run != first.run
    assert done == [1, 1]


def test_until_is_read_as_the_command_reads_it(fitted, monkeypatch, tmp_path):
    """Without a zone it is UTC; what is no time is refused by the name of the flow, before rows are read."""
    _, read = fitted
    fit, told = training.run, []
    monkeypatch.setattr(training, "run", lambda *given, **more: told.append(more["until_ns"]) or fit(*given, **more))
    given = {"recipes": recipe_file(tmp_path, "a", 1), "files": TICKS}
    with pytest.raises(ConfigError, match="flow train: until is 'noon': ISO 8601, UTC where it names no zone"):
        execute(JOBS["train"], {**given, "until": "noon"})
    assert read == []
    for text in ("2014-05-05T12:00", "2014-05-05T14:00+02:00"):
        execute(JOBS["train"], {**given, "until": text})
    assert told == [1_399_291_200_000_000_000] * 2
