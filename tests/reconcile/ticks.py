"""Raw ticks written short, and what the reconcile stage makes of them, as dictionaries."""

from typing import Any

import numpy as np
from hypothesis import settings

from processors.reconcile.config import ReconcileConfig
from processors.reconcile.stage import ReconcileStage
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.layout import layout_of, small_ints
from processors.runtime.stage import Output
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry
from schemas.vendors import Vendor, Vendors

LAYOUT = layout_of(load_registry().current("ticks.raw.v1").schema)
KINDS = LAYOUT.symbols["kind"]
# Wednesday: FX, METAL, XNYS and 24/7 are all open.
T0 = int(np.datetime64("2014-05-07T15:00:00", "ns").astype(np.int64))
SECOND = 10**9
COMPILING = settings(deadline=None)
"""For property tests of kernels: the first example waits for the compiler."""
Raw = dict[str, Any]


def raw(kind: str, vendor: str, at_s: float, **values: Any) -> Raw:
    """Return a raw tick of EURUSD:FX, ``at_s`` seconds after T0, received at ``recv_s`` or at once."""
    ts = T0 + round(at_s * SECOND)
    recv = T0 + round(values.pop("recv_s", at_s) * SECOND)
    return {
        "symbol_id": "EURUSD:FX",
        "vendor": vendor,
        "venue": "",
        "kind": kind,
        "ts_event": ts,
        "ts_recv": recv,
    } | values


def quote(vendor: str, at_s: float, bid: float | None, ask: float | None, **values: Any) -> Raw:
    """Return a quote."""
    return raw("quote", vendor, at_s, bid=bid, ask=ask, **values)


def trade(vendor: str, at_s: float, price: float, size: float | None = 1.0, **values: Any) -> Raw:
    """Return a trade of BTC-USD:CRYPTO, whose bars come from trades."""
    return raw("trade", vendor, at_s, price=price, size=size, **({"symbol_id": "BTC-USD:CRYPTO"} | values))


def heartbeat(vendor: str, at_s: float, venue: str = "") -> Raw:
    """Return a heartbeat of a whole feed."""
    return raw("heartbeat", vendor, at_s, symbol_id="", venue=venue)


def columns(ticks: list[Raw], first_offset: int = 0) -> Columns:
    """Return raw ticks as columns; what is not given is null."""
    out = Columns.empty(LAYOUT, len(ticks))
    out.floats[:] = np.nan
    out["seq"] = NULL_LONG
    out["conditions"] = STRINGS.code("")
    out.offset = np.arange(first_offset, first_offset + len(ticks))
    for i, tick in enumerate(ticks):
        for name, value in tick.items():
            if value is None:
                continue
            code = value
            if name in {"symbol_id", "vendor", "venue", "conditions"}:
                code = STRINGS.code(value)
            elif name == "kind":
                code = KINDS.index(value)
            out[name][i] = code  # type: ignore[call-overload]
    return out


def rows(of: Columns) -> list[dict[str, Any]]:
    """Return records as dictionaries: names for codes, None for null."""
    out = []
    for i in range(len(of)):
        row: dict[str, Any] = {}
        for name in of.layout.names:
            value: Any = of[name][i].item()
            if name in {"symbol_id", "source", "tf"}:
                value = STRINGS.text(value)
            elif name in {"vendors", "cut"}:
                value = STRINGS.array(value)
            elif name == "weights":
                value = tuple(small_ints(of.small_ints(name)[:, i]))
            elif name in of.layout.symbols:
                value = of.layout.symbols[name][value]
            elif value == NULL_LONG or value != value:  # noqa: PLR0124 - NaN is null
                value = None
            row[name] = value
        out.append(row)
    return out


class Run:
    """One partition of the stage, fed batch by batch."""

    def __init__(self, config: ReconcileConfig | None = None, vendors: list[Vendor] | None = None) -> None:
        self.stage = ReconcileStage(config, vendors=Vendors(vendors or []))
        self.state: State = self.stage.open()
        self.offset = 0
        self.output = Output()

    def feed(self, *ticks: Raw) -> list[dict[str, Any]]:
        """Feed a batch; return its consensus ticks."""
        batch = columns(list(ticks), self.offset)
        self.offset += len(ticks)
        self.output = self.stage.step(self.state, batch)
        assert sum(self.output.counts.values()) == len(ticks), "fates do not add up to the rows"
        return rows(self.output.records["ticks.consensus.v1"])

    @property
    def freshness(self) -> list[dict[str, Any]]:
        """The freshness changes of the last batch."""
        return rows(self.output.records["data.freshness"])

    @property
    def fates(self) -> dict[str, int]:
        """The fates of the last batch that were met."""
        return {fate: n for fate, n in self.output.counts.items() if n}

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Error and reason of the dead letters of the last batch."""
        return [(r.error, r.reason) for r in self.output.rejected]

    def source(self, symbol: str, vendor: str, venue: str = "") -> np.void:
        """Return the state of a source."""
        table = self.state["sources"]
        codes = [np.array([STRINGS.code(part)]) for part in (symbol, vendor, venue)]
        row: np.void = table.rows[table.find(*codes)[0]]
        return row
