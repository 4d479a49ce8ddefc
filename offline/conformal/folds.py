"""Who is left out: folds, single rows, resamples, and resampled blocks of time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from processors.errors import ConfigError

I64: TypeAlias = NDArray[np.int64]
Draw: TypeAlias = Callable[[int, int], I64]
"""Takes a bound and a number, and returns as many whole numbers from 0 to below the bound."""


class Fold(NamedTuple):
    """Positions that a model is fitted on, repeated where they were drawn twice, and those that it has not seen."""

    train: I64
    held: I64


def drawing(seed: int) -> Draw:
    """Return seeded draws."""
    rng = np.random.default_rng(seed)
    return lambda bound, number: rng.integers(0, bound, number)


def k_folds(n: int, n_folds: int, order: I64 | None = None) -> Iterator[Fold]:
    """Yield folds of nearly equal size; in the order of the rows, or in another.

    Raises
    ------
    ConfigError
        Fewer than 2 folds, or more than rows.
    """
    if not 2 <= n_folds <= n:
        raise ConfigError("conformal", "n_folds", n_folds, f"from 2 to the {n} rows there are")
    rows = np.arange(n) if order is None else order
    for held in np.array_split(rows, n_folds):
        yield Fold(np.setdiff1d(np.arange(n), held), np.sort(held))


def leave_one_out(n: int) -> Iterator[Fold]:
    """Yield a fold for each row."""
    return k_folds(n, n)


def resamples(n: int, n_resamples: int, draw: Draw, n_drawn: int | None = None) -> Iterator[Fold]:
    """Yield rows drawn with replacement, as many as there are where not told, and those that were not drawn.

    References
    ----------
    Kim, Xu and Barber (2020), "Predictive inference is free with the jackknife+-after-bootstrap".
    """
    for _ in range(n_resamples):
        train = np.asarray(draw(n, n if n_drawn is None else n_drawn), np.int64)
        yield Fold(train, np.setdiff1d(np.arange(n), train))


def block_resamples(
    n: int,
    n_resamples: int,
    draw: Draw,
    n_blocks: int | None = None,
    length: int | None = None,
    *,
    overlapping: bool = False,
) -> Iterator[Fold]:
    """Yield blocks of time drawn with replacement, and the rows of none of them.

    Parameters
    ----------
    n, n_resamples, draw
        Rows, resamples, source of the draws.
    n_blocks, length
        One of the two: how many blocks are drawn, of n // n_blocks rows, or how long they are, n // length + 1 of them.
    overlapping
        Whether a block may begin at any row; else at every ``length``-th, and the rows that fill none are never drawn.

    Raises
    ------
    ConfigError
        Both are given or neither, or a block is longer than the rows.

    References
    ----------
    Kunsch (1989), "The Jackknife and the Bootstrap for General Stationary Observations"; Xu and Xie (2021).
    """
    if (n_blocks is None) == (length is None):
        raise ConfigError("conformal", "n_blocks and length", (n_blocks, length), "one of the two")
    if n_blocks is not None and n_blocks < 1:
        raise ConfigError("conformal", "n_blocks", n_blocks, "at least 1")
    size = n // n_blocks if n_blocks is not None else int(length or 0)
    if not 1 <= size <= n:
        raise ConfigError("conformal", "rows of a block", size, f"from 1 to the {n} rows there are")
    drawn = n_blocks if n_blocks is not None else n // size + 1
    rows = np.arange(n)
    blocks = sliding_window_view(rows, size) if overlapping else rows[: n - n % size].reshape(-1, size)
    for _ in range(n_resamples):
        train = blocks[draw(len(blocks), drawn)].ravel()
        yield Fold(train, np.setdiff1d(rows, train))
