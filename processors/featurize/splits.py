"""Splits as featurize takes them: bars in shares of the symbol's first bar, features back in shares of their own bar.

    price   100  102 | 14.6 15.0    7 for 1 on the third day
    scale     1    1 |    7    7    the bar that indicators see: 100 102 102.2 105
    sma               back: divided by 7, as its unit is a price

So windows and states never see a jump and none of them is touched, and what a row says is in the shares of its time. An
action counts from the first bar that ends after the midnight of its ex-date in the exchange's zone, if it was known
when that bar ended. One that becomes known, is moved or called off later than that has left its jump in every window:
the symbol starts anew at the first bar that knows it, all its timeframes with nothing kept, and its rows are not warm
until the windows are full again.

Splits and stock dividends change the number of shares, by a ratio that is announced. Cash dividends and spin-offs do
not: their drop is a move of the price, for which the holder was paid, and stays in the features. One feature is told in
shares of the first bar for good: ``regression_14_angle``, the angle of a slope in price units.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from processors.featurize import splits_kernel as k
from processors.featurize.facts_table import identity_of
from processors.featurize.indicators import layout as c
from processors.reference.actions.events import SHARE_KINDS, Kind
from processors.reference.announced import KIND_OF, ex_midnight_ns
from processors.reference.records import MarketEvent
from processors.runtime.batch import F64, I64
from processors.runtime.state import Table, TableSpec
from processors.runtime.strings import STRINGS
from processors.sessions import calendar_zone
from schemas.features import Feature
from schemas.instruments import Instruments

RATIO = "ratio"
"""Name of the event that has the number of shares."""
SPLITS = TableSpec(
    "splits",
    np.array(
        (0, 0, 0, 1.0, 0, 0, np.zeros(k.ACTIONS_MAX), np.zeros(k.ACTIONS_MAX), np.zeros(k.ACTIONS_MAX),
         np.full(k.ACTIONS_MAX, np.nan)),
        [("first_ns", "<i8"), ("last_ns", "<i8"), ("basis_ns", "<i8"), ("applied", "<f8"), ("filed", "<i8"),
         ("n", "<i8"), ("identity", "<i8", (k.ACTIONS_MAX,)), ("ex_ns", "<i8", (k.ACTIONS_MAX,)),
         ("ts_known", "<i8", (k.ACTIONS_MAX,)), ("shares", "<f8", (k.ACTIONS_MAX,))],
    ),
    1,
)  # fmt: skip
"""A row a symbol: see ``splits_kernel.follow``. ``filed``: 1 once the actions of files are in it.

Those without actions have one too: the first that comes may be late, and must find when their bars began.
"""
_ACTION = ("identity", "ex_ns", "ts_known", "shares")
_PRICES = (c.OPEN, c.HIGH, c.LOW, c.CLOSE, c.VWAP, c.BID, c.ASK)

POWERS: Mapping[str, tuple[int, int]] = {
    "price": (1, 0), "price per bar": (1, 0), "price squared": (2, 0), "volume": (0, 1),
    "price times volume": (1, 1), "price per volume": (1, -1), "price squared per 10000 volume": (2, -1),
}  # fmt: skip
"""Unit of a feature -> powers of price and of volume in it; a unit that is not here has neither."""


def share_exponents(features: Sequence[Feature]) -> F64:
    """Return the power of the scale that brings each feature back into shares of its bar, shape (n_features,)."""
    powers = np.array([POWERS.get(f.unit, (0, 0)) for f in features], np.float64).reshape(-1, 2)
    exponents: F64 = powers[:, 1] - powers[:, 0]
    return exponents


class Splits:
    """Scales of bars.

    Parameters
    ----------
    instruments
        Their calendars give the zone of an ex-date.
    filed
        Events of files, which no topic has.
    """

    def __init__(self, instruments: Instruments, filed: Iterable[MarketEvent] = ()) -> None:
        self._instruments = instruments
        self._filed: dict[int, list[MarketEvent]] = {}
        for event in filed:
            if self.is_split(event):
                self._filed.setdefault(STRINGS.code(event.symbol_id), []).append(event)

    def is_split(self, event: MarketEvent) -> bool:
        """Return whether an event changes the number of shares of a known symbol."""
        possible = event.value is None or 0.0 < event.value < float("inf")
        kind = KIND_OF.get(event.type)
        known = event.symbol_id in self._instruments.by_symbol
        return kind in SHARE_KINDS and event.name == RATIO and possible and known

    def add(self, table: Table, events: Iterable[MarketEvent]) -> None:
        """Keep the splits among some events, in any order."""
        for event in events:
            if self.is_split(event):
                self._add(table, table.slot(STRINGS.code(event.symbol_id)), event)

    def _add(self, table: Table, slot: int, event: MarketEvent) -> None:
        row, n = table.rows[slot], int(table.rows["n"][slot])
        there = list(zip(*(row[name][:n].tolist() for name in _ACTION), strict=True))
        at = self._instruments.by_symbol[event.symbol_id]
        zone = calendar_zone(self._instruments.rows[at].calendar)
        new = (
            identity_of(event.symbol_id, event.event_id, event.type), ex_midnight_ns(event.ts_event, zone),
            event.ts_known, _shares(event),
        )  # fmt: skip
        same = (new[0], new[2])
        kept = sorted([a for a in there if (a[0], a[2]) != same] + [new], key=lambda a: (a[1], a[2], a[0]))
        kept = kept[-k.ACTIONS_MAX :]
        for name, values in zip(_ACTION, zip(*kept, strict=True), strict=True):
            row[name][: len(kept)] = values
        table.rows["n"][slot] = len(kept)
        table.dirty[slot] = 1

    def scales(self, table: Table, symbols: I64, ts_ns: I64, first_time: NDArray[np.bool_]) -> tuple[F64, I64, I64]:
        """Return scale and basis of each bar, shape (n,), and the bars before which symbols start anew, ascending.

        The basis is the end of the bar at which the symbol last started anew, 0 if it never did: closes of one basis
        are told in the same shares.

        Parameters
        ----------
        table
            Of ``SPLITS``.
        symbols, ts_ns, first_time
            Code of the symbol, end, and whether it is no revision, of each bar, shape (n,).
        """
        scale, basis, restart = np.ones(len(ts_ns)), np.zeros(len(ts_ns), np.int64), np.zeros(len(ts_ns), np.bool_)
        for symbol in np.unique(symbols).tolist() if self._filed else ():
            self._add_filed(table, symbol)
        slots, rows = table.slots(symbols), table.rows
        k.follow(
            slots, ts_ns, first_time, rows["first_ns"], rows["last_ns"], rows["basis_ns"], rows["applied"], rows["n"],
            *(rows[name] for name in _ACTION), table.dirty, scale, basis, restart,  # type: ignore[call-arg]
        )  # fmt: skip
        return scale, basis, np.flatnonzero(restart)

    def _add_filed(self, table: Table, symbol: int) -> None:
        events = self._filed.get(symbol)
        if events is None:
            return
        slot = table.slot(symbol)
        if not table.rows["filed"][slot]:
            table.rows["filed"][slot] = 1
            for event in events:
                self._add(table, slot, event)


def to_first_shares(bars: F64, scale: F64) -> None:
    """Scale prices and volumes of bars, shape (n, N_BAR), in place."""
    bars[:, _PRICES] *= scale[:, None]
    bars[:, c.VOLUME] /= scale


def to_own_shares(out: F64, scale: F64, exponents: F64) -> None:
    """Bring features, shape (n, n_features), back into shares of their own bars, in place."""
    scaled, dimensional = np.flatnonzero(scale != 1.0), np.flatnonzero(exponents)
    if len(scaled):
        out[np.ix_(scaled, dimensional)] *= scale[scaled, None] ** exponents[dimensional]


def _shares(event: MarketEvent) -> float:
    """Return shares after for each before; NaN where the action is called off."""
    if event.value is None:
        return float("nan")
    return 1.0 + event.value if KIND_OF[event.type] is Kind.STOCK_DIVIDEND else event.value
