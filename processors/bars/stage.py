"""The bars stage: ``ticks.consensus.v1`` to ``bars.v1`` and ``data.freshness``.

Rules
-----
Intervals are [start, end), multiples of the timeframe in UTC, clipped to the trading segment: none spans a boundary,
the first starts at the open and the last ends at the close. 1d is the exchange's session. A tick at the very close
belongs to no interval.

Trades form the bars of an instrument with trades, mids those of one without. Cut ticks and trades of size zero form no
price. Quotes of an instrument with trades set the bid and ask at the close and keep it fresh. A quote without either
side, of a minute that other sources have told, keeps it fresh and sets nothing.

A bar closes when the watermark reaches its end, before the tick that brought the watermark is applied. A tick for a
closed minute revises it and the longer bars that hold it while the minute is kept; later it is counted as too late.
Where a minute had no bar, none is made afterwards.

A tick or status that tells of missing ticks of a source marks the open minutes since then, and with them the longer
bars that hold them: ``quality.gap``. A closed bar keeps its marks.

A correction of a trade changes its open minute in place and revises a closed one, in the same bounds (``revision``). A
bar whose trades are all taken back is published once more, with ``n_trades`` 0 and the prices that it had.
"""

import hashlib
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from processors.bars import kernel as kn
from processors.bars.bar import final_values
from processors.bars.config import BarsConfig
from processors.bars.prints import BLOCK, BLOCK_PRINTS, RING
from processors.configuration import configured
from processors.kinds import CLOCK, TRADE
from processors.runtime.batch import I64, NULL_LONG, Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, TableSpec, as_records
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from processors.times import DAY_NS, LONG_AGO, N_TF, NEVER
from schemas.instruments import Instruments, load_instruments
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAMES

BARS, FRESHNESS = "bars.v1", "data.freshness"

_TIMES = ("start", "end", "o_ts", "c_ts", "seen", "quote_ts")
_NUMBERS = ("n", "n_cut", "n_src", "revision", "stale", "gap")
_PRICES = ("o", "h", "l", "c", "v", "pv", "sum_p", "lat_ms", "bid", "ask")
BAR = np.dtype([(name, "<i8") for name in _TIMES + _NUMBERS] + [(name, "<f8") for name in _PRICES])
"""One bar: times in nanoseconds; counts of price-forming, cut and source-weighted ticks; sums behind the means."""


def _empty_bar() -> NDArray[np.void]:
    bar = np.zeros((), BAR)
    bar["start"] = bar["end"] = NEVER
    bar["seen"] = bar["quote_ts"] = LONG_AGO
    bar["bid"] = bar["ask"] = np.nan
    return bar


def _tables(config: BarsConfig) -> tuple[TableSpec, ...]:
    """Return the tables: the hot row that each tick changes is small, the cold one changes when a minute closes."""
    clock = np.zeros((), [("watermark", "<i8"), ("next_due", "<i8")])
    clock["watermark"], clock["next_due"] = LONG_AGO, NEVER

    live_times = [
        "seen",
        "seen_closed",
        "seg_open",
        "seg_close",
        "closed_until",
        "quote_ts",
        "due",
        "fresh_due",
        "halt_end",
        "awaited",
    ]
    live_fields: list[Any] = [("minutes", BAR, (config.open_minutes_max,)), *((t, "<i8") for t in live_times)]
    live = np.zeros((), [*live_fields, ("wants_tick", "<i8"), ("bid", "<f8"), ("ask", "<f8")])
    live["minutes"] = _empty_bar()
    for name in ("seen", "seen_closed", "closed_until", "quote_ts", "halt_end"):
        live[name] = LONG_AGO
    live["due"] = live["fresh_due"] = live["awaited"] = NEVER
    live["wants_tick"] = 1
    live["bid"] = live["ask"] = np.nan

    per_tf = [(name, "<i8", (N_TF,)) for name in ("n_closed", "last_end", "state", "since")]
    kept = np.zeros((), [("open", BAR, (N_TF - 1,)), ("closed", BAR, (N_TF, config.kept_bars)), *per_tf])
    kept["open"] = kept["closed"] = _empty_bar()
    kept["last_end"] = LONG_AGO
    block = np.zeros((), BLOCK)
    block["newest"] = LONG_AGO
    return (
        TableSpec("clock", clock, 0),
        TableSpec("live", live, 1),
        TableSpec("kept", kept, 1),
        TableSpec("rings", np.zeros((), RING), 1),
        TableSpec("prints", block, 2),  # symbol, number of the block
    )


class BarsStage(Stage):
    """Builds bars and watches the freshness of the consensus.

    Parameters
    ----------
    config
        Lateness, memory and thresholds.
    instruments
        What the symbols are; decides price basis, calendar and threshold.
    """

    name = "bars"
    source = "ticks.consensus.v1"
    sinks = (BARS, FRESHNESS)
    rules: ClassVar[int] = 2
    """1: a quote without a side took bid and ask away. 2: it leaves them."""

    def __init__(self, config: BarsConfig, instruments: Instruments) -> None:
        # The width of a row is configured, so the tables are the instance's.
        self.tables = _tables(config)  # type: ignore[misc]
        self.config, self.instruments, self.settings = config, instruments, repr(config)
        registry = load_registry()
        self._layouts = {t: FlatCodec((e := registry.current(t)).schema, e.id).layout for t in self.sinks}
        calendars = [sessions(name) for name in instruments.calendars]
        self._cal_at = np.cumsum([0, *(len(c) for c in calendars)])
        fields = ("open_ns", "close_ns", "session_open_ns", "session_close_ns")
        self._cal = np.array([np.concatenate([getattr(c, f) for c in calendars]) for f in fields])
        self._stale_ns = config.stale_ns()
        self._blocks_max = -(-config.prints_max // BLOCK_PRINTS)
        self._digests: dict[int, int] = {}
        self._scratch = as_records(np.empty(2, BAR))
        self._delayed_ns = (self._stale_ns * config.delayed_share).astype(np.int64)

    def step(self, state: State, batch: Columns) -> Output:
        """Consume consensus ticks; return bars by (end, timeframe, symbol) and changes of freshness."""
        kind: I64 = batch["kind"]  # type: ignore[assignment]
        symbol: I64 = batch["symbol_id"]  # type: ignore[assignment]
        is_tick = kind != CLOCK
        instrument = np.full(len(batch), -1, np.int64)
        instrument[is_tick] = self.instruments.row_of(symbol[is_tick])
        rejected = self._reject(batch, is_tick, instrument)
        slot = np.full(len(batch), -1, np.int64)
        slot[[r.row for r in rejected]] = -2
        good = is_tick & (slot == -1)
        slot[good] = state["live"].slots(symbol[good])
        # Asked with the same keys in the same order, both tables give a symbol the same slot.
        state["kept"].slots(symbol[good])
        return self._run(state, batch, slot, rejected)

    def _reject(self, batch: Columns, is_tick: NDArray[np.bool_], instrument: I64) -> list[Rejected]:
        """Return the ticks of no known symbol or with numbers that no price can have."""
        price, size, bid, ask = (np.asarray(batch[c], np.float64) for c in ("price", "size", "bid", "ask"))
        infinite = np.isinf(price) | np.isinf(size) | np.isinf(bid) | np.isinf(ask)
        bad = infinite | (size < 0) | ((batch["kind"] == TRADE) & np.isnan(price))
        out = []
        for i in np.flatnonzero(is_tick & ((instrument < 0) | bad)):
            symbol = STRINGS.text(int(batch["symbol_id"][i]))
            if instrument[i] < 0:
                out.append(Rejected(int(i), "unknown_symbol", f"{symbol!r} is not in the instruments file"))
                continue
            values = f"price {price[i]}, size {size[i]}, bid {bid[i]}, ask {ask[i]}"
            out.append(Rejected(int(i), "bad_number", f"{symbol}: {values}: all finite, size not below 0"))
        return out

    def _run(self, state: State, batch: Columns, slot: I64, rejected: list[Rejected]) -> Output:
        clock, live, kept = state["clock"], state["live"], state["kept"]
        n_slots = len(live)
        own = self.instruments.row_of(np.array([codes[0] for codes in live.key_codes], np.int64))
        columns: list[Any] = [
            batch[c]
            for c in (
                "kind", "ts_event", "ts_recv", "watermark", "price", "size", "bid", "ask", "n_src", "outlier",
                "phase", "raw_offset", "seq", "missing_since",
            )
        ]  # fmt: skip
        room = max(4096, 16 * N_TF * (n_slots + self.config.open_minutes_max))
        bars, place = np.empty(room, BAR), np.empty((room, 3), np.int64)
        fresh, pos = np.empty((room, 8), np.int64), np.zeros(3, np.int64)
        source, ring_of = self._source_digests(batch), np.full(n_slots, kn.NO_RING, np.int64)
        if len(state["rings"]):
            ring_of[:] = state["rings"].find(np.array([codes[0] for codes in live.key_codes], np.int64))
        fate = np.zeros(len(batch), np.uint8)
        parts: list[tuple[NDArray[np.void], I64, I64]] = []
        done, run = 0, cast(Any, kn.run)
        # Once for no records too: that compiles it (``Pipeline.warm``).
        while done < len(batch) or not parts:
            pos[:] = 0, 0, -1
            # Asked for anew: a table that grows has other arrays.
            rings, blocks = state["rings"], state["prints"]
            done = run(
                done, *columns, source, slot, fate,
                n_slots, clock.rows, live.rows, kept.rows, live.dirty, kept.dirty,
                ring_of, rings.rows, blocks.rows, rings.dirty, blocks.dirty, self._blocks_max, self._scratch,
                own, self.instruments.price_basis, self.instruments.asset_class, self.instruments.calendar,
                self._stale_ns, self._delayed_ns, self.config.dormant_days * DAY_NS, self._cal, self._cal_at,
                self.config.allowed_lateness_ms * 1_000_000, bars, place, fresh, pos,
            )  # fmt: skip
            if pos[2] >= 0:
                ring_of[pos[2]] = _add_block(state, live.key_codes[pos[2]][0])
            parts.append((bars[: pos[0]].copy(), place[: pos[0]].copy(), fresh[: pos[1]].copy()))
        if len(batch):
            clock.dirty[0] = 1
        counts = np.bincount(fate, minlength=len(kn.FATES))
        output = Output(rejected=rejected, counts=dict(zip(kn.FATES, counts.tolist(), strict=True)))
        symbols = np.array([codes[0] for codes in live.key_codes], np.int64)
        tfs = np.array([STRINGS.code(tf.encode()) for tf in TIMEFRAMES])
        all_bars, all_place, all_fresh = (np.concatenate(p) for p in zip(*parts, strict=True))
        output.records[BARS] = self._bar_columns(all_bars, all_place, symbols, tfs)
        output.records[FRESHNESS] = self._freshness_columns(all_fresh, symbols, tfs)
        return output

    def _source_digests(self, batch: Columns) -> I64:
        """Return a number for the name of each source that has a sequence number, the same in every process."""
        out = np.zeros(len(batch), np.int64)
        at = np.flatnonzero(batch["seq"] != NULL_LONG)
        if len(at):
            source: I64 = batch["source"][at]  # type: ignore[assignment]
            for code in set(source.tolist()) - self._digests.keys():
                digest = hashlib.blake2b(STRINGS.raw(code), digest_size=8).digest()
                self._digests[code] = int.from_bytes(digest, "little", signed=True)
            out[at] = [self._digests[code] for code in source.tolist()]
        return out

    def _bar_columns(self, bars: NDArray[np.void], place: I64, symbols: I64, tfs: I64) -> Columns:
        out = Columns.empty(self._layouts[BARS], len(bars))
        final = np.empty((4, len(bars)))
        final_values(bars, final)
        out["ts"], out["ts_start"] = bars["end"], bars["start"]
        out["symbol_id"], out["tf"], out["raw_offset"] = symbols[place[:, 0]], tfs[place[:, 1]], place[:, 2]
        for name in ("o", "h", "l", "c", "v", "revision", "bid", "ask"):
            out[name] = bars[name]
        out["n_trades"], out["vwap"] = bars["n"], final[0]
        out["quality.stale"], out["quality.gap"] = bars["stale"], bars["gap"]
        out["quality.outlier_frac"], out["quality.n_src"], out["quality.lat_ms"] = final[1], final[2], final[3]
        return out

    def _freshness_columns(self, fresh: I64, symbols: I64, tfs: I64) -> Columns:
        out = Columns.empty(self._layouts[FRESHNESS], len(fresh))
        slot, tf, ts, age_ns, threshold_ns, state, previous, since = fresh.T
        out["symbol_id"], out["tf"], out["source"] = symbols[slot], tfs[tf], STRINGS.code(b"consensus")
        out["ts"], out["since"] = ts, since
        out["age_ms"], out["threshold_ms"] = age_ns / 1e6, threshold_ns / 1e6
        # The kernel counts states from "none", as the schema's ``previous`` does.
        out["state"], out["previous"] = state - 1, previous
        return out


def _add_block(state: State, symbol: int) -> int:
    """Put an empty block between the head of a symbol's circle and its oldest block; return the slot of the circle."""
    rings, blocks = state["rings"], state["prints"]
    slot = rings.slot(symbol)
    ring = rings.rows[slot : slot + 1]
    new = blocks.slot(symbol, STRINGS.code(str(ring["n_blocks"][0])))
    head = int(ring["head"][0]) if ring["n_blocks"][0] else new
    blocks.rows["next"][new] = blocks.rows["next"][head] if head != new else new
    blocks.rows["next"][head] = new
    ring["head"], ring["n_blocks"] = new, ring["n_blocks"] + 1
    blocks.dirty[[head, new]] = rings.dirty[slot] = 1
    return slot


def build() -> BarsStage:
    """Return the stage with the configuration and the instruments of the environment."""
    return BarsStage(configured("bars", BarsConfig()), load_instruments())
