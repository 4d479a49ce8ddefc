"""Last closes of a root's contracts: which three come first, and what each was worth before a bar's end.

    bars of a root's contracts, in the order of the topic -> follow -> F1..F3 and their years, for each bar

Every leg is the last close before the bar's end, never one of the same instant: so legs are of one time, and bars that
end together may come in any order. With 1m bars a curve is a minute old, with daily bars alone a day.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.featurize.indicators import layout as c
from processors.futures.expiry import contract_parts, last_trade_date
from processors.runtime.batch import F64, I64
from processors.runtime.state import Table, TableSpec
from processors.runtime.strings import STRINGS
from processors.times import DAY_NS
from schemas.instruments import ASSET_CLASSES, Instruments

YEAR_NS = 365.25 * DAY_NS
CONTRACTS_MAX = 24
"""Contracts of one root: two years of months. What is further out does not come first before nearer ones have gone."""
LEGS = 3
NO_CONTRACT = 0
"""Last trade of what is no contract: a bar of the root itself."""

ROOTS = TableSpec(
    "curves",
    np.zeros(
        (),
        [("last_trade_ns", "<i8", (CONTRACTS_MAX,)), ("ts", "<i8", (CONTRACTS_MAX, 2)),
         ("close", "<f8", (CONTRACTS_MAX, 2))],
    ),
    1,
)  # fmt: skip
"""A row a root: last trade of each contract (0 for none), ends and closes of its newest bar and of the one before."""


@njit(cache=True)
def _take(last_trade_ns: I64, ts: I64, close: F64, contract_ns: int, ts_ns: int, price: float) -> bool:
    """Keep a close; return whether it was kept: a bar that ends with the newest or before it says nothing new."""
    at, free, oldest = -1, -1, 0
    for j in range(CONTRACTS_MAX):
        if last_trade_ns[j] == contract_ns:
            at = j
        if last_trade_ns[j] <= ts_ns:
            free = j
        if ts[j, 0] < ts[oldest, 0]:
            oldest = j
    if at < 0:
        at = free if free >= 0 else oldest
        last_trade_ns[at] = contract_ns
        ts[at, :], close[at, :] = 0, np.nan
    if ts_ns <= ts[at, 0]:
        return False
    ts[at, 1], close[at, 1] = ts[at, 0], close[at, 0]
    ts[at, 0], close[at, 0] = ts_ns, price
    return True


@njit(cache=True)
def _legs(last_trade_ns: I64, ts: I64, close: F64, ts_ns: int, age_ns: int, out: F64) -> None:
    """Write prices and years of the first contracts that have a price: shape (2 LEGS,), NaN where there are fewer."""
    out[:] = np.nan
    after = ts_ns
    for leg in range(LEGS):
        first, price = 0, np.nan
        for j in range(CONTRACTS_MAX):
            which = 0 if ts[j, 0] < ts_ns else 1
            is_there = 0 < ts[j, which] < ts_ns and ts_ns - ts[j, which] <= age_ns
            if is_there and last_trade_ns[j] > after and (first == 0 or last_trade_ns[j] < first):
                first, price = int(last_trade_ns[j]), close[j, which]
        if first == 0:
            return
        out[leg], out[LEGS + leg] = price, (first - ts_ns) / YEAR_NS
        after = first


@njit(cache=True)
def _follow(
    slots: NDArray[np.int32], contract_ns: I64, ts_ns: I64, first_time: NDArray[np.bool_], price: F64, age_ns: int,
    last_trade_ns: I64, ts: I64, close: F64, dirty: NDArray[np.uint8], out: F64,
) -> None:  # fmt: skip
    """Write the curve before each bar, then take its close.

    Parameters
    ----------
    slots
        Shape (n,), row of the bar's root, -1 for none.
    contract_ns
        Last trade of the bar's contract, ``NO_CONTRACT`` for none.
    first_time
        Whether the bar is a first publication; a revision changes nothing.
    last_trade_ns, ts, close, dirty
        By row of the roots.
    out
        Shape (n, 2 LEGS): prices, then years; rows without a root are left.
    """
    for i in range(len(slots)):
        slot = slots[i]
        if slot < 0:
            continue
        _legs(last_trade_ns[slot], ts[slot], close[slot], ts_ns[i], age_ns, out[i])
        trades = contract_ns[i] > ts_ns[i] and first_time[i]
        if trades and _take(last_trade_ns[slot], ts[slot], close[slot], contract_ns[i], ts_ns[i], price[i]):
            dirty[slot] = 1


class Contracts:
    """Last trade and root of each symbol.

    Parameters
    ----------
    instruments
        Those of asset class future are contracts; a root is their partition key.
    """

    def __init__(self, instruments: Instruments) -> None:
        n = len(instruments.rows)
        self.root_code = np.array([STRINGS.code(r.partition_key) for r in instruments.rows], np.int64)
        is_future = instruments.asset_class == ASSET_CLASSES.index("future")
        self.has_curve = np.isin(self.root_code, self.root_code[is_future])
        self.last_trade_ns = np.full(n, NO_CONTRACT, np.int64)
        for i in np.flatnonzero(is_future):
            self.last_trade_ns[i] = _last_trade_ns(instruments.rows[int(i)].symbol_id)

    def follow(
        self, roots: Table, row_of: I64, ts_ns: I64, first_time: NDArray[np.bool_], price: F64, age_ns: int, bars: F64
    ) -> None:
        """Write the columns of the curve, ``F1`` to ``F3_YEARS``, into bars of known symbols, shape (n, N_BAR)."""
        slots = np.full(len(row_of), -1, np.int32)
        on_curve = self.has_curve[row_of]
        if not on_curve.any():
            return
        slots[on_curve] = roots.slots(self.root_code[row_of[on_curve]])
        out = np.full((len(row_of), 2 * LEGS), np.nan)
        rows = roots.rows
        _follow(
            slots, self.last_trade_ns[row_of], ts_ns, first_time, price, age_ns,
            rows["last_trade_ns"], rows["ts"], rows["close"], roots.dirty, out,
        )  # fmt: skip
        bars[:, c.F1 : c.F1 + 2 * LEGS] = out


def _last_trade_ns(symbol_id: str) -> int:
    """Return the end of a contract's last trade date, UTC; ``NO_CONTRACT`` where no rule says it."""
    try:
        day = last_trade_date(*contract_parts(symbol_id.partition(":")[0]))
    except ConfigError:
        return NO_CONTRACT
    return int(np.datetime64(day, "ns").astype(np.int64)) + DAY_NS
