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

from processors.errors import ConfigError
from processors.feeds import port
from processors.feeds.faults import at_row, not_among, row_fault
from processors.feeds.forms import NUMBERED, recognise
from processors.feeds.port import Adapter
from processors.feeds.rejects import Rejects
from processors.feeds.tables import READ_ROWS, SUFFIXES, RowFile, is_known, open_rows
from processors.runtime.batch import I64, NULL_LONG, Columns
from processors.runtime.strings import STRINGS
from schemas.instruments import load_instruments

REMEDY = "give a Parquet file of recorded ticks, or a folder of them; docs/feeds.md names the other kinds"


@dataclass(slots=True)
class FeedFile:
    """One recorded file, ready to be read.

    Parameters
    ----------
    rows
        As its footer says, or a count of them.
    table
        Its rows.
    skew_ns
        Median of exchange time minus receive time over the rows that carry both; 0 where the form has one time.
    in_order
        Whether receive times never fall; a file that is not in order is read whole and sorted.
    unnumbered
        Sources (see ``_sources``) whose numbers do not rise: their seq is published as null.
    symbols
        Symbol -> number of ticks.
    newest_event_ns
        Greatest event time of its ticks.
    """

    path: Path
    form: Adapter
    rows: int
    table: RowFile
    skew_ns: int = 0
    in_order: bool = True
    unnumbered: frozenset[int] = frozenset()
    symbols: dict[str, int] = field(default_factory=dict)
    newest_event_ns: int = 0

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
        with _readable(self.path):
            for rows in self.table.batches():
                ticks = self._parsed(rows, memory, done)
                self._check(ticks, done)
                done += len(ticks)
                yield ticks

    def _parsed(self, rows: pa.RecordBatch, memory: dict[str, Any], done: int) -> Columns:
        """Return some rows as ticks; a value that its column cannot hold is named by its row."""
        for name, allowed in self.form_words:
            fault = not_among(self.path, rows, name, allowed, done)
            if fault is not None:
                raise fault
        try:
            return self.form.parse(rows, self.skew_ns, memory)
        except pa.ArrowException as e:
            raise row_fault(self.path, rows, done) or e from e

    @property
    def form_words(self) -> list[tuple[str, tuple[str, ...]]]:
        """Columns of the form that hold one of a few words, and these."""
        words = {"kind": port.codec().layout.symbols["kind"], "side": ("bid", "ask")}
        return [(name, tuple(allowed)) for name, allowed in words.items() if name in self.form.columns]

    def _check(self, ticks: Columns, done: int) -> None:
        for name in ("ts_event", "ts_recv"):
            untimed = port.longs(ticks, name) < 0
            if untimed.any():
                raise at_row(self.path, done + int(np.argmax(untimed)) + 1, name, None, "a time after 1970 in each row")
        unnamed = port.longs(ticks, "vendor") == STRINGS.code("")
        if unnamed.any():
            raise at_row(self.path, done + int(np.argmax(unnamed)) + 1, "vendor", None, "a name in every row")


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of one replay, in the order given, and what to tell the user about them."""

    files: tuple[FeedFile, ...]
    warnings: tuple[str, ...]
    rejects: tuple[str, ...] = ()
    """Rows that will go to the dead letter, by file, row and column: the first of each kind."""

    @property
    def rows(self) -> int:
        """Ticks in all files."""
        return sum(f.rows for f in self.files)


def open_recording(paths: Sequence[Path | str], *, strict: bool = False) -> Recording:
    """Open and survey files; a folder stands for the files in it of a known kind, in the order of their names.

    Every row of every file is read here, before anything is published: a fault in the last row of the last file costs
    nothing that would have to be taken back.

    Parameters
    ----------
    strict
        Refuse a file with a row that would go to the dead letter too.

    Raises
    ------
    ConfigError
        A file is missing, empty, truncated, without rows or of an unknown form, or a row cannot be read: names the
        file, the row and the column.
    """
    given = present(paths)
    files = [_opened(path, among_others=len(given) > 1) for path in given]
    clocks = {f.path: _clock_differences(f) for f in files if len(f.form.times) == 2}
    recorded = [d for d in clocks.values() if len(d)]
    for f in files:
        if f.path in clocks:
            # A recording of book tickers alone may carry no exchange time; its companions were made by the same clock.
            known = clocks[f.path] if len(clocks[f.path]) else np.concatenate(recorded or [np.zeros(1, np.int64)])
            f.skew_ns = int(np.median(known))
    warnings: list[str] = []
    told: list[str] = []
    for f in files:
        rejects = Rejects(f.path, f.form.columns)
        warnings += _survey(f, rejects, strict=strict)
        if strict:
            rejects.refuse()
        told += rejects.told()
    return Recording(tuple(files), tuple(warnings), tuple(told))


def present(paths: Sequence[Path | str]) -> list[Path]:
    """Return the files that paths stand for, each of which is there and has something in it; none is opened.

    Raises
    ------
    ConfigError
        A file is missing or empty, or a folder has no file of a known kind.
    """
    files = [path for given in paths for path in _expanded(Path(given))]
    if not files:
        raise ConfigError("replay", "files", " ".join(map(str, paths)), REMEDY)
    for path in files:
        if not path.is_file():
            raise ConfigError(str(path), "file", "missing", REMEDY)
        if path.stat().st_size == 0:
            raise ConfigError(str(path), "file", "0 bytes", "the file is empty: copy it again")
    return files


def _expanded(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.is_file() and is_known(p))
    if not found:
        raise ConfigError(str(path), "folder", "no *.parquet in it, nor any other kind", REMEDY)
    return found


def _opened(path: Path, *, among_others: bool) -> FeedFile:
    """Return a file; one that cannot be taken is named, and how to do without it where there are others."""
    try:
        return _open(path)
    except ConfigError as e:
        if not among_others:
            raise
        remedy = f"{e.remedy}; to leave it out, name the other files instead of {path.parent}"
        raise ConfigError(e.where, e.key, e.value, remedy) from e


def _open(path: Path) -> FeedFile:
    with _readable(path):
        table = open_rows(path)
        schema, rows = table.schema, table.rows
    form = recognise(path, schema.names)
    for name in sorted(form.columns):
        if schema.names.count(name) > 1:
            raise ConfigError(str(path), f"column {name}", f"{schema.names.count(name)} times", "each column once")
    if rows == 0:
        raise ConfigError(str(path), "rows", 0, f"the file has the columns of {form.name}, but no ticks")
    for name in form.times:
        kind = schema.field(name).type
        if not pa.types.is_timestamp(kind) or kind.tz is None:
            raise ConfigError(str(path), name, str(kind), "a timestamp with a time zone, so that no hour is guessed")
    return FeedFile(path, form, rows, table)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what Parquet says of a broken file into an error that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as e:
        if not is_known(path):
            kind = f"a {path.suffix} file" if path.suffix else "without an ending"
            raise ConfigError(str(path), "file", kind, f"no file of ticks, which are {', '.join(SUFFIXES)}") from e
        reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        kind = "Parquet file" if path.suffix == ".parquet" else f"{path.suffix} file of ticks"
        raise ConfigError(str(path), "file", f"truncated, or no {kind}", f"copy it again ({reason})") from e


def _clock_differences(file: FeedFile) -> I64:
    """Return exchange time minus receive time of every row that carries both, nanoseconds."""
    recv, event = file.form.times
    out = []
    done = 0
    with _readable(file.path):
        for rows in file.table.batches([recv, event]):
            both = pc.and_(pc.is_valid(rows.column(recv)), pc.is_valid(rows.column(event)))
            kept = rows.filter(both)
            try:
                out.append(port.times(kept, event) - port.times(kept, recv))
            except pa.ArrowException as e:
                raise row_fault(file.path, rows, done) or e from e
            done += rows.num_rows
    return np.concatenate(out) if out else np.zeros(0, np.int64)


def _sources(ticks: Columns) -> I64:
    """Return symbol, vendor, venue and kind of each tick as one number, shape (n,)."""
    # Codes of strings have 20 bits, see ``strings.STRINGS_MAX``.
    symbol, vendor, venue, kind = (port.longs(ticks, name) for name in ("symbol_id", "vendor", "venue", "kind"))
    return symbol << 43 | vendor << 23 | venue << 3 | kind


def _refuse_strangers(path: Path, ticks: Columns, done: int) -> None:
    known = load_instruments().row_of(port.longs(ticks, "symbol_id")) >= 0
    # A heartbeat needs no symbol.
    needs_none = port.longs(ticks, "kind") >= port.kind_index("heartbeat")
    known |= needs_none & (port.longs(ticks, "symbol_id") == STRINGS.code(""))
    if not known.all():
        row = int(np.argmin(known))
        symbol = STRINGS.text(int(port.longs(ticks, "symbol_id")[row]))
        raise at_row(path, done + row + 1, "symbol", symbol, "an instrument of instruments.csv")


def _source_name(source: int) -> str:
    vendor, venue = source >> 23 & 0xFFFFF, source >> 3 & 0xFFFFF
    return " ".join(STRINGS.text(code) for code in (source >> 43, vendor, venue)).strip()


def _survey(file: FeedFile, rejects: Rejects, *, strict: bool) -> list[str]:
    """Fill in order, newest time, trust in numbers and symbols; return the warnings.

    Raises
    ------
    ConfigError
        A row cannot be read, or, if strict, its symbol is no instrument.
    """
    done = 0
    last_time = np.int64(0)
    last_number: dict[int, int] = {}
    untrusted: set[int] = set()
    counts: dict[str, int] = {}
    for ticks in file.parsed():
        recv = port.longs(ticks, "ts_recv")
        file.in_order &= bool(recv[0] >= last_time and (recv[1:] >= recv[:-1]).all())
        last_time = np.int64(recv[-1])
        file.newest_event_ns = max(file.newest_event_ns, int(port.longs(ticks, "ts_event").max()))
        rejects.add(ticks, done)
        if strict:
            _refuse_strangers(file.path, ticks, done)
        done += len(ticks)
        sources = _sources(ticks)
        # In the order of first sight, so that the warnings have one order.
        for source in dict.fromkeys(sources.tolist()):
            numbers = port.longs(ticks, "seq")[sources == source]
            symbol = STRINGS.text(source >> 43)
            counts[symbol] = counts.get(symbol, 0) + len(numbers)
            numbers = numbers[numbers != NULL_LONG]
            if len(numbers) and file.form.name not in NUMBERED:
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
