"""Databento's own files (``.dbn``, ``.dbn.zst``): trades and top of book, as the tables of the same data have them.

A record of ``tbbo`` is a trade and the book before it, which no other record of the file tells: it becomes two rows.

Needs the extra ``databento``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from processors.errors import ConfigError
from processors.feeds.futures import BOOK_BEFORE, globex_symbol_id
from processors.feeds.own import as_times

SCHEMAS = ("trades", "mbp-1", "tbbo")
PRICE_SCALE = 1e-9
UNDEFINED_PRICE = np.iinfo(np.int64).max
REMEDY = "in the checkout: pip install -e '.[databento]'"
GLOBEX = "GLBX"

_TIME = pa.timestamp("ns", tz="UTC")
BOOK_COLUMNS = ("action", "bid", "bid_size", "ask", "ask_size")
COLUMNS = {
    "ts_recv": _TIME, "ts_event": _TIME, "symbol": pa.string(), "symbol_id": pa.string(), "price": pa.float64(),
    "size": pa.int64(), "sequence": pa.int64(), "action": pa.string(), "bid": pa.float64(), "bid_size": pa.int64(),
    "ask": pa.float64(), "ask_size": pa.int64(),
}  # fmt: skip


def symbol_id(dataset: str, symbol: str) -> str:
    """Return our instrument: contracts on Globex by their exchange, all else by US equities' suffix."""
    return globex_symbol_id(symbol) if dataset.startswith(GLOBEX) else f"{symbol}:US"


def databento() -> Any:
    """Return the package.

    Raises
    ------
    ConfigError
        It is not installed: names the extra.
    """
    try:
        import databento as package
    except ImportError as e:
        raise ConfigError("databento", "package", "missing", REMEDY) from e
    return package


class DbnRows:
    """A file of one schema as rows: the columns of Databento's tables."""

    def __init__(self, path: Path) -> None:
        try:
            self._store = databento().DBNStore.from_file(path)
        except ConfigError:
            raise
        except Exception as e:
            # The package raises errors of many kinds for a broken file.
            raise OSError(str(e)) from e
        schema = self._store.schema
        if schema is None or str(schema) not in SCHEMAS:
            raise ConfigError(str(path), "schema", str(schema), f"ticks: {', '.join(SCHEMAS)}; bars are made of them")
        self._is_book, self._is_tbbo = str(schema) != "trades", str(schema) == "tbbo"
        self._symbols, self._dataset = _symbols(self._store), str(self._store.dataset)
        self.rows = sum(len(rows) for rows in self._arrays()) * (1 + self._is_tbbo)
        names = [n for n in COLUMNS if self._is_book or n not in BOOK_COLUMNS]
        self.schema = pa.schema([(n, COLUMNS[n]) for n in names])

    def _arrays(self) -> Iterator[np.ndarray]:
        try:
            yield from self._store.to_ndarray(count=65_536)
        except Exception as e:
            raise OSError(str(e)) from e

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        for rows in self._arrays():
            table = self._table(np.repeat(rows, 2) if self._is_tbbo else rows)
            yield table.select(columns) if columns else table

    def _table(self, rows: np.ndarray) -> pa.RecordBatch:
        ids, at = np.unique(rows["instrument_id"], return_inverse=True)
        names = np.array([self._symbols.get(int(i), str(i)) for i in ids], object)
        full = np.array([symbol_id(self._dataset, name) for name in names], object)
        arrays = {
            "ts_recv": as_times(rows["ts_recv"]),
            "ts_event": as_times(rows["ts_event"]),
            "symbol": pa.array(names[at], pa.string()),
            "symbol_id": pa.array(full[at], pa.string()),
            "price": _price(rows["price"]),
            "size": pa.array(rows["size"].astype(np.int64)),
            "sequence": pa.array(rows["sequence"].astype(np.int64)),
        }
        if self._is_book:
            action = rows["action"].astype("U1").astype(object)
            if self._is_tbbo:
                action[::2] = BOOK_BEFORE
            arrays["action"] = pa.array(action, pa.string())
            for side in ("bid", "ask"):
                arrays[side] = _price(rows[f"{side}_px_00"])
                arrays[f"{side}_size"] = pa.array(rows[f"{side}_sz_00"].astype(np.int64))
        return pa.RecordBatch.from_pydict(arrays, schema=self.schema)


def _price(column: np.ndarray) -> pa.Array:
    values = column.astype(np.int64)
    return pa.array(values * PRICE_SCALE, mask=values == UNDEFINED_PRICE)


def _symbols(store: Any) -> dict[int, str]:
    """Return the raw symbol of each instrument, from the file's own map."""
    out = {}
    for symbol, intervals in store.mappings.items():
        for interval in intervals:
            name = interval["symbol"]
            if str(name).isdigit():
                out[int(name)] = symbol
    return out
