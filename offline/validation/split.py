"""One split, and what all splitters share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of the rows that train, and of each block of rows that judges.

    Parameters
    ----------
    train
        Shape (n_train,), ascending.
    tests
        One array a test fold, each ascending; a single one but for combinatorial splits.
    """

    train: I64
    tests: tuple[I64, ...]

    @property
    def test(self) -> I64:
        """All rows that judge, ascending."""
        return np.sort(np.concatenate(self.tests)) if self.tests else np.empty(0, np.int64)


class Splitter(Protocol):
    """Whatever splits rows in the order of time."""

    def split(self, n: int) -> Iterator[Split]:
        """Yield the splits of the positions 0 to n - 1."""
        ...


def at_least(where: str, least: int, **values: int) -> None:
    """Check that whole numbers are not below a bound.

    Raises
    ------
    ConfigError
        One is below, or is no whole number.
    """
    for key, value in values.items():
        if type(value) is not int or value < least:
            raise ConfigError(where, key, value, f"a whole number of at least {least}")


def span(first: int, last: int) -> I64:
    """Return the positions from the first up to, and without, the last; none where they cross."""
    return np.arange(max(first, 0), max(first, last, 0), dtype=np.int64)


def folds(n: int, n_folds: int) -> list[I64]:
    """Return contiguous folds of n // n_folds rows each; the last one takes the rest.

    Raises
    ------
    ConfigError
        There are fewer rows than folds.
    """
    size = n // n_folds
    if size == 0:
        raise ConfigError("split", "n_folds", n_folds, f"at most the {n} rows there are")
    return [span(i * size, (i + 1) * size if i < n_folds - 1 else n) for i in range(n_folds)]
