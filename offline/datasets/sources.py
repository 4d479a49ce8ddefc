"""Where gold rows come from: recorded ticks, ClickHouse, Parquet files, or an Arrow table.

The lake is a source too, in ``lake_source``. Each gives rows and the id of the state that they were read from: the
same id, the same rows.
"""

# ruff: noqa: S608 - names come from our schemas, and values are quoted

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from offline.datasets.digests import CHARS, digest_of_files, digest_of_table
from offline.datasets.shares import actions_by_zone, events_of
from offline.features.bar_source import values_of
from offline.features.clickhouse_rows import AskArrow, quoted
from processors.errors import ConfigError
from processors.reference.actions.events import Action
from processors.reference.announced import KIND_OF
from processors.reference.records import MarketEvent
from processors.runtime.batch import Columns
from processors.runtime.layout import Layout, layout_of
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

Progress = Callable[[str, int], None]
"""Called with what is counted, and how many more there are."""
NO_PROGRESS: Progress = lambda _, __: None  # noqa: E731 - a default
GOLD, CROSS = "gold.v1", "cross.v1"

_NEEDED = ("ts", "symbol_id", "tf", "warm", "meta.close", "meta.realized_vol")
_BESIDE = (
    "regime.label", "regime.model", "quality.stale", "quality.gap", "quality.outlier_frac", "pack_id", "pack_hash",
    "packs", "meta.spread_bp", "meta.volume", "meta.adv_pct",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a recipe reads, so that a source need not bring the rest; it may.

    Parameters
    ----------
    columns
        Fields of the gold row, for example ``features.rsi_14_value``.
    cross_columns
        Fields of ``cross.v1``; none where no feature is of it.
    pack_ids
        Packs that rows must have, those of the cross-section apart.
    symbols
        None: all.
    """

    columns: tuple[str, ...]
    cross_columns: tuple[str, ...]
    pack_ids: tuple[str, ...]
    timeframe: str
    symbols: tuple[str, ...] | None
    regime_model: str = "bocpd"


@dataclass(frozen=True, slots=True)
class GoldRows:
    """Rows in any order, of the cross-section too where asked for, and the state of the source.

    Parameters
    ----------
    actions
        Corporate actions of their symbols, every revision: labels are returns as they were known.
    """

    gold: Columns
    cross: Columns | None
    snapshot_id: str
    actions: tuple[Action, ...] = ()


class GoldSource(Protocol):
    """Whatever brings gold rows."""

    def rows(self, wanted: Wanted, progress: Progress = NO_PROGRESS) -> GoldRows:
        """Return the rows; raises ConfigError where there is no such source."""
        ...


@dataclass(frozen=True, slots=True)
class RecordedTicks:
    """Recorded ticks through the very stages that run live; the snapshot is the digest of the files.

    Parameters
    ----------
    facts
        Files of fundamentals and events, as ``MPS_FACTS`` names them live: features read them, and labels the corporate
        actions among them.
    """

    files: Sequence[Path]
    facts: Sequence[Path] = ()

    def rows(self, wanted: Wanted, progress: Progress = NO_PROGRESS) -> GoldRows:
        """Return the rows that the stages make; they have the packs of the recipe."""
        from offline.dataset import record_rows

        gold, cross = record_rows(
            list(self.files), lambda n: progress("ticks", n), wanted.pack_ids, wanted.regime_model,
            with_cross=bool(wanted.cross_columns), facts_files=tuple(map(str, self.facts)),
        )  # fmt: skip
        return GoldRows(
            gold, cross, f"ticks:{digest_of_files(self.files)}{_and(self.facts)}",
            actions_by_zone(events_of(self.facts)),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArrowGold:
    """An Arrow table of gold rows, with the id of what it was read from.

    Parameters
    ----------
    table, cross
        Columns named as in ClickHouse (``features_rsi_14_value``), with dots, or nested.
    actions
        Corporate actions, every revision; the snapshot's id must tell them too.
    """

    table: pa.Table
    snapshot_id: str
    cross: pa.Table | None = None
    actions: tuple[Action, ...] = ()

    def rows(self, wanted: Wanted, progress: Progress = NO_PROGRESS) -> GoldRows:
        """Return the rows of the table."""
        progress("rows", self.table.num_rows)
        cross = None if self.cross is None or not wanted.cross_columns else columns_of(
            self.cross, CROSS, wanted.cross_columns, self.snapshot_id
        )  # fmt: skip
        gold = columns_of(self.table, GOLD, gold_columns(wanted), self.snapshot_id)
        return GoldRows(gold, cross, self.snapshot_id, self.actions)


@dataclass(frozen=True, slots=True)
class ParquetGold:
    """Parquet files or folders of gold rows; the snapshot is the digest of the files.

    Parameters
    ----------
    facts
        Files of events, for the corporate actions among them.
    """

    paths: Sequence[Path]
    cross_paths: Sequence[Path] = ()
    facts: Sequence[Path] = ()

    def rows(self, wanted: Wanted, progress: Progress = NO_PROGRESS) -> GoldRows:
        """Return the rows of the files; only what is wanted is read where columns are flat."""
        files = _parquet_files(self.paths)
        cross_files = _parquet_files(self.cross_paths) if wanted.cross_columns and self.cross_paths else []
        gold = _read(files, gold_columns(wanted), wanted)
        cross = _read(cross_files, wanted.cross_columns, wanted) if cross_files else None
        snapshot = f"parquet:{digest_of_files([*files, *cross_files])}{_and(self.facts)}"
        return ArrowGold(gold, snapshot, cross, actions_by_zone(events_of(self.facts))).rows(wanted, progress)


@dataclass(frozen=True, slots=True)
class ClickHouseGold:
    """The tables ``gold``, ``cross`` and ``events`` of a warehouse; the snapshot is the digest of what is read."""

    ask: AskArrow

    def rows(self, wanted: Wanted, progress: Progress = NO_PROGRESS) -> GoldRows:
        """Return the rows of the timeframe and symbols; of two records of one time the last one in the log."""
        gold, state = self._table("gold", gold_columns(wanted), wanted)
        cross, of_cross = self._table("cross", wanted.cross_columns, wanted) if wanted.cross_columns else (None, "")
        symbols = gold.column("symbol_id").unique().to_pylist()
        events, of_events = self._events(symbols)
        snapshot = f"clickhouse:{state}{of_cross}{of_events}"
        return ArrowGold(gold, snapshot, cross, actions_by_zone(events)).rows(wanted, progress)

    def _events(self, symbols: Sequence[str]) -> tuple[list[MarketEvent], str]:
        """Return the corporate actions of symbols as they were announced, and their digest, empty where none is."""
        if not symbols:
            return [], ""
        names = "symbol_id, event_id, type, name, ts_event, ts_known, value, text"
        where = f"type IN ({', '.join(map(quoted, KIND_OF))}) AND symbol_id IN ({', '.join(map(quoted, symbols))})"
        # A record that was written twice is one.
        found = self.ask(f"SELECT DISTINCT {names} FROM events WHERE {where} ORDER BY {names}").to_pydict()
        times = {n: np.asarray(pa.array(found[n]).cast(pa.timestamp("ns", "UTC")).cast(pa.int64())).tolist()
                 if found[n] else [] for n in ("ts_event", "ts_known")}  # fmt: skip
        rows = zip(*((found | times)[n] for n in names.split(", ")), strict=True)
        events = [
            MarketEvent(symbol, event, kind, name, at, known, value, "", text or "", "")
            for symbol, event, kind, name, at, known, value, text in rows
        ]
        return events, hashlib.sha256(repr(events).encode()).hexdigest()[:CHARS] if events else ""

    def _table(self, name: str, fields: tuple[str, ...], wanted: Wanted) -> tuple[pa.Table, str]:
        columns = ", ".join(field.replace(".", "_") for field in fields)
        among = "" if wanted.symbols is None else f" AND symbol_id IN ({', '.join(map(quoted, wanted.symbols))})"
        where = f"tf = {quoted(wanted.timeframe)}{among}"
        newest = f"SELECT symbol_id, ts, max(_offset) FROM {name} WHERE {where} GROUP BY symbol_id, ts"
        # One record of a symbol and time: no two rows tie. A digest asked for by itself might be of other rows.
        found = self.ask(
            f"SELECT {columns} FROM {name} WHERE {where} AND (symbol_id, ts, _offset) IN ({newest}) "
            "ORDER BY symbol_id, ts"
        )
        return found, digest_of_table(found)


def gold_columns(wanted: Wanted) -> tuple[str, ...]:
    """Return the fields of the gold row that a training set of a recipe reads."""
    return tuple(dict.fromkeys((*_NEEDED, *_BESIDE, *wanted.columns)))


def _and(facts: Sequence[Path]) -> str:
    """Return what files of facts add to a snapshot's id."""
    return f"+facts:{digest_of_files(facts)}" if facts else ""


def _parquet_files(paths: Sequence[Path]) -> list[Path]:
    for path in paths:
        if not path.exists():
            raise ConfigError(str(path), "file", "missing", "a Parquet file of gold rows, or a folder of them")
    files = sorted(f for p in paths for f in (p.rglob("*.parquet") if p.is_dir() else [p]))
    if not files:
        raise ConfigError(", ".join(map(str, paths)), "files", "none", "at least one Parquet file of gold rows")
    return files


def _read(files: Sequence[Path], fields: tuple[str, ...], wanted: Wanted) -> pa.Table:
    data = ds.dataset([str(f) for f in files])
    have = set(data.schema.names)
    flat = [n for field in fields for n in {field, field.replace(".", "_")} if n in have]
    nested = sorted({field.split(".")[0] for field in fields if "." in field} & have)
    chosen = None
    if "tf" in have and "symbol_id" in have:
        chosen = ds.field("tf") == wanted.timeframe
        if wanted.symbols is not None:
            chosen &= ds.field("symbol_id").isin(list(wanted.symbols))
    return data.to_table([*dict.fromkeys([*flat, *nested])], filter=chosen)


def columns_of(table: pa.Table, topic: str, fields: Sequence[str], where: str) -> Columns:
    """Return the rows of a table as stages read them.

    Parameters
    ----------
    topic
        ``gold.v1`` or ``cross.v1``: whose record the rows are.
    fields
        Of the record, that are read; the others stay null.
    where
        For the error.

    Raises
    ------
    ConfigError
        A field is missing.
    """
    while any(pa.types.is_struct(f.type) for f in table.schema):
        table = table.flatten()
    layout = layout_of(load_registry().current(topic).schema)
    names = {name.replace(".", "_"): name for name in table.schema.names}
    rows = Columns.empty(layout, table.num_rows)
    for field in fields:
        column = names.get(field.replace(".", "_"))
        if column is None:
            raise ConfigError(where, "columns", f"lacks {field}", f"the fields of {topic}, with dots or underscores")
        rows[field] = _values(table.column(column).combine_chunks(), layout, field)
    return rows


def _values(column: Any, layout: Layout, field: str) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if field in layout.symbols:
        if pa.types.is_integer(column.type):
            return np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False))
        coded = column.cast(pa.string()).dictionary_encode()
        codes = np.array([layout.symbols[field].index(text) for text in coded.dictionary.to_pylist()], np.int64)
        return np.asarray(codes[coded.indices.to_numpy(zero_copy_only=False)])
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        # Packs are the same in nearly all rows: joined to one text each, they are looked up once.
        joined = pc.binary_join(column.cast(pa.list_(pa.string())), "\n").fill_null("").dictionary_encode()
        told = [tuple(text.split("\n")) if text else () for text in joined.dictionary.to_pylist()]
        codes = np.array([STRINGS.array_code(texts) for texts in told], np.int64)
        return np.asarray(codes[joined.indices.to_numpy(zero_copy_only=False)])
    return values_of(column, is_float=layout.column[field][0])
