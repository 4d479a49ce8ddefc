"""Coverage when the interval follows its own misses: what a consumer has who widens it as the market changes.

Each symbol has a tracker over its rows in the order in which their labels become known: an interval is made when the
row is, and judged a horizon later, so what is learnt is a horizon old, as it is live.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.conformal.adaptive import IntervalTracker, coverage_bound
from offline.registry.evidence import OutOfSample

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

GAMMA = 0.005


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Coverage of the adaptive interval out of sample.

    Parameters
    ----------
    covered
        Shape (n,), 1 where the move lay inside.
    coverage
        Their mean.
    bound
        Proven: no symbol's share outside is further than this from the nominal one, whatever the market does. The
        largest of the symbols'.
    furthest
        How far the furthest symbol was.
    """

    covered: NDArray[np.bool_]
    coverage: float
    bound: float
    furthest: float


def adaptive_coverage(rows: OutOfSample, end_ns: I64, gamma: float = GAMMA) -> Adaptive:
    """Return what adaptive intervals around the middle of the model's bounds held.

    Parameters
    ----------
    rows
        Ascending by time.
    end_ns
        Shape (n,), when the label of each row is known.
    gamma
        Step of the tracker.
    """
    covered = np.zeros(len(rows), np.bool_)
    bounds, off = [], []
    target = 1.0 - rows.coverage
    # Errors in units of the model's own half width: where it says that it knows less, it is let.
    middle, half = 0.5 * (rows.low + rows.high), np.maximum(0.5 * (rows.high - rows.low), 1e-12)
    score = np.abs(rows.move - middle) / half
    for code in np.unique(rows.symbol):
        mine = np.flatnonzero(rows.symbol == code)
        tracker = IntervalTracker(target, gamma, window=1000)
        waiting: list[int] = []
        most_waiting = 0
        reach: dict[int, float] = {}
        for i in mine.tolist():
            while waiting and end_ns[waiting[0]] <= rows.ts_ns[i]:
                covered[waiting[0]] = _judge(tracker, score[waiting[0]], reach.pop(waiting[0]))
                waiting.pop(0)
            reach[i] = tracker.reach()
            waiting.append(i)
            most_waiting = max(most_waiting, len(waiting))
        for i in waiting:
            covered[i] = _judge(tracker, score[i], reach[i])
        bounds.append(coverage_bound(len(mine), gamma, target, most_waiting))
        off.append(abs(float((~covered[mine]).mean()) - target))
    return Adaptive(covered, float(covered.mean()), max(bounds), max(off))


def _judge(tracker: IntervalTracker, score: float, reach: float) -> bool:
    """Tell the tracker what came of an interval that was made earlier; return whether it held."""
    covered = bool(score <= reach)
    tracker.judge(score, covered=covered)
    return covered
