"""Only single statements that read the warehouse pass."""

import pytest

from offline.warehouse.guard import StatementRefusedError, check_reads_only, format_of


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1", "select 1;", " (SELECT 1) UNION ALL (SELECT 2)", "WITH 1 AS a SELECT a", "-- why\nSHOW TABLES",
        "/* ; */ DESCRIBE gold", "EXPLAIN SELECT 1", "FROM bars SELECT c", "SELECT ';', 'INTO OUTFILE', 'file(1)'",
        "SELECT 'it''s; drop' -- ; DROP TABLE x", "SELECT `profile`, filename FROM t", "SELECT $a$ ; file(1) $a$",
    ],
)  # fmt: skip
def test_a_reading_statement_passes(sql):
    """Text in literals and comments is not taken for statements."""
    check_reads_only(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "", "  ;", "-- SELECT 1", "DROP TABLE bars", "INSERT INTO bars SELECT 1", "SET readonly = 0",
        "KILL QUERY WHERE 1",
        "SELECT 1; DROP TABLE bars", "SELECT 1 /* */ ; KILL QUERY WHERE 1", "SELECT 1 INTO OUTFILE 'x'",
        "SELECT 1 into/**/outfile 'x'", "SELECT file('/etc/passwd')", "SELECT FILE ('x')", "SELECT `file`('x')",
        "SELECT \"file\" ('x')", "SELECT file/* */('x')", "SELECT '\\'' , file('x')", "SELECT '\\\\', file('x')",
        "SELECT 'a' ; SELECT 'b'",
    ],
)  # fmt: skip
def test_anything_else_is_refused(sql):
    """Writing, several statements, and functions that reach for files are refused, however they are spelt."""
    with pytest.raises(StatementRefusedError):
        check_reads_only(sql)


def test_the_format_clause_is_seen_at_the_end_only():
    """The statement's own format wins over the asked one; a format in a literal or comment is none."""
    assert format_of("SELECT 1 FORMAT CSV") == "CSV"
    assert format_of("SELECT 1 format  JSON ; -- FORMAT XML") == "JSON"
    assert format_of("SELECT 'x FORMAT CSV'") is None
    assert format_of("SELECT format FROM t") is None
