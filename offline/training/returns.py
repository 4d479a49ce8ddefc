"""What a simple position would have earned on rows out of sample: no backtest, a yardstick that all models share.

At each row the side that is expected to gain is taken for one horizon, with a size that grows with what is expected and
shrinks with volatility, unless that is less than what the score stage takes a round trip to cost, or the cost is not
known. Positions of a symbol that are open together are one exposure, marked to market at every bar
(``marking``); its changes pay half the spread, the fee and the slippage of the score stage's configuration. No impact
beyond that slippage, no funding, no caps.
"""

from dataclasses import dataclass, replace

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
class Market:
    """Rows in which positions are opened, held and closed, by symbol, then time.

    Parameters
    ----------
    symbol, ts_ns
        Shape (m,): position among ``symbols``, ascending, and end of the bar.
    close, volume, adv_pct, spread_bp
        Shape (m,), ``meta`` of the gold rows: what costs depend on.
    value
        Shape (m,), closes in shares and money of one day, which positions are marked to: a split that is known is no
        loss. None for the closes themselves.
    """

    timeframe: str
    symbols: tuple[str, ...]
    symbol: I64
    ts_ns: I64
    close: F64
    volume: F64
    adv_pct: F64
    spread_bp: F64
    value: F64 | None = None

    def side_costs(self, config: ScoreConfig) -> F64:
        """Return what it costs to enter or to leave at each row, as a fraction; NaN where score would not trade."""
        instruments = load_instruments()
        of_symbol = np.array([instruments.by_symbol.get(s, -1) for s in self.symbols], np.int64)
        at = of_symbol[self.symbol]
        costs = costs_of(
            config, instruments, at, close=self.close, volume=self.volume, adv_pct=self.adv_pct,
            spread_bp=self.spread_bp,
        )  # fmt: skip
        return np.where(costs.no_spread | costs.no_adv | (at < 0), np.nan, 0.5 * costs.round_trip)

    def ends(self, begin: I64, end_ns: I64) -> I64:
        """Return the row of the same symbol at or after each time, its last one where the rows end before."""
        out = np.empty(len(begin), np.int64)
        symbol = self.symbol[begin]
        for code in np.unique(symbol):
            first, last = np.searchsorted(self.symbol, (code, code + 1))
            mine = symbol == code
            found = first + np.searchsorted(self.ts_ns[first:last], end_ns[mine])
            out[mine] = np.minimum(found, last - 1)
        return out


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of some rows of a market, ascending by time, then symbol.

    Parameters
    ----------
    begin, end
        Shape (k,): the row, and that of the end of its horizon.
    probability
        Shape (k,), of up.
    unit
        Shape (k,), ``realized_vol * sqrt(horizon_bars)``.
    gain, loss
        Shape (k,), mean move of the ups and mean loss of all others, in units, that were known before.
    fold
        Shape (k,), from 0.
    """

    begin: I64
    end: I64
    probability: F64
    unit: F64
    gain: F64
    loss: F64
    fold: I64


def returns_of(data: TrainingSet, walked: Walked, config: ScoreConfig | None = None) -> Returns:
    """Return the returns of each hour, or day where there are many, of the walk's first path.

    Where there are several paths, the annual Sharpe ratio of each stands beside.

    Parameters
    ----------
    config
        Costs; those of the environment where None.
    """
    market = market_of(data)
    numbers = np.unique(np.concatenate([f.path for f in walked.folds])).tolist()
    made = [net_returns(market, said_on(data, market, walked, number), config) for number in numbers]
    # A model that was trained on rows after those that it judges has seen what came of them.
    causal = all(f.sheet.train_until_ns <= f.sheet.test_from_ns for f in walked.folds)
    # A path that never traded has neither return nor risk.
    of_paths = tuple(np.nan_to_num([r.sharpe() for r in made], nan=0.0).tolist()) if len(made) > 1 else ()
    return replace(made[0], of_paths=of_paths, causal=causal)


def market_of(data: TrainingSet) -> Market:
    """Return the rows of a training set, labelled or not."""
    return Market(data.meta.timeframe, data.symbols, data.symbol, data.ts_ns, data.close, data.volume, data.adv_pct,
                  data.spread_bp, data.value)  # fmt: skip


def said_on(data: TrainingSet, market: Market, walked: Walked, number: int) -> Said:
    """Return what was said on one path of a walk."""
    parts = [(i, f, f.path == number) for i, f in enumerate(walked.folds)]
    sample = np.concatenate([f.sample[on] for _, f, on in parts])
    order = np.lexsort((data.symbol[data.at[sample]], data.ts_ns[data.at[sample]]))
    sample = sample[order]
    at = data.at[sample]
    return Said(
        at, market.ends(at, data.end_ns[sample]), np.concatenate([f.probability[on] for _, f, on in parts])[order],
        data.vol[at] * np.sqrt(data.meta.horizon_bars),
        np.concatenate([np.full(int(on.sum()), f.gain) for _, f, on in parts])[order],
        np.concatenate([np.full(int(on.sum()), f.loss) for _, f, on in parts])[order],
        np.concatenate([np.full(int(on.sum()), i) for i, _, on in parts])[order],
    )  # fmt: skip


def net_returns(market: Market, said: Said, config: ScoreConfig | None = None) -> Returns:
    """Return what positions by what was said earned, in each period in which a market is open, flat ones too.

    Parameters
    ----------
    config
        Costs; those of the environment where None.
    """
    side = market.side_costs(config or ScoreConfig.from_environment())
    # What score expects of the row: where rows do not move, or barriers are apart, even odds are no even game.
    expected = said.probability * said.gain - (1.0 - said.probability) * said.loss
    # Where the cost is unknown the comparison is false: no trade.
    taken = np.abs(expected) * said.unit > 2.0 * side[said.begin]
    taken &= (said.unit > 0.0) & (said.end > said.begin)
    calendars = calendars_of(market.symbols)
    # Each row is given the same share of the year's variance.
    rows_a_year = sum(bars_per_year(calendars_of((s,))[0], market.timeframe) for s in market.symbols)
    edge = expected[taken] / (0.5 * (said.gain + said.loss)[taken])
    size = edge * VOL_TARGET / np.sqrt(rows_a_year) / said.unit[taken]
    price = market.close if market.value is None else market.value
    earned = marked(price, side, market.symbol, said.begin[taken], said.end[taken], size)
    spoken_ns = market.ts_ns[said.begin]
    from_ns, to_ns = int(spoken_ns[0]), int(market.ts_ns[said.end].max())
    by_day = market.timeframe == SESSION or to_ns - from_ns > DAYS_MIN * DAY_NS
    period_ns = DAY_NS if by_day else HOUR_NS
    rows = np.flatnonzero((market.ts_ns >= from_ns) & (market.ts_ns <= to_ns))
    period = period_of(market.ts_ns[rows], period_ns)
    times = np.union1d(open_periods(calendars, market.timeframe, period_ns, from_ns, to_ns), period)
    value: F64 = np.bincount(np.searchsorted(times, period), earned[rows], len(times)).astype(np.float64)
    # A period is of the fold that spoke last in it.
    spoke = np.searchsorted(spoken_ns, times, side="right") - 1
    a_year = periods_a_year(calendars, market.timeframe, period_ns)
    return Returns(times, value, said.fold[np.maximum(spoke, 0)], float(a_year), period_ns)
