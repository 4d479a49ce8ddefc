"""The activity stage: ``ticks.consensus.v1`` to tick, volume, dollar and imbalance bars on ``bars.v1``.

Rules
-----
Ticks count in the order of the log. What forms a price is what forms one in the bars stage: trades of an instrument
with trades, mids of one without; cut ticks and trades of size zero form none. The tick that fills a bar belongs to it,
whole: what it has above the threshold does not go over into the next.

Intervals are (ts_start, ts] and tile the session. ``ts`` is the event time of the tick that filled the bar, or of a
later one before it in the log; ``ts_start`` is the end of the bar before, or the open of the session. Of bars that are
full at one instant each ends 1 ns after the one before, since symbol, name and end are the key of a bar.

A bar spans no session. One that is open at the close of its session is published as it is, with ``ts`` the close and
``quality.gap`` true: so every price-forming tick is in exactly one bar. It closes when the watermark reaches the close,
or at the first tick of the next session. Breaks inside a session close nothing.

A bar is never revised. A tick that reconcile calls late, or of a session that is closed, is counted as late and left.
"""

from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from processors.activity import kernel as kn
from processors.activity.config import ActivityConfig, load_config
from processors.kinds import CLOCK, STATUS, TRADE
from processors.runtime.batch import F64, I64, U8, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from processors.times import LONG_AGO, NEVER
from schemas.activity import KINDS, parse_activity
from schemas.freshness import STALE_AFTER
from schemas.instruments import Instruments, load_instruments
from schemas.registry import load_registry

BARS = "bars.v1"
_INPUTS = (
    "kind", "ts_event", "ts_recv", "watermark", "price", "size", "bid", "ask", "n_src", "outlier", "late", "raw_offset",
)  # fmt: skip
_OUT = ("o", "h", "l", "c", "v", "vwap", "bid", "ask", "quality.outlier_frac", "quality.n_src", "quality.lat_ms")
_PLACE = ("ts_start", "ts", "n_trades", "quality.gap", "quality.stale", "raw_offset")


def _tables() -> tuple[TableSpec, ...]:
    clock = np.zeros((), [("watermark", "<i8"), ("next_due", "<i8")])
    clock["watermark"], clock["next_due"] = LONG_AGO, NEVER
    times = ("clock", "seen", "seg_open", "seg_close", "session_open", "session_close", "quote_ts", "due")
    prices = ("bid", "ask", "price", "sign")
    live = np.zeros((), [*((t, "<i8") for t in times), *((p, "<f8") for p in prices)])
    for name in times:
        live[name] = LONG_AGO
    live["due"] = NEVER
    live["bid"] = live["ask"] = live["price"] = np.nan
    counts = ("start", "n", "n_cut", "n_src")
    sums = ("o", "h", "l", "c", "v", "pv", "sum_p", "lat_ms")
    learnt = ("theta", "limit", "flow", "size", "ticks", "learnt")
    series = np.zeros((), [*((c, "<i8") for c in counts), *((s, "<f8") for s in sums + learnt)])
    series["start"], series["limit"] = LONG_AGO, kn.BY_TICKS
    return TableSpec("clock", clock, 0), TableSpec("symbols", live, 1), TableSpec("series", series, 2)


class ActivityStage(Stage):
    """Builds activity bars; see the module's docstring.

    Parameters
    ----------
    config
        Which bars, and the knobs of the imbalance bars.
    instruments
        What the symbols are: price basis, sessions, multiplier.
    """

    name: ClassVar[str] = "activity"
    source: ClassVar[str] = "ticks.consensus.v1"
    sinks: ClassVar[tuple[str, ...]] = (BARS,)
    tables: ClassVar[tuple[TableSpec, ...]] = _tables()
    rules: ClassVar[int] = 2
    """1: a quote without a side took bid and ask away. 2: it leaves them."""

    def __init__(self, config: ActivityConfig, instruments: Instruments) -> None:
        self.config, self.instruments, self.settings = config, instruments, config.kept_settings()
        self._bars = config.bars_of(instruments)
        self._watched = np.array([r.symbol_id in self._bars for r in instruments.rows] + [False], np.bool_)
        self._layout = layout_of(load_registry().current(BARS).schema)
        calendars = [sessions(name) for name in instruments.calendars]
        self._cal_at = np.cumsum([0, *(len(c) for c in calendars)])
        fields = ("open_ns", "close_ns", "session_open_ns", "session_close_ns")
        self._cal = np.array([np.concatenate([getattr(c, f) for c in calendars]) for f in fields])
        stale = [STALE_AFTER[r.asset_class].consensus_ms * 1_000_000 for r in instruments.rows]
        self._stale_ns = np.array([*stale, NEVER], np.int64)
        self._known: dict[tuple[int, int], list[float]] = {}

    def step(self, state: State, batch: Columns) -> Output:
        """Return the bars that the ticks filled, in the order of the ticks; fates are ``kernel.FATES``.

        A symbol without activity bars is ``unwatched``, known or not; a kind of tick that is no price and no status is
        ``ignored``.
        """
        kind: I64 = batch["kind"]  # type: ignore[assignment]
        symbol: I64 = batch["symbol_id"]  # type: ignore[assignment]
        fate = np.full(len(batch), kn.UNWATCHED, np.uint8)
        fate[kind == CLOCK], fate[kind == STATUS], fate[kind > STATUS] = kn.CLOCKED, kn.TOLD, kn.IGNORED
        applied = kind < CLOCK
        # The last row of ``_watched`` is that of the unknown: -1.
        applied[applied] = self._watched[self.instruments.row_of(symbol[applied])]
        rejected = self._reject(batch, applied)
        wrong = [r.row for r in rejected]
        fate[wrong], applied[wrong] = kn.DEAD, False
        slot = np.full(len(batch), -1, np.int64)
        slot[applied] = self._slots(state, symbol[applied])
        bars = self._run(state, batch, slot, fate)
        counts = np.bincount(fate, minlength=len(kn.FATES))
        return Output({BARS: bars}, rejected, dict(zip(kn.FATES, counts.tolist(), strict=True)))

    @staticmethod
    def _reject(batch: Columns, applied: NDArray[np.bool_]) -> list[Rejected]:
        """Return the watched ticks with numbers that no price can have."""
        price, size, bid, ask = (np.asarray(batch[c], np.float64) for c in ("price", "size", "bid", "ask"))
        infinite = np.isinf(price) | np.isinf(size) | np.isinf(bid) | np.isinf(ask)
        bad = infinite | (size < 0) | ((batch["kind"] == TRADE) & np.isnan(price))
        out = []
        for i in np.flatnonzero(applied & bad):
            values = f"price {price[i]}, size {size[i]}, bid {bid[i]}, ask {ask[i]}"
            symbol = STRINGS.text(int(batch["symbol_id"][i]))
            out.append(Rejected(int(i), "bad_number", f"{symbol}: {values}: all finite, size not below 0"))
        return out

    def _slots(self, state: State, symbol: I64) -> I64:
        """Return the slot of each symbol; a new one gets its series, side by side."""
        live, series = state["symbols"], state["series"]
        known = len(live)
        slot = live.slots(symbol)
        for (code,) in live.key_codes[known:]:
            for bar in self._bars[STRINGS.text(code)]:
                at = series.slot(code, STRINGS.code(bar.name))
                series.rows["ticks"][at] = bar.threshold
        return slot.astype(np.int64)

    def _parameters(self, symbol: int, tf: int) -> list[float]:
        """Return the row that the kernel reads of one series."""
        if (symbol, tf) not in self._known:
            bar, config = parse_activity(STRINGS.text(tf)), self.config
            expected = bar.threshold
            multiplier = self.instruments.rows[self.instruments.row_of(np.array([symbol]))[0]].multiplier
            flow_decay = 2.0 / (config.flow_span_bars * expected + 1.0)
            ticks_decay = 2.0 / (config.ticks_span_bars + 1.0)
            bounds = (expected / config.ticks_ratio_max, expected * config.ticks_ratio_max)
            longest = expected * config.bar_ticks_ratio_max
            kind = float(KINDS.index(bar.kind))
            self._known[symbol, tf] = [kind, expected, multiplier, flow_decay, ticks_decay, *bounds, longest]
        return self._known[symbol, tf]

    def _run(self, state: State, batch: Columns, slot: I64, fate: U8) -> Columns:
        clock, live, series = state["clock"], state["symbols"], state["series"]
        symbols = np.array([codes[0] for codes in live.key_codes], np.int64)
        own = self.instruments.row_of(symbols)
        names = np.array(series.key_codes, np.int64).reshape(-1, 2)
        first = np.append(np.flatnonzero(np.diff(names[:, 0], prepend=-1)), len(names))
        what = np.array([self._parameters(*codes) for codes in series.key_codes]).reshape(-1, kn.N_PARAMETERS)
        room = 4096 + 6 * len(names)
        out, place, pos = (
            np.empty((room, len(_OUT))),
            np.empty((room, 1 + len(_PLACE)), np.int64),
            np.zeros(1, np.int64),
        )
        parts: list[tuple[F64, I64]] = []
        done, run = 0, cast(Any, kn.run)
        # Once for no records too: that compiles it (``Pipeline.warm``).
        while done < len(batch) or not parts:
            pos[0] = 0
            done = run(
                done, *(batch[name] for name in _INPUTS), slot, fate,
                len(live), clock.rows, live.rows, series.rows, live.dirty, series.dirty,
                first, what, self.instruments.price_basis[own], self._stale_ns[own], self.instruments.calendar[own],
                self._cal, self._cal_at, out, place, pos,
            )  # fmt: skip
            parts.append((out[: pos[0]].copy(), place[: pos[0]].copy()))
        if len(batch):
            clock.dirty[0] = 1
        values, places = (np.concatenate(p) for p in zip(*parts, strict=True))
        bars = Columns.empty(self._layout, len(values))
        bars["symbol_id"], bars["tf"] = names[places[:, 0]].T
        for at, name in enumerate(_OUT):
            bars[name] = values[:, at]
        for at, name in enumerate(_PLACE, start=1):
            bars[name] = places[:, at]
        return bars


def build() -> ActivityStage:
    """Return the stage with the bars of the environment."""
    return ActivityStage(load_config(), load_instruments())
