"""Gold rows as arrays for training: from recorded ticks through the very stages that run live.

files -> recorded ticks -> reconcile, bars, featurize, regime (in memory) -> gold.v1 -> Dataset
                         featurize -> universe.v1 -> cross -> cross.v1, beside it for packs of the cross-section
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.cross_join import cross_rows, decoded, with_cross
from offline.datasets.horizons import horizons_of
from offline.datasets.shares import actions_by_zone, events_of, known_files
from offline.features.sources import CROSS, source_of
from offline.labels import log_ratio
from offline.recipes.scales import input_of, is_price
from processors.drift.config import DriftConfig
from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.stage import Featurize
from processors.featurize.universe import UNIVERSE
from processors.reference.actions.events import Action
from processors.regime.config import RegimeConfig
from processors.regime.stage import Regime
from processors.runtime.batch import Columns
from processors.runtime.memory import MemoryDriver
from processors.runtime.strings import STRINGS
from processors.score.inputs import Input, input_matrix
from processors.score.score import has_pack
from processors.topology import build_chain
from schemas.features import FOUNDING_PACK, Pack, load_pack
from schemas.timeframes import TIMEFRAMES

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

HORIZON_BARS = {"1m": 15, "5m": 12, "15m": 16, "1h": 8, "1d": 5}
"""Horizon of each timeframe: long enough that a move can pay for its costs, short enough that labels are many."""

BATCH_ROWS = 65_536
GOLD = "gold.v1"


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
    """Return the gold rows that the stages make of recorded ticks; see ``record_rows``."""
    return gold_rows(_recorded(files, progress, frozenset({GOLD})))


def record_rows(
    files: list[Path], progress: Callable[[int], None] = lambda _: None, pack_ids: tuple[str, ...] | None = None,
    regime_model: str | None = None, *, with_cross: bool = True, facts_files: tuple[str, ...] | None = None,
) -> tuple[Columns, Columns | None]:  # fmt: skip
    """Return the gold rows and the rows of the cross-section that the stages make of recorded ticks.

    Parameters
    ----------
    files
        In any form that ``mps replay`` takes.
    progress
        Called with the number of ticks of each batch.
    pack_ids, regime_model
        Packs that the rows have, and whose regimes; those of the environment where None.
    with_cross
        Whether rows of the cross-section are made; None in their place otherwise.
    facts_files
        Files of facts that features read; those of ``MPS_FACTS`` where None.
    """
    keep = frozenset({GOLD, UNIVERSE} if with_cross else {GOLD})
    driver = _recorded(files, progress, keep, pack_ids, regime_model, facts_files)
    return gold_rows(driver), cross_rows(driver) if with_cross else None


def _recorded(
    files: list[Path], progress: Callable[[int], None], keep: frozenset[str], pack_ids: tuple[str, ...] | None = None,
    regime_model: str | None = None, facts_files: tuple[str, ...] | None = None,
) -> MemoryDriver:  # fmt: skip
    from processors.feeds.replay import recorded_batches

    reconcile, bars, featurize, regime = build_chain(["reconcile", "bars", "featurize", "regime"])
    asked = {"pack_ids": pack_ids, "facts_files": facts_files}
    changed: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if changed:
        config = replace(FeaturizeConfig.from_environment(), **changed)
        featurize = Featurize(config, DriftConfig.from_environment())
    if regime_model is not None:
        regime = Regime(replace(RegimeConfig.from_environment(), model=regime_model))
    driver = MemoryDriver([reconcile, bars, featurize, regime], keep=keep)
    for batch in recorded_batches(files, batch_rows=BATCH_ROWS):
        driver.feed(batch)
        progress(len(batch))
    return driver


def gold_rows(driver: MemoryDriver) -> Columns:
    """Return every gold row that a driver has kept, partition by partition."""
    return decoded(driver, GOLD)


def model_inputs(gold: Columns, pack: Pack) -> tuple[Input, ...]:
    """Return the inputs of the baseline: the features of a pack but raw prices, and the regime's probabilities."""
    regime = [n for n in gold.layout.names if n.startswith("regime.") and gold.layout.column[n][0]]
    return (*(input_of(f) for f in pack.features if not is_price(f)), *(Input(n, "raw") for n in regime))


def make_dataset(
    gold: Columns, horizon_bars: dict[str, int] | None = None, pack_id: str = FOUNDING_PACK,
    cross: Columns | None = None, actions: tuple[Action, ...] | None = None,
) -> Dataset:  # fmt: skip
    """Return the labelled rows of gold rows in any order: warm, not stale, with a volatility and a whole horizon.

    Horizons are those of a recipe that says nothing of them: void where rows are missing, and over closed hours unless
    a bar is a session.

    Parameters
    ----------
    cross
        Rows of ``cross.v1``: what a pack of the cross-section is made of.
    actions
        Corporate actions, every revision, which are no moves; those of the files of ``MPS_FACTS`` where None.

    Raises
    ------
    ConfigError
        No row is left, or one does not have the pack.
    """
    pack = load_pack(pack_id)
    of_cross = source_of(pack) is CROSS
    if of_cross:
        if cross is None or len(cross) == 0:
            raise ConfigError("training", "rows of cross.v1", 0, f"some, for {pack_id}: record two symbols or more")
        gold = with_cross(gold, cross, pack)
    horizons = horizon_bars or HORIZON_BARS
    timeframes = tuple(tf for tf in TIMEFRAMES if tf in horizons)
    tf_code = np.array([STRINGS.code(tf) for tf in timeframes])
    gold = gold.take(np.isin(gold["tf"], tf_code))
    if len(gold) == 0:
        raise ConfigError("training", "gold rows", 0, f"rows of {', '.join(timeframes)}: name more recorded ticks")
    # Codes differ from process to process: order by the texts.
    symbols = tuple(sorted(STRINGS.text(int(c)) for c in np.unique(gold["symbol_id"])))
    rank = {STRINGS.code(s): i for i, s in enumerate(symbols)}
    symbol_rank = np.array([rank[int(c)] for c in gold["symbol_id"]], np.int64)
    tf = np.array([int(np.flatnonzero(tf_code == c)[0]) for c in gold["tf"]], np.int64)
    order = np.lexsort((gold["ts"], tf, symbol_rank))
    gold, tf, symbol_rank = gold.take(order), tf[order], symbol_rank[order]
    told = actions_by_zone(events_of(known_files())) if actions is None else actions
    move, end_ns = np.empty(len(gold)), np.empty(len(gold), np.int64)
    for code, name in enumerate(timeframes):
        here = tf == code
        move[here], end_ns[here] = _labels(gold.take(here), symbol_rank[here], symbols, name, horizons[name], told)
    usable = (gold["warm"] != 0) & (gold["quality.stale"] == 0) & np.isfinite(move)
    if not usable.any():
        raise ConfigError("training", "labelled rows", 0, "warm rows with a whole horizon: name more recorded ticks")
    by_time = np.lexsort((tf, symbol_rank, np.asarray(gold["ts"])))
    rows = by_time[usable[by_time]]
    gold, tf, move, end_ns = gold.take(rows), tf[rows], move[rows], end_ns[rows]
    if not of_cross and not has_pack(gold, pack.pack_id, pack.hash).all():
        found = sorted({STRINGS.text(int(code)) for code in np.unique(gold["pack_hash"])})
        raise ConfigError("training", "pack", found, f"rows that have {pack.ref}: name it in MPS_FEATURE_PACKS")
    inputs = model_inputs(gold, pack)
    return Dataset(
        inputs, timeframes, gold.layout.symbols["regime.label"], pack.pack_id, pack.hash, input_matrix(gold, inputs),
        np.array(gold["ts"], np.int64), end_ns, tf, np.array(gold["regime.label"], np.int64), move,
        (move > 0).astype(np.float64),
    )  # fmt: skip


def _labels(
    gold: Columns, symbol: I64, symbols: tuple[str, ...], timeframe: str, horizon_bars: int, actions: tuple[Action, ...]
) -> tuple[F64, I64]:
    """Return move and end of each row of one timeframe, NaN and -1 where there is none; sorted by symbol and time."""
    ts = np.array(gold["ts"], np.int64)
    close, vol = (np.array(gold[f"meta.{name}"], np.float64) for name in ("close", "realized_vol"))
    ahead = horizons_of(ts, symbol, symbols, close, timeframe, horizon_bars, actions=actions)
    known = ahead.has_outcome(over_closed_hours=False)
    log_return = np.empty(len(gold))
    log_ratio(ahead.value, ahead.end, log_return)
    log_return[~known] = np.nan
    unit = vol * np.sqrt(horizon_bars)
    move = np.divide(log_return, unit, out=np.full(len(gold), np.nan), where=unit > 0)
    return move, np.where(known, ts[ahead.end], -1)
