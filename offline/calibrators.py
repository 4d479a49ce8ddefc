"""Log-odds of a model into honest probabilities: Platt, isotonic and beta calibration behind one interface.

    platt       log-odds a * raw + b            two numbers, with a prior: for few rows; models are deployed with it
    beta        a * ln p - b * ln(1 - p) + c    three numbers: sides may differ, and the identity is among them
    isotonic    any curve that never falls      as many numbers as it needs: for thousands of rows

All are monotone: none changes which of two rows is the likelier one. ``calibrated_by_regime`` has one for each regime
with enough rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from offline.calibration import LOG_ODDS_MAX, platt, posterior_mode, sigmoid
from offline.isotonic import pool_adjacent_violators
from processors.errors import ConfigError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

BETA_PRECISION = 1e-4
"""Prior of beta calibration: next to none, but enough that rows which a threshold splits have an answer."""


Told = tuple[str, dict[str, Any]]
"""Name of a curve, and its numbers or arrays by name."""


class Calibrator(Protocol):
    """A fitted calibration."""

    def probability(self, raw: F64) -> F64:
        """Return the probability of up of each row, of the model's log-odds."""
        ...

    def curve(self) -> Told:
        """Return which curve it is, and its numbers by name: what ``offline.export.head`` writes into the graph."""
        ...


@dataclass(frozen=True, slots=True)
class Platt:
    """Log-odds scaled and moved; see ``calibration.platt``."""

    slope: float
    intercept: float

    def probability(self, raw: F64) -> F64:
        """Return sigmoid(slope * raw + intercept)."""
        return sigmoid(self.slope * raw + self.intercept)

    def curve(self) -> Told:
        """Return Platt's line."""
        return "platt", {"slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A curve through points, straight between them and flat outside.

    Parameters
    ----------
    raw
        Shape (k,), log-odds, ascending.
    level
        Shape (k,), probability at each, never falling.
    """

    raw: F64
    level: F64

    def probability(self, raw: F64) -> F64:
        """Return the curve at each row."""
        return np.asarray(np.interp(raw, self.raw, self.level), np.float64)

    def curve(self) -> Told:
        """Return the points."""
        return "isotonic", {"raw": self.raw, "level": self.level}


@dataclass(frozen=True, slots=True)
class Beta:
    """Log-odds a * ln p - b * ln(1 - p) + c of the model's probability p."""

    a: float
    b: float
    c: float

    def probability(self, raw: F64) -> F64:
        """Return the calibrated probability."""
        up, down = _log_probabilities(raw)
        return sigmoid(self.a * up - self.b * down + self.c)

    def curve(self) -> Told:
        """Return the three numbers."""
        return "beta", {"a": self.a, "b": self.b, "c": self.c}


@dataclass(frozen=True, slots=True)
class ByRegime:
    """One calibration a regime, and one for the regimes that had too few rows."""

    pooled: Calibrator
    own: dict[int, Calibrator]

    def probability(self, raw: F64, regime: I64) -> F64:
        """Return the probability of each row by the calibration of its regime, shape (n,)."""
        found = self.pooled.probability(raw)
        for label, calibrator in self.own.items():
            here = regime == label
            found[here] = calibrator.probability(raw[here])
        return found


def fit_platt(raw: F64, up: F64, weight: F64) -> Platt:
    """Return Platt's scaling with the priors of ``calibration.platt``."""
    return Platt(*platt(raw, up, weight))


def fit_isotonic(raw: F64, up: F64, weight: F64) -> Isotonic:
    """Return the curve that never falls with the least squared distance from what came.

    Parameters
    ----------
    raw, up, weight
        See ``calibrated``.

    References
    ----------
    Zadrozny and Elkan (2002), "Transforming Classifier Scores into Accurate Multiclass Probability Estimates".
    """
    at, group = np.unique(raw, return_inverse=True)
    weights = np.asarray(np.bincount(group, weights=weight), np.float64)
    mean = np.bincount(group, weights=weight * up) / weights
    level = pool_adjacent_violators(mean, weights)
    # Of a flat stretch its two ends say all.
    ends = np.ones(len(at), np.bool_)
    ends[1:-1] = (level[1:-1] != level[:-2]) | (level[1:-1] != level[2:])
    return Isotonic(at[ends], level[ends])


def fit_beta(raw: F64, up: F64, weight: F64) -> Beta:
    """Return beta calibration with a and b not negative.

    Parameters
    ----------
    raw, up, weight
        See ``calibrated``.

    References
    ----------
    Kull, Silva Filho and Flach (2017), "Beta calibration: a well-founded and easily implemented improvement on logistic
    calibration for binary classifiers".
    """
    log_up, log_down = _log_probabilities(raw)
    design = np.stack([log_up, -log_down, np.ones(len(raw))])
    free = np.ones(3)
    # A number that would be negative is 0, and the others are found anew; convex, so no more than both can go.
    for _ in range(3):
        found = posterior_mode(design * free[:, None], up, weight, BETA_PRECISION * np.eye(3)) * free
        negative = found[:2] < 0.0
        if not negative.any():
            break
        free[int(np.argmin(found[:2]))] = 0.0
    return Beta(float(found[0]), float(found[1]), float(found[2]))


def _log_probabilities(raw: F64) -> tuple[F64, F64]:
    """Return ln p and ln(1 - p) of log-odds."""
    bounded = np.clip(raw, -LOG_ODDS_MAX, LOG_ODDS_MAX)
    return -np.logaddexp(0.0, -bounded), -np.logaddexp(0.0, bounded)


FITS: dict[str, Callable[[F64, F64, F64], Calibrator]] = {
    "platt": fit_platt, "isotonic": fit_isotonic, "beta": fit_beta,
}  # fmt: skip


def calibrated(method: str, raw: F64, up: F64, weight: F64 | None = None) -> Calibrator:
    """Return a calibration of a model by rows that it was not fitted on.

    Parameters
    ----------
    method
        ``platt``, ``isotonic`` or ``beta``.
    raw
        Shape (n,), log-odds of the model, finite.
    up
        Shape (n,), 0 or 1.
    weight
        Shape (n,), how many independent rows each stands for, positive; 1 where None.

    Raises
    ------
    ConfigError
        There is no such method, no row, a weight that is not positive, or log-odds that are no numbers.
    """
    if method not in FITS:
        raise ConfigError("calibration", "method", method, f"one of {', '.join(FITS)}")
    if len(raw) == 0 or len(raw) != len(up):
        raise ConfigError("calibration", "rows", (len(raw), len(up)), "as many outcomes as log-odds, at least 1")
    if not np.isfinite(raw).all():
        raise ConfigError("calibration", "log-odds", "values that are no numbers", "finite numbers")
    weights = np.ones(len(raw)) if weight is None else weight
    if not (weights > 0.0).all():
        raise ConfigError("calibration", "weight", float(weights.min()), "above 0")
    return FITS[method](np.asarray(raw, np.float64), np.asarray(up, np.float64), weights)


def calibrated_by_regime(
    method: str, raw: F64, up: F64, regime: I64, weight: F64 | None = None, rows_min: float = 200.0
) -> ByRegime:
    """Return a calibration for each regime with enough rows, and one of all rows for the others.

    Parameters
    ----------
    method, raw, up, weight
        See ``calibrated``.
    regime
        Shape (n,), label of each row.
    rows_min
        Independent rows, the sum of their weights, that a regime must have: fewer say less of it than all rows do.
    """
    weights = np.ones(len(raw)) if weight is None else weight
    own = {}
    for label in np.unique(regime):
        here = regime == label
        if weights[here].sum() >= rows_min:
            own[int(label)] = calibrated(method, raw[here], up[here], weights[here])
    return ByRegime(calibrated(method, raw, up, weights), own)
