"""Resampled rows of a dependent series, seeded."""

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError

I64 = NDArray[np.int64]


def stationary_bootstrap(n: int, n_samples: int, mean_block: float, rng: np.random.Generator) -> I64:
    """Return resampled positions: blocks of random length that begin anywhere and go on around the end.

    Parameters
    ----------
    n
        Rows, at least 1.
    n_samples
        Resampled series.
    mean_block
        Mean length of a block, rows, at least 1; lengths are geometric.
    rng
        Source of the draws: equal seeds give equal positions.

    Returns
    -------
    Shape (n_samples, n).

    Raises
    ------
    ConfigError
        A number is out of range.

    References
    ----------
    Politis and Romano (1994), "The Stationary Bootstrap".
    """
    if n < 1 or n_samples < 1:
        raise ConfigError("bootstrap", "rows and samples", (n, n_samples), "at least 1 each")
    if not mean_block >= 1.0:
        raise ConfigError("bootstrap", "mean_block", mean_block, "at least 1 row")
    new = rng.random((n_samples, n)) < 1.0 / mean_block
    new[:, 0] = True
    drawn = rng.integers(0, n, (n_samples, n))
    # Each row goes on from the last beginning of a block: its draw, and how far back it is.
    begins = np.maximum.accumulate(np.where(new, np.arange(n), 0), axis=1)
    return (np.take_along_axis(drawn, begins, axis=1) + np.arange(n) - begins) % n
