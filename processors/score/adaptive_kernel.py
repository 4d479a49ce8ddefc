"""Intervals that follow their own misses, row by row; see ``processors.score.adaptive`` for whose rows these are."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.times import LONG_AGO

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]

ROUNDING = 1e-9
"""Levels are decimals that a float does not hold: 0.9 times 30 is to be 27, and not a little more."""
HALF_MIN = 1e-12
"""Narrowest half of an interval that errors are measured in, in the move's units: a model may tell a point."""


@njit(cache=True)
def next_level(alpha: float, target: float, gamma: float, covered: bool) -> float:
    """Return the level after one interval was judged: lower after a miss, higher after a hit, never clipped.

    References
    ----------
    Gibbs and Candes (2021), "Adaptive Conformal Inference Under Distribution Shift", equation 2.
    """
    return alpha + gamma * (target - (0.0 if covered else 1.0))


@njit(cache=True)
def reach_of(recent: F64, alpha: float) -> float:
    """Return the score that the next one is not to exceed with probability 1 - alpha.

    Parameters
    ----------
    recent
        Shape (n,), the last scores in any order.

    Returns
    -------
    Infinite where alpha is 0 or less, or n scores are too few for it; minus infinite, which holds nothing, from 1 on.
    """
    n = len(recent)
    if alpha >= 1.0:
        return -np.inf
    k = math.ceil((1.0 - alpha) * (n + 1) - ROUNDING)
    if alpha <= 0.0 or k > n:
        return np.inf
    at = max(k - 1, 0)
    return float(np.partition(recent, at)[at])


@njit(cache=True)
def middle_and_half(low: float, high: float) -> tuple[float, float]:
    """Return the middle of a model's bounds, and half of their width: the unit of the scores."""
    return 0.5 * (low + high), max(0.5 * (high - low), HALF_MIN)


@njit(cache=True)
def bounds_of(middle: float, half: float, reach: float) -> tuple[float, float]:
    """Return the interval that reaches so far: infinite, or its middle alone where it is to hold nothing."""
    out = max(reach, 0.0) * half
    return middle - out, middle + out


@njit(cache=True)
def judge(
    move: float, middle: float, half: float, made_reach: float, s: int, target: float, gamma: float, alpha: F64,
    reach: F64, judged: I64, missed: I64, recent: F64,
) -> None:  # fmt: skip
    """Take in what came of an interval of slot ``s``: whether it held, and how far the move was from its middle.

    Parameters
    ----------
    move
        What came, in units of a move.
    middle, half, made_reach
        Of the model's own bounds, and the score that the interval reached to.
    target, gamma, alpha, reach, judged, missed, recent
        See ``follow``.
    """
    score = abs(move - middle) / half
    covered = score <= made_reach
    alpha[s] = next_level(alpha[s], target, gamma, covered)
    recent[s, judged[s] % recent.shape[1]] = score
    judged[s] += 1
    missed[s] += 0 if covered else 1
    reach[s] = reach_of(recent[s], alpha[s])


@njit(cache=True)
def advance(
    ts_ns: I64, market_ns: I64, slots: I32, bar_ns: int, of_sessions: bool, last_ts: I64, last_market: I64,
    open_ns: I64, shut_ns: I64, open_at: I64, shut_at: I64,
) -> None:  # fmt: skip
    """Set the market's two clocks of each slot to each row's time: from row to row at least a bar passes while open.

    As ``offline.datasets.clock`` has it for labels, one row after another.

    Parameters
    ----------
    ts_ns, market_ns
        Shape (n,), rows in order within each slot: end of the bar, and how long its market has been open by then, or
        as many bars as sessions have closed.
    slots
        As ``follow`` has them.
    bar_ns
        Length of a bar.
    of_sessions
        Whether a bar is a session: a whole bar passes from row to row then, and no time is shut.
    last_ts, last_market, open_ns, shut_ns
        The state, by slot: the row before, ``LONG_AGO`` where there is none, and the clocks since the first one.
    open_at, shut_at
        Shape (n,), filled: the clocks at each row.
    """
    for i in range(len(slots)):
        s = slots[i]
        if s < 0:
            continue
        if last_ts[s] != LONG_AGO:
            wall = ts_ns[i] - last_ts[s]
            passed = max(market_ns[i] - last_market[s], bar_ns if of_sessions else min(wall, bar_ns))
            open_ns[s] += passed
            shut_ns[s] += 0 if of_sessions else wall - passed
        last_ts[s], last_market[s] = ts_ns[i], market_ns[i]
        open_at[i], shut_at[i] = open_ns[s], shut_ns[s]


@njit(cache=True)
def follow(
    open_at: I64, shut_at: I64, close: F64, unit: F64, low: F64, high: F64, slots: I32, target: float, gamma: float,
    open_ns_max: float, alpha: F64, reach: F64, bars: I64, judged: I64, missed: I64, recent: F64, made_open: I64,
    made_shut: I64, made_close: F64, made_unit: F64, made_middle: F64, made_half: F64, made_reach: F64,
    dirty: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge the interval of the row a horizon ago by each row's close, then make this row's own.

    Parameters
    ----------
    open_at, shut_at
        Shape (n,), the clocks of ``advance``; rows in order within each slot.
    close
        Shape (n,).
    unit
        Shape (n,), log return that is one unit of a move.
    low, high
        Shape (n,), the model's own bounds of the move, which become those that follow; NaN where the row has none.
    slots
        Shape (n,), whose row it is; -1 where it is no row of a series, and is left alone.
    target, gamma
        Share that may lie outside, and size of a step.
    open_ns_max
        A horizon over which the market is open so long, or shut at all, has no outcome: its interval is never judged.
    alpha, reach, bars, judged, missed, recent
        The state, by slot: level, score that the next interval reaches to, rows so far, intervals judged, how many of
        them missed, and the last scores, shape (n_slots, n_recent): score m at m % n_recent.
    made_open, made_shut, made_close, made_unit, made_middle, made_half, made_reach
        Shape (n_slots, horizon), intervals that wait: that of row b at b % horizon; its reach is NaN where none does.
    dirty
        Set where the state has changed.
    """
    horizon = made_open.shape[1]
    for i in range(len(slots)):
        s = slots[i]
        if s < 0:
            continue
        at = bars[s] % horizon
        whole = open_at[i] - made_open[s, at] < open_ns_max and shut_at[i] == made_shut[s, at]
        if whole and not math.isnan(made_reach[s, at]):
            judge(
                np.log(close[i] / made_close[s, at]) / made_unit[s, at], made_middle[s, at], made_half[s, at],
                made_reach[s, at], s, target, gamma, alpha, reach, judged, missed, recent,
            )  # fmt: skip
        made_reach[s, at] = np.nan
        if not math.isnan(low[i]):
            made_open[s, at], made_shut[s, at] = open_at[i], shut_at[i]
            made_close[s, at], made_unit[s, at] = close[i], unit[i]
            made_middle[s, at], made_half[s, at] = middle_and_half(low[i], high[i])
            made_reach[s, at] = reach[s]
            low[i], high[i] = bounds_of(made_middle[s, at], made_half[s, at], reach[s])
        bars[s] += 1
        dirty[s] = 1


@njit(cache=True)
def follow_known(
    ts_ns: I64, known_ns: I64, move: F64, low: F64, high: F64, order: I64, slots: I32, target: float, gamma: float,
    alpha: F64, reach: F64, judged: I64, missed: I64, recent: F64, covered: NDArray[np.bool_],
) -> int:  # fmt: skip
    """Do the same to rows whose outcomes are already there, each taken in when it was known; for offline runs.

    Parameters
    ----------
    ts_ns
        Shape (n,).
    known_ns, move
        Shape (n,): when the outcome of each row is known, never earlier than that of the row before in its slot, and
        what it is; NaN where there is none.
    low, high
        As ``follow`` has them.
    order, slots
        Shape (n,): positions sorted by slot, then time; and whose row each is.
    covered
        Shape (n,), filled: whether the interval held the outcome.

    Returns
    -------
    Most rows of one slot that waited for their outcomes at a time.
    """
    n = len(order)
    made_middle, made_half, made_reach = np.empty(n), np.empty(n), np.empty(n)
    waiting_max, oldest = 0, 0
    for k in range(n):
        i = order[k]
        s = slots[i]
        if k > 0 and slots[order[k - 1]] != s:
            oldest = k
        while oldest < k and known_ns[order[oldest]] <= ts_ns[i]:
            j = order[oldest]
            if not math.isnan(move[j]):
                judge(
                    move[j], made_middle[j], made_half[j], made_reach[j], s, target, gamma, alpha, reach, judged,
                    missed, recent,
                )  # fmt: skip
            oldest += 1
        made_middle[i], made_half[i] = middle_and_half(low[i], high[i])
        made_reach[i] = reach[s]
        low[i], high[i] = bounds_of(made_middle[i], made_half[i], reach[s])
        # As it will be judged; a move on the very edge may lie on the other side of the rounded bound.
        covered[i] = abs(move[i] - made_middle[i]) / made_half[i] <= made_reach[i]
        waiting_max = max(waiting_max, k - oldest + 1)
    return waiting_max
