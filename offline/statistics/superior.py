"""Whether the best of many models beats a benchmark by more than luck: the reality check and the SPA test."""

import math
from typing import NamedTuple

import numpy as np

from offline.statistics.bootstrap import stationary_bootstrap
from offline.statistics.moments import F64
from processors.errors import ConfigError


class Superiority(NamedTuple):
    """The statistic and its p-values: ``consistent`` is Hansen's; ``lower`` and ``upper`` bound it.

    ``best`` is the model with the largest statistic.
    """

    statistic: float
    lower: float
    consistent: float
    upper: float
    best: int


class RealityCheck(NamedTuple):
    """The largest mean times the root of n, its p-value, and the model that has it."""

    statistic: float
    p_value: float
    best: int


def reality_check(performance: F64, n_samples: int = 1000, mean_block: float = 10.0, seed: int = 0) -> RealityCheck:
    """Return the probability that the best of models without merit does as well.

    Parameters
    ----------
    performance
        Shape (n, n_models): by how much each model beats the benchmark in each period.
    n_samples, mean_block, seed
        Of the stationary bootstrap.

    Raises
    ------
    ConfigError
        There are fewer than two periods, no model, or values that are no numbers.

    References
    ----------
    White (2000), "A Reality Check for Data Snooping".
    """
    _check(performance)
    mean, resampled = _means(performance, n_samples, mean_block, seed)
    root = math.sqrt(len(performance))
    largest = (resampled - mean).max(axis=1) * root
    statistic = float(mean.max()) * root
    return RealityCheck(statistic, float((largest >= statistic).mean()), int(mean.argmax()))


def superior_predictive_ability(
    performance: F64, n_samples: int = 1000, mean_block: float = 10.0, seed: int = 0
) -> Superiority:
    """Return Hansen's test that no model beats the benchmark.

    Means are studentised, and a model that is far worse than the benchmark does not count towards what luck can do.

    Parameters
    ----------
    performance
        Shape (n, n_models): by how much each model beats the benchmark in each period.
    n_samples, mean_block, seed
        Of the stationary bootstrap.

    Raises
    ------
    ConfigError
        See ``reality_check``; or a model whose lead never varies.

    References
    ----------
    Hansen (2005), "A Test for Superior Predictive Ability", sections 2.2 to 3.
    """
    _check(performance)
    n = len(performance)
    mean, resampled = _means(performance, n_samples, mean_block, seed)
    deviation = np.sqrt(bootstrap_variance(performance, mean_block))
    if not (deviation > 0.0).all():
        at = int(np.flatnonzero(~(deviation > 0.0))[0])
        raise ConfigError("spa", "variance of the lead of model", at, "above 0")
    studentised = math.sqrt(n) * mean / deviation
    statistic = max(float(studentised.max()), 0.0)
    far_below = studentised < -math.sqrt(2.0 * math.log(math.log(n))) if n > 3 else studentised < 0.0
    centres = {
        "lower": np.maximum(mean, 0.0),
        "consistent": np.where(far_below, 0.0, mean),
        "upper": mean,
    }
    p_values = {}
    for name, centre in centres.items():
        luck = np.maximum((math.sqrt(n) * (resampled - centre) / deviation).max(axis=1), 0.0)
        p_values[name] = float((luck >= statistic).mean())
    return Superiority(
        statistic, p_values["lower"], p_values["consistent"], p_values["upper"], int(studentised.argmax())
    )


def bootstrap_variance(values: F64, mean_block: float) -> F64:
    """Return the variance that the stationary bootstrap gives the root of n times the mean, shape (n_models,).

    References
    ----------
    Politis and Romano (1994), lemma 1; Hansen (2005), section 3.
    """
    n, q = len(values), 1.0 / mean_block
    away = values - values.mean(axis=0)
    total = (away**2).mean(axis=0)
    for lag in range(1, n):
        weight = (n - lag) / n * (1.0 - q) ** lag + lag / n * (1.0 - q) ** (n - lag)
        if weight > 0.0:
            total = total + 2.0 * weight * (away[lag:] * away[:-lag]).sum(axis=0) / n
    return np.asarray(total)


def _check(performance: F64) -> None:
    if performance.ndim != 2 or performance.shape[0] < 2 or performance.shape[1] < 1:
        raise ConfigError("spa", "shape of the performance", performance.shape, "two periods and one model at least")
    if not np.isfinite(performance).all():
        raise ConfigError("spa", "performance", "values that are no numbers", "finite numbers")


def _means(performance: F64, n_samples: int, mean_block: float, seed: int) -> tuple[F64, F64]:
    rows = stationary_bootstrap(len(performance), n_samples, mean_block, np.random.default_rng(seed))
    return performance.mean(axis=0), np.array([performance[sample].mean(axis=0) for sample in rows])
