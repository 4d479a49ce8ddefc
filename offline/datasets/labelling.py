"""Labels of rows by symbol and time: what became of each, and why some are void.

closes -> horizons -> outcome: return to the exit -> move, up, target; to the horizon's end -> end_move
                   -> void: rows are missing, closed hours, splits
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline import labels
from offline.datasets.horizons import Horizons, horizons_of
from offline.recipes.recipe import ModelRecipe
from processors.reference.actions.events import Action
from processors.runtime.batch import Columns

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of every row, shape (n,).

    Parameters
    ----------
    move, end_move, up, target, end_ns, exit_ns
        As in ``TrainingSet``; NaN and -1 where the symbol's rows end before.
    value
        As in ``TrainingSet``: what returns are measured by.
    unit
        ``realized_vol * sqrt(horizon_bars)``.
    void
        Reason -> rows without a label, in the order in which reasons count.
    """

    move: F64
    end_move: F64
    up: F64
    target: F64
    end_ns: I64
    exit_ns: I64
    value: F64
    unit: F64
    void: dict[str, Mask]


def make_labels(
    recipe: ModelRecipe, gold: Columns, symbol: I64, symbols: tuple[str, ...], actions: tuple[Action, ...] = ()
) -> Labels:
    """Return the labels of rows by symbol and time.

    Parameters
    ----------
    symbol
        Shape (n,), position in ``symbols``, ascending.
    actions
        Corporate actions, every revision.
    """
    spec, n = recipe.label, len(gold)
    h, ts = spec.horizon_bars, np.array(gold["ts"], np.int64)
    ahead = horizons_of(
        ts, symbol, symbols, np.array(gold["meta.close"], np.float64), recipe.universe.timeframe, h,
        stretch_max=spec.stretch_max, actions=actions,
    )  # fmt: skip
    close, end, after_end = ahead.value, ahead.end, ahead.after_end
    unit = np.array(gold["meta.realized_vol"], np.float64) * np.sqrt(h)
    target, leave = np.full(n, np.nan), end
    if spec.target == "triple_barrier":
        assert spec.barriers is not None, "a spec of barriers has them"
        bars, told = np.empty(n, np.int64), spec.barriers
        labels.triple_barrier(symbol, close, unit, h, told.up, told.down, told.at_time == "sign", target, bars)
        leave = np.where(after_end, end, np.arange(n) + bars)
    log_return = _log_return(ahead, leave)
    move = _in_units(log_return, unit)
    end_move = move if leave is end else _in_units(_log_return(ahead, end), unit)
    up = np.where(move > 0, 1.0, 0.0)
    match spec.target:
        case "sign":
            target = up
        case "forward_sharpe":
            labels.forward_sharpe(symbol, close, h, target)
        case "forward_return":
            target = log_return if spec.transform == "none" else move
        case "triple_barrier":
            pass  # Made with its exits.
        case _:
            raise AssertionError(f"{spec.target} is a target of recipes without a label")
    if spec.transform == "winsorized":
        target = np.clip(target, -spec.winsor_limit, spec.winsor_limit)
    void = {
        "label_after_end": after_end,
        "label_stretched": ahead.stretched,
        "label_over_closed": ahead.over_closed & (not recipe.over_closed_hours),
        "split_in_horizon": ahead.split_inside,
        "label_flat": np.isnan(target),
    }
    end_ns, exit_ns = (np.where(after_end, -1, ts[place]) for place in (end, leave))
    return Labels(move, end_move, up, target, end_ns, exit_ns, close, unit, void)


def _log_return(ahead: Horizons, there: I64) -> F64:
    """Return the log return from each row to another one; NaN where the symbol's rows end before the horizon."""
    found = np.empty(len(there))
    labels.log_ratio(ahead.value, there, found)
    found[ahead.after_end] = np.nan
    return found


def _in_units(log_return: F64, unit: F64) -> F64:
    found: F64 = np.divide(log_return, unit, out=np.full(len(unit), np.nan), where=unit > 0)
    return found
