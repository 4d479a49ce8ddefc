"""The probability that what was best in the past is below the median in the future: combinatorial symmetric splits."""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from offline.statistics.moments import F64
from processors.errors import ConfigError


class Overfitting(NamedTuple):
    """Probability of backtest overfitting and what it is made of.

    Parameters
    ----------
    probability
        Share of splits whose best model falls to the median or below.
    logits
        Shape (n_splits,): log-odds of the relative rank out of sample of the model that was best in sample.
    loss_probability
        Share of splits whose best model has a negative statistic out of sample.
    """

    probability: float
    logits: F64
    loss_probability: float


def sharpe_of_columns(returns: F64) -> F64:
    """Return the Sharpe ratio of a period of each column; 0 of equal returns that are 0, else infinite."""
    mean, spread = returns.mean(axis=0), returns.std(axis=0, ddof=1)
    flat = returns.min(axis=0) == returns.max(axis=0)
    endless = np.where(mean == 0.0, 0.0, np.copysign(np.inf, mean))
    return np.where(flat, endless, mean / np.where(flat, 1.0, spread))


def backtest_overfitting(
    returns: F64, n_blocks: int = 16, statistic: Callable[[F64], F64] = sharpe_of_columns
) -> Overfitting:
    """Return the probability of backtest overfitting of models that were tried on the same periods.

    Parameters
    ----------
    returns
        Shape (n, n_models), at least two models.
    n_blocks
        Even, at least 2: every half of the blocks is in sample once. Rows that do not fill a block, the first ones, are
        left out.
    statistic
        Of shape (m, n_models), returns shape (n_models,); larger is better.

    Raises
    ------
    ConfigError
        An odd number of blocks, more than rows, or fewer than two models.

    References
    ----------
    Bailey, Borwein, Lopez de Prado and Zhu (2017), "The probability of backtest overfitting", section 3.
    """
    n, n_models = returns.shape
    if n_blocks < 2 or n_blocks % 2 or n_blocks > n // 2:
        raise ConfigError("overfitting", "n_blocks", n_blocks, f"an even number from 2 to half of {n} rows")
    if n_models < 2:
        raise ConfigError("overfitting", "models", n_models, "at least 2")
    size = n // n_blocks
    blocks = returns[n - size * n_blocks :].reshape(n_blocks, size, n_models)
    logits, losses = [], 0
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        inside = np.zeros(n_blocks, np.bool_)
        inside[list(chosen)] = True
        best = int(np.argmax(statistic(blocks[inside].reshape(-1, n_models))))
        outside = statistic(blocks[~inside].reshape(-1, n_models))
        # Ties share their rank.
        rank = float((outside < outside[best]).sum()) + 0.5 * float((outside == outside[best]).sum() + 1)
        relative = rank / (n_models + 1.0)
        logits.append(np.log(relative / (1.0 - relative)))
        losses += bool(outside[best] < 0.0)
    found = np.array(logits)
    return Overfitting(float((found <= 0.0).mean()), found, losses / len(found))
