"""What the kernel needs of names: instruments by slot, and the string codes of sources and of sets of sources.

Derived from the tables, so it is no state: it is built anew for a new or restored partition and grows with it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.kinds import AUCTION, CONTINUOUS, CORRECTION, HALTED, STATUS
from processors.reconcile.config import SOURCES_MAX, ReconcileConfig
from processors.reconcile.corrections import CANCEL, CORRECT, HOLE
from processors.reconcile.holes import UNKNOWN
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.intmap import MISSING, IntMap
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from schemas.instruments import Instruments
from schemas.vendors import COVERAGES, NUMBERINGS, Vendors

_SETS_MAX = 1 << 16
"""From this many sets of sources of one partition on, all are forgotten before the next batch."""

PHASE_OF = {"halt": HALTED, "auction": AUCTION, "resume": CONTINUOUS}
"""What a feed writes into ``conditions`` of a status tick; anything else but a hole tells nothing."""

HOLE_WORD = "gap:"
"""A feed's word for missing ticks of a symbol, before their number or ``?``."""

MISSING_MAX = 1 << 40
"""Most missing ticks that a feed is believed to know of: sums of such stay far from overflow."""

CORRECTION_OF = {"cancel": CANCEL, "correct": CORRECT}
"""The same of a correction: the trade with its ``seq`` is taken back, or has its price and size from now on."""


def source_name(vendor: str, venue: str) -> str:
    """Return the name of a source on topics: vendor, or vendor/venue."""
    return f"{vendor}/{venue}" if venue else vendor


def told_by(batch: Columns, vendors: Vendors) -> tuple[NDArray[np.int8], I64]:
    """Return what each status row or correction tells of its symbol, -1 where nothing, and how many ticks are missing.

    Parameters
    ----------
    batch
        Raw ticks.
    vendors
        Corrections of those that publish none tell nothing, nor do holes of twin lines: one fills those of the other.

    Returns
    -------
    Both of shape (n,). The number of ticks is ``UNKNOWN`` where the feed does not know it, 0 where no hole is told.
    """
    kind: I64 = batch["kind"]  # type: ignore[assignment]
    told, told_n = np.full(len(kind), -1, np.int8), np.zeros(len(kind), np.int64)
    for i in np.flatnonzero((kind == STATUS) | (kind == CORRECTION)):
        condition = STRINGS.text(int(batch["conditions"][i]))
        vendor, venue = (STRINGS.text(int(batch[c][i])) for c in ("vendor", "venue"))
        if kind[i] == STATUS and condition.startswith(HOLE_WORD):
            n = condition.removeprefix(HOLE_WORD)
            if (n.isdecimal() or n == "?") and vendor not in vendors.twins:
                told[i], told_n[i] = HOLE, min(int(n), MISSING_MAX) if n.isdecimal() else UNKNOWN
        elif kind[i] == STATUS:
            told[i] = PHASE_OF.get(condition, -1)
        elif vendors.of(vendor, venue).corrections:
            told[i] = CORRECTION_OF.get(condition, -1)
    return told, told_n


class Names:
    """Names of one partition by slot.

    ``tick_size``, ``asset_class``, ``stale_ns`` and ``calendar`` have shape (n_symbols,), ``order`` (n_symbols, 32);
    ``consolidated``, ``corrections`` and ``dense`` have shape (n_sources,); the segments of calendar c
    are ``open_ns[segment_start[c]:segment_start[c + 1]]``.
    """

    def __init__(self, state: State, instruments: Instruments, vendors: Vendors, config: ReconcileConfig) -> None:
        self._symbols, self._sources = state["symbols"], state["sources"]
        # A restored table has another list: then this object is of the past.
        self.of = self._symbols.key_codes
        self._instruments, self._vendors, self._stale_ns = instruments, vendors, config.limit_rows()["stale_ns"]
        self._rows: list[int] = []
        self._calendars: dict[str, int] = {}
        self._feeds: dict[tuple[int, int], int] = {}
        self.source_code = np.zeros(0, np.int64)
        self.consolidated = np.zeros(0, np.bool_)
        self.corrections = np.zeros(0, np.bool_)
        self.dense = np.zeros(0, np.bool_)
        self.order = np.zeros((0, SOURCES_MAX), np.uint8)
        self._source_names: list[str] = []
        self._sets = IntMap()
        self._outliers, self._cuts = IntMap(), IntMap()
        self._outlier_keys: list[int] = []
        self.refresh(force=True)

    def refresh(self, *, force: bool = False) -> None:
        """Take note of new symbols and sources."""
        table, instruments = self._symbols, self._instruments
        if force or len(self._rows) < len(table):
            for slot in range(len(self._rows), len(table)):
                symbol = table.key(slot)[0]
                if symbol not in instruments.by_symbol:
                    raise ConfigError("instruments", "symbol_id", symbol, "its state is kept: it must stay in the file")
                self._rows.append(instruments.by_symbol[symbol])
            rows = np.array(self._rows, np.int64)
            self.tick_size: F64 = instruments.tick_size[rows]
            self.asset_class: I64 = instruments.asset_class[rows]
            self.stale_ns: I64 = np.ascontiguousarray(self._stale_ns[self.asset_class])
            names = [instruments.rows[r].calendar for r in self._rows]
            before = len(self._calendars)
            self.calendar = np.array([self._calendars.setdefault(c, len(self._calendars)) for c in names], np.int64)
            if force or len(self._calendars) > before:
                segments = [sessions(c) for c in self._calendars]
                self.segment_start = np.cumsum([0, *(len(s) for s in segments)]).astype(np.int64)
                none = [np.zeros(0, np.int64)]
                self.open_ns = np.concatenate(none + [s.open_ns for s in segments])
                self.close_ns = np.concatenate(none + [s.close_ns for s in segments])
        n = len(self.source_code)
        if n < len(self._sources):
            keys = [self._sources.key(slot) for slot in range(n, len(self._sources))]
            new = [source_name(vendor, venue) for _, vendor, venue in keys]
            self._source_names += new
            codes = [STRINGS.code(name) for name in new]
            self.source_code = np.concatenate([self.source_code, np.array(codes, np.int64)])
            known = [self._vendors.of(vendor, venue) for _, vendor, venue in keys]
            coverage = [v.coverage == COVERAGES[1] for v in known]
            self.consolidated = np.concatenate([self.consolidated, np.array(coverage, np.bool_)])
            corrections = [v.corrections for v in known]
            self.corrections = np.concatenate([self.corrections, np.array(corrections, np.bool_)])
            dense = [v.numbering == NUMBERINGS[1] for v in known]
            self.dense = np.concatenate([self.dense, np.array(dense, np.bool_)])
            self._order_anew(np.unique(self._sources.rows["symbol"][n : len(self._sources)]).tolist())

    def _order_anew(self, symbols: list[int]) -> None:
        """Order the sources of some symbols by name: see ``shares``."""
        grown = np.zeros((len(self._symbols), SOURCES_MAX), np.uint8)
        grown[: len(self.order)] = self.order
        self.order = grown
        for s in symbols:
            rows = self._symbols.rows[s : s + 1]
            names = [self._source_names[slot] for slot in rows["source"][0, : rows["n_sources"][0]].tolist()]
            self.order[s, : len(names)] = sorted(range(len(names)), key=names.__getitem__)

    def feed_code(self, vendor: int, venue: int) -> int:
        """Return the code of the name of a feed, given as codes."""
        code = self._feeds.get((vendor, venue))
        if code is None:
            code = self._feeds[vendor, venue] = STRINGS.code(source_name(STRINGS.text(vendor), STRINGS.text(venue)))
        return code

    def set_codes(self, keys: I64) -> I64:
        """Return the code of the sorted names of each set of sources, shape (n,).

        Parameters
        ----------
        keys
            Shape (n,), slot of the symbol shifted left by 32, and its counted sources as bits.
        """
        if len(self._sets) > _SETS_MAX:
            self._sets.clear()
        return _looked_up(self._sets, keys, lambda key: STRINGS.array_code(self._members(key)))

    def cut_codes(self, symbol: I64, outliers: I64, crossed: I64) -> I64:
        """Return the code of what was cut in each row, every source with its reason; all of shape (n,).

        Parameters
        ----------
        symbol
            Slot of the symbol.
        outliers, crossed
            Sources as bits, by the reason they were cut for.
        """
        if len(self._cuts) > _SETS_MAX or len(self._outliers) > _SETS_MAX:
            self._outliers.clear()
            self._cuts.clear()
            self._outlier_keys.clear()
        first = _looked_up(self._outliers, (symbol << 32) | outliers, self._new_outliers)
        return _looked_up(self._cuts, (first << 32) | crossed, self._cut_code)

    def _new_outliers(self, key: int) -> int:
        self._outlier_keys.append(key)
        return len(self._outlier_keys) - 1

    def _cut_code(self, key: int) -> int:
        outliers = self._outlier_keys[key >> 32]
        crossed = outliers >> 32 << 32 | key & 0xFFFFFFFF
        names = [f"{s}:outlier" for s in self._members(outliers)] + [f"{s}:crossed" for s in self._members(crossed)]
        return STRINGS.array_code(tuple(sorted(names)))

    def _members(self, key: int) -> tuple[str, ...]:
        """Return the sorted names of a set of sources."""
        members, mask = self._symbols.rows["source"][key >> 32].tolist(), key & 0xFFFFFFFF
        return tuple(sorted(self._source_names[slot] for bit, slot in enumerate(members) if mask >> bit & 1))


def _looked_up(known: IntMap, keys: I64, make: Callable[[int], int]) -> I64:
    """Return the value of each key, made for those that are new."""
    out = np.empty(len(keys), np.int64)
    first = known.find(keys, out)
    while first >= 0:
        new = np.unique(keys[first:][out[first:] == MISSING][:1024])
        known.put(new, np.array([make(k) for k in new.tolist()], np.int64))
        first = known.find(keys, out)
    return out
