"""The mean target of a category, fitted on the training rows of a fold only; ``offline.training.encoding`` calls it.

``fit`` gives what was learnt as an object of numbers, ``transform`` applies it: so that ``leakage.check_fitted`` can
fit again on the fold's own rows and compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from schemas.instruments import load_instruments

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

COLUMN_OF = {"asset_class": "asset_class", "root": "partition_key", "calendar": "calendar", "currency": "currency"}
"""Category of a recipe -> column of the instruments file."""


@dataclass(frozen=True, slots=True)
class FittedTargetEncoder:
    """Mean target of each category.

    Parameters
    ----------
    categories
        Shape (k,), ascending.
    value
        Shape (k,), shrunk towards the prior.
    prior
        Mean of all: of a category that was not seen.
    """

    categories: I64
    value: F64
    prior: float

    def transform(self, category: I64) -> F64:
        """Return the value of each row's category, shape (n,)."""
        if not len(self.categories):
            return np.full(len(category), self.prior)
        at = np.minimum(np.searchsorted(self.categories, category), len(self.categories) - 1)
        return np.where(self.categories[at] == category, self.value[at], self.prior)

    def statistics(self) -> F64:
        """Return what was learnt, as one row of numbers."""
        return np.concatenate([self.categories.astype(np.float64), self.value, [self.prior]])


@dataclass(frozen=True, slots=True)
class TargetEncoder:
    """A category, such as sector or cluster, as the mean target of its rows.

    Parameters
    ----------
    smoothing
        Rows of the mean of all that are added to each category: one of few rows stays near it.

    References
    ----------
    Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes".
    """

    smoothing: float = 100.0

    def __post_init__(self) -> None:
        """Refuse a negative smoothing; raises ConfigError."""
        if not self.smoothing >= 0:
            raise ConfigError("target encoder", "smoothing", self.smoothing, "0 or more")

    def fit(self, category: I64, target: F64) -> FittedTargetEncoder:
        """Return the encoder of training rows: to transform the rows that judge.

        Rows that it was fitted on would see their own target in it: ``expanding`` is for those.
        """
        seen, inverse = np.unique(category, return_inverse=True)
        prior = float(target.mean()) if len(target) else 0.0
        total = np.bincount(inverse, target, len(seen)) + self.smoothing * prior
        count = np.bincount(inverse, minlength=len(seen)) + self.smoothing
        return FittedTargetEncoder(seen.astype(np.int64), total / count, prior)

    def expanding(self, category: I64, target: F64, ts_ns: I64, end_ns: I64) -> F64:
        """Return of each training row the value of its category by the labels that were known at its time.

        Parameters
        ----------
        ts_ns, end_ns
            Shape (n,): time of the row, and when its target is known.

        Returns
        -------
        Shape (n,), 0 where no label was known yet.
        """
        by_end, by_time = np.argsort(end_ns, kind="stable"), np.argsort(ts_ns, kind="stable")
        _, code = np.unique(category, return_inverse=True)
        total, count = np.zeros(code.max(initial=-1) + 1), np.zeros(code.max(initial=-1) + 1)
        out, known, all_total = np.zeros(len(category)), 0, 0.0
        for i in by_time:
            while known < len(by_end) and end_ns[by_end[known]] <= ts_ns[i]:
                j = by_end[known]
                total[code[j]] += target[j]
                count[code[j]] += 1
                all_total += target[j]
                known += 1
            prior = all_total / known if known else 0.0
            weight = count[code[i]] + self.smoothing
            out[i] = (total[code[i]] + self.smoothing * prior) / weight if weight > 0 else prior
        return out


def codes_of(category: str, symbols: Sequence[str]) -> I64:
    """Return the code of each symbol's category, shape (n,): by all values of the instruments file, -1 where unknown.

    So a symbol more or less in a set moves no code.

    Parameters
    ----------
    category
        One of ``offline.recipes.recipe.CATEGORIES``.
    """
    known = load_instruments()
    column = COLUMN_OF[category]
    values = sorted({str(getattr(row, column)) for row in known.rows})
    rows = [known.by_symbol.get(name) for name in symbols]
    return np.array([-1 if r is None else values.index(str(getattr(known.rows[r], column))) for r in rows], np.int64)
