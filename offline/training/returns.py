"""What a simple position would have earned on rows out of sample: no backtest, a yardstick that all models share.

At each row the side that is the likelier one is taken for one horizon, with a size that grows with how likely it is and
shrinks with volatility, unless what it may gain is less than what the score stage takes a round trip to cost, or that
is not known. Positions of a symbol that are open together are one exposure, marked to market at every bar
(``marking``); its changes pay half the spread, the fee and the slippage of the score stage's configuration. No impact
beyond that slippage, no funding, no caps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.datasets.training_set import TrainingSet
from offline.selection.trials import Returns
from offline.training.marking import marked
from offline.training.periods import DAY_NS, HOUR_NS, calendars_of, open_periods, period_of, periods_a_year
from offline.training.walk import Walked
from processors.score.annual import bars_per_year
from processors.score.config import ScoreConfig
from processors.score.costs import costs_of
from schemas.instruments import load_instruments
from schemas.timeframes import SESSION

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

VOL_TARGET = 0.12
"""Of a year, were all rows taken and independent."""
DAYS_MIN = 60
"""Fewer days out of sample are told by the hour: days would be too few to tell anything."""


@dataclass(frozen=True, slots=True)
class Path:
    """What was said of each sample of one path through time, ascending by time, then symbol.

    Parameters
    ----------
    sample, fold, probability
        Shape (k,).
    mean_size
        Shape (k,), mean absolute move of the rows that the fold was fitted on.
    """

    sample: I64
    fold: I64
    probability: F64
    mean_size: F64


def returns_of(data: TrainingSet, walked: Walked, config: ScoreConfig | None = None) -> Returns:
    """Return the returns of each hour, or day where there are many, of the walk's first path.

    Periods are those in which a market of the universe is open, flat ones too. Where there are several paths, the
    annual Sharpe ratio of each stands beside.

    Parameters
    ----------
    config
        Costs; those of the environment where None.
    """
    side = side_costs(data, config or ScoreConfig.from_environment())
    numbers = np.unique(np.concatenate([f.path for f in walked.folds])).tolist()
    made = [_returns(data, path_of(data, walked, number), side) for number in numbers]
    first = made[0]
    # A model that was trained on rows after those that it judges has seen what came of them.
    causal = all(f.sheet.train_until_ns <= f.sheet.test_from_ns for f in walked.folds)
    # A path that never traded has neither return nor risk.
    of_paths = tuple(np.nan_to_num([r.sharpe() for r in made], nan=0.0).tolist()) if len(made) > 1 else ()
    return Returns(
        first.ts_ns, first.value, first.fold, first.periods_a_year, first.period_ns, of_paths=of_paths, causal=causal
    )


def path_of(data: TrainingSet, walked: Walked, number: int) -> Path:
    """Return one path of a walk."""
    parts = [(i, f, f.path == number) for i, f in enumerate(walked.folds)]
    sample = np.concatenate([f.sample[on] for _, f, on in parts])
    at = data.at[sample]
    order = np.lexsort((data.symbol[at], data.ts_ns[at]))
    return Path(
        sample[order], np.concatenate([np.full(int(on.sum()), i) for i, _, on in parts])[order],
        np.concatenate([f.probability[on] for _, f, on in parts])[order],
        np.concatenate([np.full(int(on.sum()), f.mean_size) for _, f, on in parts])[order],
    )  # fmt: skip


def side_costs(data: TrainingSet, config: ScoreConfig) -> F64:
    """Return what it costs to enter or to leave at each row, as a fraction; NaN where score would not trade."""
    instruments = load_instruments()
    of_symbol = np.array([instruments.by_symbol.get(s, -1) for s in data.symbols], np.int64)
    at = of_symbol[data.symbol]
    costs = costs_of(
        config, instruments, at, close=data.close, volume=data.volume, adv_pct=data.adv_pct, spread_bp=data.spread_bp
    )
    return np.where(costs.no_spread | costs.no_adv | (at < 0), np.nan, 0.5 * costs.round_trip)


def exits_of(data: TrainingSet, sample: I64) -> I64:
    """Return the row at which the label of each sample is known, the last of its symbol where the rows end before."""
    out = np.empty(len(sample), np.int64)
    symbol = data.symbol[data.at[sample]]
    for code in np.unique(symbol):
        begin, end = np.searchsorted(data.symbol, (code, code + 1))
        mine = symbol == code
        found = begin + np.searchsorted(data.ts_ns[begin:end], data.end_ns[sample[mine]])
        out[mine] = np.minimum(found, end - 1)
    return out


def _returns(data: TrainingSet, path: Path, side: F64) -> Returns:
    at, ends, timeframe = data.at[path.sample], exits_of(data, path.sample), data.meta.timeframe
    unit = data.vol[at] * np.sqrt(data.meta.horizon_bars)
    edge = 2.0 * path.probability - 1.0
    # Where the cost is unknown the comparison is false: no trade.
    taken = (np.abs(edge) * path.mean_size * unit > 2.0 * side[at]) & (unit > 0.0) & (ends > at)
    calendars = calendars_of(data.symbols)
    # Each row is given the same share of the year's variance.
    rows_a_year = sum(bars_per_year(calendars_of((s,))[0], timeframe) for s in data.symbols)
    size = edge[taken] * VOL_TARGET / np.sqrt(rows_a_year) / unit[taken]
    earned = marked(data.close, side, data.symbol, at[taken], ends[taken], size)
    from_ns, to_ns = int(data.ts_ns[at[0]]), int(data.ts_ns[ends].max())
    by_day = timeframe == SESSION or to_ns - from_ns > DAYS_MIN * DAY_NS
    period_ns = DAY_NS if by_day else HOUR_NS
    rows = np.flatnonzero((data.ts_ns >= from_ns) & (data.ts_ns <= to_ns))
    period = period_of(data.ts_ns[rows], period_ns)
    times = np.union1d(open_periods(calendars, timeframe, period_ns, from_ns, to_ns), period)
    value: F64 = np.bincount(np.searchsorted(times, period), earned[rows], len(times)).astype(np.float64)
    # A period is of the fold that spoke last in it.
    spoke = np.searchsorted(data.ts_ns[at], times, side="right") - 1
    a_year = periods_a_year(calendars, timeframe, period_ns)
    return Returns(times, value, path.fold[np.maximum(spoke, 0)], float(a_year), period_ns)
