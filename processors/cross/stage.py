"""The cross-section stage: ``universe.v1`` to ``cross.v1``.

Every symbol's row of a bar, in one partition, becomes a row with its place among all symbols that are live then; see
``barrier`` for who is, and when a barrier closes. Fates: ``row``, in its barrier; ``joins``, the first of a symbol that
is new or was away: it is ranked from the next on; ``straggler``, late: counted and left, what is out stays as it is;
``out_of_order``; ``dead``.
"""

import numpy as np
from numpy.typing import NDArray

from processors.cross import barrier as b
from processors.cross.config import CrossConfig
from processors.cross.kernel import MCCLELLAN
from processors.feeds.partitioner import Partitioner
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, Table, TableSpec
from processors.runtime.strings import STRINGS
from schemas.features import cross_packs
from schemas.instruments import load_instruments
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAME_NS, TIMEFRAMES

CROSS = "cross.v1"
OWN_FIELDS = (
    "xs_return_rank", "xs_momentum_1mo_rank", "xs_momentum_3mo_rank", "xs_momentum_6mo_rank", "xs_low_vol_rank",
    "xs_quality_rank", "market_correlation", "market_beta", "market_alpha",
)  # fmt: skip
MARKET_FIELDS = (
    "market_return_equal", "market_return_volume", "market_dispersion", "market_breadth",
    "market_mcclellan_oscillator", "market_mcclellan_summation",
)  # fmt: skip
"""Features in the order of ``barrier.OWN`` and ``barrier.MARKET``."""


class Cross(Stage):
    """Ranks the bars of all symbols of one timeframe and close among each other."""

    name = "cross"
    source = "universe.v1"
    sinks = (CROSS,)

    def __init__(self, config: CrossConfig) -> None:
        self.config, self.settings, self.partitions = config, repr(config), config.partitions
        open_max = config.pending_max * len(TIMEFRAMES)
        lags = config.momentum_sessions
        self.tables = (  # type: ignore[misc]  # the rows are as wide as the windows
            TableSpec("clock", b.clock_row(len(TIMEFRAMES), config.partitions, open_max), 0),
            TableSpec("series", b.series_row(config.pending_max, max(lags), config.window_bars), 2),
            TableSpec("breadth", np.zeros((), MCCLELLAN), 1),
        )
        self._layout = layout_of(load_registry().current(CROSS).schema)
        self._partitioner = Partitioner(config.partitions)
        live = dict(config.live_bars)
        self._live_ns = np.array([live[tf] * TIMEFRAME_NS[tf] for tf in TIMEFRAMES], np.int64)
        self._limit_ns = int(config.limit_s * 1e9)
        self._instruments = load_instruments()
        # An unknown symbol has the row -1.
        self._multiplier = np.array([*(r.multiplier for r in self._instruments.rows), 1.0])
        self._lags = np.array(lags, np.int64)
        self._tf_codes = np.array([STRINGS.code(tf) for tf in TIMEFRAMES], np.int64)
        self._packs_code = STRINGS.array_code(tuple(pack.ref for pack in cross_packs()))
        self._ordered: tuple[Table | None, int, I64, I64] = (None, 0, np.zeros(0, np.int64), np.zeros(0, np.int64))

    def step(self, state: State, batch: Columns) -> Output:
        """Take in rows and return those of every barrier that closed, by time, timeframe and symbol."""
        tf = _positions(batch["tf"], self._tf_codes)  # type: ignore[arg-type]
        rejected = _check(batch, tf)
        good = np.ones(len(batch), np.bool_)
        good[[r.row for r in rejected]] = False
        if rejected:
            batch, tf = batch.take(good), tf[good]
        out, fate = self._run(state, batch, tf)
        counts = dict(zip(b.FATES, np.bincount(fate, minlength=len(b.FATES)).tolist(), strict=True))
        return Output({CROSS: out}, rejected, counts | {"dead": len(rejected)})

    def _run(self, state: State, batch: Columns, tf: I64) -> tuple[Columns, I64]:
        symbols: I64 = batch["symbol_id"]  # type: ignore[assignment]
        clock, series = state["clock"], state["series"]
        slot = series.slots(symbols, self._tf_codes[tf])
        partition, _ = self._partitioner.of(symbols)
        order, start = self._order(series)
        ret = np.expm1(np.asarray(batch["log_return_1"], np.float64))
        ret[batch["stale"] != 0] = np.nan
        close = np.asarray(batch["close"], np.float64)
        money = close * np.asarray(batch["volume"], np.float64) * self._multipliers(symbols)
        quality = np.asarray(batch["quality_score"], np.float64)
        ts, session, stale, basis = (
            np.asarray(batch[name], np.int64) for name in ("ts", "session", "stale", "basis_ns")
        )
        fate = np.zeros(len(batch), np.int64)
        width = int(np.diff(start).max(initial=0))
        present, own = np.empty(width, np.int64), np.empty((width, len(b.OWN)))
        parts: list[Columns] = []
        done = 0
        while True:
            done = b.arrive(
                done, ts, tf, slot, partition, session, close, ret, money, quality, stale, basis, clock.rows,
                series.rows, series.dirty, order, start, self._live_ns, self._limit_ns, fate,
            )  # fmt: skip
            if not clock.rows["due"][0]:
                break
            parts.append(self._close_first(state, order, start, present, own))
        if len(batch):
            clock.dirty[0] = 1
        return _joined(self._layout_columns(sum(map(len, parts))), parts), fate

    def _multipliers(self, symbols: I64) -> F64:
        """Return the money that a price of 1 is in each symbol, shape (n,); 1 where the symbol is unknown."""
        found: F64 = self._multiplier[self._instruments.row_of(symbols)]
        return found

    def _close_first(self, state: State, order: I64, start: I64, present: I64, own: F64) -> Columns:
        """Return the rows of the first open barrier, which is closed."""
        clock, series, breadth = state["clock"], state["series"], state["breadth"]
        ts, tf = int(clock.rows["open_ts"][0, 0]), int(clock.rows["open_tf"][0, 0])
        at = breadth.slot(int(self._tf_codes[tf]))
        breadth.dirty[at] = 1
        market, stale = np.empty(len(b.MARKET)), np.empty(len(present), np.int64)
        n = b.close_first(
            clock.rows, series.rows, series.dirty, order, start, self._live_ns, self._lags,
            breadth.rows[at : at + 1], self.config.fast_bars, self.config.slow_bars, present, own, market, stale,
        )  # fmt: skip
        out = self._layout_columns(n)
        if n:
            out["ts"], out["tf"] = ts, self._tf_codes[tf]
            out["symbol_id"] = [series.key_codes[slot][0] for slot in present[:n].tolist()]
            for j, name in enumerate(OWN_FIELDS):
                out[f"features.{name}"] = own[:n, j]
            for j, name in enumerate(MARKET_FIELDS):
                out[f"features.{name}"] = market[j]
            missing = int(market[b.MISSING])
            out["universe_size"], out["n_missing"] = int(market[b.MEMBERS]), missing
            out["waited_s"] = self.config.limit_s if missing else 0.0
            out["stale"], out["packs"] = stale[:n], self._packs_code
        return out

    def _layout_columns(self, n: int) -> Columns:
        return Columns.empty(self._layout, n)

    def _order(self, series: Table) -> tuple[I64, I64]:
        """Return the series of each timeframe in the order of the symbols' names, and where each timeframe starts."""
        table, n, order, start = self._ordered
        if table is not series or n != len(series):
            tf_of = {int(code): i for i, code in enumerate(self._tf_codes)}
            keys = [(tf_of[tf], STRINGS.raw(symbol)) for symbol, tf in series.key_codes]
            order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
            per_tf = np.bincount([k[0] for k in keys], minlength=len(TIMEFRAMES))
            start = np.concatenate([[0], np.cumsum(per_tf)]).astype(np.int64)
            self._ordered = (series, len(series), order, start)
        return order, start


def _positions(tf: I64, codes: I64) -> I64:
    """Return the position of each timeframe, -1 for one that is none."""
    out = np.full(len(tf), -1, np.int64)
    for i, code in enumerate(codes):
        out[tf == code] = i
    return out


def _joined(out: Columns, parts: list[Columns]) -> Columns:
    if parts:
        np.concatenate([p.ints for p in parts], axis=1, out=out.ints)
        np.concatenate([p.floats for p in parts], axis=1, out=out.floats)
    return out


def _check(batch: Columns, tf: I64) -> list[Rejected]:
    """Return the rows that cannot be true, each with the first rule it breaks."""
    close, volume = np.asarray(batch["close"], np.float64), np.asarray(batch["volume"], np.float64)
    ret, quality = (np.asarray(batch[name], np.float64) for name in ("log_return_1", "quality_score"))
    broken: tuple[tuple[str, str, NDArray[np.bool_]], ...] = (
        ("unknown_timeframe", f"is of a timeframe not one of {', '.join(TIMEFRAMES)}", tf < 0),
        ("bad_price", "has a close that is not above 0", ~(np.isfinite(close) & (close > 0))),
        ("bad_volume", "has a volume below 0 or no number", ~(np.isfinite(volume) & (volume >= 0))),
        ("bad_return", "has a return that is infinite", np.isinf(ret)),
        ("bad_quality", "has a quality that is infinite", np.isinf(quality)),
    )
    rejected: dict[int, Rejected] = {}
    for error, rule, wrong in broken:
        for i in np.flatnonzero(wrong).tolist():
            name = f"{STRINGS.text(int(batch['symbol_id'][i]))} {STRINGS.text(int(batch['tf'][i]))}"
            values = f"close {close[i]} volume {volume[i]} log_return_1 {ret[i]} quality_score {quality[i]}"
            rejected.setdefault(i, Rejected(i, error, f"{name}: the row {rule}: {values}"))
    return [rejected[i] for i in sorted(rejected)]


def build() -> Cross:
    """Return the stage with the configuration of the environment."""
    return Cross(CrossConfig.from_environment())
