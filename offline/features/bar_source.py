"""Where a back-fill reads bars: ClickHouse, or Parquet files of the same columns.

First publications only, in the order of the log: a feature row is made when a bar is first published, and never again.
"""

# ruff: noqa: S608 - names come from our schemas, and values are quoted

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from offline.features.clickhouse_rows import AskArrow, at_ns, quoted
from processors.errors import ConfigError
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.layout import Layout, layout_of
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAMES

BARS = "bars.v1"


@dataclass(frozen=True, slots=True)
class Page:
    """Some bars of one partition, in its order, and the cursor of each: the next page begins behind the last one."""

    bars: Columns
    cursors: NDArray[np.int64]


class BarSource(Protocol):
    """Bars by symbol."""

    def counts(self) -> dict[str, int]:
        """Return the number of bars of each symbol, by symbol in order of its name."""

    def snapshot(self) -> str:
        """Return a digest of all bars: equal where every bar is."""

    def pages(self, symbols: Sequence[str], after: int, size: int) -> Iterator[Page]:
        """Yield the bars of symbols of one partition behind a cursor (-1: all), ``size`` a page but for the last."""


def bar_layout() -> Layout:
    """Return the columns of a bar."""
    return layout_of(load_registry().current(BARS).schema)


@cache
def _names() -> tuple[tuple[str, str], ...]:
    """Return each field of a bar with the column it stands in."""
    return tuple((name, name.replace(".", "_")) for name in bar_layout().names)


class ClickHouseBars:
    """The table ``bars`` of a warehouse.

    Parameters
    ----------
    symbols
        None: all there are.
    to_ns
        Bars with ts after it are not read.
    """

    def __init__(self, asking: AskArrow, symbols: Sequence[str] | None, to_ns: int) -> None:
        self._ask = asking
        among = "" if symbols is None else f" AND symbol_id IN ({', '.join(quoted(s) for s in symbols)})"
        timeframes = ", ".join(quoted(tf) for tf in TIMEFRAMES)
        self._where = f"revision = 0 AND tf IN ({timeframes}) AND ts <= {at_ns(to_ns)}{among}"

    def counts(self) -> dict[str, int]:
        """Return the number of bars of each symbol."""
        found = self._ask(f"SELECT symbol_id, count() AS n FROM bars WHERE {self._where} GROUP BY symbol_id")
        return dict(sorted(zip(found.column(0).to_pylist(), found.column(1).to_pylist(), strict=True)))

    def snapshot(self) -> str:
        """Return the digest, worked out by ClickHouse: of tuples, as a hash of arguments is null where one is."""
        columns = ", ".join(column for _, column in _names())
        found = self._ask(
            f"SELECT symbol_id, count() AS n, toString(groupBitXor(sipHash64(tuple({columns}, _offset)))) AS digest "
            f"FROM bars WHERE {self._where} GROUP BY symbol_id ORDER BY symbol_id"
        )
        return hashlib.sha256(repr(found.to_pydict()).encode()).hexdigest()

    def pages(self, symbols: Sequence[str], after: int, size: int) -> Iterator[Page]:
        """Yield pages by offset: in one partition offsets are the order of the log."""
        among = ", ".join(quoted(s) for s in symbols)
        columns = ", ".join(column for _, column in _names())
        while True:
            found = self._ask(
                f"SELECT {columns}, toInt64(_offset) AS cursor FROM bars WHERE {self._where} "
                f"AND symbol_id IN ({among}) AND toInt64(_offset) > {after} ORDER BY _offset LIMIT {size}"
            )
            if not found.num_rows:
                return
            cursors = np.asarray(found.column("cursor").to_numpy(), np.int64)
            after = int(cursors[-1])
            yield Page(columns_of(found), cursors)
            if found.num_rows < size:
                return


class ParquetBars:
    """Parquet files with the columns of the table ``bars``.

    Parameters
    ----------
    paths
        Files, or folders of files.

    Raises
    ------
    ConfigError
        A file is missing, or lacks a column.
    """

    def __init__(self, paths: Sequence[Path], symbols: Sequence[str] | None, to_ns: int) -> None:
        for path in paths:
            if not path.exists():
                raise ConfigError(str(path), "file", "missing", "a Parquet file of bars, or a folder of them")
        files = sorted(f for p in paths for f in (p.rglob("*.parquet") if p.is_dir() else [p]))
        if not files:
            raise ConfigError(", ".join(map(str, paths)), "files", "none", "at least one Parquet file of bars")
        self._data = ds.dataset([str(f) for f in files])
        have = set(self._data.schema.names)
        lacking = [column for _, column in _names() if column not in have]
        if lacking:
            remedy = 'the columns of the table bars: mps sql "SELECT * FROM bars" --format Parquet > bars.parquet'
            raise ConfigError(str(files[0]), "columns", f"lacks {', '.join(lacking)}", remedy)
        order = ("_offset",) if "_offset" in have else ("ts", "rank", "symbol_id")
        self._order = [(name, "ascending") for name in order]
        limit = pa.scalar(to_ns, pa.int64()).cast(pa.timestamp("ns", "UTC"))
        self._filter = (ds.field("revision") == 0) & ds.field("tf").isin(TIMEFRAMES)
        self._filter &= ds.field("ts").cast(pa.timestamp("ns", "UTC")) <= limit
        if symbols is not None:
            self._filter &= ds.field("symbol_id").isin(list(symbols))

    def counts(self) -> dict[str, int]:
        """Return the number of bars of each symbol."""
        found = self._data.to_table(["symbol_id"], filter=self._filter).column("symbol_id").value_counts()
        return dict(sorted((str(v["values"]), v["counts"].as_py()) for v in found))

    def snapshot(self) -> str:
        """Return the digest of the bars' values, in their order."""
        digest = hashlib.sha256()
        for symbol in self.counts():
            for page in self.pages([symbol], -1, 1 << 20):
                digest.update(symbol.encode())
                # Codes of strings differ from process to process.
                texts = {name: page.bars.layout.column[name][1] for name in ("symbol_id", "tf")}
                digest.update(repr([STRINGS.text(int(c)) for c in page.bars.ints[texts["tf"]]]).encode())
                digest.update(np.delete(page.bars.ints, list(texts.values()), axis=0).tobytes())
                digest.update(page.bars.floats.tobytes())
        return digest.hexdigest()

    def pages(self, symbols: Sequence[str], after: int, size: int) -> Iterator[Page]:
        """Yield pages by position."""
        table = self._data.to_table(filter=self._filter & ds.field("symbol_id").isin(list(symbols)))
        rank = pc.index_in(table.column("tf").cast(pa.string()), value_set=pa.array(TIMEFRAMES))
        table = table.append_column("rank", rank).sort_by(self._order)
        for begin in range(after + 1, table.num_rows, size):
            part = table.slice(begin, size)
            yield Page(columns_of(part), np.arange(begin, begin + part.num_rows))


def columns_of(table: pa.Table) -> Columns:
    """Return the bars of a table as a stage reads them."""
    bars = Columns.empty(bar_layout(), table.num_rows)
    for name, column in _names():
        bars[name] = values_of(table.column(column).combine_chunks(), is_float=bars.layout.column[name][0])
    return bars


def values_of(column: Any, *, is_float: bool) -> np.ndarray:
    """Return a column of Arrow as a stage reads it: texts as codes, times in nanoseconds, nulls as stages have them."""
    if is_float:
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        coded = column.cast(pa.string()).dictionary_encode()
        codes = np.array([STRINGS.code(text) for text in coded.dictionary.to_pylist()], np.int64)
        return np.asarray(codes[coded.indices.to_numpy(zero_copy_only=False)])
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("ns", kind.tz)).cast(pa.int64())
    return np.asarray(column.cast(pa.int64()).fill_null(NULL_LONG).to_numpy(zero_copy_only=False))
