"""What was tried: the returns of each trial out of sample, and how many trials there were."""

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.statistics.sharpe import sharpe_of_period
from processors.errors import ConfigError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

OVERLAP_MIN = 0.5
"""Trials of which fewer than half of the periods are common to all were not tried on the same history."""


@dataclass(frozen=True, slots=True)
class Returns:
    """Returns out of sample, one a period, net of costs.

    Parameters
    ----------
    ts_ns
        Shape (n,), end of the period, ascending.
    value
        Shape (n,), simple returns as fractions.
    fold
        Shape (n,), which fold the period was held out of, from 0.
    periods_a_year
        How many such periods a year has: 252 of session days.
    """

    ts_ns: I64
    value: F64
    fold: I64
    periods_a_year: float

    def __post_init__(self) -> None:
        """Refuse returns that are no series.

        Raises
        ------
        ConfigError
            Lengths differ, times do not ascend, or a value is no number.
        """
        if not len(self.ts_ns) == len(self.value) == len(self.fold):
            found = (len(self.ts_ns), len(self.value), len(self.fold))
            raise ConfigError("returns", "lengths of ts_ns, value and fold", found, "the same")
        if (np.diff(self.ts_ns) <= 0).any():
            raise ConfigError("returns", "ts_ns", "times that do not ascend", "one return a period, in order of time")
        if not np.isfinite(self.value).all():
            raise ConfigError("returns", "value", "values that are no numbers", "finite returns; 0 where flat")
        if not self.periods_a_year > 0:
            raise ConfigError("returns", "periods_a_year", self.periods_a_year, "above 0")

    def sharpe(self) -> float:
        """Return the annual Sharpe ratio; NaN of fewer than two returns."""
        return sharpe_of_period(self.value) * float(np.sqrt(self.periods_a_year))

    def sharpe_of_folds(self) -> F64:
        """Return the annual Sharpe ratio of each fold, in their order; 0 of one that never traded."""
        found = [sharpe_of_period(self.value[self.fold == k]) for k in np.unique(self.fold)]
        return _without_nan(found) * float(np.sqrt(self.periods_a_year))


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of hyper-parameters that was trained and judged.

    Parameters
    ----------
    trial_id
        Of the registry.
    label
        What people call it.
    parameters
        What it was tried with.
    returns
        Out of sample.
    ece
        Expected calibration error out of sample, 0 to 1; None where it was not measured.
    latency_ms
        Median time of a prediction; None where nothing was exported to measure.
    machine
        What it was measured on; empty where it was not.
    """

    trial_id: str
    label: str
    parameters: dict[str, Any]
    returns: Returns
    ece: float | None = None
    latency_ms: float | None = None
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Trials:
    """All trials of an experiment.

    Parameters
    ----------
    finished
        With a result, oldest first; deleted ones too, since they were looked at.
    n_failed
        Ended without a result, or never ended.
    """

    experiment: str
    finished: tuple[Trial, ...]
    n_failed: int = 0
    common: I64 = field(init=False)

    def __post_init__(self) -> None:
        """Find the periods that all trials have."""
        times = [t.returns.ts_ns for t in self.finished]
        common = reduce(np.intersect1d, times) if times else np.zeros(0, np.int64)
        object.__setattr__(self, "common", common)

    def __len__(self) -> int:
        """Return the number of trials that have a result."""
        return len(self.finished)

    def matrix(self) -> F64:
        """Return the returns of the common periods, shape (n, n_trials)."""
        rows = [t.returns.value[np.isin(t.returns.ts_ns, self.common)] for t in self.finished]
        return np.stack(rows, axis=1) if rows else np.zeros((0, 0))

    def overlap(self) -> float:
        """Return the share of the longest trial's periods that all trials have, 0 to 1."""
        longest = max((len(t.returns.ts_ns) for t in self.finished), default=0)
        return len(self.common) / longest if longest else 0.0

    def sharpes(self) -> F64:
        """Return the Sharpe ratio of a period of each trial, shape (n_trials,); 0 of one that never traded."""
        return np.asarray(
            np.nan_to_num([sharpe_of_period(t.returns.value) for t in self.finished], nan=0.0), np.float64
        )


def _without_nan(sharpes: list[float]) -> F64:
    """Return Sharpe ratios with 0 where neither return nor risk was; without risk alone it stays infinite."""
    found = np.array(sharpes, np.float64)
    return np.where(np.isnan(found), 0.0, found)
