"""Where the horizon of each row ends, and what voids it: for labels of recipes, the baseline and backtests alike.

closes -> in shares as known (``shares``) -> prices whose ratios are returns
times  -> as their market counts them (``clock``) -> rows are missing, closed hours
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.datasets.clock import row_clock
from offline.datasets.shares import closes_as_known
from offline.labels import STRETCH_MAX
from processors.reference.actions.events import Action
from schemas.timeframes import TIMEFRAME_NS

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Horizons:
    """The horizons of rows by symbol and time, shape (n,) each.

    Parameters
    ----------
    end
        Row at which each ends; the row itself where its symbol's rows end before.
    value
        Closes in shares as known: the log of a ratio is a return that no known split or dividend moves.
    after_end
        The symbol's rows end before.
    stretched
        The market is open for too long between: rows are missing.
    over_closed
        The market closes between; never of daily bars, which are made of sessions.
    split_inside
        A corporate action that was not known at the row comes between.
    """

    end: I64
    value: F64
    after_end: Mask
    stretched: Mask
    over_closed: Mask
    split_inside: Mask

    def has_outcome(self, over_closed_hours: bool) -> Mask:
        """Return whether nothing voids the row's outcome; over closed hours only where that is asked for."""
        void = self.after_end | self.stretched | self.split_inside
        return ~void if over_closed_hours else ~(void | self.over_closed)


def horizons_of(
    ts_ns: I64, symbol: I64, symbols: Sequence[str], close: F64, timeframe: str, horizon_bars: int,
    *, stretch_max: float = STRETCH_MAX, actions: Iterable[Action] = (),
) -> Horizons:  # fmt: skip
    """Return the horizons of rows of one timeframe.

    Parameters
    ----------
    ts_ns, symbol, close
        Shape (n,): end of each bar, ascending within a symbol; position in ``symbols``, ascending; as traded.
    stretch_max
        A horizon is stretched where the market is open for this times its bars, or longer.
    actions
        Corporate actions, every revision.

    Raises
    ------
    ConfigError
        A dividend is above the close that it is paid out of.
    """
    rows = np.arange(len(ts_ns))
    later = rows + horizon_bars
    after_end = later >= len(rows)
    after_end[~after_end] = symbol[later[~after_end]] != symbol[~after_end]
    end = np.where(after_end, rows, later)
    known = closes_as_known(ts_ns, symbol, symbols, close, actions)
    clock = row_clock(ts_ns, symbol, symbols, timeframe)
    return Horizons(
        end, known.close, after_end, clock.stretched(end, stretch_max * horizon_bars * TIMEFRAME_NS[timeframe]),
        clock.over_closed(end), known.surprises[end] != known.surprises,
    )  # fmt: skip
