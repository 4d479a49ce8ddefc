"""Which statements the shared warehouse answers: those that read its tables, and nothing of the machine around it.

The engine itself refuses to write while ``readonly`` is set, and refuses functions that read files and addresses as
tables. It does not refuse the three things that are refused here: the scalar function ``file``, INTO OUTFILE, and a
second statement behind a semicolon.
"""

import re

from processors.errors import PlatformError

READING = ("SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS")

_PIECE = re.compile(
    r"""
      (?P<text>'(?:[^'\\]|\\.|'')*')
    | (?P<name>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    | (?P<comment>--[^\n]*|\#!?[^\n]*|/\*.*?\*/)
    | (?P<heredoc>\$(\w*)\$.*?\$\5\$)
    """,
    re.VERBOSE | re.DOTALL,
)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*$", re.IGNORECASE)


class StatementRefusedError(PlatformError):
    """The statement does more than read the warehouse."""


class NotReadingError(StatementRefusedError):
    """The first word of the statement is none that reads: it writes, or is misspelt."""


def _bare(sql: str) -> str:
    """Return the statement without literals and comments; quoted names stay, without their quotes."""

    def replaced(match: "re.Match[str]") -> str:
        if match["name"]:
            return " " + match["name"][1:-1] + " "
        return " '' " if match["text"] or match["heredoc"] else " "

    return _PIECE.sub(replaced, sql).strip().rstrip("; \t\n")


def check_reads_only(sql: str) -> None:
    """Raise unless the statement is a single one that reads.

    Raises
    ------
    StatementRefusedError
        It writes, names several statements, or reaches for files.
    """
    bare = _bare(sql)
    first = re.match(r"[\s(]*(\w+)", bare)
    if first is None:
        raise StatementRefusedError("the query is empty")
    if first[1].upper() not in READING:
        raise NotReadingError(
            f"{first[1].upper()} is refused: the warehouse is written by its sink only; "
            f"ask with one of {', '.join(READING)}"
        )
    if ";" in bare:
        raise StatementRefusedError("several statements in one query are refused: send one at a time")
    if re.search(r"\bINTO\s+OUTFILE\b", bare, re.IGNORECASE):
        raise StatementRefusedError("INTO OUTFILE is refused: redirect the answer of `mps sql --csv` instead")
    if re.search(r"\bfile\s*\(", bare, re.IGNORECASE):
        raise StatementRefusedError("the function file is refused: the warehouse reads its own tables only")


def format_of(sql: str) -> str | None:
    """Return the name in the statement's own FORMAT clause, None where it has none."""
    found = _FORMAT.search(_bare(sql))
    return found[1] if found else None
