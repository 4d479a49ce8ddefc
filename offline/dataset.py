"""Gold rows as arrays for training: from recorded ticks through the very stages that run live.

files -> recorded ticks -> reconcile, bars, featurize, regime (in memory) -> gold.v1 -> Dataset
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.labels import STRETCH_MAX, forward_log_return
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import MemoryDriver
from processors.runtime.strings import STRINGS
from processors.score.annual import TF_MINUTES
from processors.score.inputs import Input, input_matrix
from processors.topology import PARTITIONS, build_chain
from schemas.features import load_features
from schemas.registry import load_registry

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

HORIZON_BARS = {"1m": 15, "5m": 12, "15m": 16, "1h": 8, "1d": 5}
"""Horizon of each timeframe: long enough that a move can pay for its costs, short enough that labels are many."""

BATCH_ROWS = 65_536
GOLD = "gold.v1"
_NS_PER_MINUTE = 60_000_000_000
_DAY_MINUTES = 1_440

_PER_VOL_UNITS = ("log ratio", "log ratio per bar", "fraction of close", "fraction of average", "fraction of mean")
"""Units of the feature schema that grow with the volatility."""
_PRICE_UNITS = ("price",)
"""Left out: a raw price tells a tree the symbol and the day; each such feature has a sibling free of the price."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """n labelled rows, ascending by time, then symbol, then timeframe.

    Parameters
    ----------
    x
        Shape (n, n_inputs), float32, NaN where null.
    ts_ns, end_ns
        Shape (n,): time of the row, and event time at which its label is known.
    tf
        Shape (n,), index into ``timeframes``.
    regime
        Shape (n,), index into ``regimes``.
    move
        Shape (n,), log return over the horizon in units of ``realized_vol * sqrt(horizon_bars)``.
    up
        Shape (n,), 1.0 where the return is positive.
    """

    inputs: tuple[Input, ...]
    timeframes: tuple[str, ...]
    regimes: tuple[str, ...]
    pack_id: str
    pack_hash: str
    x: NDArray[np.float32]
    ts_ns: I64
    end_ns: I64
    tf: I64
    regime: I64
    move: F64
    up: F64

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ts_ns)

    def take(self, rows: NDArray[np.generic]) -> "Dataset":
        """Return the rows of a mask or of positions, in that order."""
        return Dataset(
            self.inputs, self.timeframes, self.regimes, self.pack_id, self.pack_hash, self.x[rows], self.ts_ns[rows],
            self.end_ns[rows], self.tf[rows], self.regime[rows], self.move[rows], self.up[rows],
        )  # fmt: skip

    def sha256(self) -> str:
        """Return the digest of everything that training reads."""
        digest = hashlib.sha256(repr((self.inputs, self.timeframes, self.pack_hash)).encode())
        for array in (self.x, self.ts_ns, self.end_ns, self.tf, self.regime, self.move):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def record_gold(files: list[Path], progress: Callable[[int], None] = lambda _: None) -> Columns:
    """Return the gold rows that the stages make of recorded ticks.

    Parameters
    ----------
    files
        In any form that ``mps replay`` takes.
    progress
        Called with the number of ticks of each batch.
    """
    from processors.feeds.replay import recorded_batches

    driver = MemoryDriver(build_chain(["reconcile", "bars", "featurize", "regime"]), keep=frozenset({GOLD}))
    for batch in recorded_batches(files, PARTITIONS, BATCH_ROWS):
        driver.feed(batch)
        progress(len(batch))
    return gold_rows(driver)


def gold_rows(driver: MemoryDriver) -> Columns:
    """Return every gold row that a driver has kept, partition by partition."""
    entry = load_registry().current(GOLD)
    codec = FlatCodec(entry.schema, entry.id)
    parts = [Columns.empty(codec.layout, 0)]
    for topic, partition in sorted(driver.logs):
        for encoded in driver.logs[topic, partition] if topic == GOLD else []:
            columns, error = codec.decode(encoded)
            assert not error.any(), "a stage's own record does not decode"
            parts.append(columns)
    ints, floats = (np.concatenate(m, axis=1) for m in zip(*((p.ints, p.floats) for p in parts), strict=True))
    return Columns(codec.layout, ints, floats)


def model_inputs(gold: Columns) -> tuple[Input, ...]:
    """Return the inputs of the baseline: all features but raw prices, and the regime's probabilities.

    Found from the layout and the feature schema, so a new feature of the pack needs no code here.
    """
    unit = {f"features.{f.name}": f.unit for f in load_features()}
    names = [n for n in gold.layout.names if n.startswith("features.") and unit.get(n, "") not in _PRICE_UNITS]
    regime = [n for n in gold.layout.names if n.startswith("regime.") and gold.layout.column[n][0]]
    return tuple(Input(n, "per_vol" if unit.get(n) in _PER_VOL_UNITS else "raw") for n in names + regime)


def make_dataset(gold: Columns, horizon_bars: dict[str, int] | None = None) -> Dataset:
    """Return the labelled rows of gold rows in any order: warm, not stale, with a volatility and a whole horizon.

    Raises
    ------
    ConfigError
        No row is left, or the rows are of several packs.
    """
    horizons = horizon_bars or HORIZON_BARS
    timeframes = tuple(tf for tf in TF_MINUTES if tf in horizons)
    tf_code = np.array([STRINGS.code(tf) for tf in timeframes])
    gold = gold.take(np.isin(gold["tf"], tf_code))
    if len(gold) == 0:
        raise ConfigError("training", "gold rows", 0, f"rows of {', '.join(timeframes)}: name more recorded ticks")
    # Codes differ from process to process: order by the texts.
    symbol = np.array([STRINGS.text(int(c)) for c in np.unique(gold["symbol_id"])])
    rank = {STRINGS.code(s): i for i, s in enumerate(sorted(symbol))}
    symbol_rank = np.array([rank[int(c)] for c in gold["symbol_id"]], np.int64)
    tf = np.array([int(np.flatnonzero(tf_code == c)[0]) for c in gold["tf"]], np.int64)
    order = np.lexsort((gold["ts"], tf, symbol_rank))
    gold, tf, symbol_rank = gold.take(order), tf[order], symbol_rank[order]
    move, end_ns = _labels(gold, symbol_rank, tf, np.array([horizons[t] for t in timeframes], np.int64), timeframes)
    usable = (gold["warm"] != 0) & (gold["quality.stale"] == 0) & np.isfinite(move)
    if not usable.any():
        raise ConfigError("training", "labelled rows", 0, "warm rows with a whole horizon: name more recorded ticks")
    by_time = np.lexsort((tf, symbol_rank, np.asarray(gold["ts"])))
    rows = by_time[usable[by_time]]
    gold, tf, move, end_ns = gold.take(rows), tf[rows], move[rows], end_ns[rows]
    packs = {(STRINGS.text(int(a)), STRINGS.text(int(b)))
             for a, b in np.unique(np.stack([gold["pack_id"], gold["pack_hash"]]), axis=1).T}  # fmt: skip
    if len(packs) > 1:
        raise ConfigError("training", "pack", sorted(packs), "rows of one pack")
    inputs = model_inputs(gold)
    ((pack_id, pack_hash),) = packs
    return Dataset(
        inputs, timeframes, gold.layout.symbols["regime.label"], pack_id, pack_hash, input_matrix(gold, inputs),
        np.array(gold["ts"], np.int64), end_ns, tf, np.array(gold["regime.label"], np.int64), move,
        (move > 0).astype(np.float64),
    )  # fmt: skip


def _labels(gold: Columns, symbol_rank: I64, tf: I64, horizon: I64, timeframes: tuple[str, ...]) -> tuple[F64, I64]:
    """Return move and end of each row of rows sorted by symbol, timeframe and time."""
    n = len(gold)
    log_return, end_ns = np.empty(n), np.empty(n, np.int64)
    bar_ns = np.array([(TF_MINUTES[t] or _DAY_MINUTES) * _NS_PER_MINUTE for t in timeframes], np.int64)
    close, vol = (np.array(gold[f"meta.{name}"], np.float64) for name in ("close", "realized_vol"))
    group = symbol_rank * len(timeframes) + tf
    forward_log_return(
        np.array(gold["ts"], np.int64), group, close, bar_ns[tf], horizon[tf], STRETCH_MAX, log_return, end_ns
    )
    unit = vol * np.sqrt(horizon[tf])
    return np.divide(log_return, unit, out=np.full(n, np.nan), where=unit > 0), end_ns
