"""What was tried: the returns of each trial out of sample, and how many trials there were."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.statistics.sharpe import sharpe_of_period
from processors.errors import ConfigError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

OVERLAP_MIN = 0.5
"""Trials whose common time has fewer than half of all their periods were not tried on the same history."""
UNSTATED = 0
"""Length of the periods of returns that were written before it was: each was booked whole when its label ended."""
PERIODS = {3_600_000_000_000: "hours", 86_400_000_000_000: "days", UNSTATED: "periods of an older version"}


def unlike_periods(whose: str, lengths: Iterable[int]) -> str:
    """Return why returns with periods of these lengths cannot be compared; empty where all are alike.

    Parameters
    ----------
    whose
        Experiment or candidate, for the sentence.
    lengths
        Nanoseconds, or ``UNSTATED``.
    """
    found = sorted(set(lengths))
    named = ", ".join(PERIODS.get(length, f"{length} ns") for length in found)
    if UNSTATED in found:
        return f"returns of {whose} are in {named}, not marked to market: train again, in a new experiment"
    if len(found) > 1:
        return f"returns of {whose} are in {named}: name another experiment for one of them"
    return ""


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
        How many such periods a year has in which the market is open, a nominal number: 252 of session days.
    period_ns
        Length of a period; ``UNSTATED`` of returns that an older version wrote.
    of_paths
        Annual Sharpe ratio of each path through time, of combinatorial validation; empty where there is one path.
    causal
        Whether each period was judged by models that were trained on earlier rows alone.
    """

    ts_ns: I64
    value: F64
    fold: I64
    periods_a_year: float
    period_ns: int
    of_paths: tuple[float, ...] = ()
    causal: bool = True

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
        if self.period_ns < 0:
            raise ConfigError("returns", "period_ns", self.period_ns, "above 0")

    def n_held(self) -> int:
        """Return the number of periods in which anything was earned or lost."""
        return int(np.count_nonzero(self.value))

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
        """Find the periods of the time that all trials have: those of any of them."""
        times = [t.returns.ts_ns for t in self.finished if len(t.returns.ts_ns)]
        common = np.zeros(0, np.int64)
        if times and len(times) == len(self.finished):
            every = reduce(np.union1d, times)
            common = every[(every >= max(t[0] for t in times)) & (every <= min(t[-1] for t in times))]
        object.__setattr__(self, "common", common)

    def __len__(self) -> int:
        """Return the number of trials that have a result."""
        return len(self.finished)

    def comparable(self) -> "Trials":
        """Return the trials that earlier rows alone have judged, where there are such: the others knew what came."""
        causal = tuple(t for t in self.finished if t.returns.causal)
        return replace(self, finished=causal) if causal else self

    def matrix(self) -> F64:
        """Return the returns of the common periods, shape (n, n_trials); 0 of a trial that has none in one: flat."""
        out = np.zeros((len(self.common), len(self.finished)))
        for k, t in enumerate(self.finished):
            inside = np.isin(t.returns.ts_ns, self.common)
            out[np.searchsorted(self.common, t.returns.ts_ns[inside]), k] = t.returns.value[inside]
        return out

    def overlap(self) -> float:
        """Return the share of all periods that lies in the time that all trials have, 0 to 1."""
        times = [t.returns.ts_ns for t in self.finished]
        every = len(reduce(np.union1d, times)) if times else 0
        return len(self.common) / every if every else 0.0

    def periods(self) -> tuple[int, ...]:
        """Return the lengths of period that trials have, nanoseconds, ascending."""
        return tuple(sorted({t.returns.period_ns for t in self.finished}))

    def sharpes(self) -> F64:
        """Return the Sharpe ratio of a period of each trial, shape (n_trials,); 0 of one that never traded."""
        return np.asarray(
            np.nan_to_num([sharpe_of_period(t.returns.value) for t in self.finished], nan=0.0), np.float64
        )


def _without_nan(sharpes: list[float]) -> F64:
    """Return Sharpe ratios with 0 where neither return nor risk was; without risk alone it stays infinite."""
    found = np.array(sharpes, np.float64)
    return np.where(np.isnan(found), 0.0, found)
