"""The versions of a registry on SQLite, read as rows: MLflow's import takes seconds, and a list needs nothing of it.

`mps models list` and `show` call it. Where the tables are others than those known here, on PostgreSQL, and for a name
that is not there, MLflow is asked.
"""

import sqlite3
from contextlib import closing
from types import SimpleNamespace
from urllib.parse import quote

from offline.registry.place import SQLITE, Place, sqlite_path
from offline.registry.versions import FILES, TEXT_FACTS, ModelVersion, version_of

KNOWN = frozenset({"dc11669786a5"})
"""Revisions of MLflow's tables that what is read here is held against by a test: MLflow 3.17."""
_REVISION = "select version_num from alembic_version"
_VERSIONS = """
    select name, version, run_id, creation_time from model_versions
    where workspace = 'default' and current_stage != 'Deleted_Internal' order by name, version
"""
_TAGS = "select name, version, key, value from model_version_tags where workspace = 'default'"
_ALIASES = "select name, version, alias from registered_model_aliases where workspace = 'default'"


def versions(place: Place, name: str | None = None) -> list[ModelVersion]:
    """Return what ``Registry.versions`` returns: the versions of a model, or of all, by name, the oldest first."""
    found = _of_sqlite(place) if place.db.startswith(SQLITE) else None
    if found is None:
        from offline.registry.registry import Registry

        return Registry(place).versions(name)
    return [v for v in found if name in (None, v.name)]


def find(place: Place, name: str, which: str) -> ModelVersion:
    """Return what ``Registry.find`` returns: a version by its number or its alias.

    Raises
    ------
    ConfigError
        There is none: names those that are there.
    """
    for version in versions(place, name):
        if which == str(version.version) or which in version.aliases:
            return version
    from offline.registry.registry import Registry

    return Registry(place).find(name, which)


def _of_sqlite(place: Place) -> list[ModelVersion] | None:
    """Return all versions of ours; None where the database does not read, or has other tables."""
    address = f"file:{quote(str(sqlite_path(place.db)))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as db:
            # One transaction: all rows are of one state.
            db.execute("begin")
            if {revision for (revision,) in db.execute(_REVISION)} - KNOWN:
                return None
            rows = {
                (name, number): SimpleNamespace(
                    name=name, version=number, run_id=run_id, creation_timestamp=created_ms, tags={}, aliases=[]
                )
                for name, number, run_id, created_ms in db.execute(_VERSIONS)
            }
            # Those of a version that was deleted stay behind it.
            for name, number, key, value in db.execute(_TAGS):
                if (name, number) in rows:
                    rows[name, number].tags[key] = value
            for name, number, alias in db.execute(_ALIASES):
                if (name, number) in rows:
                    rows[name, number].aliases.append(alias)
    except sqlite3.Error:
        # Also what a writer that was killed left half done: who may write mends it.
        return None
    return [version_of(row, TEXT_FACTS) for row in rows.values() if FILES in row.tags]
