"""What is read of SQLite without MLflow is what MLflow reads."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from offline.registry import listing
from offline.registry.listing import KNOWN, find, versions
from offline.registry.place import SQLITE, Place, sqlite_path
from offline.registry.registry import Registry
from processors.errors import ConfigError
from tests.offline.registry.made import evidence, model_file
from tests.runtime.ticks import REPOSITORY


@pytest.fixture(scope="module")
def filled(empty_registry, tmp_path_factory):
    """Return the place of two models with three versions and aliases, one deleted version, and a model of others."""
    folder = tmp_path_factory.mktemp("filled")
    place = Place.of_folder(folder)
    shutil.copy(empty_registry, sqlite_path(place.db))
    registry = Registry(place)
    for number in range(3):
        registry.register("fx", model_file(folder / "m.onnx", 1.0 + number), evidence())
    registry.register("metals", model_file(folder / "m.onnx", 9.0), evidence(recipe_id="metals"))
    registry.set_alias("fx", "champion", "1")
    client = registry._client
    client.set_registered_model_alias("fx", "of_others", "1")
    client.delete_model_version("fx", "2")
    client.create_registered_model("theirs")
    client.create_model_version("theirs", "file:///nothing", await_creation_for=0)
    return place


def copied(place, path):
    """Return the same registry with its database in another file."""
    shutil.copy(sqlite_path(place.db), path)
    return Place(f"{SQLITE}{path}", place.artifacts)


def test_every_version_is_the_one_that_mlflow_has(filled):
    """Of all models and of one, by number and by alias, every field: names, aliases, files, facts."""
    registry = Registry(filled)
    everything = versions(filled)
    assert [v.label for v in everything] == ["fx@1", "fx@3", "metals@1"]
    assert everything == registry.versions()
    for name in ("fx", "metals", "theirs", "nothing"):
        assert versions(filled, name) == registry.versions(name)
    for which in ("1", "3", "champion", "candidate"):
        assert find(filled, "fx", which) == registry.find("fx", which)


def test_it_is_read_without_mlflow(filled, monkeypatch):
    """All that is there, where MLflow does not open."""
    monkeypatch.setattr(Place, "open", None)
    assert len(versions(filled)) == 3
    assert find(filled, "fx", "champion").version == 1


def test_the_tables_of_the_mlflow_that_is_installed_are_known(place):
    """Another revision has to be looked at before it is read: until then MLflow is asked, which is right and slow."""
    with closing(sqlite3.connect(sqlite_path(place.db))) as db:
        (found,) = db.execute("select version_num from alembic_version").fetchone()
    assert found in KNOWN


@pytest.mark.parametrize("broken", ["update alembic_version set version_num = 'other'", None])
def test_other_tables_are_left_to_mlflow(filled, broken, monkeypatch, tmp_path):
    """Of another revision, or a file that is no database: nothing is read past them."""
    path = tmp_path / "registry.db"
    place = copied(filled, path)
    if broken is None:
        path.write_bytes(b"no database" * 1000)
    else:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(broken)
    asked = []
    monkeypatch.setattr(Registry, "__init__", lambda _, place: asked.append(place))
    monkeypatch.setattr(Registry, "versions", lambda _, name: [name])
    assert versions(place, "fx") == ["fx"]
    assert asked == [place]


def test_a_version_that_is_not_there_is_told_as_by_mlflow(filled):
    """With those that are there."""
    with pytest.raises(ConfigError, match="version of fx is '2': one of 1, 3, champion, candidate"):
        find(filled, "fx", "2")
    with pytest.raises(ConfigError, match="one of fx, metals"):
        find(filled, "nothing", "1")


def test_list_and_show_do_not_import_mlflow(filled, tmp_path):
    """Its import takes seconds; pandas and the like come with it."""
    code = (
        "import sys\nfrom cli.main import cli\n"
        "for words in (['list'], ['list', '--json'], ['show', 'fx']):\n"
        "    cli(['models', *words], standalone_mode=False)\n"
        "print([m for m in ('mlflow', 'pandas', 'matplotlib', 'sqlalchemy', 'onnxruntime') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=True, text=True,
        env={**os.environ, "MPS_REGISTRY_DB": filled.db, "MPS_REGISTRY_ARTIFACTS": filled.artifacts,
             "MPS_HOME": str(tmp_path)},
    )  # fmt: skip
    lines = out.stdout.splitlines()
    assert "fx@3" in out.stdout
    assert json.loads(lines[-1].replace("'", '"')) == []


def test_a_path_with_odd_characters_is_read(filled, tmp_path):
    """A question mark or a percent sign is part of the name."""
    folder = tmp_path / "odd ?%20#name"
    folder.mkdir()
    assert len(listing._of_sqlite(copied(filled, folder / "registry.db"))) == 3
