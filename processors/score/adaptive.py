"""Intervals that widen and narrow with the market: the level of each symbol and timeframe follows its own misses.

For models whose card has ``adaptive_gamma`` above 0. An interval is made with its row and judged ``horizon_bars`` rows
of its symbol and timeframe later, by that row's close, before that row's own interval is made::

    row b        bounds of the model -> middle, half      interval = middle -+ reach * half      waits
    row b + h    move = ln(close of b + h / close of b) / (volatility of b * sqrt(h))
                 score = |move - middle| / half           alpha += gamma * (target - missed)
                 the score joins the last ones            reach = their 1 - alpha bound

Rows are those that stand in windows (``score.in_window``), in order: a late row, one that comes again or a revised one
is none of them, and neither is judged nor judges. A horizon over which the market shuts, or over a hole, has no
outcome, as in training: the session calendar of the symbol tells both. A split is a move: the stage knows of none. A
symbol begins with the scores of the calibration, so that its first interval is the model's own, about.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from processors.market_time import hours_open, sessions_closed
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.state import Table, TableSpec
from processors.score.adaptive_kernel import advance, follow, reach_of
from processors.times import LONG_AGO
from schemas.instruments import load_instruments
from schemas.timeframes import SESSION, TIMEFRAME_NS

if TYPE_CHECKING:
    from processors.score.model import Model, ModelCard

TABLE = "intervals"
RECENT_MIN, RECENT_MAX = 200, 1000
"""Last scores that the reach is taken from: thirteen horizons, within these. Fewer tell too little, since labels
overlap; with more, those of before a break stay too long (docs/decisions/0012)."""
STEP_MAX = 0.01
STEP_OF_HORIZON = 0.045
"""The step is this over the horizon: a miss comes with those of its neighbours, whose labels share all but a bar, and
together they must not take the level to nothing while the market is as it was."""
WHATEVER = 1e6
"""A card whose ``label_stretch_max`` is this or more has every horizon judged, also one over closed hours."""
_CLOCK = ("last_ts", "last_market", "open_ns", "shut_ns")
_OF_CLOCK = ("made_open", "made_shut")
_PER_SCORE = (*_OF_CLOCK, "made_close", "made_unit", "made_middle", "made_half", "made_reach")
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def step_of(horizon_bars: int) -> float:
    """Return the step of a model's level."""
    return min(STEP_MAX, STEP_OF_HORIZON / horizon_bars)


def recent_of(horizon_bars: int) -> int:
    """Return how many scores a model's reach is taken from."""
    return min(max(RECENT_MIN, 13 * horizon_bars), RECENT_MAX)


def turn_order(n: int) -> NDArray[np.int64]:
    """Return an order of n ascending scores in which any stretch is spread over all of them: they leave in turn."""
    return np.argsort(np.arange(n) * _GOLDEN % 1.0, kind="stable")


def interval_table(model: "Model") -> TableSpec:
    """Return the state of a model's intervals; rows that another model left begin anew.

    Declared for models whose intervals do not follow too, which keep none.
    """
    card = model.card
    if not card.adaptive_gamma:
        return TableSpec(TABLE, np.zeros((), [("bars", "<i8")]), key_parts=2, settings="none", renewed=True)
    (horizon,) = card.horizon_bars.values()
    scores = np.array(card.adaptive_scores)
    row: list[Any] = [("alpha", "<f8"), ("reach", "<f8"), ("bars", "<i8"), ("judged", "<i8"), ("missed", "<i8")]
    row += [("recent", "<f8", (len(scores),))]
    row += [(name, "<i8") for name in _CLOCK]
    row += [(name, "<i8" if name in _OF_CLOCK else "<f8", (horizon,)) for name in _PER_SCORE]
    fresh = np.zeros((), np.dtype(row))
    fresh["last_ts"] = LONG_AGO
    fresh["alpha"] = 1.0 - card.coverage
    fresh["recent"] = scores[turn_order(len(scores))]
    fresh["reach"] = reach_of(scores, 1.0 - card.coverage)
    fresh["made_reach"] = np.nan
    return TableSpec(TABLE, fresh, 2, model.sha256, renewed=True)


def prepare() -> None:
    """Build the calendars of all instruments: a second each, which no batch should wait for."""
    for name in load_instruments().calendars:
        hours_open(name, np.zeros(1, np.int64))
        sessions_closed(name, np.zeros(1, np.int64))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The intervals of a partition's symbols, and which rows of a batch are in order.

    Parameters
    ----------
    table
        Of ``interval_table``.
    fresh
        Shape (n,).
    """

    table: Table
    fresh: NDArray[np.bool_]

    def bounds(
        self, card: "ModelCard", gold: Columns, series: NDArray[np.bool_], signal: NDArray[np.bool_], own: F64
    ) -> F64:
        """Return the bounds of the signals among n rows, and take in what the rows tell of earlier ones.

        Parameters
        ----------
        series
            Shape (n,), which rows stand in windows.
        signal
            Shape (n,), which rows have a signal.
        own
            Shape (n_signals, 2), the model's own bounds of the move.

        Returns
        -------
        Shape (n_signals, 2). Rows out of order, and those of no volatility, which no move can be told of, keep the
        model's own.
        """
        ((tf, horizon),) = card.horizon_bars.items()
        n, kept = len(gold), series & self.fresh
        unit = np.asarray(gold["meta.realized_vol"], np.float64) * math.sqrt(horizon)
        low, high = np.full(n, np.nan), np.full(n, np.nan)
        low[signal], high[signal] = own.T
        low[~(unit > 0)] = np.nan
        slots = np.full(n, -1, np.int32)
        slots[kept] = self.table.slots(*(np.ascontiguousarray(gold[c][kept], np.int64) for c in ("symbol_id", "tf")))
        # Fields of a structured array are views, and kernels take plain arrays.
        state = self.table.rows.view(np.ndarray)
        ts, bar_ns = np.ascontiguousarray(gold["ts"], np.int64), TIMEFRAME_NS[tf]
        open_at, shut_at = np.zeros(n, np.int64), np.zeros(n, np.int64)
        last_ts, last_market, open_ns, shut_ns = (state[name] for name in _CLOCK)
        advance(
            ts, _market_ns(gold, kept, tf), slots, bar_ns, tf == SESSION, last_ts, last_market, open_ns, shut_ns,
            open_at, shut_at,
        )  # fmt: skip
        if runs_over_closed_hours(card):
            shut_at[:] = 0
        follow(
            open_at, shut_at, np.ascontiguousarray(gold["meta.close"], np.float64), unit, low, high, slots,
            1.0 - card.coverage, card.adaptive_gamma, card.label_stretch_max * horizon * bar_ns, state["alpha"],
            state["reach"], state["bars"], state["judged"], state["missed"], state["recent"], state["made_open"],
            state["made_shut"], state["made_close"], state["made_unit"], state["made_middle"], state["made_half"],
            state["made_reach"], self.table.dirty,
        )  # fmt: skip
        told = (kept & signal & (unit > 0))[signal]
        return np.where(told[:, None], np.stack([low[signal], high[signal]], axis=1), own)


def runs_over_closed_hours(card: "ModelCard") -> bool:
    """Return whether the model's labels may run over nights, weekends and holidays."""
    return card.label_stretch_max >= WHATEVER


def _market_ns(gold: Columns, kept: NDArray[np.bool_], tf: str) -> I64:
    """Return how long the market of each row in series has been open, or its sessions as bars, shape (n,); 0 else."""
    known, found = load_instruments(), np.zeros(len(gold), np.int64)
    rows, ts = np.flatnonzero(kept), np.asarray(gold["ts"], np.int64)
    calendar = known.calendar[known.row_of(np.asarray(gold["symbol_id"], np.int64)[rows])]
    for number in np.unique(calendar):
        name, here = known.calendars[number], rows[calendar == number]
        found[here] = (
            sessions_closed(name, ts[here]) * TIMEFRAME_NS[tf] if tf == SESSION else hours_open(name, ts[here])
        )
    return found
