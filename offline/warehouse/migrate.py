"""Numbered migrations of the warehouse: what must be done to tables that are there already, each step once, in order.

Tables, and columns that a schema gains, come from the schemas (``tables``, ``client``). A migration is for what those
cannot say: another codec, another table beside the topics, rows to mend. ``migrations/0002_codecs.sql`` is number 2;
statements end with a semicolon at the end of a line, and ``{database}`` stands for the database's name.

Forward only: to undo one, write the next. Each is recorded in the table ``migrations`` with the sha256 of its text once
all its statements are done; a file that changed after that, or is gone, is refused, since nobody could say any more
what was done to the tables. A kill between two statements runs the migration again from its beginning, so its
statements must be such that a second run does nothing: IF NOT EXISTS, MODIFY COLUMN. ClickHouse has no transactions
over such statements, on chDB or on a server; one sink runs at a time, so one process migrates.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from processors.errors import ConfigError

FOLDER = Path(__file__).with_name("migrations")
TABLE = "migrations"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_COLUMNS = (
    ("number", "UInt32", "Number of the migration; they are applied in this order."),
    ("name", "String", "Its name."),
    ("checksum", "String", "sha256 of its text when it was applied."),
    ("applied_at", "DateTime64(3, 'UTC')", "When its last statement was done, by the clock of the server."),
)

_log = logging.getLogger(__name__)

Command = Callable[[str], None]
Query = Callable[[str], list[Any]]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Return the sha256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, database: str) -> list[str]:
        """Return its statements for a database, without comments."""
        lines = [line for line in self.text.splitlines() if not line.lstrip().startswith("--")]
        parts = re.split(r";[ \t]*(?:\n|\Z)", "\n".join(lines))
        return [part.strip().replace("{database}", database) for part in parts if part.strip()]


@cache
def migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """Return the migrations of a folder in their order.

    Raises
    ------
    ConfigError
        A file is named otherwise, or the numbers are not 1, 2, 3, ...
    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise ConfigError(
                str(folder), "file", path.name, "a number of four digits and a name: 0003_what_it_does.sql"
            )
        found.append(Migration(int(name[1]), name[2], path.read_text(encoding="utf-8")))
    for i, migration in enumerate(found, 1):
        if migration.number != i:
            raise ConfigError(str(folder), "number", migration.number, f"{i:04d}: every number once, from 0001 on")
    return tuple(found)


def migrate(
    command: Command, query: Query, database: str, where: str, steps: Sequence[Migration] | None = None
) -> list[Migration]:
    """Apply what has not been applied; return it.

    Parameters
    ----------
    command, query
        Of the warehouse, whatever it runs on.
    where
        For messages.
    steps
        Those of the repository where None.

    Raises
    ------
    ConfigError
        One that was applied has changed since, or is none of ours: the database was made by a newer version.
    RetryableError
        ClickHouse failed; what was recorded stays done, and the next run goes on behind it.
    """
    wanted = migrations() if steps is None else steps
    columns = ", ".join(f"`{name}` {kind} COMMENT '{about}'" for name, kind, about in _COLUMNS)
    command(f"CREATE TABLE IF NOT EXISTS `{database}`.`{TABLE}` ({columns}) ENGINE = MergeTree ORDER BY number")
    rows = query(f"SELECT number, name, checksum FROM `{database}`.`{TABLE}` ORDER BY number")  # noqa: S608
    applied = {int(number): (name, checksum) for number, name, checksum in rows}
    ours = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in sorted(applied.items()):
        mine = ours.get(number)
        if mine is None:
            raise ConfigError(
                f"warehouse {where}", "migration", f"{number:04d}_{name}",
                "one that this version has: the warehouse was opened by a newer version; run that one",
            )  # fmt: skip
        if mine.checksum != checksum:
            raise ConfigError(
                f"warehouse {where}", f"migration {number:04d}_{name}", f"sha256 {mine.checksum[:12]}",
                f"{checksum[:12]}, as it was applied: restore its text, and write what has to change as the next one",
            )  # fmt: skip
    # In order and without a gap: what comes after a missing one may rest on it.
    done = [migration for migration in wanted if migration.number not in applied]
    for migration in done:
        for statement in migration.statements(database):
            command(statement)
        command(
            f"INSERT INTO `{database}`.`{TABLE}` VALUES "  # noqa: S608 - names of our own files
            f"({migration.number}, '{migration.name}', '{migration.checksum}', now64(3, 'UTC'))"
        )
        _log.info("%s: applied migration %04d_%s", where, migration.number, migration.name)
    return done
