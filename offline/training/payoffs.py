"""Mean gain and loss of a model's moves by regime: what score weighs a probability with."""

import numpy as np
from numpy.typing import NDArray

from offline.datasets.learned import Learned
from offline.train_baseline import drawn_means
from processors.errors import ConfigError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def payoffs(found: Learned, regime: I64, n_regimes: int, horizon_bars: int) -> tuple[F64, F64]:
    """Return the mean move of the ups and the mean loss of all others by regime, drawn to those of all regimes.

    What does not move is no up: it counts as a loss of zero, as it counts against the probability, so that
    ``p * gain - (1 - p) * loss`` is the mean move where p is the share of ups. Each side is drawn to its own mean:
    barriers of unlike distance have unlike gains and losses, and what a null game pays on one side it takes on the
    other.

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
    move = found.payoff
    if not ((move > 0).any() and (move < 0).any()):
        raise ConfigError("training", "moves of one side", "none", "recordings in which prices go up and down")
    up = move > 0
    gain, loss = (
        drawn_means(sign * move[side], regime[side], n_regimes, horizon_bars, float(sign * move[side].mean()))
        for sign, side in ((1.0, up), (-1.0, ~up))
    )
    return gain, loss
