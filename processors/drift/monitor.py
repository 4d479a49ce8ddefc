"""The watch over the features of rows: what drifts as of each row, and what there is to tell of each feature.

Raw prices and running sums drift by their nature, so features in units of price or volume are described only: fill
rate, runs of missing values, moments and quantiles, and no bet.
"""

import math
from dataclasses import dataclass

import numpy as np

from processors.drift import kernel as k
from processors.drift.config import WATCHED_MAX, DriftConfig
from processors.errors import ConfigError
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from processors.times import DAY_NS
from schemas.features import Feature, Pack
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAME_NS, TIMEFRAMES

TOPIC = "drift.v1"
TABLE = "drift"
CHUNK_ROWS = 2048
"""Rows taken in at a time: there is room for a report of each feature at each of them."""
QUANTILES = ((0.01, "q01"), (0.25, "q25"), (0.5, "q50"), (0.75, "q75"), (0.99, "q99"))
LEVELS = frozenset({"price", "shares", "volume", "shares traded", "price times volume"})
"""Units of features that are levels: they wander, and that is no drift."""
_STATES = ("learning", "learning", "steady", "drifted")
DESCRIBED = "described"
_CAUSES = ("report", "alarm", "recovery")
_FIELDS = (
    (k.FILL, "fill_rate"),
    (k.AVERAGE, "mean"),
    (k.DEVIATION, "std"),
    (k.PSI, "psi"),
    (k.KL, "kl"),
    (k.EVIDENCE, "log_evidence"),
)
_RUNS = ((k.MISSING_RUNS, "missing_runs"), (k.MISSING_RUN_MAX, "missing_run_bars_max"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watch:
    """What the watch says of a batch of rows.

    Parameters
    ----------
    drifted
        Shape (n,): string code of the names of the features in drift as of each row.
    reports
        Rows of ``drift.v1``.
    """

    drifted: I64
    reports: Columns


class DriftMonitor:
    """Watches the features of rows, each series on its own.

    Parameters
    ----------
    config
        Knobs.
    packs
        Those that rows have.
    """

    def __init__(self, config: DriftConfig, packs: tuple[Pack, ...]) -> None:
        self.config = config
        self.features = watched(config, packs)
        self.table = TableSpec(TABLE, _fresh(len(self.features)), 2)
        self.settings = f"{config!r} {' '.join(f.name for f in self.features)}"
        self._c = config.parameters()
        self._strides = np.array([[stride_of(f, tf, config) for f in self.features] for tf in TIMEFRAMES], np.int64)
        self._tf_of = {STRINGS.code(tf): i for i, tf in enumerate(TIMEFRAMES)}
        self._shares = np.array([share for share, _ in QUANTILES])
        self._layout = layout_of(load_registry().current(TOPIC).schema)
        self._names = np.array([STRINGS.code(f.name) for f in self.features], np.int64)
        symbols = self._layout.symbols
        self._states = np.array([symbols["state"].index(s) for s in _STATES])
        self._described = symbols["state"].index(DESCRIBED)
        self._causes = np.array([symbols["cause"].index(c) for c in _CAUSES])

    def watch(self, state: State, rows: Columns) -> Watch:
        """Take rows in; each goes to its series in their order."""
        n, n_features = len(rows), len(self.features)
        if n_features == 0 or n == 0:
            return Watch(np.full(n, STRINGS.array_code(()), np.int64), Columns.empty(self._layout, 0))
        parts = [self._watch(state, rows.take(slice(at, at + CHUNK_ROWS))) for at in range(0, n, CHUNK_ROWS)]
        if len(parts) == 1:
            return parts[0]
        reports = [part.reports for part in parts]
        ints, floats = (np.concatenate([getattr(r, kind) for r in reports], axis=1) for kind in ("ints", "floats"))
        return Watch(np.concatenate([part.drifted for part in parts]), Columns(self._layout, ints, floats))

    def _watch(self, state: State, rows: Columns) -> Watch:
        n, n_features = len(rows), len(self.features)
        x = np.empty((n, n_features))
        for j, f in enumerate(self.features):
            x[:, j] = rows[f"features.{f.name}"]
        table = state[TABLE]
        symbol, tf = (np.ascontiguousarray(rows[name], np.int64) for name in ("symbol_id", "tf"))
        slots = table.slots(symbol, tf)
        kept = table.rows
        in_use, inverse = np.unique(tf, return_inverse=True)
        tf_at = np.array([self._tf_of[int(code)] for code in in_use], np.int64)[inverse]
        drifted = np.zeros((n, n_features), np.bool_)
        row, feature, cause = (np.empty(n * n_features, np.int64) for _ in range(3))
        told = np.empty((n * n_features, k.N_REPORT + len(self._shares) + 2))
        n_told = k.run(
            slots, tf_at, x, self._strides, self._c, self.config.report_bars, self._shares,
            kept["bars"], kept["scalars"], kept["heights"], kept["at"], kept["edges"], kept["reference"],
            kept["before"], kept["recent"], table.dirty, drifted, row, feature, cause, told,
        )  # fmt: skip
        reports = self._reports(rows.take(row[:n_told]), feature[:n_told], cause[:n_told], told[:n_told])
        return Watch(self._named(drifted), reports)

    def _named(self, drifted: np.ndarray) -> I64:
        """Return the string code of the set of names of each row, shape (n,)."""
        sets, inverse = np.unique(drifted, axis=0, return_inverse=True)
        names = [f.name for f in self.features]
        codes = [STRINGS.array_code(tuple(names[j] for j in np.flatnonzero(one))) for one in sets]
        out: I64 = np.array(codes, np.int64)[inverse.reshape(-1)]
        return out

    def _reports(self, rows: Columns, feature: I64, cause: I64, told: F64) -> Columns:
        out = Columns.empty(self._layout, len(rows))
        for name in ("ts", "symbol_id", "tf", "raw_offset"):
            out[name] = rows[name]
        out["feature"] = self._names[feature]
        out["cause"] = self._causes[cause]
        states = self._states[told[:, -2].astype(np.int64)]
        out["state"] = np.where(self._strides[0, feature] == 0, self._described, states)
        out["state_bars"] = told[:, -1]
        for column, name in _FIELDS:
            out[name] = told[:, column]
        for column, name in _RUNS:
            out[name] = told[:, column].astype(np.int64)
        # Before the first observation nothing was bet: no evidence.
        out["log_evidence"] = np.where(np.isneginf(told[:, k.EVIDENCE]), 0.0, told[:, k.EVIDENCE])
        for j, (_, name) in enumerate(QUANTILES):
            out[name] = told[:, k.N_REPORT + j]
        return out


def stride_of(feature: Feature, tf: str, config: DriftConfig) -> int:
    """Return of how many values of a feature one is bet on, 0 for none.

    As many as it looks back over, since bets need observations that do not depend on each other, up to a limit; and so
    many that the recent ones span the time that they have to.
    """
    if feature.unit in LEVELS:
        return 0
    of_time = math.ceil(config.recent_days * DAY_NS / (TIMEFRAME_NS[tf] * config.recent_rows))
    return max(min(feature.warmup_bars, config.stride_bars_max), of_time)


def watched(config: DriftConfig, packs: tuple[Pack, ...]) -> tuple[Feature, ...]:
    """Return the features that are watched, in the order of the packs.

    Raises
    ------
    ConfigError
        They are more than a row can be watched for.
    """
    by_name = {f.name: f for pack in packs if pack.pack_id in config.pack_ids for f in pack.features}
    by_name = {name: f for name, f in by_name.items() if f.source == "featurize"}
    features = tuple(by_name.values())
    if len(features) > WATCHED_MAX:
        named = ",".join(config.pack_ids)
        raise ConfigError("drift", "pack_ids", named, f"{WATCHED_MAX} features in all, not {len(features)}")
    return features


def _fresh(n_features: int) -> np.ndarray:
    return np.zeros((), [
        ("bars", "<i8"), ("scalars", "<f8", (n_features, k.N_SCALARS)),
        ("heights", "<f8", (n_features, k.N_MARKERS)), ("at", "<f8", (n_features, k.N_MARKERS)),
        ("edges", "<f8", (n_features, k.N_EDGES)), ("reference", "<f8", (n_features, k.N_BINS)),
        ("before", "<f8", (n_features, k.N_BINS)), ("recent", "<f8", (n_features, k.N_BINS)),
    ])  # fmt: skip
