"""Adaptive conformal inference: the level follows what came, so that coverage holds over time under any drift."""

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

from offline.conformal.quantiles import rank
from processors.errors import ConfigError


def aci_step(alpha: float, target: float, gamma: float, *, covered: bool, clip: bool = False) -> float:
    """Return the next level.

    Parameters
    ----------
    alpha
        The level now: the probability outside that the last interval was made for.
    target
        The probability outside that is wanted in the long run.
    gamma
        Size of a step.
    covered
        Whether the last observation lay inside.
    clip
        Whether the level is kept from 0 to 1, as MAPIE does. What is cut off is forgotten, and with it the bound of
        ``coverage_bound``, so that the tracker does not.

    References
    ----------
    Gibbs and Candes (2021), "Adaptive Conformal Inference Under Distribution Shift", equation 2.
    """
    moved = alpha + gamma * (target - (not covered))
    return min(max(moved, 0.0), 1.0) if clip else moved


def coverage_bound(n: int, gamma: float, start: float, delay: int = 0) -> float:
    """Return how far the share outside can be from the target after n steps, whatever came.

    Parameters
    ----------
    n
        Steps, at least 1.
    gamma
        Size of a step, positive.
    start
        The first level.
    delay
        Observations that are made before one of them is judged: labels become known a horizon later. The level may
        move on for so many steps before it hears that it has gone too far.

    References
    ----------
    Gibbs and Candes (2021), proposition 4.1.
    """
    return (max(start, 1.0 - start) + (1 + delay) * gamma) / (n * gamma)


@dataclass(slots=True)
class IntervalTracker:
    """Intervals around the predictions of a stream, by its last errors, at a level that follows their coverage.

    Parameters
    ----------
    target
        Probability outside that is wanted, between 0 and 1.
    gamma
        Size of a step: 0.005 as in the paper follows a drift over some hundreds of observations.
    window
        Last errors that are kept.
    alpha
        The level now; at 0 or below intervals are infinite, at 1 or above empty.
    n, n_missed
        Observations so far, and how many of them lay outside.

    Raises
    ------
    ConfigError
        A number is out of range.

    Examples
    --------
    >>> tracker = IntervalTracker(0.1, window=100)
    >>> low, high = tracker.interval(10.0)
    >>> tracker.observe(10.0, 10.5)
    True
    """

    target: float
    gamma: float = 0.005
    window: int = 1000
    alpha: float = math.nan
    n: int = 0
    n_missed: int = 0
    _errors: deque[float] = field(default_factory=deque)
    _ascending: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check the numbers, and begin at the target."""
        if not 0.0 < self.target < 1.0:
            raise ConfigError("tracker", "target", self.target, "between 0 and 1")
        if not self.gamma > 0.0:
            raise ConfigError("tracker", "gamma", self.gamma, "above 0")
        if self.window < 1:
            raise ConfigError("tracker", "window", self.window, "at least 1 error")
        if math.isnan(self.alpha):
            self.alpha = self.target

    def reach(self) -> float:
        """Return the size of error that the next one is not to exceed; infinite, or minus infinite for none at all."""
        if self.alpha >= 1.0:
            return -math.inf
        n = len(self._ascending)
        k = rank(1.0 - self.alpha, n)
        return math.inf if self.alpha <= 0.0 or k > n else self._ascending[max(k - 1, 0)]

    def interval(self, prediction: float) -> tuple[float, float]:
        """Return the bounds around a prediction; the low one is above the high one where the interval is empty."""
        size = self.reach()
        return prediction - size, prediction + size

    def observe(self, prediction: float, y: float) -> bool:
        """Take in what came, move the level, and return whether the interval around the prediction held it.

        Raises
        ------
        ConfigError
            The error is no finite number; nothing has changed.
        """
        error = abs(y - prediction)
        if not math.isfinite(error):
            raise ConfigError("tracker", "error", error, f"finite; predicted {prediction}, came {y}")
        covered = error <= self.reach()
        self.judge(error, covered=covered)
        return covered

    def judge(self, error: float, *, covered: bool) -> None:
        """Take in what came of an interval that was made earlier, and move the level.

        Parameters
        ----------
        error
            Its size, finite.
        covered
            Whether the interval held it, at the level that it was made with.
        """
        self.alpha = aci_step(self.alpha, self.target, self.gamma, covered=covered)
        self.n += 1
        self.n_missed += not covered
        self._errors.append(error)
        insort(self._ascending, error)
        if len(self._errors) > self.window:
            oldest = self._errors.popleft()
            del self._ascending[bisect_left(self._ascending, oldest)]
