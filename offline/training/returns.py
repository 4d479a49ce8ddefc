"""What a simple position would have earned on rows out of sample: no backtest, a yardstick that all models share.

At each row the side that is the likelier one is taken for one horizon, with a size that grows with how likely it is and
shrinks with volatility, unless what it may gain is less than the spread. Each row pays its whole spread, and is booked
when its label is known: no netting of what overlaps, no impact, no funding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.datasets.training_set import TrainingSet
from offline.selection.trials import Returns
from offline.training.walk import Walked

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

VOL_TARGET = 0.12
"""Of a year, were all rows taken and independent."""
HOUR_NS, DAY_NS = 3_600_000_000_000, 86_400_000_000_000
YEAR_NS = 365.25 * DAY_NS
DAYS_MIN = 60
"""Fewer days out of sample are told by the hour: days would be too few to tell anything."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows out of sample with what was said and what came of them, ascending by time.

    Parameters
    ----------
    ts_ns, end_ns
        Shape (n,): end of the bar, and when the outcome is known.
    probability
        Shape (n,), of up.
    move, unit
        Shape (n,): log return over the horizon in units, and the unit, ``realized_vol * sqrt(horizon_bars)``.
    mean_size
        Shape (n,), mean absolute move that was known before.
    spread_bp
        Shape (n,); NaN where it is not known costs nothing.
    fold
        Shape (n,), from 0.
    """

    ts_ns: I64
    end_ns: I64
    probability: F64
    move: F64
    unit: F64
    mean_size: F64
    spread_bp: F64
    fold: I64


def returns_of(data: TrainingSet, walked: Walked) -> Returns:
    """Return the returns of each hour, or day where there are many, of the walk's first path."""
    rows, sample = walked.rows, walked.sample
    at = data.at[sample]
    return net_returns(Judged(
        rows.ts_ns, data.end_ns[sample], rows.probability, rows.move, data.vol[at] * np.sqrt(rows.horizon_bars),
        np.array([f.mean_size for f in walked.folds])[rows.fold], data.spread_bp[at], rows.fold,
    ))  # fmt: skip


def net_returns(judged: Judged) -> Returns:
    """Return the returns of each hour, or day where there are many, net of the spread."""
    unit = judged.unit
    spread = np.nan_to_num(judged.spread_bp, nan=0.0) * 1e-4
    edge = 2.0 * judged.probability - 1.0
    taken = (np.abs(edge) * judged.mean_size * unit > spread) & (unit > 0.0)
    span_ns = int(judged.ts_ns[-1] - judged.ts_ns[0])
    # Rows a year at the pace of the sample; each is given the same share of the year's variance.
    per_year = len(unit) / max(span_ns, HOUR_NS) * YEAR_NS
    size = np.where(taken, edge * VOL_TARGET / np.sqrt(per_year) / np.where(unit > 0.0, unit, 1.0), 0.0)
    earned = size * np.expm1(judged.move * unit) - np.abs(size) * spread
    period_ns = DAY_NS if span_ns > DAYS_MIN * DAY_NS else HOUR_NS
    return _by_period(judged.end_ns, judged.fold, earned, period_ns)


def _by_period(known_ns: I64, fold: I64, earned: F64, period_ns: int) -> Returns:
    """Return the sums of each period in which anything is known; of two folds in one period the first has it."""
    ends = -(-known_ns // period_ns) * period_ns
    times, first, group = np.unique(ends, return_index=True, return_inverse=True)
    value: F64 = np.bincount(group, weights=earned, minlength=len(times)).astype(np.float64)
    years = max(int(times[-1] - times[0]) + period_ns, period_ns) / YEAR_NS
    return Returns(times, value, np.maximum.accumulate(fold[first]), len(times) / years)
