"""The intervals that the score stage would have given, over rows whose outcomes are there: for folds and for tests.

The arithmetic is the stage's own (``processors.score.adaptive_kernel``): an interval is made when the row is, and
judged when its label is known, so that what is learnt is a horizon old, as it is live.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.conformal.adaptive import coverage_bound
from processors.score.adaptive import turn_order
from processors.score.adaptive_kernel import follow_known, reach_of

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Intervals that follow their misses.

    Parameters
    ----------
    low, high
        Shape (n,), bounds of the move; infinite where more has been missed than any finite one makes good.
    covered
        Shape (n,), whether the move lay inside; False where it is not known.
    coverage, own
        Share of the known moves that they held, and that the models' own bounds held.
    bound
        Proven: no series' share outside is further than this from the nominal one, whatever the market does. The
        largest of the series'.
    furthest
        How far the furthest series was.
    """

    low: F64
    high: F64
    covered: NDArray[np.bool_]
    coverage: float
    own: float
    bound: float
    furthest: float


def adaptive_intervals(
    ts_ns: I64, known_ns: I64, move: F64, low: F64, high: F64, series: I64, scores: list[F64], coverage: float,
    gamma: float,
) -> Adaptive:  # fmt: skip
    """Return the intervals of rows in any order.

    Parameters
    ----------
    ts_ns
        Shape (n,).
    known_ns
        Shape (n,), when the label of each row is known, in the order of the rows within a series.
    move
        Shape (n,), NaN where no label ever is.
    low, high
        Shape (n,), the model's own bounds.
    series
        Shape (n,): rows of one symbol and one model have one number.
    scores
        Ascending scores that a series begins with, by its number; all of one length.
    coverage
        Nominal, between 0 and 1.
    gamma
        Size of a step.
    """
    target, order = 1.0 - coverage, np.lexsort((ts_ns, series))
    n_series, shape = len(scores), len(scores[0])
    recent = np.array([s[turn_order(shape)] for s in scores])
    reach = np.array([reach_of(s, target) for s in scores])
    judged, missed = np.zeros(n_series, np.int64), np.zeros(n_series, np.int64)
    out_low, out_high, covered = low.copy(), high.copy(), np.zeros(len(ts_ns), np.bool_)
    waiting = follow_known(
        ts_ns, known_ns, move, out_low, out_high, order, series.astype(np.int32), target, gamma,
        np.full(n_series, target), reach, judged, missed, recent, covered,
    )  # fmt: skip
    known = np.isfinite(move)
    own = float(((low <= move) & (move <= high))[known].mean())
    bounds, off = [0.0], [0.0]
    for number in np.unique(series[known]):
        held = covered[known & (series == number)]
        bounds.append(coverage_bound(len(held), gamma, target, waiting))
        off.append(abs(float(held.mean()) - coverage))
    return Adaptive(out_low, out_high, covered, float(covered[known].mean()), own, max(bounds), max(off))
