"""Purged k-fold: each fold judges once, and the rows beside it do not train."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from offline.validation.split import Split, at_least, folds


@dataclass(frozen=True, slots=True)
class PurgedKFold:
    """Contiguous folds, each held out once.

    Parameters
    ----------
    n_folds
        At least 2.
    purged_size
        Rows taken from the training rows on both sides of the test fold.
    embargo_size
        Rows taken besides behind it.

    Raises
    ------
    ConfigError
        A number is out of range.

    References
    ----------
    Lopez de Prado (2018), "Advances in Financial Machine Learning", section 7.4.
    """

    n_folds: int
    purged_size: int = 0
    embargo_size: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        at_least("purged k-fold", 2, n_folds=self.n_folds)
        at_least("purged k-fold", 0, purged_size=self.purged_size, embargo_size=self.embargo_size)

    def split(self, n: int) -> Iterator[Split]:
        """Yield one split a fold, earliest first.

        Raises
        ------
        ConfigError
            There are fewer rows than folds.
        """
        rows = np.arange(n)
        for test in folds(n, self.n_folds):
            before = rows < test[0] - self.purged_size
            behind = rows > test[-1] + self.purged_size + self.embargo_size
            yield Split(np.flatnonzero(before | behind), (test,))
