"""Migrations on the real engine: each once, in order, and none that changed; codecs reach tables that are there."""

import dataclasses
import re

import pytest

from offline.warehouse.client import Warehouse
from offline.warehouse.migrate import FOLDER, Migration, migrate, migrations
from offline.warehouse.tables import tables
from processors.errors import ConfigError, RetryableError

ONE = Migration(
    1, "one", "-- why\nCREATE TABLE IF NOT EXISTS `{database}`.`t` (x UInt8) ENGINE = MergeTree ORDER BY x;\n"
)
TWO = Migration(2, "two", "INSERT INTO `{database}`.`t` VALUES (1);\nALTER TABLE `{database}`.`t` ADD COLUMN y UInt8;")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Return an engine; each test has a database of its own in it."""
    warehouse = Warehouse.embedded(tmp_path_factory.mktemp("warehouse") / "clickhouse")
    yield warehouse
    warehouse.close()


def run(warehouse, database, *steps):
    """Apply steps to a database; returns the numbers of those that were applied now."""
    warehouse.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    return [m.number for m in migrate(warehouse.command, warehouse.query, database, "here", steps)]


def test_each_is_applied_once_and_recorded(warehouse):
    """A second run does nothing; a later one applies what came after, and the table says what was done."""
    assert run(warehouse, "a", ONE) == [1]
    assert run(warehouse, "a", ONE, TWO) == [2]
    assert run(warehouse, "a", ONE, TWO) == []
    assert warehouse.query("SELECT x, y FROM a.t") == [(1, 0)]
    rows = warehouse.query("SELECT number, name, checksum, applied_at > '2020-01-01' FROM a.migrations ORDER BY number")
    assert rows == [(1, "one", ONE.checksum, True), (2, "two", TWO.checksum, True)]


def test_one_that_changed_or_is_unknown_is_refused(warehouse):
    """What was applied is named with both checksums, and nothing more is done."""
    run(warehouse, "b", ONE)
    changed = dataclasses.replace(ONE, text=ONE.text + "-- more\n")
    with pytest.raises(
        ConfigError, match=rf"migration 0001_one is 'sha256 {changed.checksum[:12]}': {ONE.checksum[:12]}"
    ):
        run(warehouse, "b", changed, TWO)
    run(warehouse, "b", ONE, TWO)
    with pytest.raises(ConfigError, match="opened by a newer version"):
        run(warehouse, "b", ONE)


def test_a_run_that_was_cut_short_is_begun_again(warehouse):
    """A migration that failed in its middle is not recorded; statements that may run twice finish it."""
    bad = Migration(2, "two", "ALTER TABLE `{database}`.`t` ADD COLUMN IF NOT EXISTS z UInt8;\nSELECT nothing;")
    with pytest.raises(RetryableError, match="nothing"):
        run(warehouse, "c", ONE, bad)
    good = dataclasses.replace(bad, text=bad.text.replace("SELECT nothing;", "SELECT 1;"))
    assert run(warehouse, "c", ONE, good) == [2]


def test_files_are_numbered_without_a_gap(tmp_path):
    """A wrong name and a number left out are refused when they are read."""
    (tmp_path / "0002_x.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigError, match="every number once, from 0001 on"):
        migrations(tmp_path)
    wrong = tmp_path / "other"
    wrong.mkdir()
    (wrong / "1_x.sql").write_text("")
    with pytest.raises(ConfigError, match="four digits"):
        migrations(wrong)
    assert [m.number for m in migrations(FOLDER)] == list(range(1, len(migrations()) + 1))


def _columns(warehouse, database):
    sql = f"SELECT table, name, type, compression_codec FROM system.columns WHERE database = '{database}'"  # noqa: S608
    of_views = f"SELECT name FROM system.tables WHERE database = '{database}' AND engine = 'View'"  # noqa: S608
    views = {name for (name,) in warehouse.query(of_views)}
    return {row[:2]: row[2:] for row in warehouse.query(sql) if row[0] not in views}


def _changed_by(number):
    """Return table and column of each codec that a migration changes: later columns are none of its."""
    found = set()
    for statement in migrations()[number - 1].statements("d"):
        table = re.match(r"ALTER TABLE `d`.`(\w+)`", statement)[1]
        found |= {(table, name) for name in re.findall(r"MODIFY COLUMN IF EXISTS `(\w+)`", statement)}
    return found


def test_an_older_warehouse_becomes_what_a_new_one_is(warehouse):
    """Tables with the codecs of before, and rows in them, end with the columns, types and codecs of a fresh one."""
    fresh = Warehouse(warehouse.client, "test", database="fresh")
    fresh.create()
    old = Warehouse(warehouse.client, "test", database="older")
    old.command("CREATE DATABASE older")
    changed = _changed_by(2)
    assert len(changed) > 800
    for table in tables().values():
        columns = [
            dataclasses.replace(c, codec="CODEC(ZSTD(1))") if (table.name, c.name) in changed else c
            for c in table.columns
        ]
        old.command(dataclasses.replace(table, columns=tuple(columns)).ddl("older"))
    assert _columns(warehouse, "older") != {k: v for k, v in _columns(warehouse, "fresh").items() if k[0] != "sources"}
    old.create()
    assert _columns(warehouse, "older") == _columns(warehouse, "fresh")
    fresh.create()
    assert [n for (n,) in fresh.query("SELECT number FROM fresh.migrations ORDER BY number")] == [
        m.number for m in migrations()
    ]
