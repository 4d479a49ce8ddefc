"""Files as rows of raw values: CSV, JSON lines and Parquet, each row with its place; what cannot be read is named."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from processors.errors import ConfigError

ROWS_MAX = 5_000_000
"""Reference data are thousands of rows; a file of ticks that is named by mistake shall not fill the memory."""
VALUE_CHARACTERS_SHOWN = 80

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file.

    Parameters
    ----------
    row
        Line of a text file (the header is 1), or row of a Parquet file (the first is 1).
    remedy
        What is allowed, or what to do.
    """

    file: str
    row: int
    column: str
    value: str
    remedy: str

    def __str__(self) -> str:
        """Return the problem in one line."""
        return f"{self.file}: row {self.row}: column {self.column} is {self.value}: {self.remedy}"


class ReferenceFileError(ConfigError):
    """A file is wrong, so nothing of it is loaded; fate: refused before anything is published.

    Parameters
    ----------
    problems
        All that is wrong, in the order of the rows; never empty.
    """

    def __init__(self, problems: list[Problem]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.file}: row {first.row}", f"column {first.column}", first.value, first.remedy + more)
        # The value of a problem is as it is shown already.
        self.args = (f"{first}{more}",)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Table:
    """Raw rows with their places.

    Parameters
    ----------
    numbers
        Row of each in the file.
    """

    file: str
    columns: list[str]
    rows: list[Row]
    numbers: list[int]


def read_table(path: Path) -> Table:
    """Return the rows of a file.

    Raises
    ------
    ReferenceFileError
        It cannot be read as a table.
    ConfigError
        It is missing, or of no known form.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(str(path), "file", path.suffix, f"one of {', '.join(_READERS)}")
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ConfigError(str(path), "file", path.name, f"a file that can be read ({e.strerror})") from e
    return reader(str(path), data)


def _wrong(file: str, row: int, column: str, value: object, remedy: str) -> ReferenceFileError:
    return ReferenceFileError([Problem(file, row, column, shown(value), remedy)])


def shown(value: object) -> str:
    """Return a value for a message, cut where it is long."""
    whole = repr(value)
    return whole if len(whole) <= VALUE_CHARACTERS_SHOWN else whole[:VALUE_CHARACTERS_SHOWN] + "..."


def _text(file: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        begin = data.rfind(b"\n", 0, e.start) + 1
        column = _column_at(data[:begin].decode("latin-1"), data[begin : e.start].decode("latin-1"))
        raise _wrong(file, line, column, data[e.start : e.end], "text in UTF-8") from None


def _column_at(head: str, before: str) -> str:
    """Return the column in which a line goes wrong, from what stands before the place in it.

    Parameters
    ----------
    head
        The lines before; the first has the names of a CSV.
    before
        The line up to the place.
    """
    names = re.findall(r'"([^"\\]+)"\s*:', before)
    if before.lstrip().startswith("{"):
        return names[-1] if names else "1"
    columns = head.split("\n", 1)[0].strip().split(",") if head else []
    at = before.count(",")
    return columns[at] if at < len(columns) else str(at + 1)


def read_csv(file: str, data: bytes) -> Table:
    """Return the rows of a CSV with a header."""
    content = _text(file, data)
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header: list[str] = []
    rows, numbers = [], []
    begin = 1
    try:
        for cells in reader:
            if not header:
                header = _header(file, cells)
            elif cells:
                rows.append(_row(file, begin, header, cells))
                numbers.append(begin)
            begin = reader.line_num + 1
    except csv.Error as e:
        lines = content.splitlines()
        line = lines[begin - 1] if begin <= len(lines) else ""
        column = _column_at(content, line[: _open_quote(line)])
        raise _wrong(file, begin, column, line, f"cells in whole quotes ({e})") from None
    if not rows:
        raise _wrong(file, 1, header[0] if header else "1", content[:20], "a header, and at least one row below it")
    return Table(file, header, rows, numbers)


def _open_quote(line: str) -> int:
    """Return where the first cell begins whose quote is not closed."""
    at = 0
    for cell in line.split(","):
        if cell.count('"') % 2:
            return at
        at += len(cell) + 1
    return 0


def _header(file: str, cells: list[str]) -> list[str]:
    if len(cells) == 1 and re.search(r"[;\t|]", cells[0]):
        raise _wrong(file, 1, "1", cells[0], "names separated by commas")
    for i, name in enumerate(cells):
        if not name.strip():
            raise _wrong(file, 1, str(i + 1), name, "a name for each column")
        if name in cells[:i]:
            raise _wrong(file, 1, name, name, "each column once")
    return cells


def _row(file: str, number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) < len(header):
        raise _wrong(file, number, header[len(cells)], None, f"{len(header)} cells as in the header, not {len(cells)}")
    if len(cells) > len(header):
        extra = cells[len(header)]
        raise _wrong(file, number, str(len(header) + 1), extra, f"{len(header)} cells as in the header")
    return dict(zip(header, cells, strict=True))


def read_json_lines(file: str, data: bytes) -> Table:
    """Return the objects of a file with one JSON object a line."""
    rows, numbers = [], []
    columns: dict[str, None] = {}
    for number, line in enumerate(_text(file, data).splitlines(), start=1):
        if not line.strip():
            continue
        row = _object(file, number, line)
        columns |= dict.fromkeys(row)
        rows.append(row)
        numbers.append(number)
    if not rows:
        raise _wrong(file, 1, "1", data[:20], "at least one object")
    # A line may leave out what is empty.
    return Table(file, list(columns), [{c: row.get(c) for c in columns} for row in rows], numbers)


def _object(file: str, number: int, line: str) -> Row:
    def once(pairs: list[tuple[str, Any]]) -> Row:
        found: Row = {}
        for name, value in pairs:
            if name in found:
                raise _wrong(file, number, name, value, "each name once")
            found[name] = value
        return found

    try:
        row = json.loads(line, object_pairs_hook=once)
    except json.JSONDecodeError as e:
        column = _column_at("", line[: e.pos])
        raise _wrong(file, number, column, line[max(0, e.pos - 10) : e.pos + 20], f"JSON ({e.msg})") from None
    except RecursionError:
        raise _wrong(file, number, "1", line, "a flat object") from None
    if not isinstance(row, dict):
        raise _wrong(file, number, "1", row, "an object with the columns as names")
    for name, value in row.items():
        if isinstance(value, list | dict):
            raise _wrong(file, number, name, value, "one value, no list and no object")
    return row


def read_parquet(file: str, data: bytes) -> Table:
    """Return the rows of a Parquet file."""
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as e:
        raise _wrong(file, 1, "1", data[:4], f"a whole Parquet file ({str(e).splitlines()[0]:.80})") from None
    columns = table.column_names
    for i, name in enumerate(columns):
        if name in columns[:i]:
            raise _wrong(file, 1, name, name, "each column once")
    if not 0 < table.num_rows <= ROWS_MAX:
        raise _wrong(file, 1, columns[0] if columns else "1", table.num_rows, f"from 1 to {ROWS_MAX:,} rows")
    return Table(file, columns, table.to_pylist(), list(range(1, table.num_rows + 1)))


def _read_zip(file: str, data: bytes) -> Table:
    # It needs what this file defines.
    from processors.reference.lean_interest import read_lean_interest

    return read_lean_interest(file, data)


_READERS: dict[str, Callable[[str, bytes], Table]] = {
    ".csv": read_csv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
    ".zip": _read_zip,
}
