"""What the kernel needs of names: instruments by slot, and the string codes of sources and of sets of sources.

Derived from the tables, so it is no state: it is built anew for a new or restored partition and grows with it.
"""

import numpy as np

from processors.errors import ConfigError
from processors.reconcile.config import ReconcileConfig
from processors.runtime.batch import F64, I64
from processors.runtime.compiled import kernel
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from schemas.instruments import Instruments

_SETS_MAX = 1 << 16
"""From this many sets of sources of one partition on, all are forgotten before the next batch."""


def source_name(vendor: str, venue: str) -> str:
    """Return the name of a source on topics: vendor, or vendor/venue."""
    return f"{vendor}/{venue}" if venue else vendor


@kernel
def _find(keys: I64, table: I64, codes: I64, out: I64) -> int:
    """Fill the code of each key, -1 where it is not in the table; return the position of the first such, or -1."""
    mask = len(table) - 1
    first = -1
    for n in range(len(keys)):
        k = keys[n]
        i = ((k * np.int64(-7046029254386353131)) >> 20) & mask
        while table[i] != -1 and table[i] != k:
            i = (i + 1) & mask
        out[n] = codes[i] if table[i] == k else -1
        if out[n] < 0 and first < 0:
            first = n
    return first


@kernel
def _put(keys: I64, values: I64, table: I64, codes: I64) -> None:
    """Add keys that are not in the table; at least half of it stays free."""
    mask = len(table) - 1
    for n in range(len(keys)):
        i = ((keys[n] * np.int64(-7046029254386353131)) >> 20) & mask
        while table[i] != -1:
            i = (i + 1) & mask
        table[i], codes[i] = keys[n], values[n]


class Names:
    """Names of one partition by slot.

    ``tick_size``, ``asset_class``, ``stale_ns`` and ``calendar`` have shape (n_symbols,); the segments of calendar c
    are ``open_ns[segment_start[c]:segment_start[c + 1]]``.
    """

    def __init__(self, state: State, instruments: Instruments, config: ReconcileConfig) -> None:
        self._symbols, self._sources = state["symbols"], state["sources"]
        # A restored table has another list: then this object is of the past.
        self.of = self._symbols.key_codes
        self._instruments, self._stale_ns = instruments, config.limit_rows()["stale_ns"]
        self._rows: list[int] = []
        self._calendars: dict[str, int] = {}
        self._feeds: dict[tuple[int, int], int] = {}
        self.source_code = np.zeros(0, np.int64)
        self._clear_sets()
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
            codes = [STRINGS.code(source_name(vendor, venue)) for _, vendor, venue in keys]
            self.source_code = np.concatenate([self.source_code, np.array(codes, np.int64)])

    def feed_code(self, vendor: int, venue: int) -> int:
        """Return the code of the name of a feed, given as codes."""
        code = self._feeds.get((vendor, venue))
        if code is None:
            code = self._feeds[vendor, venue] = STRINGS.code(source_name(STRINGS.text(vendor), STRINGS.text(venue)))
        return code

    def _clear_sets(self) -> None:
        self._set_key = np.full(1 << 10, -1, np.int64)
        self._set_code = np.zeros(1 << 10, np.int64)
        self._n_sets = 0

    def set_codes(self, symbol: I64, mask: I64) -> I64:
        """Return the code of the sorted names of each set of sources, shape (n,).

        Parameters
        ----------
        symbol, mask
            Shape (n,), slot of the symbol and its counted sources as bits.
        """
        if self._n_sets > _SETS_MAX:
            self._clear_sets()
        keys = (symbol << 32) | mask
        out = np.empty(len(keys), np.int64)
        first = _find(keys, self._set_key, self._set_code, out)
        while first >= 0:
            for k in np.unique(keys[first:][out[first:] < 0][:1024]):
                self._add_set(int(k), int(k) >> 32, int(k) & 0xFFFFFFFF)
            first = _find(keys, self._set_key, self._set_code, out)
        return out

    def _add_set(self, key: int, symbol: int, mask: int) -> None:
        if 2 * (self._n_sets + 1) > len(self._set_key):
            used = self._set_key >= 0
            keys, codes = self._set_key[used], self._set_code[used]
            self._set_key = np.full(2 * len(self._set_key), -1, np.int64)
            self._set_code = np.zeros(len(self._set_key), np.int64)
            _put(keys, codes, self._set_key, self._set_code)
        members = self._symbols.rows["source"][symbol]
        names = [source_name(*self._sources.key(int(members[bit]))[1:]) for bit in range(32) if mask >> bit & 1]
        code = STRINGS.array_code(tuple(sorted(names)))
        _put(np.array([key]), np.array([code]), self._set_key, self._set_code)
        self._n_sets += 1
