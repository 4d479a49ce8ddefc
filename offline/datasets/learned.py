"""What a model learns of a sample, by the target and the transform of its recipe.

A model tells log-odds of a positive move, and quantiles of the move, whatever is asked for: that is what score reads.
Every row counts alike for the log-odds: what is told of a row is of no condition that the row does not know. Targets
differ in the moves that are learned, and in how much a row counts for the quantiles:

    target                         quantiles learn                     a row counts there    gains and losses of
    forward_return, vol_scaled     the move                            1                     the move
    forward_return, none           the move                            its unit              the move
    forward_return, winsorized     the move, cut                       1                     the move, cut
    sign                           nothing: they are those of all      1                     the move
    forward_sharpe                 the move                            Sharpe over move      the move
    triple_barrier                 the move to the horizon's end       1                     the move to the exit

Quantiles become an interval, which is judged where the horizon ends, whatever was touched on the way; gains and losses
belong to the probability, which is that of the exit.

To learn ``y = c * move`` by pinball loss, with a model of the move, is to learn the move with the weight c, since
``rho(c * move - c * q) = c * rho(move - q)``: so ``none`` learns plain returns, and the unit is undone exactly; and
``forward_sharpe`` learns returns in volatilities of the horizon itself, in which a wild one counts for less.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.datasets.training_set import TrainingSet
from processors.errors import ConfigError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

WEIGHT_MAX = 10.0
"""Most that a row counts, in those of the mean row: one horizon in which hardly anything moved must not be all."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Of n samples.

    Parameters
    ----------
    move
        Shape (n,): what quantiles learn, in units of ``realized_vol * sqrt(horizon_bars)``.
    payoff
        Shape (n,): what gains and losses are of, in the same units.
    weight
        Shape (n,): how much each counts for the quantiles, 1 on average.
    """

    move: F64
    payoff: F64
    weight: F64


@dataclass(frozen=True, slots=True)
class Learning:
    """Of a target.

    Parameters
    ----------
    of
        Set and positions of samples -> what is learned of them.
    is_flat
        Whether the direction alone is learned: quantiles are those of all.
    """

    of: Callable[[TrainingSet, I64], Learned]
    is_flat: bool = False


def learned(data: TrainingSet, samples: I64) -> Learned:
    """Return what is learned of samples.

    Parameters
    ----------
    samples
        Positions; the mean weight is theirs.

    Raises
    ------
    ConfigError
        The target of the set is none of these.
    """
    return learning_of(data).of(data, samples)


def learning_of(data: TrainingSet) -> Learning:
    """Return what is learned of the target of a set; see ``learned``."""
    found = LEARNING.get(data.meta.target)
    if found is None:
        raise ConfigError("training set", "target", data.meta.target, f"one of {', '.join(LEARNING)}: build it again")
    return found


def _of_return(data: TrainingSet, samples: I64) -> Learned:
    move, one = data.move[samples], np.ones(len(samples))
    match data.meta.transform:
        case "winsorized":
            return Learned(data.target[samples], data.target[samples], one)
        case "none":
            return Learned(move, move, _bounded(data.vol[data.at[samples]]))
        case _:
            return Learned(move, move, one)


def _of_moves(data: TrainingSet, samples: I64) -> Learned:
    return Learned(data.end_move[samples], data.move[samples], np.ones(len(samples)))


def _of_sharpe(data: TrainingSet, samples: I64) -> Learned:
    target, move = data.target[samples], data.move[samples]
    # A move of zero has the Sharpe ratio zero, whatever the volatility was: it counts as the mean row.
    ratio = np.divide(target, move, out=np.full(len(move), np.nan), where=move != 0.0)
    known = np.isfinite(ratio)
    ratio[~known] = ratio[known].mean() if known.any() else 1.0
    return Learned(move, move, _bounded(ratio))


def _bounded(weight: F64) -> F64:
    if not len(weight):
        return weight
    bounded = np.minimum(weight / weight.mean(), WEIGHT_MAX)
    found: F64 = bounded / bounded.mean()
    return found


LEARNING = {
    "forward_return": Learning(_of_return),
    "sign": Learning(_of_moves, is_flat=True),
    "forward_sharpe": Learning(_of_sharpe),
    "triple_barrier": Learning(_of_moves),
}
"""Target of a recipe -> what is learned of it."""
