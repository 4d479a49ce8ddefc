"""The roll of one root at the end of a day, over arrays by contract month. ``rolls`` calls it.

Arrays have shape (n_months,): entry m is the contract of month ``base + m``, whether it is listed or not. What was
never seen has ``seen_day`` = LONG_AGO. Days are days since 1970-01-01.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.times import LONG_AGO

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

OI, OI_NEXT, OI_ANNUAL, VOLUME, BY_DATE = 0, 1, 2, 3, 4

NONE = -1
YEAR_DAYS = 366

NOT_ROLLED, BY_RULE, BY_END = 0, 1, 2
"""Why a front changed: not at all, by its rule, or because its contract ended before the rule spoke."""


@njit(cache=True)
def is_live(m: int, day: int, last_trade: I64, seen_day: I64) -> bool:
    """Return whether a contract was ever priced and trades on after a day."""
    return seen_day[m] != LONG_AGO and last_trade[m] > day


@njit(cache=True)
def next_live(m: int, day: int, last_trade: I64, seen_day: I64) -> int:
    """Return the next contract after m that is live, NONE where there is none."""
    for c in range(m + 1, len(last_trade)):
        if is_live(c, day, last_trade, seen_day):
            return c
    return NONE


@njit(cache=True)
def _most(kind: int, start: int, front: int, day: int, last_trade: I64, seen_day: I64, measure: F64) -> int:
    """Return the live contract from ``start`` on with the largest measure of the day, the earliest of equals."""
    best = NONE
    for c in range(start, len(last_trade)):
        if not is_live(c, day, last_trade, seen_day) or seen_day[c] != day or math.isnan(measure[c]):
            continue
        if kind == OI_ANNUAL and front != NONE and last_trade[c] > last_trade[front] + YEAR_DAYS:
            break
        if best == NONE or measure[c] > measure[best]:
            best = c
    return best


@njit(cache=True)
def _first_by_date(m: int, day: int, last_trade: I64, last_front_day: I64, seen_day: I64) -> int:
    """Return the first contract from m on that a rule of dates has as front after a day, NONE where there is none."""
    while m != NONE and (day >= last_front_day[m] or not is_live(m, day, last_trade, seen_day)):
        m = next_live(m, day, last_trade, seen_day)
    return m


@njit(cache=True)
def _first_front(
    kind: int, day: int, last_trade: I64, last_front_day: I64, seen_day: I64, measure: F64
) -> int:  # fmt: skip
    first = next_live(-1, day, last_trade, seen_day)
    if kind == BY_DATE:
        return _first_by_date(first, day, last_trade, last_front_day, seen_day)
    most = _most(kind, 0, NONE, day, last_trade, seen_day, measure)
    return first if most == NONE else most


@njit(cache=True)
def next_front(
    kind: int, day: int, front: int, last_trade: I64, last_front_day: I64, seen_day: I64, volume: F64,
    open_interest: F64,
) -> tuple[int, int]:  # fmt: skip
    """Return the front for the session after a day, and why it changed.

    Parameters
    ----------
    kind
        The rule.
    day
        The day that is over.
    front
        Front of that day; NONE before the first.
    last_trade, last_front_day
        Shape (n_months,): last trade date, and by a rule of dates the last day as front.
    seen_day
        Shape (n_months,): day of the newest price.
    volume, open_interest
        Shape (n_months,): of that day, contracts; NaN where unknown.
    """
    measure = volume if kind == VOLUME else open_interest
    if front == NONE:
        return _first_front(kind, day, last_trade, last_front_day, seen_day, measure), BY_RULE
    if kind == BY_DATE:
        m = _first_by_date(front, day, last_trade, last_front_day, seen_day)
        return (front, NOT_ROLLED) if m in (NONE, front) else (m, BY_RULE)
    after = next_live(front, day, last_trade, seen_day)
    if kind == OI_NEXT:
        m = after if after != NONE and seen_day[after] == day else NONE
    else:
        m = _most(kind, front + 1, front, day, last_trade, seen_day, measure)
    if m != NONE and seen_day[front] == day and measure[m] > measure[front]:
        return m, BY_RULE
    if last_trade[front] <= day and after != NONE:
        return (after if m == NONE else m), BY_END
    return front, NOT_ROLLED


@njit(cache=True)
def fill_depths(front: int, rolled: bool, day: int, last_trade: I64, seen_day: I64, held: I64) -> None:
    """Set the contracts of all depths, F1 in held[0]: new after a roll of the front, else only where one has ended.

    A depth keeps its contract between rolls of the front, whatever is listed meanwhile, so that it does not change
    with the listing of a contract that nobody trades.
    """
    held[0] = front
    for d in range(1, len(held)):
        before = held[d - 1]
        if before == NONE:
            held[d] = NONE
        elif rolled or held[d] == NONE or held[d] <= before or not is_live(held[d], day, last_trade, seen_day):
            held[d] = next_live(before, day, last_trade, seen_day)


@njit(cache=True)
def common_day(days_a: I64, days_b: I64) -> int:
    """Return the newest day that two contracts have among their last prices, LONG_AGO where there is none.

    Parameters
    ----------
    days_a, days_b
        Shape (n_kept,): days of the prices kept, in any order, LONG_AGO where there is none.
    """
    newest = LONG_AGO
    for a in days_a:
        for b in days_b:
            if a == b and a > newest:
                newest = a
    return newest


@njit(cache=True)
def curve(day: int, last_trade: I64, seen_day: I64, price: F64, volume: F64, open_interest: F64, out: F64) -> int:
    """Set out[i] to month index, days to the end, price, volume and open interest of the i-th contract of a day.

    Parameters
    ----------
    out
        Shape (n, 5); rows beyond the curve are left as they are.

    Returns
    -------
    Contracts priced on the day and not past their last trade date, at most n, in order of their ends.
    """
    n = 0
    for c in range(len(last_trade)):
        if seen_day[c] != day or last_trade[c] < day or n == len(out):
            continue
        out[n, 0] = c
        out[n, 1] = last_trade[c] - day
        out[n, 2] = price[c]
        out[n, 3] = volume[c]
        out[n, 4] = open_interest[c]
        n += 1
    return n
