"""``TrainingSet``: the rows of a recipe in the order in which a model reads them, and their labels.

::

    rows     symbol 0: t0 t1 t2 t3 t4 ...  symbol 1: t0 t1 ...      every row, since windows reach back over all
    samples        at: 3 17 4 18 ...                                rows with a label, ascending by time

On disk it is one Parquet file of rows, whose metadata say the rest; the same set gives the same bytes.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.score.inputs import Input
from processors.whole_file import write_whole

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

FILE, REPORT = "training_set.parquet", "report.json"
FORMAT = 4
_META = b"mps.training_set"


@dataclass(frozen=True, slots=True)
class Meta:
    """Where a set comes from.

    Parameters
    ----------
    pack_id, pack_hash
        The first pack of the recipe, by which rows are warm.
    packs
        All packs that the rows have, as ``id@hash``; of the cross-section too.
    target, transform
        Of the label.
    data_snapshot_id
        The state of the source that was read.
    sha256
        Of everything that training reads.
    """

    recipe_id: str
    recipe_hash: str
    pack_id: str
    pack_hash: str
    packs: tuple[str, ...]
    timeframe: str
    horizon_bars: int
    target: str
    transform: str
    data_snapshot_id: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """m rows, n samples.

    Parameters
    ----------
    inputs
        Columns of the gold row, then those of transformations, in the order of ``x``.
    x
        Shape (m, n_inputs), NaN where null; by symbol, then time.
    symbol, regime
        Shape (m,), into ``symbols`` and ``regimes``.
    ts_ns
        Shape (m,), end of the bar.
    vol, spread_bp
        Shape (m,), volatility of a bar's log return, and spread in basis points of the price; NaN where unknown. What a
        move is worth and costs: no model reads them here.
    close, volume, adv_pct
        Shape (m,), price at the end of the bar, volume of the bar, and that in percent of the average daily volume;
        the last two NaN where unknown. What the slippage of a position depends on.
    value
        Shape (m,), the close in shares and money of the symbol's first row, by the splits and dividends that were known
        at each row. What a position is marked to.
    at
        Shape (n,), rows of the samples, ascending by time, then symbol.
    end_ns
        Shape (n,), when the horizon of a sample is through, and all of its label known.
    exit_ns
        Shape (n,), when the move ended: a barrier may be touched before the horizon is through.
    move
        Shape (n,), log return from the row to its exit, in units of ``realized_vol * sqrt(horizon_bars)``.
    end_move
        Shape (n,), that to the end of the horizon, in the same units: what an interval is judged by. It is ``move`` but
        where a barrier was touched before.
    up
        Shape (n,), 1.0 where the move is positive, else 0.0.
    target
        Shape (n,), what the label spec asks for; ``offline.datasets.learned`` says what is learned of it.
    """

    inputs: tuple[Input, ...]
    symbols: tuple[str, ...]
    regimes: tuple[str, ...]
    x: F32
    symbol: I64
    ts_ns: I64
    regime: I64
    vol: F64
    spread_bp: F64
    close: F64
    value: F64
    volume: F64
    adv_pct: F64
    at: I64
    end_ns: I64
    exit_ns: I64
    move: F64
    end_move: F64
    up: F64
    target: F64
    meta: Meta

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.at)

    def offered(self, window_bars: int) -> I64:
        """Return the positions of the samples that have a whole window behind them, ascending."""
        first = self.at - window_bars + 1
        whole = (first >= 0) & (self.symbol[np.maximum(first, 0)] == self.symbol[self.at])
        return np.flatnonzero(whole)

    def windows(self, at: I64, window_bars: int) -> F32:
        """Return the rows up to each row, shape (len(at), window_bars, n_inputs), oldest first.

        Parameters
        ----------
        at
            Rows, such as ``self.at[self.offered(window_bars)]``.

        Raises
        ------
        ConfigError
            A window reaches over the first row of its symbol.
        """
        rows = at[:, None] + np.arange(1 - window_bars, 1)
        if len(at) and (rows.min() < 0 or (self.symbol[rows[:, 0]] != self.symbol[at]).any()):
            raise ConfigError("training set", "window_bars", window_bars, "samples of offered(window_bars) only")
        windows: F32 = self.x[rows]
        return windows

    def before(self, until_ns: int) -> "TrainingSet":
        """Return the rows up to a time, and the samples whose labels are known by then.

        Raises
        ------
        ConfigError
            No sample is left.
        """
        rows = self.ts_ns <= until_ns
        samples = self.end_ns <= until_ns
        if not samples.any():
            first = np.datetime64(int(self.end_ns.min()), "ns")
            raise ConfigError("training set", "until", str(np.datetime64(int(until_ns), "ns")), f"after {first}Z")
        place = np.cumsum(rows) - 1
        kept, symbol = np.unique(self.symbol[rows], return_inverse=True)
        of_rows = {name: getattr(self, name)[rows] for name in OF_ROWS if name != "symbol"}
        of_samples = {name: getattr(self, name)[samples] for name in OF_SAMPLES}
        # A symbol that begins later is not known yet.
        symbols = tuple(self.symbols[i] for i in kept)
        return replace(
            self, **of_rows, **of_samples, symbols=symbols, symbol=np.asarray(symbol, np.int64),
            at=place[self.at[samples]],
        ).stamped()  # fmt: skip

    def of_symbols(self, symbols: Collection[str]) -> "TrainingSet":
        """Return the rows and samples of some symbols, each in the order that it has here."""
        kept = [i for i, symbol in enumerate(self.symbols) if symbol in symbols]
        rows = np.isin(self.symbol, kept)
        samples = rows[self.at]
        place, code = np.cumsum(rows) - 1, np.full(len(self.symbols), -1, np.int64)
        code[kept] = np.arange(len(kept))
        of_rows = {name: getattr(self, name)[rows] for name in OF_ROWS if name != "symbol"}
        of_samples = {name: getattr(self, name)[samples] for name in OF_SAMPLES}
        return replace(
            self, **of_rows, **of_samples, symbols=tuple(self.symbols[i] for i in kept),
            symbol=code[self.symbol[rows]], at=place[self.at[samples]],
        ).stamped()  # fmt: skip

    def digest(self) -> str:
        """Return the SHA-256 of everything that training reads."""
        meta = asdict(replace(self.meta, sha256=""))
        told = [[(i.name, i.scale) for i in self.inputs], self.symbols, self.regimes, meta]
        found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for name in ARRAYS:
            array, other = getattr(self, name), USUALLY.get(name)
            # A set without splits, dividends and barriers keeps the name that it had before there were these arrays.
            if other is None or not np.array_equal(array, getattr(self, other), equal_nan=True):
                found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return found.hexdigest()

    def stamped(self) -> "TrainingSet":
        """Return the set with its digest in ``meta.sha256``."""
        return replace(self, meta=replace(self.meta, sha256=self.digest()))


MARKET = ("vol", "spread_bp", "close", "value", "volume", "adv_pct")
OF_ROWS = ("x", "symbol", "ts_ns", "regime", *MARKET)
OF_SAMPLES = ("end_ns", "exit_ns", "move", "end_move", "up", "target")
ARRAYS = (*OF_ROWS, "at", *OF_SAMPLES)
USUALLY = {"value": "close", "end_move": "move"}
"""Array -> that which it equals unless something makes it differ."""


def check_place(folder: Path) -> None:
    """Raise ConfigError where a folder holds other things than a set, or halves of one."""
    own = (FILE, REPORT)
    other = sorted(p.name for p in folder.iterdir() if not p.name.startswith(own)) if folder.is_dir() else []
    if other:
        raise ConfigError(str(folder), "folder", f"one that holds {other[0]}", "a new or an empty one, or a set's own")


def write(data: TrainingSet, folder: Path, report: dict[str, Any]) -> None:
    """Write a set and its report into a folder, each file whole or not at all; a set that is there is replaced.

    Raises
    ------
    ConfigError
        The folder holds other things.
    """
    check_place(folder)
    out = pa.BufferOutputStream()
    pq.write_table(_table(data), out, compression="zstd", use_dictionary=["symbol"], row_group_size=1 << 17)
    write_whole(folder / FILE, bytes(out.getvalue()))
    write_whole(folder / REPORT, json.dumps(report, indent=1, sort_keys=True) + "\n")


def _table(data: TrainingSet) -> pa.Table:
    m = len(data.x)
    columns: dict[str, pa.Array] = {
        "symbol": pa.array(np.array(data.symbols, object)[data.symbol], pa.string()),
        "ts": pa.array(data.ts_ns, pa.timestamp("ns", "UTC")),
        "regime": pa.array(data.regime, pa.int64()),
        **{name: pa.array(getattr(data, name)) for name in MARKET},
    }
    has = np.zeros(m, np.bool_)
    has[data.at] = True
    for name in OF_SAMPLES:
        values = getattr(data, name)
        full = np.zeros(m, values.dtype)
        full[data.at] = values
        kind = pa.timestamp("ns", "UTC") if values.dtype == np.int64 else pa.float64()
        columns[name] = pa.array(full, kind, mask=~has)
    for j, column in enumerate(data.inputs):
        columns[f"x.{column.name}"] = pa.array(np.ascontiguousarray(data.x[:, j]))
    told = {
        "format": FORMAT, "inputs": [[i.name, i.scale] for i in data.inputs], "symbols": data.symbols,
        "regimes": data.regimes, "meta": asdict(data.meta),
    }  # fmt: skip
    return pa.table(columns).replace_schema_metadata({_META: json.dumps(told, sort_keys=True)})


def read(folder: Path) -> tuple[TrainingSet, dict[str, Any]]:
    """Return a set and its report.

    Raises
    ------
    ConfigError
        A file is missing, of another format, or damaged: the digest is compared.
    """
    path = folder / FILE
    if not path.is_file():
        raise ConfigError(str(path), "file", "missing", "a folder of `mps dataset build RECIPE --out FOLDER`")
    try:
        table = pq.read_table(path)
        told = json.loads(table.schema.metadata[_META])
        report: dict[str, Any] = json.loads((folder / REPORT).read_text())
        data = _set_of(table, told)
    except (OSError, KeyError, TypeError, ValueError) as e:
        raise ConfigError(str(path), "file", f"unreadable: {e}", "build it again: mps dataset build") from None
    if data.digest() != data.meta.sha256:
        raise ConfigError(
            str(path), "sha256", data.digest(), f"{data.meta.sha256}: the file was changed, build it again"
        )
    return data, report


def _set_of(table: pa.Table, told: dict[str, Any]) -> TrainingSet:
    if told["format"] != FORMAT:
        raise ValueError(f"format {told['format']}, not {FORMAT}")
    symbols = tuple(told["symbols"])
    symbol = np.asarray(pa.compute.index_in(table.column("symbol").combine_chunks(), pa.array(symbols)), np.int64)
    ts = np.array(table.column("ts").cast(pa.int64()).to_numpy())
    has = ~np.asarray(table.column("move").is_null().to_numpy())
    at = np.flatnonzero(has)
    at = at[np.lexsort((symbol[at], ts[at]))]

    def of(name: str) -> NDArray[Any]:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64()).fill_null(-1)
        return np.asarray(column.to_numpy())[at].copy()

    inputs = tuple(Input(n, scale) for n, scale in told["inputs"])
    x = np.empty((len(ts), len(inputs)), np.float32)
    for j, column in enumerate(inputs):
        x[:, j] = table.column(f"x.{column.name}").to_numpy()
    fields: dict[str, Any] = told["meta"]
    meta = Meta(**(fields | {"packs": tuple(fields["packs"])}))
    return TrainingSet(
        inputs, symbols, tuple(told["regimes"]), x, symbol, ts, np.array(table.column("regime").to_numpy()),
        at=at, meta=meta, **{name: np.array(table.column(name).to_numpy()) for name in MARKET},
        **{name: of(name) for name in OF_SAMPLES},
    )  # fmt: skip
