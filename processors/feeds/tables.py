"""Files of rows, whatever they are written in: Parquet, CSV, LEAN zip, DBN, raw messages. Called by ``files``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from processors.errors import ConfigError
from processors.feeds.faults import TYPES, csv_fault, header_of
from processors.feeds.live.port import Tick, columns_of
from processors.feeds.live.raw import SUFFIXES as RAW_SUFFIXES
from processors.feeds.live.raw import is_recording, parsed_lines
from processors.feeds.own import SCHEMA, as_table

READ_ROWS = 65_536
"""Rows taken from a file at a time: a few megabytes of columns a file."""
DBN_SUFFIXES = (".dbn", ".dbn.zst")
SUFFIXES = (".parquet", ".csv", ".csv.gz", ".zip", *DBN_SUFFIXES, *RAW_SUFFIXES)
NULLS = ["", "null", "NULL", "nan", "NaN"]
"""What stands in CSV for no value."""


class RowFile(Protocol):
    """A file of rows."""

    rows: int
    schema: pa.Schema

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order of the file, all columns or those named."""
        ...


def is_known(path: Path) -> bool:
    """Return whether the name is that of a kind of file that can be read."""
    return path.name.endswith(SUFFIXES)


def open_rows(path: Path) -> RowFile:
    """Return the rows of a file, by its name; a name without a known ending is taken for Parquet.

    Raises
    ------
    ConfigError
        A package for it is missing, or it is not what its name says.
    """
    if is_recording(path):
        return RawRows(path)
    if path.name.endswith((".csv", ".csv.gz")):
        return CsvRows(path)
    if path.suffix == ".zip":
        from processors.feeds.lean import LeanRows

        return LeanRows(path)
    if path.name.endswith(DBN_SUFFIXES):
        from processors.feeds.dbn import DbnRows

        return DbnRows(path)
    return ParquetRows(path)


class ParquetRows:
    """Parquet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with pq.ParquetFile(path) as file:
            self.schema, self.rows = file.schema_arrow, file.metadata.num_rows

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        with pq.ParquetFile(self._path) as file:
            yield from file.iter_batches(READ_ROWS, columns=columns)


class CsvRows:
    """CSV with a header; times are ISO with a zone (``2014-05-01T00:00:01.787Z``), as in the tables of each form."""

    def __init__(self, path: Path) -> None:
        self._path = path
        types = {name: TYPES[name] for name in header_of(path) if name in TYPES}
        # Not NA, which is a ticker.
        self._convert = pacsv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=NULLS)
        self.rows = 0
        try:
            # Counted, and read to its end: a fault is found before anything is published.
            with pacsv.open_csv(path, self._read_options(), convert_options=self._convert) as file:
                self.schema = file.schema
                for batch in file:
                    self.rows += batch.num_rows
        except pa.ArrowInvalid as e:
            raise csv_fault(path, self._convert) or ConfigError(
                str(path), f"row after {self.rows}", str(e).splitlines()[0],
                "rows of one form, times with a zone such as 2014-05-01T00:00:01.787Z",
            ) from e  # fmt: skip

    @staticmethod
    def _read_options() -> pacsv.ReadOptions:
        return pacsv.ReadOptions(use_threads=False, block_size=1 << 22)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        with pacsv.open_csv(self._path, self._read_options(), convert_options=self._convert) as file:
            for batch in file:
                yield batch.select(columns) if columns else batch


class RawRows:
    """Messages of a venue as received, parsed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.schema = SCHEMA
        self.rows = sum(len(parsed.ticks) for _, parsed in parsed_lines(path) if parsed is not None)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the ticks in the order of the messages."""
        held: list[Tick] = []
        for _, parsed in parsed_lines(self._path):
            if parsed is not None:
                held += parsed.ticks
            if len(held) >= READ_ROWS:
                yield _selected(held, columns)
                held = []
        if held:
            yield _selected(held, columns)


def _selected(ticks: Sequence[Tick], columns: list[str] | None) -> pa.RecordBatch:
    rows = as_table(columns_of(ticks))
    return rows.select(columns) if columns else rows
