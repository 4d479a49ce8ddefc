"""The warehouse as its writer uses it: the same calls for chDB in process and for a ClickHouse server.

Used by the ClickHouse sink. Readers ask ``server`` or the server itself.
"""

# ruff: noqa: S608 - every name in a statement comes from our schemas, no value from outside

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError

from offline.warehouse.calendars import fill_calendars
from offline.warehouse.engine import QueryError, is_owned
from offline.warehouse.migrate import migrate
from offline.warehouse.tables import Table, tables
from offline.warehouse.views import view_ddl
from processors.errors import ConfigError, RetryableError

DATABASE = "mps"
DISK_FREE_MIN_BYTES = 64 << 20
"""Room for the definitions of the tables, which a disk that is full at the start would leave half written."""
SINK_STAGE = "sink"
"""Stage of the dead letters that the sink itself writes; their place is that of the refused record."""

_log = logging.getLogger(__name__)


class Warehouse:
    """The tables of one database, open for writing.

    One writer at a time: chDB's lock sees to that for an embedded one; run one sink for a server.

    Parameters
    ----------
    client
        From ``clickhouse_connect``.
    where
        Address or path, for messages.
    wanted
        The tables to keep; ``create`` wants all of them.
    """

    def __init__(self, client: Any, where: str, database: str = DATABASE, wanted: Sequence[Table] = ()) -> None:
        self.client, self.where, self.database = client, where, database
        self.tables = {table.topic: table for table in wanted or tables().values()}

    @classmethod
    def embedded(cls, path: Path, database: str = DATABASE, wanted: Sequence[Table] = ()) -> Self:
        """Open chDB at a path, made if it is missing, and own it until ``close``.

        Raises
        ------
        RetryableError
            Another process owns the path.
        ConfigError
            The path cannot be used, or too little room is left there.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ConfigError("warehouse", "path", str(path), f"a folder that can be written: {e.strerror}") from None
        if is_owned(path):
            raise RetryableError(f"the warehouse at {path} is open in another process: stop that one first")
        free_bytes = shutil.disk_usage(path).free
        if free_bytes < DISK_FREE_MIN_BYTES:
            raise ConfigError(
                str(path), "free disk space", f"{free_bytes >> 20} MiB",
                f"at least {DISK_FREE_MIN_BYTES >> 20} MiB are needed; free some, or set MPS_CLICKHOUSE_PATH to a "
                "folder on another disk",
            )  # fmt: skip
        try:
            client = clickhouse_connect.get_client(interface="chdb", path=str(path))
        except ClickHouseError as e:
            raise RetryableError(f"the warehouse at {path} cannot be opened: {e}") from None
        return cls(client, str(path), database, wanted)

    @classmethod
    def server(cls, url: str, wanted: Sequence[Table] = ()) -> Self:
        """Connect to a ClickHouse server at ``clickhouse://user:password@host:port/database``, or http, or https.

        Raises
        ------
        RetryableError
            The server does not answer or refuses the user.
        """
        at = urlsplit(url)
        database = at.path.strip("/") or DATABASE
        shown = f"{at.scheme}://{at.hostname}:{at.port or 8123}/{database}"
        try:
            client = clickhouse_connect.get_client(
                host=at.hostname or "localhost",
                port=at.port or (8443 if at.scheme == "https" else 8123),
                username=unquote(at.username) if at.username else None,
                password=unquote(at.password or ""),
                secure=at.scheme == "https",
            )
        except ClickHouseError as e:
            raise RetryableError(f"ClickHouse at {shown}: {e}") from None
        return cls(client, shown, database, wanted)

    def create(self) -> None:
        """Make what is missing of database, tables and views, and make the tables fit schemas and migrations.

        Raises
        ------
        ConfigError
            A table has other columns than its schema (says which statements mend it), or a migration that was applied
            is another one now.
        RetryableError
            ClickHouse failed.
        """
        self.command(f"CREATE DATABASE IF NOT EXISTS `{self.database}`")
        for table in self.tables.values():
            self.command(table.ddl(self.database))
        self._fit_columns()
        migrate(self.command, self.query, self.database, self.where)
        by_name = {table.name: table for table in self.tables.values()}
        if {"bars", "gold", "signals", "freshness", "events"} <= by_name.keys():
            there = dict(self.query(f"SELECT name, comment FROM system.tables WHERE database = '{self.database}'"))
            fill_calendars(self.command, self.insert, self.database, there)
            for name, (version, ddl) in view_ddl(self.database, by_name).items():
                # Replaced only where it is another: on a full disk ClickHouse leaves an empty definition behind, and
                # does not open the database any more.
                if there.get(name) != version:
                    self.command(ddl)

    def _fit_columns(self) -> None:
        """Add the nullable columns that the schema has gained; any other difference is an error."""
        rows = self.query(f"SELECT table, name, type FROM system.columns WHERE database = '{self.database}'")
        for table in self.tables.values():
            found = {name: kind for of, name, kind in rows if of == table.name}
            of = f"`{self.database}`.`{table.name}`"
            gained = [c for c in table.columns if c.name not in found and "Nullable(" in c.kind]
            if gained:
                # The old rows read as null, which is what they know of a field that came later.
                self.command(f"ALTER TABLE {of} {', '.join(f'ADD COLUMN IF NOT EXISTS {c.ddl}' for c in gained)}")
                _log.info("%s: added the columns %s", of, ", ".join(c.name for c in gained))
            wanted = {c.name: c.kind for c in table.columns}
            found |= {c.name: c.kind for c in gained}
            change = [f"ADD COLUMN {name} {kind}" for name, kind in wanted.items() if name not in found]
            change += [f"MODIFY COLUMN {n} {kind}" for n, kind in wanted.items() if found.get(n, kind) != kind]
            change += [f"DROP COLUMN {name}" for name in found if name not in wanted]
            if change:
                raise ConfigError(
                    f"warehouse {self.where}", f"columns of {of}",
                    f"{len(change)} not as in the schema of {table.topic}",
                    f"run ALTER TABLE {of} {', '.join(change)}; or remove the warehouse: the sink fills it again from "
                    "the topics as far back as they are kept",
                )  # fmt: skip

    def positions(self, topic: str) -> dict[int, int]:
        """Return the offset after the last stored record of each partition of a topic."""
        table = self.tables[topic]
        own = f"WHERE stage != '{SINK_STAGE}'" if any(c.name == "stage" for c in table.columns) else ""
        return dict(
            self.query(
                f"SELECT _partition, max(_offset) + 1 FROM `{self.database}`.`{table.name}` {own} GROUP BY _partition"
            )
        )

    def refused_positions(self) -> dict[tuple[str, int], int]:
        """Return the offset after the last record that the sink itself refused, by topic and partition."""
        rows = self.query(
            f"SELECT topic, partition, max(offset) + 1 FROM `{self.database}`.`dead_letters` "
            f"WHERE stage = '{SINK_STAGE}' GROUP BY topic, partition"
        )
        return {(topic, partition): offset for topic, partition, offset in rows}

    def source_ids(self) -> dict[str, str]:
        """Return the id of each topic that rows came from."""
        return dict(self.query(f"SELECT topic, topic_id FROM `{self.database}`.`sources`"))

    def add_source_id(self, topic: str, topic_id: str) -> None:
        """Remember the id of a topic, before its first row is stored."""
        self.insert("sources", pa.table({"topic": [topic], "topic_id": [topic_id]}), f"source {topic} {topic_id}")

    def insert(self, table: str, rows: pa.Table, token: str) -> None:
        """Store rows as one block: all of them or none, and once for each token.

        Raises
        ------
        RetryableError
            ClickHouse failed. The rows may be stored nevertheless: ask ``positions`` before the next try.
        """
        settings = {
            "async_insert": 0,
            "insert_deduplication_token": token,
            # A block is written at once; these are the bounds at which it would be cut in two.
            "max_insert_block_size": 1 << 24,
            "min_insert_block_size_rows": 1 << 24,
            "min_insert_block_size_bytes": 1 << 32,
        }
        try:
            self.client.insert_arrow(table, rows.combine_chunks(), database=self.database, settings=settings)
        except (ClickHouseError, OSError) as e:
            raise _retryable(self.where, e) from e

    def rows(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        found = dict(
            self.query(
                "SELECT table, sum(rows) FROM system.parts "
                f"WHERE active AND database = '{self.database}' GROUP BY table"
            )
        )
        return {table.name: int(found.get(table.name, 0)) for table in self.tables.values()}

    def query(self, sql: str) -> list[Any]:
        """Return the rows of a query as tuples.

        Raises
        ------
        RetryableError
            ClickHouse failed.
        """
        try:
            return list(self.client.query(sql).result_rows)
        except (ClickHouseError, OSError) as e:
            raise _retryable(self.where, e) from e

    def command(self, sql: str) -> None:
        """Run a statement without an answer.

        Raises
        ------
        RetryableError
            ClickHouse failed.
        """
        try:
            self.client.command(sql)
        except (ClickHouseError, OSError) as e:
            raise _retryable(self.where, e) from e

    def close(self) -> None:
        """Let go of the path or connection."""
        self.client.close()


def _retryable(where: str, error: Exception) -> RetryableError:
    return RetryableError(f"ClickHouse at {where}: {QueryError(str(error))}")
