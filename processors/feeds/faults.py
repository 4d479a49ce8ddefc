"""Where a file of ticks is wrong: the slow search for row and column, after a reader has only said that it is.

Called by ``tables`` and ``files`` when a row cannot be read; a sound file never comes here.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from processors.errors import ConfigError

TIME = pa.timestamp("ns", tz="UTC")
TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("ts", "ts_recv", "ts_event", "ts_trade"), TIME),
    **dict.fromkeys(("price", "size", "bid", "ask", "bid_size", "ask_size", "qty", "bid_qty", "ask_qty"), pa.float64()),
    **dict.fromkeys(("seq", "update_id", "trade_id", "sequence"), pa.int64()),
    **dict.fromkeys(
        ("symbol", "symbol_id", "vendor", "venue", "exchange", "contract", "side", "kind", "action", "trade_type",
         "conditions", "sale_cond", "quote_cond"), pa.string()),
    "suspicious": pa.bool_(),
}  # fmt: skip
"""What the columns of all forms hold, by name."""

ALLOWED = {
    TIME: "a time with a zone such as 2014-05-01T00:00:01.787Z, between 1970 and 2262",
    pa.float64(): "a number",
    pa.int64(): "a whole number",
    pa.string(): "text in UTF-8",
    pa.bool_(): "true or false",
}
SHOWN_MAX = 60
_LINES = 4096

Part = TypeVar("Part", bound=Sequence[Any] | pa.Array)


def at_row(path: Path, row: int, column: str, value: object, allowed: str) -> ConfigError:
    """Return the error that names a row, from 1 without the header, and a column."""
    shown = value[:SHOWN_MAX] if isinstance(value, (str, bytes)) else value
    return ConfigError(str(path), f"{column} of row {row:,}", shown, allowed)


def row_fault(path: Path, rows: pa.RecordBatch, before: int) -> ConfigError | None:
    """Return the error of the first value that is not what its column holds; None where all are.

    Parameters
    ----------
    rows
        Of any types.
    before
        Rows of the file before these.
    """
    wrong = [name for name in rows.schema.names if name in TYPES and not _casts(rows.column(name), TYPES[name])]
    found = [(_first(rows.column(name), partial(_casts, kind=TYPES[name])), name) for name in wrong]
    if not found:
        return None
    row, name = min(found)
    return at_row(path, before + row + 1, name, rows.column(name)[row].as_py(), ALLOWED[TYPES[name]])


def _casts(column: pa.Array, kind: pa.DataType) -> bool:
    try:
        column.cast(kind)
    except (pa.ArrowException, UnicodeDecodeError):
        return False
    return True


def _first(items: Part, is_sound: Callable[[Any], bool]) -> int:
    """Return the position of the first item that is not sound; some one is not."""
    low, high = 0, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_sound(items[low:middle]) else (low, middle)
    return low


def not_among(path: Path, rows: pa.RecordBatch, name: str, allowed: Sequence[str], before: int) -> ConfigError | None:
    """Return the error of the first value of a column that is not one of those allowed, null among them."""
    words = rows.column(name).cast(pa.string())
    known = pc.fill_null(pc.is_in(words, pa.array(allowed, pa.string())), pa.scalar(value=False))
    if pc.all(known).as_py() is not False:
        return None
    row = pc.index(known, pa.scalar(value=False)).as_py()
    return at_row(path, before + row + 1, name, rows.column(name)[row].as_py(), f"one of {', '.join(allowed)}")


# ---- CSV ----


def csv_fault(path: Path, convert: pacsv.ConvertOptions) -> ConfigError | None:
    """Return the error of the first line of a CSV file that its reader refuses, None where no single line is to blame.

    Lines are tried with the reader's own rules: many at a time, then halved.
    """
    rows = 0
    header = b""
    for lines in _line_blocks(path):
        given = lines
        if not header:
            header, given = lines[0], lines[1:]
        if not _reads(header, given, convert):
            bad = _first(given, partial(_reads, header, convert=convert))
            return _line_fault(path, header, given[bad], rows + bad + 1, convert)
        rows += len(given)
    return None


def header_of(path: Path) -> list[str]:
    """Return the names in the first line of a CSV file.

    Raises
    ------
    ConfigError
        It is not text in UTF-8.
    """
    for lines in _line_blocks(path):
        try:
            return next(csv.reader([lines[0].decode("utf-8-sig")]))
        except (UnicodeDecodeError, csv.Error) as e:
            raise ConfigError(str(path), "header", str(lines[0][:SHOWN_MAX]), "names of columns, in UTF-8") from e
    return []


def _line_blocks(path: Path) -> Iterator[list[bytes]]:
    """Yield the lines that are not empty, some at a time, as far as the file can be read."""
    block: list[bytes] = []
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as f:
            for line in f:
                if line.strip(b"\r\n"):
                    block.append(line)
                if len(block) == _LINES:
                    yield block
                    block = []
    except (OSError, EOFError, zlib.error):
        # A file that ends too early is not the fault of a line.
        return
    if block:
        yield block


def _reads(header: bytes, lines: Sequence[bytes], convert: pacsv.ConvertOptions) -> bool:
    try:
        pacsv.read_csv(BytesIO(header + b"".join(lines)), pacsv.ReadOptions(use_threads=False), convert_options=convert)
    except pa.ArrowInvalid:
        return False
    return True


def _line_fault(path: Path, header: bytes, line: bytes, row: int, convert: pacsv.ConvertOptions) -> ConfigError:
    names, values = (next(csv.reader([b.decode("utf-8-sig", "replace")])) for b in (header, line))
    if len(values) < len(names):
        return at_row(path, row, names[len(values)], None, f"{len(names)} fields in every row, not {len(values)}")
    if len(values) > len(names):
        told = f"{len(names)} fields in every row, not {len(values)}"
        return at_row(path, row, f"a column after {names[-1]}", values[len(names)], told)
    for name, value in zip(names, values, strict=True):
        alone = pacsv.ConvertOptions(
            column_types=convert.column_types, strings_can_be_null=True, null_values=convert.null_values,
            include_columns=[name],
        )  # fmt: skip
        if not _reads(header, [line], alone):
            return at_row(path, row, name, value, ALLOWED.get(TYPES.get(name, pa.string()), "another value"))
    return at_row(path, row, names[0], values[0], f"a row of {', '.join(names)}")
