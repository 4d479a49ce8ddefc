"""Feature rows to gold rows: each row of a series gets the regime as known at its bar, filtered and never smoothed.

    features.v1 -> log_return_1 -> run-length posterior of (symbol_id, tf) -> trend, meanrev, stress -> gold.v1

A row is warm when its features and its regime are. The first bar has no return and passes with the prior.
"""

from typing import ClassVar

import numpy as np

from processors.regime import kernel as k
from processors.regime.config import RegimeConfig
from processors.runtime.batch import I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from schemas.instruments import Instruments, load_instruments
from schemas.registry import load_registry

RETURN = "features.log_return_1"
_LABELS = {k.TREND: "trend", k.MEANREV: "meanrev", k.STRESS: "stress"}
_OUT = (
    (k.TREND, "p_trend"), (k.MEANREV, "p_meanrev"), (k.STRESS, "p_stress"),
    (k.CHANGE_PROB, "change_prob"), (k.RUN_LENGTH, "run_length"), (k.HAZARD, "hazard"),
)  # fmt: skip


class Regime(Stage):
    """Adds the regime to feature rows."""

    name: ClassVar[str] = "regime"
    source: ClassVar[str] = "features.v1"
    sinks: ClassVar[tuple[str, ...]] = ("gold.v1",)

    def __init__(self, config: RegimeConfig, instruments: Instruments | None = None) -> None:
        self.config = config
        self.instruments = instruments or load_instruments()
        self._c = config.parameters()
        self._norm = k.student_norm(config.prior_kappa, config.prior_alpha, config.run_length_bars_max + 1)
        features, gold = (layout_of(load_registry().current(topic).schema) for topic in (self.source, "gold.v1"))
        self._layout = gold
        copied = [(features.column[name], gold.column[name]) for name in features.names]
        self._copied = {
            is_float: np.array([(a[1], b[1]) for a, b in copied if a[0] == is_float]).T for is_float in (False, True)
        }
        symbols = gold.symbols["regime.label"]
        self._symbol_of = np.array([symbols.index(_LABELS[number]) for number in sorted(_LABELS)])
        self._out_rows = np.array([gold.column[f"regime.{name}"][1] for _, name in _OUT])
        self.tables = (TableSpec("series", self._fresh(), 2),)  # type: ignore[misc]  # depends on the configuration

    def _fresh(self) -> np.ndarray:
        n = self.config.run_length_bars_max + 1
        fresh = np.zeros((), [
            ("last_ts_ns", "<i8"), ("scalars", "<f8", (k.N_SCALARS,)),
            ("p", "<f8", (n,)), ("mean", "<f8", (n,)), ("beta", "<f8", (n,)),
        ])  # fmt: skip
        fresh["last_ts_ns"] = np.iinfo(np.int64).min
        fresh["scalars"][k.PREVIOUS] = np.nan
        fresh["p"][0], fresh["beta"][0] = 1.0, self.config.prior_beta
        return fresh

    def step(self, state: State, batch: Columns) -> Output:
        """Return one gold row for each feature row; fates row and dead (see ``_unknown`` and ``_late``).

        Unknown symbols go first: no stranger gets a row of the state.
        """
        known = self.instruments.row_of(_longs(batch, "symbol_id")) >= 0
        rejected = [_unknown(batch, int(i)) for i in np.flatnonzero(~known)]
        at = np.flatnonzero(known)
        if rejected:
            batch = batch.take(at)
        n = len(batch)
        table = state["series"]
        slots = table.slots(_longs(batch, "symbol_id"), _longs(batch, "tf"))
        rows = table.rows
        out, labels, warm = np.empty((n, k.N_OUT)), np.zeros(n, np.int64), np.zeros(n, np.int64)
        late = np.zeros(n, np.uint8)
        k.run(
            slots, _longs(batch, "ts"), batch.floats[batch.layout.column[RETURN][1]], self._c, self._norm,
            rows["last_ts_ns"], rows["scalars"], rows["p"], rows["mean"], rows["beta"], table.dirty,
            out, labels, warm, late,
        )  # fmt: skip
        if late.any():
            rejected += [_late(batch, int(i), int(at[i])) for i in np.flatnonzero(late)]
            rejected.sort(key=lambda r: r.row)
            kept = late == 0
            batch, out, labels, warm = batch.take(kept), out[kept], labels[kept], warm[kept]
        counts = {"row": len(batch), "dead": len(rejected)}
        return Output({"gold.v1": self._rows(batch, out, labels, warm)}, rejected, counts)

    def _rows(self, features: Columns, out: k.F64, labels: I64, warm: I64) -> Columns:
        gold = Columns.empty(self._layout, len(features))
        gold.ints[self._copied[False][1]] = features.ints[self._copied[False][0]]
        gold.floats[self._copied[True][1]] = features.floats[self._copied[True][0]]
        gold.floats[self._out_rows] = out[:, [at for at, _ in _OUT]].T
        gold["regime.label"] = self._symbol_of[labels]
        gold["warm"] = _longs(features, "warm") & warm
        return gold


def _longs(batch: Columns, name: str) -> I64:
    column: I64 = batch.ints[batch.layout.column[name][1]]
    return column


def _unknown(batch: Columns, i: int) -> Rejected:
    symbol = STRINGS.text(int(_longs(batch, "symbol_id")[i]))
    return Rejected(i, "unknown_symbol", f"{symbol!r} is no instrument: add it to the instruments file")


def _late(batch: Columns, i: int, row: int) -> Rejected:
    """Return the rejection of row i of a batch, which was ``row`` when it came in."""
    symbol, tf = (STRINGS.text(int(_longs(batch, name)[i])) for name in ("symbol_id", "tf"))
    ts = _longs(batch, "ts")[i]
    return Rejected(row, "out_of_order", f"{symbol} {tf}: the row of {ts} is not after the row before it")


def build() -> Regime:
    """Return the stage with its defaults."""
    return Regime(RegimeConfig())
