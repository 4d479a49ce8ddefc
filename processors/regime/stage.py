"""Feature rows to gold rows: each row of a series gets the regime as known at its bar, filtered and never smoothed.

    features.v1 -> log_return_1 -> run-length posterior of (symbol_id, tf) -> trend, meanrev, stress -> gold.v1
                -> bar_range_ratio -> what the bar tells -> hidden Markov model, cluster ----------------^

The model of the configuration says whose the label and its probabilities are. The hidden Markov model and the cluster
are written in any case, and are null until the regime is warm. A row is warm when its features and its regime are. The
first bar has no return and passes with the prior.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from processors.regime import bocpd, cluster, context, hmm, joint
from processors.regime import kernel as k
from processors.regime.config import MODELS, RegimeConfig
from processors.runtime.batch import I64, NULL_LONG, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import OUT_OF_ORDER, Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from schemas.instruments import Instruments, load_instruments
from schemas.registry import load_registry

RETURN = "features.log_return_1"
RANGE = "features.bar_range_ratio"
_HMM = ("regime.hmm_p_trend", "regime.hmm_p_meanrev", "regime.hmm_p_stress")
_SITUATION = [context.LOG_VOL, context.MOMENTUM_NOW, context.AUTOCORRELATION]
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
        self.settings = config.kept_settings()
        self._c = config.parameters()
        self._norm = k.student_norm(config.prior_kappa, config.prior_alpha, config.run_length_bars_max + 1)
        self._context_c, self._hmm_c = config.context_parameters(), config.hmm.parameters(config.slow_decay)
        j = config.joint
        self._joint_prior = np.array([j.prior_kappa, j.prior_nu, j.prior_psi])
        self._joint_norm = bocpd.density_norm(j.prior_nu, joint.N_VALUES, config.run_length_bars_max + 1)
        features, gold = (layout_of(load_registry().current(topic).schema) for topic in (self.source, "gold.v1"))
        self._layout = gold
        copied = [(features.column[name], gold.column[name]) for name in features.names]
        self._copied = {
            is_float: np.array([(a[1], b[1]) for a, b in copied if a[0] == is_float]).T for is_float in (False, True)
        }
        symbols = gold.symbols["regime.label"]
        self._symbol_of = np.array([symbols.index(_LABELS[number]) for number in sorted(_LABELS)])
        assert gold.symbols["regime.model"] == MODELS
        self._out_rows = np.array([gold.column[f"regime.{name}"][1] for _, name in _OUT])
        self.tables = (TableSpec("series", self._fresh(), 2),)  # type: ignore[misc]  # depends on the configuration

    def _fresh(self) -> np.ndarray:
        n = self.config.run_length_bars_max + 1
        columns: list[tuple[str, ...] | tuple[str, str, tuple[int, ...]]] = [
            ("last_ts_ns", "<i8"), ("scalars", "<f8", (k.N_SCALARS,)),
            ("p", "<f8", (n,)), ("mean", "<f8", (n,)), ("beta", "<f8", (n,)),
            ("context", "<f8", (context.N_STATE,)),
            ("hmm_p", "<f8", (hmm.N_REGIMES,)), ("hmm_sums", "<f8", (hmm.N_REGIMES, hmm.N_SUMS)),
            ("prototypes", "<f8", cluster.START.shape), ("won", "<f8", (cluster.N_CLUSTERS,)),
        ]  # fmt: skip
        if self.config.model == "bocpd_features":
            n, d = self.config.joint.runs_max + 1, joint.N_VALUES
            columns += [
                ("joint_n", "<i8"), ("joint_pruned", "<f8"), ("joint_length", "<f8", (n,)), ("joint_p", "<f8", (n,)),
                ("joint_mean", "<f8", (n, d)), ("joint_scatter", "<f8", (n, d, d)),
            ]  # fmt: skip
        fresh = np.zeros((), columns)
        fresh["last_ts_ns"] = np.iinfo(np.int64).min
        fresh["scalars"][k.PREVIOUS] = fresh["context"][context.PREVIOUS] = np.nan
        fresh["p"][0], fresh["beta"][0] = 1.0, self.config.prior_beta
        fresh["hmm_p"], fresh["prototypes"] = 1.0 / hmm.N_REGIMES, cluster.START
        if self.config.model == "bocpd_features":
            fresh["joint_n"], fresh["joint_p"][0] = 1, 1.0
            fresh["joint_scatter"][0] = np.eye(joint.N_VALUES) * self.config.joint.prior_psi
        return fresh

    def step(self, state: State, batch: Columns) -> Output:
        """Return one gold row for each feature row; fates row, out_of_order and dead (see ``_unknown``).

        Unknown symbols go first: no stranger gets a row of the state.
        """
        known = self.instruments.row_of(_longs(batch, "symbol_id")) >= 0
        rejected = [_unknown(batch, int(i)) for i in np.flatnonzero(~known)]
        if rejected:
            batch = batch.take(known)
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
            kept = late == 0
            batch, slots, out, labels, warm = batch.take(kept), slots[kept], out[kept], labels[kept], warm[kept]
        beside, situations = self._beside(batch, slots, table.rows, out, labels, warm)
        counts = {"row": len(batch), OUT_OF_ORDER: n - len(batch), "dead": len(rejected)}
        return Output({"gold.v1": self._rows(batch, out, labels, warm, beside, situations)}, rejected, counts)

    def _beside(
        self, batch: Columns, slots: NDArray[np.int32], rows: NDArray[np.void], out: k.F64, labels: I64, warm: I64
    ) -> tuple[k.F64, I64]:
        """Return the hidden Markov model's probabilities and the cluster; let the chosen model write out and labels."""
        n, config = len(batch), self.config
        told, ready = np.full((n, context.N_TOLD), np.nan), np.zeros(n, np.uint8)
        returns, ranges = (batch.floats[batch.layout.column[name][1]] for name in (RETURN, RANGE))
        context.run(slots, returns, ranges, self._context_c, rows["context"], told, ready)
        of_hmm, situations = np.empty((n, hmm.N_REGIMES)), np.full(n, NULL_LONG)
        hmm.run(slots, ready, told, self._hmm_c, rows["hmm_p"], rows["hmm_sums"], of_hmm)
        if config.model == "bocpd_features":
            joint.run(
                slots, ready, told, self._c, self._joint_prior, self._joint_norm, config.joint.runs_max,
                config.joint.mass_min, rows["joint_n"], rows["joint_length"], rows["joint_p"], rows["joint_mean"],
                rows["joint_scatter"], rows["joint_pruned"], out,
            )  # fmt: skip
        elif config.model == "hmm":
            out[:, [k.TREND, k.MEANREV, k.STRESS]] = of_hmm
        if config.model != "bocpd":
            out[np.ix_(warm == 0, [k.TREND, k.MEANREV, k.STRESS])] = 1.0 / 3.0
            k.label_all(out, labels)
        ready &= warm.astype(np.uint8)
        cluster.run(
            slots, ready, np.column_stack([told[:, _SITUATION], out[:, k.CHANGE_PROB]]), config.cluster.prior_bars,
            config.cluster.rate_min, cluster.SCALE, rows["prototypes"], rows["won"], situations,
        )  # fmt: skip
        of_hmm[warm == 0] = np.nan
        return of_hmm, situations

    def _rows(self, features: Columns, out: k.F64, labels: I64, warm: I64, of_hmm: k.F64, situations: I64) -> Columns:
        gold = Columns.empty(self._layout, len(features))
        gold.ints[self._copied[False][1]] = features.ints[self._copied[False][0]]
        gold.floats[self._copied[True][1]] = features.floats[self._copied[True][0]]
        gold.floats[self._out_rows] = out[:, [at for at, _ in _OUT]].T
        gold["regime.label"] = self._symbol_of[labels]
        gold["regime.model"] = MODELS.index(self.config.model)
        for column, name in enumerate(_HMM):
            gold[name] = of_hmm[:, column]
        gold["regime.cluster_id"] = situations
        gold["features.regime_cluster_id"] = np.where(situations == NULL_LONG, np.nan, situations)
        gold["warm"] = _longs(features, "warm") & warm
        return gold


def _longs(batch: Columns, name: str) -> I64:
    column: I64 = batch.ints[batch.layout.column[name][1]]
    return column


def _unknown(batch: Columns, i: int) -> Rejected:
    symbol = STRINGS.text(int(_longs(batch, "symbol_id")[i]))
    return Rejected(i, "unknown_symbol", f"{symbol!r} is no instrument: add it to the instruments file")


def build() -> Regime:
    """Return the stage with the configuration of the environment."""
    return Regime(RegimeConfig.from_environment())
