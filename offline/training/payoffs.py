"""Mean gain and loss of a model's moves by regime: what score weighs a probability with."""

import numpy as np
from numpy.typing import NDArray

from offline.datasets.learned import Learned
from offline.train_baseline import SHRINKAGE_ROWS
from processors.errors import ConfigError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def payoffs(found: Learned, regime: I64, n_regimes: int, horizon_bars: int) -> tuple[F64, F64]:
    """Return the mean of the positive and of the negative moves of each regime, drawn to those of all regimes.

    Each side is drawn to its own mean: barriers of unlike distance have unlike gains and losses, and what a null game
    pays on one side it takes on the other.

    Parameters
    ----------
    found
        What is learned of n samples.
    regime
        Shape (n,).

    Returns
    -------
    Two of shape (n_regimes,), positive, in units of the move.

    Raises
    ------
    ConfigError
        Nothing moved up, or nothing down.
    """
    return (
        _mean_gain(found.move, regime, n_regimes, horizon_bars),
        _mean_gain(-found.move, regime, n_regimes, horizon_bars),
    )


def _mean_gain(move: F64, regime: I64, n_regimes: int, horizon_bars: int) -> F64:
    gains = move > 0
    if not gains.any():
        raise ConfigError("training", "moves of one side", "none", "recordings in which prices go up and down")
    overall = float(move[gains].mean())
    # Overlapping horizons: as many rows as a horizon has bars count as one.
    total = np.bincount(regime[gains], move[gains], n_regimes) / horizon_bars
    count = np.bincount(regime[gains], minlength=n_regimes) / horizon_bars
    return np.asarray((total + SHRINKAGE_ROWS * overall) / (count + SHRINKAGE_ROWS))
