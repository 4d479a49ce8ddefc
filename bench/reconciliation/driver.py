"""Raw ticks through the stage of production, by the in-memory driver: encoded, run, decoded."""

from collections.abc import Iterable

import numpy as np

from bench.reconciliation.truth import F64, I64, Market
from bench.reconciliation.vendors import Ticks, Vendor
from processors.feeds import port
from processors.reconcile.config import ReconcileConfig
from processors.reconcile.learned import Learned, learned
from processors.reconcile.stage import ReconcileStage
from processors.runtime.batch import Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.strings import STRINGS
from schemas.instruments import Instrument, Instruments
from schemas.registry import load_registry

CONSENSUS = "ticks.consensus.v1"


class Reconciler:
    """The stage in one partition; takes batches and gives consensus ticks."""

    def __init__(self, config: ReconcileConfig | None = None, instruments: Instruments | None = None) -> None:
        self._config = config or ReconcileConfig()
        self._driver = MemoryDriver([ReconcileStage(self._config, instruments)], frozenset({CONSENSUS}))
        entry = load_registry().current(CONSENSUS)
        self._codec = FlatCodec(entry.schema, entry.id)
        self._offset = 0

    def feed(self, ticks: Columns) -> Columns:
        """Return the consensus ticks of a batch of raw ticks."""
        encoded = port.codec().encode(port.RAW_TOPIC, 0, ticks, port.longs(ticks, "symbol_id"))
        self._driver.feed(message_batch(encoded, self._offset))
        self._offset += len(ticks)
        batches = self._driver.logs.pop((CONSENSUS, 0), [])
        if not batches:
            return Columns.empty(self._codec.layout, 0)
        (batch,) = batches
        columns, error = self._codec.decode(batch)
        assert not error.any(), "a consensus tick does not decode"
        return columns

    def fates(self) -> dict[str, int]:
        """Return the count of each fate so far."""
        return self._driver.counts("reconcile")

    def learned(self) -> list[Learned]:
        """Return what is known of every source now, in the order of first sight."""
        return list(learned(self._driver.states[0].states["reconcile"], self._config))


def instruments_of(markets: Iterable[Market]) -> Instruments:
    """Return the instruments of simulated markets, open around the clock."""
    return Instruments([
        Instrument(m.symbol_id, m.asset_class, m.kind, m.tick_size, 1.0, 1.0, "USD", "24/7", m.symbol_id)
        for m in markets
    ])  # fmt: skip


def raw_columns(market: Market, vendors: list[Vendor], ticks: Ticks) -> Columns:
    """Return simulated ticks as columns of RawTick."""
    out = port.raw_ticks(len(ticks))
    out["symbol_id"] = STRINGS.code(market.symbol_id)
    out["vendor"] = np.array([STRINGS.code(v.name) for v in vendors], np.int64)[ticks.vendor]
    out["kind"] = port.kind_index(market.kind)
    out["ts_event"], out["ts_recv"] = ticks.ts_event, ticks.ts_recv
    if market.kind == "quote":
        out["bid"], out["ask"] = ticks.bid, ticks.ask
    else:
        out["price"], out["size"] = ticks.value, 1.0
    return out


def reconciled(market: Market, vendors: list[Vendor], ticks: Ticks, config: ReconcileConfig | None = None,
               batch_rows: int = 20_000) -> tuple[I64, F64, dict[str, int]]:  # fmt: skip
    """Return when each consensus tick was known (its receive time), its price, and the fates of the raw ticks.

    The price is NaN where the tick does not set the standing consensus.
    """
    stage = Reconciler(config, instruments_of([market]))
    raw = raw_columns(market, vendors, ticks)
    parts = [stage.feed(raw.take(slice(i, i + batch_rows))) for i in range(0, len(raw), batch_rows)]
    known = np.concatenate([port.longs(p, "ts_recv") for p in parts])
    # A tick of the past has a price of its own for its own minute, and no weight: what stands is another.
    price: F64 = np.concatenate([np.where(np.isnan(p["weight"]), np.nan, p["price"]) for p in parts])
    return known, price, stage.fates()
