"""Bars to feature rows: one row for the first publication of each bar, made from that bar and those before it.

    bars.v1 -> check -> splits -> ring of (symbol_id, tf) -> indicators of the packs -> features.v1
    fundamentals.v1, events.v1 -> facts as known --^

A revision of a bar never changes a row that is out: it is counted and left. Bars by activity have no timeframe that the
features are declared for: they are counted and left too. Bars are taken in shares of their symbol's first one
(``splits``), so that nothing jumps where shares are split. A gap between bars is not filled: windows count bars, not
minutes. A row is warm when every feature of its first pack whose missing policy is ``warmup`` is there. A fact is not
in a row that ends before its time of knowledge; one that comes later than that is not in the rows that were made
without it. So rows are the same in any order of the topics if facts are published before their time of knowledge
passes, as an import before a start is.
"""

from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from processors.drift.config import DriftConfig
from processors.drift.monitor import DriftMonitor
from processors.featurize import kernel as k
from processors.featurize.config import FeaturizeConfig
from processors.featurize.indicators import layout as c
from processors.featurize.outside import SIDES, TABLES, Outside
from processors.featurize.program import compile_program
from processors.featurize.splits import share_exponents, to_first_shares, to_own_shares
from processors.featurize.universe import UNIVERSE, universe_rows
from processors.missing import is_warm
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import OUT_OF_ORDER, Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from processors.times import DAY_NS
from schemas.activity import is_activity
from schemas.features import WARMUP, load_features
from schemas.instruments import load_instruments
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAMES

_META = (
    ("meta.spread_bp", "spread_bp_value"),
    ("meta.realized_vol", "ewma_vol_value"),
    ("meta.adv_pct", "adv_share_value"),
)
"""Field of the row -> the feature it is taken from, whatever the packs."""
READ_ON = ("log_return_1", "bar_range_ratio")
"""Features that every row has, whatever its packs: regime reads both, the cross-section the return."""
_COPIED = (
    "ts", "symbol_id", "tf", "raw_offset",
    "quality.stale", "quality.outlier_frac", "quality.n_src", "quality.lat_ms", "quality.gap",
)  # fmt: skip
_BAR = (
    (c.OPEN, "o"), (c.HIGH, "h"), (c.LOW, "l"), (c.CLOSE, "c"), (c.VOLUME, "v"), (c.VWAP, "vwap"),
    (c.N_TRADES, "n_trades"), (c.BID, "bid"), (c.ASK, "ask"),
)  # fmt: skip
OTHER_TIMEFRAME = "other_timeframe"
_FATES = ((k.ROW, "row"), (k.REVISION, "revision_ignored"), (k.LATE, OUT_OF_ORDER))


class Featurize(Stage):
    """Computes the features of its packs from closed bars."""

    name: ClassVar[str] = "featurize"
    source: ClassVar[str] = "bars.v1"
    sides: ClassVar[tuple[str, ...]] = SIDES
    sinks: ClassVar[tuple[str, ...]] = ("features.v1", "drift.v1", UNIVERSE)
    rules: ClassVar[int] = 3
    """1: bars in their own shares. 2: in shares of their symbol's first bar. 3: every symbol knows its first
    bar; a fourth quarter is not a revision of its year."""

    def __init__(self, config: FeaturizeConfig, drift: DriftConfig | None = None) -> None:
        self.config = config
        packs = config.packs()
        self._monitor = DriftMonitor(drift or DriftConfig(), packs)
        by_name = {f.name: f for f in load_features()}
        wanted = {f.name: f for pack in packs for f in pack.features if f.source == self.name}
        wanted |= {name: by_name[name] for name in READ_ON}
        features = [*wanted.values(), *(by_name[name] for _, name in _META)]
        self._program = compile_program([(f, i) for i, f in enumerate(features)])
        self._exponents = share_exponents(features)
        self._tf_codes = [STRINGS.code(tf) for tf in TIMEFRAMES]
        self._layout = layout_of(load_registry().current("features.v1").schema)
        self._universe = layout_of(load_registry().current(UNIVERSE).schema)
        fields = [*(f"features.{name}" for name in wanted), *(field for field, _ in _META)]
        self._out_rows = np.array([self._layout.column[name][1] for name in fields])
        # Of the first pack; one whose features are all optional is warm from the first bar on.
        first = {f.name for f in packs[0].features if f.missing_policy == WARMUP}
        self._warm = np.array([i for i, name in enumerate(wanted) if name in first], np.int64)
        self._pack_codes = STRINGS.code(packs[0].pack_id), STRINGS.code(packs[0].hash)
        self._packs_code = STRINGS.array_code(tuple(pack.ref for pack in packs))
        self._instruments = load_instruments()
        self._outside = Outside(config, self._instruments)
        self.settings = " ".join([*(pack.hash for pack in packs), self._outside.settings, self._monitor.settings])
        row = [
            ("last_ts_ns", "<i8"),
            ("seen", "<i8"),
            ("ring", "<f8", (c.N_SERIES, 2 * self._program.n_bars)),
            ("state", "<f8", (self._program.n_state,)),
        ]
        shared = np.zeros((), [("shared", "<f8", (c.N_SHARED,))])
        self.tables = (  # type: ignore[misc]  # depends on the pack
            TableSpec("series", np.zeros((), row), 2),
            TableSpec("symbol", shared, 1),
            *TABLES,
            self._monitor.table,
        )

    def step(self, state: State, batch: Columns) -> Output:
        """Return one feature row for each first publication of a bar.

        Fates: row; revision_ignored; out_of_order, a first publication that is not after the last bar; other_timeframe,
        a bar by activity; dead. Of the sides: fact; unused_fact.
        """
        if batch.topic in self.sides:
            return Output({}, [], self._outside.add(state, batch))
        row_of = self._instruments.row_of(_longs(batch, "symbol_id"))
        by_activity = _by_activity(batch)
        rejected = _check(batch, row_of, by_activity)
        good = ~by_activity
        good[[r.row for r in rejected]] = False
        counts = {"dead": len(rejected), OTHER_TIMEFRAME: len(batch) - len(rejected) - int(good.sum())}
        if not good.all():
            batch, row_of = batch.take(good), row_of[good]
        scale, basis, restarts = self._outside.scales(state, batch)
        fate, out = self._run(state, batch, row_of, scale, restarts.tolist())
        counts |= {name: int((fate == number).sum()) for number, name in _FATES}
        kept = fate == k.ROW
        bars = batch.take(kept)
        rows = self._rows(bars, out[kept])
        days = self._days(bars, row_of[kept])[0]
        universe = universe_rows(self._universe, rows, days, scale[kept], basis[kept])
        watch = self._monitor.watch(state, rows)
        rows["drifted"] = watch.drifted
        return Output({"features.v1": rows, "drift.v1": watch.reports, UNIVERSE: universe}, rejected, counts)

    def _run(self, state: State, batch: Columns, row_of: I64, scale: F64, restarts: list[int]) -> tuple[I64, F64]:
        """Return the fate of each bar and its values, shape (n, n_features + n_meta)."""
        n = len(batch)
        bars = np.full((n, c.N_BAR), np.nan)
        for column, name in _BAR:
            bars[:, column] = batch[name]
        bars[:, c.DAY], bars[:, c.OPENS_DAY] = self._days(batch, row_of)
        bars[:, c.TF] = _timeframe_positions(_longs(batch, "tf"))
        bars[:, c.END_S] = _longs(batch, "ts") / 1e9
        self._outside.fill(state, batch, row_of, bars)
        to_first_shares(bars, scale)
        fate, out = np.empty(n, np.int64), np.full((n, len(self._out_rows)), np.nan)
        table, symbols, program = state["series"], state["symbol"], self._program
        symbol, ts, revision = (_longs(batch, name) for name in ("symbol_id", "ts", "revision"))
        slots, of_symbol = table.slots(symbol, _longs(batch, "tf")), symbols.slots(symbol)
        rows = table.rows
        for begin, end in pairwise([*dict.fromkeys([0, *restarts]), n]):
            if begin in restarts:
                self._restart(state, int(symbol[begin]))
            piece = slice(begin, end)
            k.run(
                slots[piece], of_symbol[piece], ts[piece], revision[piece], bars[piece],
                rows["last_ts_ns"], rows["seen"], rows["ring"], rows["state"], table.dirty,
                symbols.rows["shared"], symbols.dirty,
                program.ops, program.p, program.takes, out[piece], fate[piece],
            )  # fmt: skip
        to_own_shares(out, scale, self._exponents)
        return fate, out

    def _restart(self, state: State, symbol: int) -> None:
        """Forget all that is kept of a symbol but the ends of its last bars."""
        table, symbols = state["series"], state["symbol"]
        for slot in (table.find_one(symbol, tf) for tf in self._tf_codes):
            if slot >= 0:
                table.rows["seen"][slot] = 0
                table.rows["ring"][slot] = table.rows["state"][slot] = 0.0
                table.dirty[slot] = 1
        slot = symbols.find_one(symbol)
        symbols.rows["shared"][slot] = 0.0
        symbols.dirty[slot] = 1

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
        rows["warm"] = is_warm(out.T, self._warm)
        rows["pack_id"], rows["pack_hash"] = self._pack_codes
        rows["packs"] = self._packs_code
        return rows


def _longs(batch: Columns, name: str) -> I64:
    column: I64 = batch.ints[batch.layout.column[name][1]]
    return column


def _doubles(batch: Columns, name: str) -> F64:
    column: F64 = batch.floats[batch.layout.column[name][1]]
    return column


def _timeframe_positions(tf: I64) -> I64:
    """Return the position of each timeframe in ``TIMEFRAMES``."""
    in_use, inverse = np.unique(tf, return_inverse=True)
    names = list(TIMEFRAMES)
    return np.array([names.index(STRINGS.text(int(t))) for t in in_use], np.int64)[inverse]


def _by_activity(batch: Columns) -> NDArray[np.bool_]:
    """Return which bars have the name of an activity bar as their timeframe."""
    in_use, inverse = np.unique(_longs(batch, "tf"), return_inverse=True)
    return np.array([is_activity(STRINGS.text(int(t))) for t in in_use], np.bool_)[inverse]


def _check(batch: Columns, row_of: I64, by_activity: NDArray[np.bool_]) -> list[Rejected]:
    """Return the bars that cannot be true, each with the first rule it breaks."""
    o, h, l, c, v = (_doubles(batch, name) for name in ("o", "h", "l", "c", "v"))
    start, end, symbols, timeframes = (_longs(batch, name) for name in ("ts_start", "ts", "symbol_id", "tf"))
    in_use, inverse = np.unique(timeframes, return_inverse=True)
    wrong_tf = np.array([STRINGS.text(int(t)) not in TIMEFRAMES for t in in_use], np.bool_)[inverse]
    not_number = ~(np.isfinite(o) & np.isfinite(h) & np.isfinite(l) & np.isfinite(c))
    not_enclosed = (h < np.maximum(o, c)) | (l > np.minimum(o, c))
    broken: tuple[tuple[str, str, NDArray[np.bool_]], ...] = (
        ("unknown_symbol", "is of a symbol that is not in the instruments", row_of < 0),
        ("unknown_timeframe", f"is of a timeframe not one of {', '.join(sorted(TIMEFRAMES))}", wrong_tf & ~by_activity),
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
    return Featurize(FeaturizeConfig.from_environment(), DriftConfig.from_environment())
