"""Recorded files: found, recognised, surveyed once, then read in rows as RawTick columns. Memory stays bounded.

The survey learns what no single row tells: the recorder's clock skew, whether the file is in publish order, whether
its sequence numbers can be trusted, and which symbols it holds.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from processors.errors import ConfigError
from processors.feeds import port
from processors.feeds.forms import recognise
from processors.feeds.port import Adapter
from processors.runtime.batch import I64, NULL_LONG, Columns
from processors.runtime.strings import STRINGS
from schemas.instruments import load_instruments

READ_ROWS = 65_536
"""Rows taken from a file at a time: a few megabytes of columns a file."""

REMEDY = "give a Parquet file of recorded ticks, or a folder of them"


@dataclass(slots=True)
class FeedFile:
    """One recorded file, ready to be read.

    Parameters
    ----------
    rows
        As its footer says.
    skew_ns
        Median of exchange time minus receive time over the rows that carry both; 0 where the form has one time.
    in_order
        Whether receive times never fall; a file that is not in order is read whole and sorted.
    unnumbered
        Sources (see ``_sources``) whose numbers do not rise: their seq is published as null.
    symbols
        Symbol -> number of ticks.
    """

    path: Path
    form: Adapter
    rows: int
    skew_ns: int = 0
    in_order: bool = True
    unnumbered: frozenset[int] = frozenset()
    symbols: dict[str, int] = field(default_factory=dict)

    def ticks(self) -> Iterator[Columns]:
        """Yield the file's ticks in publish order: by receive time, ties in the order of the file.

        Raises
        ------
        ConfigError
            The file cannot be read to its end, or a row has no time.
        """
        for ticks in self.parsed() if self.in_order else self._sorted():
            if self.unnumbered:
                ticks["seq"][np.isin(_sources(ticks), list(self.unnumbered))] = NULL_LONG
            yield ticks

    def _sorted(self) -> Iterator[Columns]:
        parts = list(self.parsed())
        whole = Columns(parts[0].layout, np.hstack([c.ints for c in parts]), np.hstack([c.floats for c in parts]))
        order = np.argsort(port.longs(whole, "ts_recv"), kind="stable")
        for i in range(0, len(order), READ_ROWS):
            yield whole.take(order[i : i + READ_ROWS])

    def parsed(self) -> Iterator[Columns]:
        """Yield the ticks in the order of the file, as the adapter gives them."""
        memory: dict[str, Any] = {}
        done = 0
        with _readable(self.path), pq.ParquetFile(self.path) as file:
            for rows in file.iter_batches(READ_ROWS):
                ticks = self.form.parse(rows, self.skew_ns, memory)
                for name in ("ts_event", "ts_recv"):
                    untimed = port.longs(ticks, name) < 0
                    if untimed.any():
                        row = f"{name} of row {done + int(np.argmax(untimed))}"
                        raise ConfigError(str(self.path), row, None, "a time after 1970 in every row")
                done += len(ticks)
                yield ticks


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of one replay, in the order given, and what to tell the user about them."""

    files: tuple[FeedFile, ...]
    warnings: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Ticks in all files."""
        return sum(f.rows for f in self.files)


def open_recording(paths: Sequence[Path | str]) -> Recording:
    """Open and survey files; a folder stands for its Parquet files in the order of their names.

    Raises
    ------
    ConfigError
        A file is missing, empty, truncated, without rows or of an unknown form.
    """
    files = [_opened(path) for given in paths for path in _expanded(Path(given))]
    if not files:
        raise ConfigError("replay", "files", " ".join(map(str, paths)), REMEDY)
    clocks = {f.path: _clock_differences(f) for f in files if len(f.form.times) == 2}
    recorded = [d for d in clocks.values() if len(d)]
    for f in files:
        if f.path in clocks:
            # A recording of book tickers alone may carry no exchange time; its companions were made by the same clock.
            known = clocks[f.path] if len(clocks[f.path]) else np.concatenate(recorded or [np.zeros(1, np.int64)])
            f.skew_ns = int(np.median(known))
    warnings = [w for f in files for w in _survey(f)]
    return Recording(tuple(files), tuple(warnings))


def _expanded(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.parquet"))
    if not found:
        raise ConfigError(str(path), "folder", "no *.parquet in it", REMEDY)
    return found


def _opened(path: Path) -> FeedFile:
    if not path.is_file():
        raise ConfigError(str(path), "file", "missing", REMEDY)
    if path.stat().st_size == 0:
        raise ConfigError(str(path), "file", "0 bytes", "the file is empty: copy it again")
    with _readable(path), pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    form = recognise(path, schema.names)
    if rows == 0:
        raise ConfigError(str(path), "rows", 0, f"the file has the columns of {form.name}, but no ticks")
    for name in form.times:
        kind = schema.field(name).type
        if not pa.types.is_timestamp(kind) or kind.tz is None:
            raise ConfigError(str(path), name, str(kind), "a timestamp with a time zone, so that no hour is guessed")
    return FeedFile(path, form, rows)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what Parquet says of a broken file into an error that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as e:
        reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise ConfigError(str(path), "file", "truncated, or no Parquet file", f"copy it again ({reason})") from e


def _clock_differences(file: FeedFile) -> I64:
    """Return exchange time minus receive time of every row that carries both, nanoseconds."""
    recv, event = file.form.times
    out = []
    with _readable(file.path), pq.ParquetFile(file.path) as parquet:
        for rows in parquet.iter_batches(READ_ROWS, columns=[recv, event]):
            both = pc.and_(pc.is_valid(rows.column(recv)), pc.is_valid(rows.column(event)))
            kept = rows.filter(both)
            out.append(port.times(kept, event) - port.times(kept, recv))
    return np.concatenate(out) if out else np.zeros(0, np.int64)


def _sources(ticks: Columns) -> I64:
    """Return symbol, vendor, venue and kind of each tick as one number, shape (n,)."""
    # Codes of strings have 20 bits, see ``strings.STRINGS_MAX``.
    symbol, vendor, venue, kind = (port.longs(ticks, name) for name in ("symbol_id", "vendor", "venue", "kind"))
    return symbol << 43 | vendor << 23 | venue << 3 | kind


def _source_name(source: int) -> str:
    vendor, venue = source >> 23 & 0xFFFFF, source >> 3 & 0xFFFFF
    return " ".join(STRINGS.text(code) for code in (source >> 43, vendor, venue)).strip()


def _survey(file: FeedFile) -> list[str]:
    """Fill in order, trust in numbers and symbols; return the warnings."""
    last_time = np.int64(0)
    last_number: dict[int, int] = {}
    untrusted: set[int] = set()
    counts: dict[str, int] = {}
    for ticks in file.parsed():
        recv = port.longs(ticks, "ts_recv")
        file.in_order &= bool(recv[0] >= last_time and (recv[1:] >= recv[:-1]).all())
        last_time = np.int64(recv[-1])
        sources = _sources(ticks)
        # In the order of first sight, so that the warnings have one order.
        for source in dict.fromkeys(sources.tolist()):
            numbers = port.longs(ticks, "seq")[sources == source]
            symbol = STRINGS.text(source >> 43)
            counts[symbol] = counts.get(symbol, 0) + len(numbers)
            numbers = numbers[numbers != NULL_LONG]
            if len(numbers):
                if numbers[0] <= last_number.get(source, -1) or (numbers[1:] <= numbers[:-1]).any():
                    untrusted.add(source)
                last_number[source] = int(numbers[-1])
    file.unnumbered, file.symbols = frozenset(untrusted), counts
    known = load_instruments().by_symbol
    strangers = [
        f"{file.path}: {symbol} has no instrument: its {n:,} ticks are published and will go to the dead letter; "
        "add it to instruments.csv"
        for symbol, n in counts.items()
        if symbol not in known
    ]
    numberless = [
        f"{file.path}: numbers of {_source_name(source)} do not rise: published without seq, so repeats cannot be told"
        for source in last_number
        if source in untrusted
    ]
    return strangers + numberless
