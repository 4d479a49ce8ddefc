"""The embedded ClickHouse, as readers use it: chDB at a path that one process owns.

Used by the warehouse's HTTP endpoint inside the owner, and by ``mps sql`` where nobody owns the path.
"""

import fcntl
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from offline.warehouse.guard import NotReadingError, check_reads_only, format_of
from processors.errors import PlatformError, RetryableError

QUERY_LIMITS = {
    "max_execution_time": "60",
    "max_memory_usage": str(4 << 30),
    # An answer is built in the owner's memory before it is sent.
    "max_result_bytes": str(256 << 20),
}
"""Settings of every query unless it names its own: one analyst must not stop the sink."""

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PARSE = "EXPLAIN AST graph=0 "
_CODE = re.compile(r"Code: (\d+)\.")


class QueryError(PlatformError):
    """ClickHouse refused the query.

    Parameters
    ----------
    message
        ClickHouse's own, from its "Code:" on.
    """

    def __init__(self, message: str) -> None:
        begin = message.find("Code: ")
        text = message[max(begin, 0) :].strip()
        text = re.sub(r"\s*\(version [^)]*\)", "", text)
        # An error that passes through two layers of the engine names its code and its kind twice.
        text = re.sub(r"^(Code: \d+\. DB::Exception: )(?:Code: \d+\. DB::Exception: )+", r"\1", text)
        super().__init__(re.sub(r"(\([A-Z_]+\))\. \1$", r"\1", text))
        found = _CODE.match(text)
        self.code = int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query, in the named format."""

    body: bytes
    format: str
    rows_read: int
    bytes_read: int
    elapsed_s: float


def is_owned(path: Path) -> bool:
    """Return whether some process has chDB open at the path.

    The engine holds a lock on its file ``status``; asking for it here spares the engine's own noise on stderr.
    """
    try:
        with (path / "status").open("rb+") as status:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


class Engine:
    """Read-only access to chDB at a path; safe to share between threads.

    Parameters
    ----------
    path
        A process may open one path only, through any number of engines and clients.

    Raises
    ------
    RetryableError
        Another process owns the path.
    PlatformError
        The path is damaged.
    """

    def __init__(self, path: Path) -> None:
        import chdb

        # chDB compares paths as text; ``clickhouse-connect`` resolves them in this way too.
        self._path = os.path.realpath(path)
        self._connect = cast("Callable[[str], Any]", chdb.connect)
        try:
            # Held open: the engine ends with its last handle.
            self._root = self._connect(self._path)
        except RuntimeError as e:
            if is_owned(path):
                raise RetryableError(f"the warehouse at {path} is open in another process") from e
            raise PlatformError(f"the warehouse at {path} cannot be opened: {QueryError(str(e))}") from e

    def ask(
        self,
        sql: str,
        default_format: str = "TabSeparated",
        *,
        database: str | None = None,
        settings: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to one reading statement.

        Parameters
        ----------
        default_format
            Used where the statement has no FORMAT clause.
        settings
            ClickHouse settings of this query, over ``QUERY_LIMITS``.
        params
            Values of ``{name:Type}`` in the statement.

        Raises
        ------
        StatementRefusedError
            The statement does more than read.
        QueryError
            ClickHouse refused it.
        """
        handle = self._connect(self._path)
        try:
            self._check(handle, sql)
            # A handle of its own costs 0.3 ms, and leaves no setting behind for the next query.
            for name, value in {**QUERY_LIMITS, **(settings or {})}.items():
                if not _SETTING.match(name):
                    raise QueryError(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
                handle.query(f"SET {name} = {_quoted(value)}")
            if database:
                handle.query(f"USE {_quoted(database, '`')}")
            handle.query("SET readonly = 1")
            found = handle.query(sql.strip().rstrip(";"), default_format, params=dict(params or {}))
            used = format_of(sql) or default_format
            return Answer(found.bytes() or b"", used, found.rows_read(), found.bytes_read(), found.elapsed())
        except RuntimeError as e:
            raise QueryError(str(e)) from None
        finally:
            handle.close()

    @staticmethod
    def _check(handle: Any, sql: str) -> None:
        """Refuse what does more than read; where it is no statement at all, the engine itself says what is wrong."""
        try:
            check_reads_only(sql)
        except NotReadingError:
            try:
                # Parsed, never run.
                handle.query(_PARSE + sql)
            except RuntimeError as e:
                raise QueryError(_of_first_word(str(e))) from None
            raise

    def close(self) -> None:
        """Let go of the path, unless other clients in this process hold it."""
        self._root.close()

    def __enter__(self) -> Self:
        """Return this engine."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()


def _of_first_word(message: str) -> str:
    """Return a syntax error as of the statement alone, without the names of all statements there are."""
    placed = re.sub(r"position (\d+)", lambda at: f"position {int(at[1]) - len(_PARSE)}", message, count=1)
    placed = re.sub(r" \(line \d+, col \d+\)", "", placed, count=1)
    return re.sub(r" Expected one of: .*(?= \(SYNTAX_ERROR\))", "", placed, flags=re.DOTALL)


def _quoted(value: str, quote: str = "'") -> str:
    return quote + value.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
