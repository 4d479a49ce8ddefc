"""How honest probabilities are: tables of bins, calibration error, the Brier score and its parts; by regime too."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

BINNINGS = ("width", "mass")


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was said and what came, by bin; all of shape (n_bins,), empty bins left out.

    Parameters
    ----------
    low, high
        Least and largest probability of the bin where bins have equal mass, else its borders.
    n
        Rows.
    said, came
        Mean probability and share of up rows.
    standard_error
        Of the share, if the probabilities were right: root of said * (1 - said) / n.
    """

    low: F64
    high: F64
    n: I64
    said: F64
    came: F64
    standard_error: F64


class Brier(NamedTuple):
    """Brier score = reliability - resolution + uncertainty + within.

    Parameters
    ----------
    score
        Mean squared distance of probability and outcome.
    reliability
        How far shares are from what was said, over the bins: 0 is honest.
    resolution
        How far shares are from the base rate: larger is more told.
    uncertainty
        Of the base rate.
    within
        What bins hide: variance of probabilities in a bin, less twice their covariance with the outcome. 0 where each
        bin has one probability.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def bins_of(p: F64, n_bins: int, binning: str) -> I64:
    """Return the bin of each row, shape (n,).

    Parameters
    ----------
    p
        Shape (n,), probabilities.
    n_bins
        At least 1.
    binning
        ``width``: bins of equal width, the upper border with the bin. ``mass``: of equal numbers of rows, equal
        probabilities together in the bin of their first row.

    Raises
    ------
    ConfigError
        Another binning, no bin, or a value that is no probability.
    """
    if binning not in BINNINGS:
        raise ConfigError("reliability", "binning", binning, f"one of {', '.join(BINNINGS)}")
    if n_bins < 1:
        raise ConfigError("reliability", "n_bins", n_bins, "at least 1")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ConfigError("reliability", "probability", "values outside of 0 to 1", "probabilities")
    if binning == "width":
        borders = np.linspace(0.0, 1.0, n_bins + 1)
        return np.maximum(np.searchsorted(borders, p, side="left") - 1, 0)
    ascending = np.sort(p)
    first = np.searchsorted(ascending, p, side="left")
    return np.asarray(first * n_bins // max(len(p), 1), np.int64)


def reliability(p: F64, up: F64, n_bins: int = 10, binning: str = "mass") -> Reliability:
    """Return the table of bins.

    Parameters
    ----------
    p, up
        Shape (n,): probabilities, and 0 or 1.
    n_bins, binning
        See ``bins_of``.
    """
    at = bins_of(p, n_bins, binning)
    n = np.bincount(at, minlength=n_bins)
    there = np.flatnonzero(n)
    n = n[there]
    said = np.bincount(at, weights=p, minlength=n_bins)[there] / n
    came = np.bincount(at, weights=up, minlength=n_bins)[there] / n
    if binning == "width":
        borders = np.linspace(0.0, 1.0, n_bins + 1)
        low, high = borders[there], borders[there + 1]
    else:
        low, high = (np.array([float(end(p[at == b])) for b in there]) for end in (np.min, np.max))
    return Reliability(low, high, n, said, came, np.sqrt(said * (1.0 - said) / n))


def calibration_error(p: F64, up: F64, n_bins: int = 10, binning: str = "width") -> float:
    """Return the expected calibration error: the mean distance of share and probability over bins, by their rows.

    Parameters
    ----------
    p, up, n_bins, binning
        See ``reliability``.

    Returns
    -------
    NaN of no rows.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using Bayesian Binning"; equal mass:
    Nixon et al. (2019), "Measuring Calibration in Deep Learning".
    """
    table = reliability(p, up, n_bins, binning)
    n = int(table.n.sum())
    return float((table.n * np.abs(table.said - table.came)).sum()) / n if n else float("nan")


def maximum_calibration_error(p: F64, up: F64, n_bins: int = 10, binning: str = "width") -> float:
    """Return the largest distance of share and probability of any bin; NaN of no rows."""
    table = reliability(p, up, n_bins, binning)
    return float(np.abs(table.said - table.came).max()) if len(table.n) else float("nan")


def brier(p: F64, up: F64, n_bins: int = 10, binning: str = "mass") -> Brier:
    """Return the Brier score and its parts, which add up to it exactly; NaN of no rows.

    Parameters
    ----------
    p, up, n_bins, binning
        See ``reliability``.

    References
    ----------
    Murphy (1973), "A New Vector Partition of the Probability Score"; Stephenson, Coelho and Jolliffe
    (2008), "Two Extra Components in the Brier Score Decomposition".
    """
    if len(p) == 0:
        return Brier(*[float("nan")] * 5)
    table = reliability(p, up, n_bins, binning)
    share, base = table.n / len(p), float(up.mean())
    score = float(((p - up) ** 2).mean())
    off = float((share * (table.said - table.came) ** 2).sum())
    told = float((share * (table.came - base) ** 2).sum())
    unsure = base * (1.0 - base)
    return Brier(score, off, told, unsure, score - (off - told + unsure))


@dataclass(frozen=True, slots=True)
class Honesty:
    """Measures of the rows of one regime, or of all."""

    n: int
    base_rate: float
    error_by_width: float
    error_by_mass: float
    brier: Brier
    table: Reliability


def honesty(p: F64, up: F64, n_bins: int = 10) -> Honesty:
    """Return all measures of some rows; see the functions of this module."""
    return Honesty(
        len(p),
        float(up.mean()) if len(up) else float("nan"),
        calibration_error(p, up, n_bins, "width"),
        calibration_error(p, up, n_bins, "mass"),
        brier(p, up, n_bins),
        reliability(p, up, n_bins),
    )


def honesty_by_regime(p: F64, up: F64, regime: I64, n_bins: int = 10) -> dict[int, Honesty]:
    """Return the measures of each regime, by its label ascending: what is honest on the whole may not be in each.

    Parameters
    ----------
    p, up
        Shape (n,).
    regime
        Shape (n,), label of each row.
    n_bins
        See ``bins_of``.
    """
    return {int(label): honesty(p[regime == label], up[regime == label], n_bins) for label in np.unique(regime)}
