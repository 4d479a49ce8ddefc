"""Continuous prices of a root, by any rule, depth and adjustment, from its chain of daily rows.

    unadjusted           what the held contract traded at; jumps at rolls
    back_difference      earlier prices plus the differences of all later rolls (Panama): the newest price is as traded
    back_ratio           earlier prices times the ratios of all later rolls: returns are as traded, prices stay positive
    forward_difference   later prices less the differences of all earlier rolls: never revised
    forward_ratio        later prices over the ratios of all earlier rolls: never revised

A back-adjusted series is one as of its last day: each roll rewrites all of its past. A forward series only grows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from processors.errors import ConfigError
from processors.futures import kernel as k
from processors.futures.roll_rules import RollRule
from processors.futures.rolls import CURVE_COLUMNS, Day, Rollover, RollTracker

Method = Literal["unadjusted", "back_difference", "back_ratio", "forward_difference", "forward_ratio"]
METHODS: tuple[Method, ...] = ("unadjusted", "back_difference", "back_ratio", "forward_difference", "forward_ratio")


@dataclass(frozen=True, slots=True)
class Series:
    """The contract and price of one rule and depth, a row a day.

    Parameters
    ----------
    day
        Shape (n,): days since 1970-01-01.
    known_ns
        Shape (n,): when the row was known.
    month
        Shape (n,): contract of the session, chosen at the end of the one before; -1 before the first choice.
    price
        Shape (n,): its price, NaN where it has none on the day.
    rolls
        Its rolls, ascending.
    """

    day: k.I64
    known_ns: k.I64
    month: k.I64
    price: k.F64
    rolls: tuple[Rollover, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """The curve of each day, for features: the i-th contract in order of ends.

    Parameters
    ----------
    day, known_ns
        Shape (n,).
    values
        Shape (n, depth, 5): ``rolls.CURVE_COLUMNS``; NaN beyond the curve.
    """

    day: k.I64
    known_ns: k.I64
    values: k.F64


def run(root: str, days: Iterable[Day], rules: Sequence[RollRule], depth: int = 3) -> dict[tuple[str, int], Series]:
    """Return the series of each rule and depth (from 1) over the days of a chain.

    Raises
    ------
    ConfigError
        Days out of order, or an unknown root.
    """
    tracker = RollTracker(root, rules, depth)
    rolls: list[Rollover] = []
    stamps: list[tuple[int, int]] = []
    held, prices = [], []
    for rows in days:
        now = tracker.held.copy()
        rolls += tracker.end_of_day(rows)
        fresh = np.append(np.where(tracker.seen_day == rows.day, tracker.price, np.nan), np.nan)
        stamps.append((rows.day, rows.known_ns))
        held.append(now)
        prices.append(fresh[now])
    n = len(stamps)
    stamp = np.array(stamps, np.int64).reshape(n, 2)
    month = np.array(held, np.int64).reshape(n, len(rules), depth)
    price = np.array(prices, np.float64).reshape(n, len(rules), depth)
    return {
        (rule.text, d + 1): Series(
            stamp[:, 0], stamp[:, 1], month[:, r, d], price[:, r, d],
            tuple(x for x in rolls if x.rule == rule.text and x.depth == d + 1),
        )
        for r, rule in enumerate(rules)
        for d in range(depth)
    }  # fmt: skip


def adjusted(series: Series, method: Method) -> k.F64:
    """Return the prices of a series after an adjustment, shape (n,).

    Raises
    ------
    ConfigError
        An unknown method, or a roll without the prices that it needs.
    """
    if method not in METHODS:
        raise ConfigError("continuous", "method", method, f"one of {', '.join(METHODS)}")
    if method == "unadjusted":
        return series.price.copy()
    name = "difference" if method.endswith("difference") else "ratio"
    steps = np.array([getattr(r, name) for r in series.rolls])
    if not np.isfinite(steps).all():
        bad = series.rolls[int(np.argmin(np.isfinite(steps)))]
        what = f"{bad.contract_from} {bad.price_from:g} to {bad.contract_to} {bad.price_to:g}"
        raise ConfigError("continuous", name, what, "prices of both on one day, positive for a ratio")
    # A row belongs before a roll when it is not after the day that decided it.
    done = np.searchsorted([r.ts for r in series.rolls], series.known_ns, side="left")
    back = method.startswith("back")
    if name == "difference":
        total = np.append(0.0, np.cumsum(steps))
        moved: k.F64 = series.price + (total[-1] - total[done] if back else -total[done])
        return moved
    product = np.append(1.0, np.cumprod(steps))
    out: k.F64 = series.price * (product[-1] / product[done] if back else 1.0 / product[done])
    return out


def curves(root: str, days: Iterable[Day], depth: int) -> Curves:
    """Return the curve of each day to a depth, as featurize reads it."""
    tracker = RollTracker(root, [RollRule("last-0")], 1)

    def rows() -> Iterator[tuple[int, int, k.F64]]:
        for day in days:
            tracker.end_of_day(day)
            out = np.full((depth, len(CURVE_COLUMNS)), np.nan)
            found = tracker.curve(depth)
            out[: len(found)] = found
            yield day.day, day.known_ns, out

    found = list(rows())
    values = np.array([x for _, _, x in found], np.float64).reshape(len(found), depth, len(CURVE_COLUMNS))
    return Curves(np.array([d for d, _, _ in found], np.int64), np.array([t for _, t, _ in found], np.int64), values)


def factor_rows(ratio: k.F64, difference: k.F64, forward_start: float = 0.0) -> tuple[k.F64, k.F64, k.F64]:
    """Return what LEAN's factor files hold for each roll of a series, ascending.

    Parameters
    ----------
    ratio, difference
        Shape (n,): of each roll; the last may be of a roll to come, 1 and 0 where there is none.
    forward_start
        Value of the first forward row: what earlier rolls came to.

    Returns
    -------
    Three arrays of shape (n,): product of the ratios from the roll on, sum of the differences from it on, and the
    forward sum with the opposite sign, which leaves the first roll's own difference out.
    """
    backward_ratio = np.asarray(np.cumprod(ratio[::-1])[::-1], np.float64)
    backward_sum = np.asarray(np.cumsum(difference[::-1])[::-1], np.float64)
    forward = forward_start - (np.cumsum(difference) - difference[:1])
    return backward_ratio, backward_sum, forward
