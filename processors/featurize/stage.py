"""Bars to feature rows: one row for the first publication of each bar, made from that bar and those before it.

    bars.v1 -> check -> ring of (symbol_id, tf) -> indicators of the pack -> features.v1

A revision of a bar never changes a row that is out: it is counted and left. A gap between bars is not filled: windows
count bars, not minutes. A row is warm when every feature whose missing policy is ``warmup`` is there.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from processors.featurize import kernel as k
from processors.featurize.config import FeaturizeConfig
from processors.featurize.program import compile_program
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from schemas.features import WARMUP, load_features, load_pack
from schemas.instruments import load_instruments
from schemas.registry import load_registry

TIMEFRAMES = frozenset({"1m", "5m", "15m", "1h", "1d"})
DAY_NS = 86_400_000_000_000

_META = (
    ("meta.spread_bp", "spread_bp_value"),
    ("meta.realized_vol", "ewma_vol_value"),
    ("meta.adv_pct", "adv_share_value"),
)
"""Field of the row -> the feature it is taken from, whatever the pack."""
_COPIED = (
    "ts", "symbol_id", "tf", "raw_offset",
    "quality.stale", "quality.outlier_frac", "quality.n_src", "quality.lat_ms", "quality.gap",
)  # fmt: skip
_BAR = ((k.OPEN, "o"), (k.HIGH, "h"), (k.LOW, "l"), (k.CLOSE, "c"), (k.VOLUME, "v"), (k.BID, "bid"), (k.ASK, "ask"))
_FATES = ((k.ROW, "row"), (k.REVISION, "revision_ignored"), (k.LATE, "late_ignored"))


class Featurize(Stage):
    """Computes the features of one pack from closed bars."""

    name: ClassVar[str] = "featurize"
    source: ClassVar[str] = "bars.v1"
    sinks: ClassVar[tuple[str, ...]] = ("features.v1",)

    def __init__(self, config: FeaturizeConfig) -> None:
        self.config = config
        pack = load_pack(config.pack_id)
        by_name = {f.name: f for f in load_features()}
        features = [*pack.features, *(by_name[name] for _, name in _META)]
        self._program = compile_program([(f, i) for i, f in enumerate(features)])
        self._layout = layout_of(load_registry().current("features.v1").schema)
        fields = [*(f"features.{f.name}" for f in pack.features), *(field for field, _ in _META)]
        self._out_rows = np.array([self._layout.column[name][1] for name in fields])
        self._warm = np.array([i for i, f in enumerate(pack.features) if f.missing_policy == WARMUP])
        self._pack_codes = STRINGS.code(pack.pack_id), STRINGS.code(pack.hash)
        self._instruments = load_instruments()
        # The pack's hash stands in the layout: the state of another pack must not pass for this one's.
        row = [
            ("last_ts_ns", "<i8"),
            ("seen", "<i8"),
            ("ring", "<f8", (k.N_SERIES, self._program.n_bars)),
            (f"state_{pack.hash[:8]}", "<f8", (self._program.n_state,)),
        ]
        self._state_field = str(row[3][0])
        self.tables = (TableSpec("series", np.zeros((), row), 2),)  # type: ignore[misc]  # depends on the pack

    def step(self, state: State, batch: Columns) -> Output:
        """Return one feature row for each first publication of a bar.

        Fates: row; revision_ignored; late_ignored, a first publication after a later bar; dead.
        """
        row_of = self._instruments.row_of(_longs(batch, "symbol_id"))
        rejected = _check(batch, row_of)
        counts = {"dead": len(rejected)}
        if rejected:
            good = np.ones(len(batch), np.bool_)
            good[[r.row for r in rejected]] = False
            batch, row_of = batch.take(good), row_of[good]
        fate, out = self._run(state, batch, row_of)
        counts |= {name: int((fate == number).sum()) for number, name in _FATES}
        kept = fate == k.ROW
        return Output({"features.v1": self._rows(batch.take(kept), out[kept])}, rejected, counts)

    def _run(self, state: State, batch: Columns, row_of: I64) -> tuple[I64, F64]:
        """Return the fate of each bar and its values, shape (n, n_features + n_meta)."""
        n = len(batch)
        bars = np.empty((n, k.N_BAR))
        for column, name in _BAR:
            bars[:, column] = batch[name]
        bars[:, k.DAY], bars[:, k.OPENS_DAY] = self._days(batch, row_of)
        table = state["series"]
        slots = table.slots(_longs(batch, "symbol_id"), _longs(batch, "tf"))
        rows, program = table.rows, self._program
        fate, out = np.empty(n, np.int64), np.full((n, len(self._out_rows)), np.nan)
        k.run(
            slots, _longs(batch, "ts"), _longs(batch, "revision"), bars,
            rows["last_ts_ns"], rows["seen"], rows["ring"], rows[self._state_field], table.dirty,
            program.ops, program.p, program.takes, out, fate,
        )  # fmt: skip
        return fate, out

    def _days(self, batch: Columns, row_of: I64) -> tuple[F64, F64]:
        """Return the number of each bar's session day, and 1 where its interval holds the session's open.

        A bar outside the sessions (extended hours) belongs to the session that opened last.
        """
        start = _longs(batch, "ts_start")
        width = _longs(batch, "ts") - start
        day, opens = np.zeros(len(batch)), np.zeros(len(batch))
        calendar = self._instruments.calendar[row_of]
        for number in np.unique(calendar):
            of = np.flatnonzero(calendar == number)
            known = sessions(self._instruments.calendars[number])
            at = np.maximum(np.searchsorted(known.open_ns, start[of], side="right") - 1, 0)
            day[of] = known.label_ns[at] // DAY_NS
            opens[of] = start[of] - known.session_open_ns[at] < width[of]
        return day, opens

    def _rows(self, bars: Columns, out: F64) -> Columns:
        rows = Columns.empty(self._layout, len(bars))
        rows.floats[:] = np.nan
        for name in _COPIED:
            rows[name] = bars[name]
        rows["meta.close"], rows["meta.volume"] = bars["c"], bars["v"]
        rows.floats[self._out_rows] = out.T
        rows.floats[self._layout.column["meta.adv_pct"][1]] *= 100.0
        rows["warm"] = ~np.isnan(out[:, self._warm]).any(axis=1)
        rows["pack_id"], rows["pack_hash"] = self._pack_codes
        return rows


def _longs(batch: Columns, name: str) -> I64:
    column: I64 = batch.ints[batch.layout.column[name][1]]
    return column


def _doubles(batch: Columns, name: str) -> F64:
    column: F64 = batch.floats[batch.layout.column[name][1]]
    return column


def _check(batch: Columns, row_of: I64) -> list[Rejected]:
    """Return the bars that cannot be true, each with the first rule it breaks."""
    o, h, l, c, v = (_doubles(batch, name) for name in ("o", "h", "l", "c", "v"))
    start, end, symbols, timeframes = (_longs(batch, name) for name in ("ts_start", "ts", "symbol_id", "tf"))
    in_use, inverse = np.unique(timeframes, return_inverse=True)
    wrong_tf = np.array([STRINGS.text(int(t)) not in TIMEFRAMES for t in in_use], np.bool_)[inverse]
    not_number = ~(np.isfinite(o) & np.isfinite(h) & np.isfinite(l) & np.isfinite(c))
    not_enclosed = (h < np.maximum(o, c)) | (l > np.minimum(o, c))
    broken: tuple[tuple[str, str, NDArray[np.bool_]], ...] = (
        ("unknown_symbol", "is of a symbol that is not in the instruments", row_of < 0),
        ("unknown_timeframe", f"is of a timeframe not one of {', '.join(sorted(TIMEFRAMES))}", wrong_tf),
        ("bad_interval", "does not end after its start", end <= start),
        ("bad_price", "has a price that is no number", not_number),
        ("bad_range", "has a high or low that does not enclose open and close", not_enclosed),
        ("bad_volume", "has a volume below 0 or no number", ~((v >= 0) & np.isfinite(v))),
    )
    rejected: dict[int, Rejected] = {}
    for error, rule, wrong in broken:
        for at in np.flatnonzero(wrong):
            i = int(at)
            name = f"{STRINGS.text(int(symbols[i]))} {STRINGS.text(int(timeframes[i]))}"
            values = f"[{start[i]}, {end[i]}) o {o[i]} h {h[i]} l {l[i]} c {c[i]} v {v[i]}"
            rejected.setdefault(i, Rejected(i, error, f"{name}: the bar {rule}: {values}"))
    return [rejected[i] for i in sorted(rejected)]


def build() -> Featurize:
    """Return the stage with the configuration of the environment."""
    return Featurize(FeaturizeConfig.from_environment())
