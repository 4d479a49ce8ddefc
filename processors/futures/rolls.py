"""Rolls of one root, day by day: give it each day's rows once the day is over, and it returns the rolls.

It sees nothing but what it is given: a roll of day t depends on days up to t, and holds from the next session.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from processors.errors import ConfigError
from processors.futures import kernel as k
from processors.futures.expiry import contract_code, last_trade_date
from processors.futures.roll_rules import RollRule
from processors.times import LONG_AGO

EPOCH = date(1970, 1, 1)
FIRST_MONTH = np.datetime64("1990-01")
LAST_MONTH = np.datetime64("2044-12")
N_MONTHS = int((LAST_MONTH - FIRST_MONTH).astype(np.int64)) + 1
DEPTH_MAX = 12
KEPT_DAYS = 16
"""Prices kept a contract: over three weeks of sessions, more than any holiday or gap of a feed lasts."""

CURVE_COLUMNS = ("month", "days_to_end", "price", "volume", "open_interest")
_EMPTY = {
    "last_trade": LONG_AGO, "last_front_day": np.iinfo(np.int64).max, "seen_day": LONG_AGO, "price": np.nan,
    "volume": np.nan, "open_interest": np.nan,
}  # fmt: skip
_EMPTY_KEPT = {"kept_day": LONG_AGO, "kept_price": np.nan}
"""Arrays by contract, and what a contract never seen has in them."""

REASONS = {k.BY_RULE: "rule", k.BY_END: "end"}


@dataclass(frozen=True, slots=True)
class Rollover:
    """One depth of one rule takes its next contract.

    Parameters
    ----------
    ts
        When it became known: the end of the day whose rows decided it; ns since the epoch, UTC.
    root, rule, depth
        Whose roll, by which rule, F1 is depth 1.
    contract_from, contract_to
        Codes, for example ESZ13 and ESH14.
    price_from, price_to
        Prices of both on the newest day on which both had one, price units; where the last ``KEPT_DAYS`` prices share
        no day, NaN: nobody could have rolled at them.
    ratio
        price_to / price_from; NaN where a price is not positive or unknown.
    difference
        price_to - price_from, price units.
    reason
        ``rule``, or ``end``: the contract ended before the rule spoke.
    """

    ts: int
    root: str
    rule: str
    depth: int
    contract_from: str
    contract_to: str
    price_from: float
    price_to: float
    ratio: float
    difference: float
    reason: str


@dataclass(frozen=True, slots=True)
class Day:
    """All rows of one root and one day.

    Parameters
    ----------
    day
        Session date, days since 1970-01-01.
    known_ns
        When the last of the rows was known, ns since the epoch, UTC.
    month
        Shape (n,): contract months since 1990-01 (``month_index``).
    price
        Shape (n,): settlement, or last price; NaN or 0 where none was published.
    volume
        Shape (n,): of the day, contracts; NaN where unknown.
    open_interest
        Shape (n,): newest figure known at ``known_ns``, contracts; NaN where unknown. That of the day itself is
        published on the next morning.
    """

    day: int
    known_ns: int
    month: k.I64
    price: k.F64
    volume: k.F64
    open_interest: k.F64


def month_index(month: str) -> int:
    """Return the place of a contract month YYYY-MM in the arrays.

    Raises
    ------
    ConfigError
        Before 1990 or after 2044.
    """
    at = int((np.datetime64(month, "M") - FIRST_MONTH).astype(np.int64))
    if not 0 <= at < N_MONTHS:
        raise ConfigError("futures", "contract month", month, f"from {FIRST_MONTH} to {LAST_MONTH}")
    return at


def month_text(index: int) -> str:
    """Return the contract month YYYY-MM of a place in the arrays."""
    return str(FIRST_MONTH + index)


class RollTracker:
    """The fronts of one root, by several rules side by side and to any depth.

    Parameters
    ----------
    root
        For example ``ES``; its expiry rule must be known.
    rules
        Rules side by side.
    depth
        Contracts to hold for each rule, from 1.
    window
        Months kept from the earliest front on. Contracts that end before it are of no use, since no rule rolls back;
        contracts beyond it are not seen until it has moved.
    """

    def __init__(self, root: str, rules: Sequence[RollRule], depth: int = 3, window: int = N_MONTHS) -> None:
        if not 1 <= depth <= DEPTH_MAX:
            raise ConfigError(root, "depth", depth, f"from 1 to {DEPTH_MAX}")
        if not rules or len({r.text for r in rules}) < len(rules):
            raise ConfigError(root, "rules", [r.text for r in rules], "at least one rule, none twice")
        self.root, self.rules, self.depth = root, tuple(rules), depth
        self.window, self.base = window, 0
        self.day, self.n_days = LONG_AGO, 0
        self.last_trade = np.full(window, LONG_AGO)
        self.last_front_day = np.full((len(rules), window), np.iinfo(np.int64).max)
        self.seen_day = np.full(window, LONG_AGO)
        self.price, self.volume, self.open_interest = (np.full(window, np.nan) for _ in range(3))
        self.kept_day = np.full((window, KEPT_DAYS), LONG_AGO)
        self.kept_price = np.full((window, KEPT_DAYS), np.nan)
        self.held = np.full((len(rules), depth), k.NONE)

    def contract(self, index: int) -> str:
        """Return the code of a contract, empty for none."""
        return "" if index == k.NONE else contract_code(self.root, month_text(self.base + index))

    def _learn(self, index: int) -> None:
        month = month_text(self.base + index)
        self.last_trade[index] = (last_trade_date(self.root, month) - EPOCH).days
        for r, rule in enumerate(self.rules):
            last = rule.last_front_day(self.root, month)
            if last is not None:
                self.last_front_day[r, index] = (last - EPOCH).days

    def relearn(self) -> None:
        """Look up the dates of all contracts that were seen: they follow from the rules and are not kept."""
        for index in np.flatnonzero(self.seen_day != LONG_AGO):
            self._learn(int(index))

    def end_of_day(self, rows: Day) -> list[Rollover]:
        """Take the rows of a day that is over and return its rolls, by rule, then depth.

        Raises
        ------
        ConfigError
            The day is not after the one before it, or a contract comes twice.
        """
        if rows.day <= self.day:
            raise ConfigError(self.root, "day", str(_date(rows.day)), f"a day after {_date(self.day)}")
        if len(np.unique(rows.month)) < len(rows.month):
            raise ConfigError(self.root, "contracts", str(_date(rows.day)), "one row a contract and day")
        self.day = rows.day
        priced = np.isfinite(rows.price) & (rows.price != 0.0)
        self._move(rows.month[priced])
        priced &= (rows.month >= self.base) & (rows.month < self.base + self.window)
        at = rows.month[priced] - self.base
        for index in at[self.last_trade[at] == LONG_AGO]:
            self._learn(int(index))
        self.seen_day[at] = rows.day
        self.kept_day[at, self.n_days % KEPT_DAYS] = rows.day
        self.kept_price[at, self.n_days % KEPT_DAYS] = rows.price[priced]
        self.n_days += 1
        self.price[at], self.volume[at] = rows.price[priced], rows.volume[priced]
        self.open_interest[at] = rows.open_interest[priced]
        out: list[Rollover] = []
        for r in range(len(self.rules)):
            out += self._roll(r, rows.known_ns)
        return out

    def _move(self, months: k.I64) -> None:
        """Let the window begin at the earliest front; before the first front, at the earliest contract of the day."""
        fronts = self.held[:, 0]
        if self.window >= N_MONTHS or (fronts == k.NONE).any():
            if self.window < N_MONTHS and len(months) and (self.seen_day == LONG_AGO).all():
                self.base = int(months.min())
            return
        by = int(fronts.min())
        if by == 0:
            return
        self.base += by
        self.held[self.held != k.NONE] -= by
        for name, empty in _EMPTY.items():
            array = getattr(self, name)
            array[..., :-by] = array[..., by:]
            array[..., -by:] = empty
        for name, empty in _EMPTY_KEPT.items():
            array = getattr(self, name)
            array[:-by] = array[by:]
            array[-by:] = empty

    def _roll(self, r: int, known_ns: int) -> list[Rollover]:
        rule, held = self.rules[r], self.held[r]
        before = held.copy()
        front, why = k.next_front(
            rule.kind, self.day, int(held[0]), self.last_trade, self.last_front_day[r], self.seen_day, self.volume,
            self.open_interest,
        )  # fmt: skip
        k.fill_depths(front, why != k.NOT_ROLLED, self.day, self.last_trade, self.seen_day, held)
        reason = REASONS.get(why, REASONS[k.BY_END])
        return [
            self._rollover(known_ns, rule.text, d, int(before[d]), int(held[d]), reason)
            for d in range(self.depth)
            if k.NONE not in (before[d], held[d]) and before[d] != held[d]
        ]

    def _rollover(self, ts: int, rule: str, d: int, old: int, new: int, reason: str) -> Rollover:
        day = k.common_day(self.kept_day[old], self.kept_day[new])
        a, b = (self._price_on(index, day) for index in (old, new))
        ratio = b / a if a > 0.0 and b > 0.0 else float("nan")
        return Rollover(
            ts, self.root, rule, d + 1, self.contract(old), self.contract(new), a, b, ratio, b - a, reason
        )  # fmt: skip

    def _price_on(self, index: int, day: int) -> float:
        if day == LONG_AGO:
            return float("nan")
        return float(self.kept_price[index, np.argmax(self.kept_day[index] == day)])

    def curve(self, n: int = DEPTH_MAX) -> k.F64:
        """Return the curve of the newest day, shape (contracts, 5) with ``CURVE_COLUMNS``, by their ends."""
        out = np.full((n, len(CURVE_COLUMNS)), np.nan)
        found = k.curve(
            self.day, self.last_trade, self.seen_day, self.price, self.volume, self.open_interest, out
        )  # fmt: skip
        out[:found, 0] += self.base
        return out[:found]


def _date(day: int) -> date | None:
    return None if day == LONG_AGO else EPOCH + timedelta(days=day)
