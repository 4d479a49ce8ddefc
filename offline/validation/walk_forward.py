"""Walk forward by rows: train on what was, judge on what came next, move on."""

from collections.abc import Iterator
from dataclasses import dataclass

from offline.validation.split import Split, at_least, span
from processors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Training windows that roll, or that are anchored at the first row.

        row ->  | train_size | purged_size + embargo_size | test_size |
                             | train_size                 | ...       | test_size |

    Parameters
    ----------
    test_size, train_size
        Rows.
    expand_train
        Anchored: every training window begins at row 0, and the first one has ``train_size`` rows.
    reduce_test
        Whether a last test window of fewer than ``test_size`` rows is kept.
    purged_size
        Rows left out behind the training rows: as many as a label looks ahead.
    embargo_size
        Rows left out besides, since neighbours in time resemble each other.

    Raises
    ------
    ConfigError
        A size is no whole number in its range.

    References
    ----------
    Equal to ``WalkForward`` of skfolio 0.x where ``embargo_size`` is 0.
    """

    test_size: int
    train_size: int
    expand_train: bool = False
    reduce_test: bool = False
    purged_size: int = 0
    embargo_size: int = 0

    def __post_init__(self) -> None:
        """Check the sizes."""
        at_least("walk forward", 1, test_size=self.test_size, train_size=self.train_size)
        at_least("walk forward", 0, purged_size=self.purged_size, embargo_size=self.embargo_size)

    def split(self, n: int) -> Iterator[Split]:
        """Yield the splits of n rows, earliest first.

        Raises
        ------
        ConfigError
            No row is left to judge.
        """
        gap = self.purged_size + self.embargo_size
        if self.train_size + gap >= n:
            raise ConfigError("walk forward", "rows that do not judge", self.train_size + gap, f"below {n} rows")
        for test_from in range(self.train_size + gap, n, self.test_size):
            test_to = test_from + self.test_size
            if test_to > n and not self.reduce_test:
                return
            train_to = test_from - gap
            train_from = 0 if self.expand_train else train_to - self.train_size
            yield Split(span(train_from, train_to), (span(test_from, min(test_to, n)),))
