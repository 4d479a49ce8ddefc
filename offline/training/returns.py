"""What a simple position would have earned on rows out of sample: no backtest, a yardstick that all models share.

At each row the side that is the likelier one is taken for one horizon, with a size that grows with how likely it is and
shrinks with volatility, unless what it may gain is less than the spread. Each row pays its whole spread, and is booked
when its label is known: no netting of what overlaps, no impact, no funding.
"""

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


def returns_of(data: TrainingSet, walked: Walked) -> Returns:
    """Return the returns of each hour, or day where there are many, of the walk's first path."""
    rows, sample = walked.rows, walked.sample
    at = data.at[sample]
    mean_size = np.array([f.mean_size for f in walked.folds])[rows.fold]
    unit = data.vol[at] * np.sqrt(rows.horizon_bars)
    spread = np.nan_to_num(data.spread_bp[at], nan=0.0) * 1e-4
    edge = 2.0 * rows.probability - 1.0
    taken = (np.abs(edge) * mean_size * unit > spread) & (unit > 0.0)
    span_ns = int(rows.ts_ns[-1] - rows.ts_ns[0])
    # Rows a year at the pace of the sample; each is given the same share of the year's variance.
    per_year = len(rows) / max(span_ns, HOUR_NS) * YEAR_NS
    size = np.where(taken, edge * VOL_TARGET / np.sqrt(per_year) / np.where(unit > 0.0, unit, 1.0), 0.0)
    earned = size * np.expm1(rows.move * unit) - np.abs(size) * spread
    period_ns = DAY_NS if span_ns > DAYS_MIN * DAY_NS else HOUR_NS
    return _by_period(data.end_ns[sample], rows.fold, earned, period_ns)


def _by_period(known_ns: I64, fold: I64, earned: F64, period_ns: int) -> Returns:
    """Return the sums of each period in which anything is known; of two folds in one period the first has it."""
    ends = -(-known_ns // period_ns) * period_ns
    times, first, group = np.unique(ends, return_index=True, return_inverse=True)
    value: F64 = np.bincount(group, weights=earned, minlength=len(times)).astype(np.float64)
    years = max(int(times[-1] - times[0]) + period_ns, period_ns) / YEAR_NS
    return Returns(times, value, np.maximum.accumulate(fold[first]), len(times) / years)
