"""The feature service: ``get_features(symbols, as_of, pack_id, time_horizon)``, one answer whichever store has the row.

Two times: ``as_of`` bounds the ends of the bars, ``known_by`` the times from which on their rows can be known.

live rows in Redis -> rows that are missing there: ClickHouse -> those missing there too: the store of back-fills
-> which rows are warm -> table
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from offline.features.packs import LoadPack, PackView, load_view
from offline.features.rows import FeatureRows, FeatureStore, Rows, merged
from offline.features.times import nanoseconds
from processors.cross.config import OPEN_MAX
from processors.errors import ConfigError, RetryableError
from processors.missing import is_warm
from schemas.features import FOUNDING_PACK
from schemas.freshness import ROW_KNOWN_AFTER_NS, ROW_STALE_AFTER_S
from schemas.timeframes import TIMEFRAME_NS, TIMEFRAMES

SYMBOLS_MAX = 1000
"""Most symbols of one call: a universe is asked for in a few calls, and none holds the others up for long."""
ROWS_MAX = 10_000
"""Most rows of one symbol; longer histories are for the training sets."""
CELLS_MAX = 4_000_000
"""Most values of one answer, 32 MB."""
WAITED_NS_MAX = OPEN_MAX * 60 * 1_000_000_000
"""Longest time that a row of the cross-section may have been held: the greatest limit that its stage takes."""


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request.

    Parameters
    ----------
    as_of_ns
        Nanoseconds since the epoch, UTC; None: now.
    known_by_ns
        Rows that cannot be known by then are left out; None: none is.
    tf
        Timeframe of the rows.
    n
        Newest rows of each symbol.
    """

    symbols: tuple[str, ...]
    as_of_ns: int | None
    known_by_ns: int | None
    pack: PackView
    tf: str
    n: int

    @property
    def until_ns(self) -> int | None:
        """Return the last ``ts`` that a row of the answer may have."""
        if self.known_by_ns is None:
            return self.as_of_ns
        known = self.known_by_ns - ROW_KNOWN_AFTER_NS
        return known if self.as_of_ns is None else min(known, self.as_of_ns)

    @property
    def wanted(self) -> int:
        """Return the newest rows of each symbol to ask a store for: of those that waited, some may fall out."""
        if self.known_by_ns is None or not self.pack.source.waited:
            return self.n
        return self.n + WAITED_NS_MAX // TIMEFRAME_NS[self.tf] + 1


@dataclass(slots=True)
class Found:
    """Rows found so far, and for which symbols the older stores must be asked."""

    request: Request
    rows: Rows
    short: list[int]
    away: list[str]


class FeatureService:
    """Answers from stores, the first one first.

    Parameters
    ----------
    stores
        Newest first. The first one holds the newest rows without a gap, so whatever it has enough of is the answer.
    now_ns
        The time that stands for a missing ``as_of``; None: the newest row of each symbol counts as now (replays).
    """

    def __init__(
        self, stores: Sequence[FeatureStore], now_ns: Callable[[], int] | None = None, load: LoadPack = load_view,
    ) -> None:  # fmt: skip
        if not stores:
            raise ConfigError("feature service", "stores", "none", "at least one store of feature rows")
        self._stores, self._now_ns, self._load = tuple(stores), now_ns, load

    def get_features(
        self, symbols: Sequence[str], as_of: datetime | int | None = None, pack_id: str = FOUNDING_PACK,
        time_horizon: str = "1m", *, rows: int = 1, known_by: datetime | int | None = None,
    ) -> pa.Table:  # fmt: skip
        """Return the newest rows as of a time: symbol_id, ts, features, known_at, pack hash, staleness, quality.

        A row is of the time ``ts``, the end of its bar. Symbols without a row are left out.

        Parameters
        ----------
        as_of
            Rows have ``ts`` at or before it: a time with a zone, or nanoseconds since the epoch; None: now.
        time_horizon
            Timeframe of the rows: what bars a decision for that horizon is made on.
        rows
            Newest rows of each symbol, ascending in time.
        known_by
            Rows have ``known_at`` at or before it: what a caller at that time could have had. It stands for a missing
            ``as_of`` too. None: that is not asked.

        Raises
        ------
        ConfigError
            An argument is out of range, or there is no such pack.
        RetryableError
            A store that is needed does not answer.
        """
        return self.read(self.request(symbols, as_of, pack_id, time_horizon, rows, known_by)).table()

    def request(
        self, symbols: Sequence[str], as_of: datetime | int | None, pack_id: str, time_horizon: str, rows: int,
        known_by: datetime | int | None = None,
    ) -> Request:  # fmt: skip
        """Return the request if it can be answered.

        Raises
        ------
        ConfigError
            It cannot: names the argument, its value and what is allowed.
        """
        names = tuple(dict.fromkeys(symbols))
        if not 0 < len(names) <= SYMBOLS_MAX or not all(names):
            raise ConfigError("get_features", "symbols", list(names)[:5], f"1 to {SYMBOLS_MAX} symbols, none empty")
        if time_horizon not in TIMEFRAMES:
            raise ConfigError("get_features", "time_horizon", time_horizon, f"one of {', '.join(TIMEFRAMES)}")
        if not 0 < rows <= ROWS_MAX:
            raise ConfigError("get_features", "rows", rows, f"1 to {ROWS_MAX}")
        pack = self._load(pack_id)
        cells = len(names) * rows * len(pack.names)
        if cells > CELLS_MAX:
            raise ConfigError("get_features", "symbols times rows times features", cells, f"at most {CELLS_MAX}")
        known_by_ns = nanoseconds(known_by, "known_by")
        # Who asks for what was known by a time stands at that time.
        as_of_ns = known_by_ns if as_of is None else nanoseconds(as_of)
        return Request(names, as_of_ns, known_by_ns, pack, time_horizon, rows)

    def read(self, request: Request) -> FeatureRows:
        """Return the rows of a request; see ``get_features``."""
        return self.complete(self.live(request))

    def live(self, request: Request) -> Found:
        """Return what the first store has: for whoever reads the older ones in another thread.

        Raises
        ------
        RetryableError
            It does not answer, and there is no other one.
        """
        if request.as_of_ns is None and self._now_ns is not None:
            request = replace(request, as_of_ns=self._now_ns())
        found = Found(request, Rows.none(len(request.pack.names)), list(range(len(request.symbols))), [])
        _ask(self._stores[0], found, is_last=len(self._stores) == 1)
        return found

    def complete(self, found: Found) -> FeatureRows:
        """Return the answer, from the older stores where the first one had too few rows.

        Raises
        ------
        RetryableError
            A symbol has no row, and a store that may have it does not answer.
        """
        for i, store in enumerate(self._stores[1:], start=2):
            if found.short:
                _ask(store, found, is_last=i == len(self._stores))
        if found.away and self._lacks(found):
            raise RetryableError("; ".join(found.away))
        return self._answer(found)

    def ready(self) -> None:
        """Do nothing where the first store answers.

        Raises
        ------
        RetryableError
            It does not.
        """
        self._stores[0].newest(["-"], TIMEFRAMES[0], None, 1, self._load(FOUNDING_PACK))

    def needs_history(self, found: Found) -> bool:
        """Return whether ``complete`` will ask another store."""
        return bool(found.short) and len(self._stores) > 1

    @staticmethod
    def _lacks(found: Found) -> bool:
        """Return whether a symbol has no row at all: without its store nobody can say that there is none."""
        return bool((found.rows.counts(len(found.request.symbols)) == 0).any())

    def _answer(self, found: Found) -> FeatureRows:
        request, rows = found.request, found.rows
        warm = is_warm(rows.values, request.pack.required)
        newest = rows.ts_ns if request.as_of_ns is None else np.int64(request.as_of_ns)
        age_ns = np.zeros(len(rows)) + (newest - rows.ts_ns)
        stale = (age_ns > ROW_STALE_AFTER_S[request.tf] * 1e9) | (rows.quality[0] > 0)
        return FeatureRows(
            request.pack, request.tf, request.as_of_ns, request.known_by_ns, request.symbols, rows, warm, age_ns / 1e6,
            stale,
        )  # fmt: skip


def _ask(store: FeatureStore, found: Found, *, is_last: bool) -> None:
    """Take the rows of a store for the symbols that have too few."""
    request = found.request
    asked = [request.symbols[i] for i in found.short]
    try:
        more = store.newest(asked, request.tf, request.until_ns, request.wanted, request.pack)
    except RetryableError as e:
        if is_last and not found.away and len(found.rows) == 0:
            raise
        found.away.append(str(e))
        return
    place = np.array(found.short, np.int64)
    if request.known_by_ns is not None:
        more = more.take(more.known_ns <= request.known_by_ns)
    found.rows = merged(found.rows, more.placed(place)).newest(request.n)
    counts = found.rows.counts(len(request.symbols))
    found.short = [i for i in found.short if counts[i] < request.n]
