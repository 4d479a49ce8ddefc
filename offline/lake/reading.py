"""Rows of the lake at a snapshot: as Arrow, in batches, or as the columns that a stage or a training set reads.

    read(store, "gold", Wanted(symbols=["EURUSD:FX"], timeframes=["1h"], from_ns=..., to_ns=...), at=snapshot_id)

Days and timeframes choose folders, symbols and times choose files and row groups by what the log and the files say of
their least and greatest values; only the rest is read. Rows come in one order, by symbol, timeframe, time and place in
the log, whatever the files are: the same snapshot gives the same bytes before and after compaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from offline.lake.snapshot import SnapshotId
from offline.lake.store import LakeStore, told
from offline.lake.table import OpenTable
from offline.lake.tables import DATE, DAY_NS, LakeTable, lake_table
from processors.errors import ConfigError
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.layout import NULLABLE, STRING, STRING_ARRAY, Layout, layout_of
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

BATCH_ROWS = 65_536
READAHEAD = 2
"""Batches and files read ahead: what bounds memory, at 50 MB a batch of gold rows with every column."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows and columns.

    Parameters
    ----------
    symbols, timeframes
        None: all there are.
    from_ns, to_ns
        Of the table's time, ``from_ns <= time < to_ns``; None: no bound.
    columns
        None: all there are.
    """

    symbols: Sequence[str] | None = None
    timeframes: Sequence[str] | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    columns: Sequence[str] | None = None


ALL = Wanted()


def open_at(store: LakeStore, name: str, at: SnapshotId | str | int | None = None) -> OpenTable:
    """Open a table at a snapshot id, at a version, or at the newest one.

    Raises
    ------
    ConfigError
        There is no such table, version or snapshot.
    """
    spec = lake_table(name)
    if isinstance(at, str):
        at = SnapshotId.parse(at)
    if isinstance(at, SnapshotId):
        return OpenTable.snapshot(store, spec, at)
    return OpenTable.open(store, spec, at)


def read(store: LakeStore, name: str, wanted: Wanted = ALL, at: SnapshotId | str | int | None = None) -> pa.Table:
    """Return the rows, in the order of ``order_of``.

    Raises
    ------
    ConfigError
        There is no such table, snapshot or column, or vacuum has removed files of that version.
    """
    opened = open_at(store, name, at)
    order = [(column, "ascending") for column in order_of(opened.spec)]
    columns = _columns(opened, wanted)
    asked = list(dict.fromkeys([*columns, *(column for column, _ in order)]))
    with _files_of(opened):
        table = _dataset(opened, wanted).to_table(
            columns=asked, filter=_filter(opened.spec, wanted), batch_size=BATCH_ROWS, batch_readahead=READAHEAD,
            fragment_readahead=READAHEAD,
        )  # fmt: skip
    return table.take(pc.sort_indices(table, order)).select(columns)


def batches(
    store: LakeStore, name: str, wanted: Wanted = ALL, at: SnapshotId | str | int | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows in pieces that fit into memory, in the order of the files."""
    opened = open_at(store, name, at)
    columns = _columns(opened, wanted)
    with _files_of(opened):
        yield from _dataset(opened, wanted).to_batches(
            columns=columns, filter=_filter(opened.spec, wanted), batch_size=BATCH_ROWS, batch_readahead=READAHEAD,
            fragment_readahead=READAHEAD,
        )  # fmt: skip


def read_columns(
    store: LakeStore, name: str, wanted: Wanted = ALL, at: SnapshotId | str | int | None = None
) -> tuple[Columns, SnapshotId]:
    """Return the rows as stages and training read them, and what names them: ``data_snapshot_id``.

    Parameters
    ----------
    wanted
        A layout has every field: those of columns that are not read are null.
    """
    opened = open_at(store, name, at)
    return columns_of(read(store, name, wanted, opened.snapshot_id), opened.spec), opened.snapshot_id


def order_of(spec: LakeTable) -> tuple[str, ...]:
    """Return the columns that rows are ordered by."""
    names = (*spec.order_by[:1], "tf", *spec.order_by[1:], "_partition", "_offset")
    return tuple(name for name in names if name in spec.schema.names)


def columns_of(table: pa.Table, spec: LakeTable) -> Columns:
    """Return rows of a table as columns of its record; fields whose columns were not read are null.

    Raises
    ------
    CapacityError
        More distinct strings than one process may hold.
    """
    layout = layout_of(load_registry().current(spec.topic).schema)
    out = Columns.empty(layout, table.num_rows)
    for name, op in zip(layout.names, layout.ops[:, 0].tolist(), strict=True):
        column = column_name(name, spec)
        if column in table.column_names:
            out[name] = _values(name, table.column(column).combine_chunks(), int(op) & ~NULLABLE, layout)
    return out


def column_name(field: str, spec: LakeTable) -> str:
    """Return what a field of the record is called in the lake: dots are underscores, times end in ``_ns``."""
    flat = field.replace(".", "_")
    return f"{flat}_ns" if f"{flat}_ns" in spec.schema.names else flat


def _values(name: str, values: pa.Array, op: int, layout: Layout) -> np.ndarray:
    if layout.column[name][0]:
        return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
    if name in layout.symbols:
        codes = pc.index_in(values, value_set=pa.array(layout.symbols[name]))
        return np.asarray(codes.cast(pa.int64()).to_numpy(zero_copy_only=False))
    if op == STRING:
        coded = values.dictionary_encode()
        codes = np.array([STRINGS.code(text) for text in coded.dictionary.to_pylist()], np.int64)
        at = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.where(at < 0, -1, codes[at] if len(codes) else at)
    if op == STRING_ARRAY:
        found: dict[tuple[str, ...], int] = {}
        out = np.empty(len(values), np.int64)
        for i, texts in enumerate(values.to_pylist()):
            key = tuple(texts)
            if key not in found:
                found[key] = STRINGS.array_code(key)
            out[i] = found[key]
        return out
    return np.asarray(values.cast(pa.int64()).fill_null(NULL_LONG).to_numpy(zero_copy_only=False))


def _columns(opened: OpenTable, wanted: Wanted) -> list[str]:
    have = pa.schema(opened.delta.schema().to_arrow()).names
    if wanted.columns is None:
        return list(have)
    for name in wanted.columns:
        if name not in have:
            raise ConfigError(opened.where, "column", name, f"one of the table {opened.spec.name}: `mps lake show`")
    return list(wanted.columns)


def _dataset(opened: OpenTable, wanted: Wanted) -> ds.Dataset:
    spec = opened.spec
    chosen: list[tuple[str, str, Any]] = []
    if wanted.from_ns is not None:
        chosen.append((DATE, ">=", _day(wanted.from_ns)))
    if wanted.to_ns is not None:
        chosen.append((DATE, "<=", _day(wanted.to_ns - 1)))
    if wanted.timeframes is not None and "tf" in spec.partition_by:
        chosen.append(("tf", "in", list(wanted.timeframes)))
    return opened.delta.to_pyarrow_dataset(file_pruning_predicate=chosen or None)


def _filter(spec: LakeTable, wanted: Wanted) -> ds.Expression | None:
    parts = []
    if wanted.from_ns is not None:
        parts.append(ds.field(spec.time) >= wanted.from_ns)
    if wanted.to_ns is not None:
        parts.append(ds.field(spec.time) < wanted.to_ns)
    if wanted.symbols is not None and "symbol_id" in spec.schema.names:
        parts.append(ds.field("symbol_id").isin(pa.array(wanted.symbols, pa.string())))
    if wanted.timeframes is not None and "tf" in spec.schema.names:
        parts.append(ds.field("tf").isin(pa.array(wanted.timeframes, pa.string())))
    found = None
    for part in parts:
        found = part if found is None else found & part
    return found


def _day(ns: int) -> str:
    return str(np.datetime64(ns // DAY_NS, "D"))


@contextmanager
def _files_of(opened: OpenTable) -> Iterator[None]:
    """Say in plain words that vacuum has removed what a version is made of."""
    with told(opened.where):
        try:
            yield
        except OSError as e:
            if not isinstance(e, FileNotFoundError) and "not found" not in str(e).lower():
                raise
            raise ConfigError(
                opened.where, "snapshot", str(opened.snapshot_id),
                "one whose files are still there: vacuum removed some (`mps lake vacuum --keep SNAPSHOT` spares them)",
            ) from e  # fmt: skip
