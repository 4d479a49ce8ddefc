"""Reconcile: what many sources say of one symbol becomes one consensus tick for each raw tick.

    ticks.raw.v1 -> [rules, duplicates, watermark, weights, median, cut] -> ticks.consensus.v1, data.freshness

Every raw row meets one fate: ``consensus``, ``cut``, ``late`` or ``clock`` (published), ``duplicate``, ``ignored``
(status and correction rows: they say nothing about a price yet) or ``dead``.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from processors.reconcile import freshness
from processors.reconcile import kernel as k
from processors.reconcile.config import FEEDS_MAX, SOURCES_MAX, ReconcileConfig
from processors.reconcile.names import Names
from processors.reconcile.rejects import rejected_rows
from processors.reconcile.tables import TABLES
from processors.runtime.batch import F64, I64, U8, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Stage
from processors.runtime.state import State, TableSpec, as_records
from processors.runtime.strings import STRINGS
from schemas.instruments import Instruments, load_instruments
from schemas.registry import load_registry

FATES = ("consensus", "cut", "late", "clock", "duplicate", "dead", "ignored")
"""By their numbers in the kernel."""
_PARTITIONS_MAX = 64
"""Partitions whose names are kept; past it, all are built anew."""

_KEY = ("symbol_id", "vendor", "venue", "kind")

Slots = NDArray[np.int32]


class ReconcileStage(Stage):
    """See the module's docstring.

    Parameters
    ----------
    config
        Knobs; the defaults are those of the recorded markets.
    instruments
        What is known; the released file by default.
    """

    name: ClassVar[str] = "reconcile"
    source: ClassVar[str] = "ticks.raw.v1"
    sinks: ClassVar[tuple[str, ...]] = ("ticks.consensus.v1", "data.freshness")
    tables: ClassVar[tuple[TableSpec, ...]] = TABLES

    def __init__(self, config: ReconcileConfig | None = None, instruments: Instruments | None = None) -> None:
        self.config = config or ReconcileConfig()
        self.instruments = instruments or load_instruments()
        self._limits, self._knobs = as_records(self.config.limit_rows()), as_records(self.config.knob_row())
        registry = load_registry()
        self._consensus, self._freshness = (layout_of(registry.current(topic).schema) for topic in self.sinks)
        self._empty, self._no_sources = STRINGS.code(""), STRINGS.array_code(())
        self._names: dict[int, Names] = {}

    def step(self, state: State, batch: Columns) -> Output:
        """Reconcile the rows of one batch."""
        n = len(batch)
        error = self._broken_rules(batch)
        slots = self._slots(state, batch, error)
        names = self._names_of(state)
        fate, floats, ints = np.zeros(n, np.uint8), np.full((4, n), np.nan), np.zeros((3, n), np.int64)
        changes, n_changes = self._run(state, batch, error, slots, names, fate, floats, ints)
        return Output(
            {
                self.sinks[0]: self._consensus_ticks(state, batch, slots[2], names, fate, floats, ints),
                self.sinks[1]: self._freshness_changes(state, names, changes[:, :n_changes]),
            },
            list(rejected_rows(batch, error)),
            dict(zip(FATES, np.bincount(fate, minlength=len(FATES)).tolist(), strict=True)),
        )

    def _broken_rules(self, batch: Columns) -> U8:
        """Return the first broken rule of each row, shape (n,)."""
        symbol: I64 = batch["symbol_id"]  # type: ignore[assignment]
        known = self.instruments.row_of(symbol) >= 0
        known |= (symbol == self._empty) & (batch["kind"] >= k.KIND_HEARTBEAT)  # type: ignore[operator]
        error = np.zeros(len(batch), np.uint8)
        columns = ("kind", "ts_event", "ts_recv", "price", "size", "bid", "ask", "bid_size", "ask_size")
        arguments: list[Any] = [
            *(batch[c] for c in columns),
            batch.logged_ms,
            known,
            self._knobs["future_ns"][0],
            error,
        ]
        k.broken_rules(*arguments)
        return error

    def _slots(self, state: State, batch: Columns, error: U8) -> tuple[Slots, Slots, Slots]:
        """Return the slots of feed, vendor and source of each sound row; a source too many is an error in ``error``.

        Slots are given row by row, since their order must not depend on where a batch ends.
        """
        symbol, vendor, venue, kind = (batch.ints[batch.layout.column[c][1]] for c in _KEY)
        is_tick = kind <= k.KIND_QUOTE
        source = state["sources"].find(symbol, vendor, venue)
        feed = np.full(len(batch), -1, np.int32)
        by_vendor = feed.copy()
        other = np.flatnonzero(~is_tick)
        if len(other):
            feed[other] = state["feeds"].find(vendor[other], venue[other])
        unknown = np.flatnonzero((error == k.SOUND) & np.where(is_tick, source < 0, feed < 0))
        while len(unknown):
            i = unknown[0]
            one = [c[i : i + 1] for c in (symbol, vendor, venue)]
            same = unknown[is_tick[unknown] == is_tick[i]]
            same = same[(vendor[same] == vendor[i]) & (venue[same] == venue[i])]
            if is_tick[i]:
                same = same[symbol[same] == symbol[i]]
                source[same] = slot = _source_slot(state, *one)
            else:
                feed[same] = slot = _feed_slot(state, *one[1:])
            if slot < 0:
                error[same] = k.TOO_MANY_SOURCES
            unknown = np.setdiff1d(unknown, same, assume_unique=True)
        # A heartbeat without a venue speaks for all venues of its vendor.
        whole = other[(venue[other] == self._empty) & (error[other] == k.SOUND)]
        if len(whole):
            by_vendor[whole] = state["vendors"].find(vendor[whole])
        return feed, by_vendor, source

    def _names_of(self, state: State) -> Names:
        """Return the names of a partition, up to date."""
        of = state["symbols"].key_codes
        names = self._names.get(id(of))
        if names is None or names.of is not of:
            if len(self._names) >= _PARTITIONS_MAX:
                self._names.clear()
            names = self._names[id(of)] = Names(state, self.instruments, self.config)
        names.refresh()
        return names

    def _run(
        self, state: State, batch: Columns, error: U8, slots: tuple[Slots, Slots, Slots], names: Names, fate: U8,
        floats: F64, ints: I64,
    ) -> tuple[I64, int]:  # fmt: skip
        partition, feeds, vendors, symbols, sources = (state[spec.name] for spec in TABLES)
        partition.dirty[0] = 1
        columns = ("kind", "ts_event", "ts_recv", "price", "bid", "ask", "seq")
        arguments: list[Any] = [
            *(batch[c] for c in columns), error, *slots,
            partition.rows, feeds.rows, len(feeds), vendors.rows, symbols.rows, sources.rows, len(sources),
            feeds.dirty, vendors.dirty, symbols.dirty, sources.dirty,
            names.tick_size, names.asset_class, names.stale_ns, names.calendar,
            names.segment_start, names.open_ns, names.close_ns,
            self._limits, self._knobs, fate, floats, ints,
        ]  # fmt: skip
        changes, n_changes = k.reconcile(*arguments)
        return changes, int(n_changes)

    def _consensus_ticks(
        self, state: State, batch: Columns, source: Slots, names: Names, fate: U8, floats: F64, ints: I64
    ) -> Columns:
        """Return the published rows of ``ticks.consensus.v1``."""
        at = np.flatnonzero(fate <= k.CLOCK)
        out = Columns.empty(self._consensus, len(at))
        for name in ("kind", "ts_event", "ts_recv", "symbol_id"):
            out[name] = batch[name][at]
        out["raw_offset"] = batch.offset[at]
        fate, mask = fate[at], ints[k.MASK, at]
        is_clock = fate == k.CLOCK
        slot = np.where(is_clock, -1, source[at])
        out["size"] = np.where(out["kind"] == k.KIND_TRADE, batch["size"][at], np.nan)
        out["watermark"] = ints[k.WATERMARK, at]
        out["price"], out["bid"], out["ask"] = floats[k.PRICE, at], floats[k.BID, at], floats[k.ASK, at]
        out["dispersion"] = np.where(is_clock, 0.0, floats[k.SIGMA, at])
        out["outlier"], out["late"], out["stale"] = fate == k.CUT, fate == k.LATE, ints[k.STALE, at]
        out["n_src"] = np.bitwise_count(mask)
        if not is_clock.any():
            out["source"] = names.source_code[slot]
            out["vendors"] = names.set_codes(state["sources"].rows["symbol"][slot].astype(np.int64), mask)
            return out
        ticks, clocks = np.flatnonzero(~is_clock), np.flatnonzero(is_clock)
        source_code, vendors = np.full(len(at), self._empty), np.full(len(at), self._no_sources)
        source_code[ticks] = names.source_code[slot[ticks]]
        vendors[ticks] = names.set_codes(state["sources"].rows["symbol"][slot[ticks]].astype(np.int64), mask[ticks])
        source_code[clocks] = [
            names.feed_code(int(vendor), int(venue))
            for vendor, venue in zip(batch["vendor"][at[clocks]], batch["venue"][at[clocks]], strict=True)
        ]
        out["source"], out["vendors"] = source_code, vendors
        # A clock belongs to the partition, whichever symbol its heartbeat named.
        out["symbol_id"][clocks] = self._empty
        return out

    def _freshness_changes(self, state: State, names: Names, changes: I64) -> Columns:
        """Return the rows of ``data.freshness``."""
        out = Columns.empty(self._freshness, changes.shape[1])
        if not len(out):
            return out
        symbols, sources = state["symbols"], state["sources"]
        slot = changes[freshness.SOURCE]
        codes = np.array([c[0] for c in symbols.key_codes], np.int64)
        out["symbol_id"] = codes[sources.rows["symbol"][slot]]
        out["source"], out["tf"] = names.source_code[slot], self._empty
        out["ts"], out["since"] = changes[freshness.TS], changes[freshness.SINCE]
        out["age_ms"], out["threshold_ms"] = changes[freshness.AGE_NS] / 1e6, changes[freshness.THRESHOLD_NS] / 1e6
        # The state has no "none": it begins with fresh.
        out["state"], out["previous"] = changes[freshness.STATE] - 1, changes[freshness.PREVIOUS]
        return out


def _feed_slot(state: State, vendor: I64, venue: I64) -> int:
    """Return the slot of a feed, a new one if need be; -1 where there are too many."""
    feeds = state["feeds"]
    slot = int(feeds.find(vendor, venue)[0])
    if slot < 0 and len(feeds) < FEEDS_MAX:
        slot = int(feeds.slots(vendor, venue)[0])
        state["vendors"].slots(vendor)
    return slot


def _source_slot(state: State, symbol: I64, vendor: I64, venue: I64) -> int:
    """Return the slot of a source, a new one if need be, and enter it at its symbol; -1 where there are too many."""
    sources = state["sources"]
    slot = int(sources.find(symbol, vendor, venue)[0])
    if slot >= 0:
        return slot
    symbols = state["symbols"]
    s = int(symbols.find(symbol)[0])
    if s >= 0 and symbols.rows["n_sources"][s] >= SOURCES_MAX:
        return -1
    feed = _feed_slot(state, vendor, venue)
    if feed < 0:
        return -1
    s = int(symbols.slots(symbol)[0])
    slot = int(sources.slots(symbol, vendor, venue)[0])
    bit = int(symbols.rows["n_sources"][s])
    row = sources.rows[slot : slot + 1]
    row["symbol"], row["bit"], row["feed"] = s, bit, feed
    row["vendor"] = state["vendors"].find(vendor)[0]
    symbols.rows["source"][s, bit] = slot
    symbols.rows["n_sources"][s] += 1
    symbols.dirty[s] = 1
    return slot


def build() -> ReconcileStage:
    """Return the stage with the default configuration."""
    return ReconcileStage()
