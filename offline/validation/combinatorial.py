"""Combinatorial purged cross-validation: every choice of test folds, recombined into many paths through time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from offline.validation.split import I64, Split, at_least, folds
from processors.errors import ConfigError

SPLITS_MAX = 100_000
"""Each split is a model to fit: more is a mistake in the numbers of folds."""


@dataclass(frozen=True, slots=True)
class CombinatorialPurged:
    """Contiguous folds of which every choice of ``n_test_folds`` is held out once.

    Parameters
    ----------
    n_folds, n_test_folds
        At least 3, and at least 2 but fewer than all.
    purged_size
        Rows taken from the training rows on both sides of each test block.
    embargo_size
        Rows taken besides from the training rows behind each test block.

    Raises
    ------
    ConfigError
        A number is out of range, or there are more than ``SPLITS_MAX`` choices.

    References
    ----------
    Lopez de Prado (2018), "Advances in Financial Machine Learning", chapter 12. Equal to ``CombinatorialPurgedCV`` of
    skfolio, but that rows which divide into more than ``n_folds`` whole folds fall to the last one here, there to none.
    """

    n_folds: int = 10
    n_test_folds: int = 8
    purged_size: int = 0
    embargo_size: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        at_least("combinatorial", 3, n_folds=self.n_folds)
        at_least("combinatorial", 2, n_test_folds=self.n_test_folds)
        at_least("combinatorial", 0, purged_size=self.purged_size, embargo_size=self.embargo_size)
        if self.n_test_folds >= self.n_folds:
            raise ConfigError("combinatorial", "n_test_folds", self.n_test_folds, f"fewer than {self.n_folds} folds")
        if self.n_splits > SPLITS_MAX:
            raise ConfigError("combinatorial", "splits", self.n_splits, f"at most {SPLITS_MAX}: fewer folds")

    @property
    def n_splits(self) -> int:
        """Number of choices of test folds."""
        return math.comb(self.n_folds, self.n_test_folds)

    @property
    def n_test_paths(self) -> int:
        """Number of paths that go through every fold once, each fold judged by another split."""
        return self.n_splits * self.n_test_folds // self.n_folds

    @property
    def test_set_index(self) -> I64:
        """Shape (n_splits, n_test_folds): the folds that each split holds out, ascending."""
        return np.array(list(combinations(range(self.n_folds), self.n_test_folds)), np.int64)

    @property
    def binary_train_test_sets(self) -> I64:
        """Shape (n_folds, n_splits): 1 where the split holds the fold out."""
        held = np.zeros((self.n_folds, self.n_splits), np.int64)
        held[self.test_set_index, np.arange(self.n_splits)[:, None]] = 1
        return held

    @property
    def recombined_paths(self) -> I64:
        """Shape (n_folds, n_test_paths): the split that judges the fold on the path."""
        return np.nonzero(self.binary_train_test_sets)[1].reshape(self.n_folds, -1)

    @property
    def path_ids(self) -> I64:
        """Shape (n_splits, n_test_folds): the path that each test fold of each split lies on."""
        seen = np.zeros(self.n_folds, np.int64)
        ids = np.empty((self.n_splits, self.n_test_folds), np.int64)
        for i, held in enumerate(self.test_set_index):
            ids[i] = seen[held]
            seen[held] += 1
        return ids

    def index_train_test(self, n: int) -> I64:
        """Return of each row and split whether it trains (0), judges (1) or is left out (-1), shape (n, n_splits).

        Raises
        ------
        ConfigError
            A fold is not longer than what is left out beside it.
        """
        size = n // self.n_folds
        if self.purged_size + self.embargo_size >= size - 1:
            gap = self.purged_size + self.embargo_size
            raise ConfigError(
                "combinatorial", "purged_size and embargo_size", gap, f"below a fold's {size} rows less 1"
            )
        parts = folds(n, self.n_folds)
        state = np.zeros((n, self.n_splits), np.int64)
        for i, held in enumerate(self.test_set_index):
            for fold in held:
                first, last = int(parts[fold][0]), int(parts[fold][-1])
                for side in (
                    slice(max(first - self.purged_size, 0), first),
                    slice(last + 1, last + 1 + self.purged_size + self.embargo_size),
                ):
                    state[side, i] = np.where(state[side, i] == 0, -1, state[side, i])
                state[first : last + 1, i] = 1
        return state

    def split(self, n: int) -> Iterator[Split]:
        """Yield the splits of n rows, in the order of ``test_set_index``; ``tests`` holds one array a test fold."""
        state, parts = self.index_train_test(n), folds(n, self.n_folds)
        for i, held in enumerate(self.test_set_index):
            yield Split(np.flatnonzero(state[:, i] == 0), tuple(parts[fold] for fold in held))

    def paths(self, n: int) -> list[list[tuple[int, I64]]]:
        """Return of each path the split and the rows of every fold in the order of time."""
        parts = folds(n, self.n_folds)
        return [list(zip(path.tolist(), parts, strict=True)) for path in self.recombined_paths.T]


def optimal_folds(
    n_observations: int,
    target_train_size: int,
    target_n_test_paths: int,
    weight_train_size: float = 1.0,
    weight_n_test_paths: float = 1.0,
) -> tuple[int, int]:
    """Return the numbers of folds and of test folds that come closest to a training size and a number of paths.

    Parameters
    ----------
    n_observations
        Rows.
    target_train_size, target_n_test_paths
        Mean training rows of a split, and paths, both positive.
    weight_train_size, weight_n_test_paths
        What a miss of each costs, as a share of its target.

    Raises
    ------
    ConfigError
        Fewer than 3 rows, or a target below 1.
    """
    at_least("folds", 3, n_observations=n_observations)
    at_least("folds", 1, target_train_size=target_train_size, target_n_test_paths=target_n_test_paths)

    def cost(n_folds: int, n_test: int) -> float:
        n_paths = math.comb(n_folds, n_test) * n_test // n_folds
        n_train = n_observations / n_folds * (n_folds - n_test)
        # Numbers of paths may be too long for a float.
        miss = min(abs(n_paths - target_n_test_paths), 1 << 1000) / target_n_test_paths
        return weight_n_test_paths * miss + weight_train_size * abs(n_train - target_train_size) / target_train_size

    best, found = math.inf, (3, 2)
    for n_folds in range(3, n_observations + 1):
        left = None
        for n_test in range(2, n_folds):
            # Paths grow towards half of the folds and shrink alike behind it: what is far too many there is skipped.
            if left is not None and n_folds - n_test > left:
                continue
            now = cost(n_folds, n_test)
            if now < best:
                best, found = now, (n_folds, n_test)
            if left is None and now > _FAR:
                left = n_test
    return found


_FAR = 1e5
"""A cost from which on more paths are not looked at."""
