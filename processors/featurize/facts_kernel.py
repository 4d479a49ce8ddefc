"""Facts of one instrument in a chain of rows: which hold at a time, and until when that stays so.

    heads:  symbol -> first row, and the answer that holds in [from, until)
    facts:  row -> kind, span, identity, event time, time of knowledge, until, value, weight, next row

A fact counts from its time of knowledge until a later revision of the same identity is known. An answer is found by
one walk over the chain and kept: it stays right until the next time at which anything in the chain begins or ends.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.times import DAY_NS

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NEVER_NS = 2**63 - 1
(
    VIX, RISK, EVENT, POLICY_RATE, YIELD_3M, YIELD_10Y, RETURN_ON_EQUITY, GROSS_MARGIN, LEVERAGE, ACCRUALS,
    EARNINGS_GROWTH, EQUITY, ASSETS, LIABILITIES, NET_INCOME, REVENUE, GROSS_PROFIT, OPERATING_CASH_FLOW, EPS,
) = range(19)  # fmt: skip
"""Kinds. From ``NET_INCOME`` on they are sums over a period of one quarter or four."""
N_POINTS, N_FLOWS = NET_INCOME, EPS - NET_INCOME + 1
PERIODS_MAX = 8
"""Quarters, or years, that are looked at: two years of quarters for the growth over one."""
FIGURE_AGE_NS, LEVEL_AGE_NS = 550 * DAY_NS, 10 * DAY_NS
"""A figure counts for a year and a half after its period: a year until the next and half of one to publish it. A level
of the market or the portfolio counts for ten days: over any holiday; a policy rate until there is another."""
YEAR_NS, YEAR_MARGIN_NS = 365 * DAY_NS, 15 * DAY_NS
"""A year, give or take the fortnight by which fiscal periods of whole weeks move."""
(K_VIX, K_RISK, K_NEXT_S, K_LAST_S, K_NEXT_WEIGHT, K_LAST_WEIGHT, K_QUALITY) = range(7)
K_RATES = K_QUALITY + 5
N_KNOWN = K_RATES + 3
"""Numbers of an answer: index, risk, times and weights of the next and the last event, five of quality, three rates."""


@njit(cache=True)
def add(
    at: int, head: int, identity: I64, kind: I64, span: I64, ts_known: I64, until: I64, following: I64,
    dirty: NDArray[np.uint8],
) -> int:  # fmt: skip
    """Put a row at the head of a chain, unless it is in it, and mark what it replaces; return the new head.

    A later revision ends an earlier one when it is known, whichever comes first here. Of two that are known at once
    that of the longer period holds.
    """
    until[at] = NEVER_NS
    dirty[at] = 1
    there, i = False, head
    while i >= 0:
        if i == at:
            there = True
        elif identity[i] == identity[at] and kind[i] == kind[at]:
            if ts_known[i] > ts_known[at] or (ts_known[i] == ts_known[at] and span[i] > span[at]):
                until[at] = min(until[at], ts_known[i])
            else:
                until[i] = min(until[i], ts_known[at])
                dirty[i] = 1
        i = following[i]
    if there:
        return head
    following[at] = head
    return at


@njit(cache=True)
def _keep_newest(event: I64, value: F64, ts_event: int, x: float) -> None:
    """Put a period among the newest, newest first."""
    i = PERIODS_MAX - 1
    if ts_event <= event[i]:
        return
    while i > 0 and event[i - 1] < ts_event:
        event[i], value[i] = event[i - 1], value[i - 1]
        i -= 1
    event[i], value[i] = ts_event, x


@njit(cache=True)
def _of_a_year(event: I64, value: F64) -> float:
    """Return the sum over the last year: of four quarters where they follow each other and are not older, else a year.

    ``event`` and ``value`` have shape (2, PERIODS_MAX): quarters, then years.
    """
    if event[0, 3] > 0 and event[0, 0] - event[0, 3] < YEAR_NS - 60 * DAY_NS and event[0, 0] >= event[1, 0]:
        return float(value[0, 0] + value[0, 1] + value[0, 2] + value[0, 3])
    return float(value[1, 0])


@njit(cache=True)
def _growth(event: I64, value: F64) -> float:
    """Return the newest period less the one a year before, over the size of that one; NaN where there is none.

    Of quarters where they are as new as years and have one a year before, else of years.
    """
    for span in range(0 if event[0, 0] >= event[1, 0] else 1, 2):
        for i in range(1, PERIODS_MAX):
            apart = event[span, 0] - event[span, i]
            if event[span, i] > 0 and abs(apart - YEAR_NS) <= YEAR_MARGIN_NS and value[span, i] != 0.0:
                return float((value[span, 0] - value[span, i]) / abs(value[span, i]))
    return np.nan


@njit(cache=True)
def _over(x: float, y: float) -> float:
    return x / y if y > 0.0 else np.nan


@njit(cache=True)
def _quality(newest: F64, event: I64, value: F64, known: F64) -> None:
    """Write the five numbers of quality: as published where they are, else made of the figures that are known."""
    year = np.empty(N_FLOWS)
    for f in range(N_FLOWS):
        year[f] = _of_a_year(event[f], value[f])
    income = year[0]
    known[K_QUALITY] = _over(income, newest[EQUITY])
    known[K_QUALITY + 1] = _over(year[GROSS_PROFIT - NET_INCOME], year[REVENUE - NET_INCOME])
    known[K_QUALITY + 2] = _over(newest[LIABILITIES], newest[EQUITY])
    known[K_QUALITY + 3] = _over(income - year[OPERATING_CASH_FLOW - NET_INCOME], newest[ASSETS])
    known[K_QUALITY + 4] = _growth(event[EPS - NET_INCOME], value[EPS - NET_INCOME])
    if math.isnan(known[K_QUALITY + 4]):
        known[K_QUALITY + 4] = _growth(event[0], value[0])
    for i in range(5):
        if not math.isnan(newest[RETURN_ON_EQUITY + i]):
            known[K_QUALITY + i] = newest[RETURN_ON_EQUITY + i]


@njit(cache=True)
def _nearer_event(has_begun: bool, of: int, weight: float, near: I64, known: F64) -> None:
    """Keep an event where it is the next or the last so far; of two at one instant the weightier.

    ``of`` is when it begins, or where it has begun, when it is over; ``near`` has the times of the next and the last.
    """
    side, at = (1, K_LAST_WEIGHT) if has_begun else (0, K_NEXT_WEIGHT)
    is_nearer = of < near[0] if side == 0 else of > near[1]
    if is_nearer or (of == near[side] and weight > known[at]):
        near[side], known[at] = of, weight


@njit(cache=True)
def ask(
    ts_ns: int, head: int, kind: I64, span: I64, ts_event: I64, ts_end: I64, ts_known: I64, until: I64, value: F64,
    weight: F64, following: I64, known: F64,
) -> tuple[int, int]:  # fmt: skip
    """Write what is known at a time into ``known``, shape (N_KNOWN,); return from and until when that is so."""
    newest, newest_event = np.full(N_POINTS, np.nan), np.zeros(N_POINTS, np.int64)
    event, sums = np.zeros((N_FLOWS, 2, PERIODS_MAX), np.int64), np.full((N_FLOWS, 2, PERIODS_MAX), np.nan)
    known[:] = np.nan
    near = np.array([NEVER_NS, -NEVER_NS])
    begins, ends, i = -NEVER_NS, NEVER_NS, head
    while i >= 0:
        k, of = kind[i], ts_event[i]
        age = NEVER_NS if k in (EVENT, POLICY_RATE) else FIGURE_AGE_NS
        if k in (VIX, RISK, YIELD_3M, YIELD_10Y):
            age = LEVEL_AGE_NS
        over = of + age if of < NEVER_NS - age else NEVER_NS
        for edge in (ts_known[i], until[i], of, over):
            if edge <= ts_ns:
                begins = max(begins, edge)
            else:
                ends = min(ends, edge)
        if ts_known[i] <= ts_ns < until[i] and ts_ns < over:
            x = value[i]
            if k == EVENT and weight[i] > 0.0:
                _nearer_event(of <= ts_ns, ts_end[i] if of <= ts_ns else of, weight[i], near, known)
            elif k != EVENT and of <= ts_ns and not math.isnan(x):
                if k >= N_POINTS:
                    s = 1 if span[i] > 1 else 0
                    _keep_newest(event[k - N_POINTS, s], sums[k - N_POINTS, s], of, x)
                elif math.isnan(newest[k]) or of > newest_event[k]:
                    newest[k], newest_event[k] = x, of
        i = following[i]
    known[K_VIX], known[K_RISK] = newest[VIX], newest[RISK]
    known[K_RATES : K_RATES + 3] = newest[POLICY_RATE : YIELD_10Y + 1]
    if near[0] != NEVER_NS:
        known[K_NEXT_S] = near[0] / 1e9
    if near[1] != -NEVER_NS:
        known[K_LAST_S] = near[1] / 1e9
    _quality(newest, event, sums, known)
    return begins, ends


@njit(cache=True)
def _merge(mine: F64, other: F64) -> None:
    """Add what another answer knows: events that are nearer, and whatever is missing."""
    for at, weight in ((K_NEXT_S, K_NEXT_WEIGHT), (K_LAST_S, K_LAST_WEIGHT)):
        nearer = other[at] < mine[at] if at == K_NEXT_S else other[at] > mine[at]
        if nearer or math.isnan(mine[at]) or (other[at] == mine[at] and other[weight] > mine[weight]):
            mine[at], mine[weight] = other[at], other[weight]
    for i in range(N_KNOWN):
        if math.isnan(mine[i]):
            mine[i] = other[i]


@njit(cache=True)
def fill(
    ts_ns: I64, slots: NDArray[np.int32], head: I64, from_ns: I64, until_ns: I64, answers: F64,
    dirty: NDArray[np.uint8], kind: I64, span: I64, ts_event: I64, ts_end: I64, ts_known: I64, until: I64, value: F64,
    weight: F64, following: I64, out: F64,
) -> None:  # fmt: skip
    """Add to the answer of each bar what the chains of its symbol, its root and the market know at its end.

    Parameters
    ----------
    ts_ns
        Shape (n,), ends of the bars.
    slots
        Shape (n, n_chains), rows of the heads, -1 for none; what an earlier chain knows is kept.
    head, from_ns, until_ns, answers, dirty
        By row of the heads.
    out
        Shape (n, N_KNOWN), NaN where nothing is known yet.
    """
    for i in range(len(ts_ns)):
        for j in range(slots.shape[1]):
            slot = slots[i, j]
            if slot < 0 or head[slot] < 0:
                continue
            if not from_ns[slot] <= ts_ns[i] < until_ns[slot]:
                from_ns[slot], until_ns[slot] = ask(
                    ts_ns[i], head[slot], kind, span, ts_event, ts_end, ts_known, until, value, weight, following,
                    answers[slot],
                )  # fmt: skip
                dirty[slot] = 1
            _merge(out[i], answers[slot])
