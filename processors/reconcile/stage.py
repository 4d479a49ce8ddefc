"""Reconcile: what many sources say of one symbol becomes one consensus tick for each raw tick.

    ticks.raw.v1 -> [rules, duplicates, watermark, weights, median, cut] -> ticks.consensus.v1, data.freshness

Every raw row meets one fate: ``consensus``, ``cut``, ``late``, ``clock``, ``status`` or ``correction`` (published),
``duplicate``, ``indicative`` (quotes of an auction or a halt), ``ignored`` (status rows that tell neither a phase nor a
hole, corrections that name no trade, or of a vendor that publishes none) or ``dead``.
"""

from typing import Any, ClassVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from processors.configuration import configured
from processors.kinds import CLOCK, QUOTE, TRADE
from processors.reconcile import freshness, outcome
from processors.reconcile import kernel as k
from processors.reconcile.config import ReconcileConfig
from processors.reconcile.corrections import CORRECT
from processors.reconcile.names import Names, told_by
from processors.reconcile.publish import INPUTS, OUTPUTS, gather
from processors.reconcile.rejects import rejected_rows
from processors.reconcile.slots import Slots, slots_of
from processors.reconcile.tables import LINES, TABLES
from processors.runtime.batch import F64, I64, NULL_LONG, U8, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Stage
from processors.runtime.state import State, TableSpec, as_records
from processors.runtime.strings import STRINGS
from schemas.instruments import Instruments, load_instruments
from schemas.registry import load_registry
from schemas.vendors import CLOCK_VENDOR, Vendors, load_vendors

FATES = (
    "consensus", "cut", "late", "clock", "status", "correction", "duplicate", "dead", "ignored", "indicative",
)  # fmt: skip
"""By their numbers in ``outcome``."""
_PARTITIONS_MAX = 64
"""Partitions whose names are kept; past it, all are built anew."""


class ReconcileStage(Stage):
    """See the module's docstring.

    Parameters
    ----------
    config
        Knobs; the defaults are those of the recorded markets.
    instruments, vendors
        What is known; the released files by default.
    """

    name: ClassVar[str] = "reconcile"
    source: ClassVar[str] = "ticks.raw.v1"
    sinks: ClassVar[tuple[str, ...]] = ("ticks.consensus.v1", "data.freshness")
    tables: ClassVar[tuple[TableSpec, ...]] = (*TABLES, LINES)

    def __init__(
        self,
        config: ReconcileConfig | None = None,
        instruments: Instruments | None = None,
        vendors: Vendors | None = None,
    ) -> None:
        self.config = config or ReconcileConfig()
        self.instruments, self.vendors = instruments or load_instruments(), vendors or load_vendors()
        self.settings = repr((self.config, self.vendors))
        self._limits, self._knobs = as_records(self.config.limit_rows()), as_records(self.config.knob_row())
        registry = load_registry()
        self._consensus, self._freshness = (layout_of(registry.current(topic).schema) for topic in self.sinks)
        self._empty, self._no_names = STRINGS.code(""), STRINGS.array_code(())
        self._clock_vendor = STRINGS.code(CLOCK_VENDOR)
        self._names: dict[int, Names] = {}
        self.opened: WeakSet[State] = WeakSet()
        """The states in use, of all partitions: for those who watch (``learned``), not for the stage."""

    def open(self) -> State:
        """Return the empty state of one partition."""
        state = super().open()
        self.opened.add(state)
        return state

    def step(self, state: State, batch: Columns) -> Output:
        """Reconcile the rows of one batch."""
        n = len(batch)
        raw, batch = batch, self._as_known(batch)
        told, told_n = told_by(batch, self.vendors)
        error = self._broken_rules(batch, told)
        slots = slots_of(state, batch, told, error, self._empty)
        names = self._names_of(state)
        fate, floats, ints = (
            np.zeros(n, np.uint8),
            np.full((outcome.FLOAT_ROWS, n), np.nan),
            np.zeros((outcome.INT_ROWS, n), np.int64),
        )
        changes, n_changes = self._run(state, batch, told, told_n, error, slots, names, fate, floats, ints)
        if self.vendors.twins:
            self._note_lines(state, raw, error)
        counts = np.bincount(fate, minlength=len(FATES))
        return Output(
            {
                self.sinks[0]: self._consensus_ticks(state, batch, slots[2], names, fate, floats, ints, counts),
                self.sinks[1]: self._freshness_changes(state, names, changes[:, :n_changes]),
            },
            list(rejected_rows(batch, error)),
            dict(zip(FATES, counts.tolist(), strict=True)),
        )

    def _as_known(self, batch: Columns) -> Columns:
        """Return the batch with every line as the vendor it belongs to, and what is stamped too late in its time."""
        if not (self.vendors.has_lines or self.vendors.has_lags):
            return batch
        vendor: I64 = batch["vendor"]  # type: ignore[assignment]
        lag_ns = self.vendors.lag_ns(vendor, batch["venue"])  # type: ignore[arg-type]
        known = Columns(batch.layout, batch.ints.copy(), batch.floats, batch.offset, batch.logged_ms)
        known["vendor"] = self.vendors.lines(vendor)
        known["ts_event"] = batch["ts_event"] - lag_ns  # type: ignore[operator]
        return known

    def _note_lines(self, state: State, raw: Columns, error: U8) -> None:
        """Take note of when each of two twin lines was heard last: in what follows both have one name."""
        table, vendor, ts = state[LINES.name], raw["vendor"], raw["ts_event"]
        sound = (error == k.SOUND) & (raw["kind"] <= QUOTE)  # type: ignore[operator]
        codes, first = np.unique(vendor[sound], return_index=True)
        for code in codes[np.argsort(first)].tolist():
            if STRINGS.text(code) in self.vendors.twins:
                mine, slot = sound & (vendor == code), table.slot(code)
                row = table.rows[slot : slot + 1]
                row["last_ns"], row["ticks"] = max(row["last_ns"][0], ts[mine].max()), row["ticks"] + mine.sum()
                table.dirty[slot] = 1

    def _broken_rules(self, batch: Columns, told: NDArray[np.int8]) -> U8:
        """Return the first broken rule of each row, shape (n,)."""
        symbol: I64 = batch["symbol_id"]  # type: ignore[assignment]
        known = self.instruments.row_of(symbol) >= 0
        known |= (symbol == self._empty) & (batch["kind"] >= CLOCK)  # type: ignore[operator]
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
        at = np.flatnonzero((told == CORRECT) & (error == k.SOUND))
        if len(at):
            # What a trade should have been keeps the rules of a trade.
            price, size = (np.asarray(batch[c], np.float64)[at] for c in ("price", "size"))
            error[at[(size < 0.0) | (size == np.inf)]] = k.BAD_SIZE
            error[at[~((price > 0.0) & (price < np.inf))]] = k.BAD_PRICE
        return error

    def _names_of(self, state: State) -> Names:
        """Return the names of a partition, up to date."""
        of = state["symbols"].key_codes
        names = self._names.get(id(of))
        if names is None or names.of is not of:
            if len(self._names) >= _PARTITIONS_MAX:
                self._names.clear()
            names = self._names[id(of)] = Names(state, self.instruments, self.vendors, self.config)
        names.refresh()
        return names

    def _run(
        self, state: State, batch: Columns, told: NDArray[np.int8], told_n: I64, error: U8,
        slots: tuple[Slots, Slots, Slots], names: Names, fate: U8, floats: F64, ints: I64,
    ) -> tuple[I64, int]:  # fmt: skip
        partition, feeds, vendors, symbols, sources = (state[spec.name] for spec in TABLES)
        partition.dirty[0] = 1
        columns = ("kind", "ts_event", "ts_recv", "price", "size", "bid", "ask", "seq")
        arguments: list[Any] = [
            *(batch[c] for c in columns), told, told_n, error, *slots,
            partition.rows, feeds.rows, len(feeds), feeds.find_one(self._clock_vendor, self._empty),
            vendors.rows, symbols.rows, sources.rows, len(sources),
            feeds.dirty, vendors.dirty, symbols.dirty, sources.dirty,
            names.tick_size, names.asset_class, names.stale_ns, names.calendar,
            names.segment_start, names.open_ns, names.close_ns, names.consolidated, bool(names.consolidated.any()),
            names.dense, names.order, self._limits, self._knobs, fate, floats, ints,
        ]  # fmt: skip
        changes, n_changes = k.reconcile(*arguments)
        return changes, int(n_changes)

    def _consensus_ticks(
        self, state: State, batch: Columns, source: Slots, names: Names, fate: U8, floats: F64, ints: I64, counts: I64
    ) -> Columns:
        """Return the published rows of ``ticks.consensus.v1``."""
        out = Columns.empty(self._consensus, int(counts[: outcome.CORRECTION + 1].sum()))
        arguments: list[Any] = [
            fate, floats, ints, source, batch.offset, names.source_code, state["sources"].rows, self._empty,
            *(batch[c] for c in INPUTS), *(out[c] for c in OUTPUTS), out.small_ints("weights"),
        ]  # fmt: skip
        n_cut = gather(*arguments)
        out["vendors"] = names.set_codes(out["vendors"])  # type: ignore[arg-type]
        cut = np.full(len(out), self._no_names, np.int64)
        if n_cut:
            of_cut = np.flatnonzero(out["cut"])
            row = -1 - out["cut"][of_cut]
            symbol = state["sources"].rows["symbol"][source[row]].astype(np.int64)
            cut[of_cut] = names.cut_codes(symbol, ints[outcome.OUTLIERS, row], ints[outcome.CROSSED, row])
        out["cut"] = cut
        if names.corrections.any():
            at = np.flatnonzero(fate <= outcome.CORRECTION)
            of_trade = (batch["kind"][at] == TRADE) & names.corrections[source[at]]
            out["seq"] = np.where(of_trade | (fate[at] == outcome.CORRECTION), batch["seq"][at], NULL_LONG)
        if counts[outcome.CLOCK] or counts[outcome.STATUS]:
            at = np.flatnonzero((fate == outcome.CLOCK) | (fate == outcome.STATUS))
            out["source"][out["source"] < 0] = [  # type: ignore[operator]
                names.feed_code(vendor, venue)
                for vendor, venue in zip(batch["vendor"][at].tolist(), batch["venue"][at].tolist(), strict=True)
            ]
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


def build() -> ReconcileStage:
    """Return the stage with the configuration of the environment."""
    return ReconcileStage(configured("reconcile", ReconcileConfig()))
