"""What the best of so many trials would look like without skill.

Each function takes all trials of an experiment as the registry has them: leaving out the bad ones is what these
measures are there against. Where returns are held against each other, those whose models knew later rows (k-fold,
combinatorial) are left out, and told, unless all are such: nobody could have earned them. As tries they count.
"""

import math

import numpy as np

from offline.selection.finding import Finding, found, refused
from offline.selection.objective import PERIODS_MIN, too_few
from offline.selection.trials import F64, OVERLAP_MIN, Returns, Trials, unlike_periods
from offline.statistics.deflated import dependent_probabilistic_sharpe_ratio, expected_maximum_sharpe
from offline.statistics.overfitting import backtest_overfitting
from offline.statistics.superior import superior_predictive_ability
from processors.errors import ConfigError

TRIALS_MIN = 5
"""Fewer models have too few ranks for a share of splits below the median to mean anything, and too few Sharpe ratios
for their variance to."""
BLOCKS = (12, 10, 8, 6)
"""Blocks of the symmetric splits, the most that fit: 12 give 924 splits. The paper's 16 give 12,870, and take fourteen
times as long for the same value to two digits."""
BLOCK_ROWS_MIN = 8
SAMPLES = 1000
"""Resampled histories: the standard error of a p-value of 0.05 is 0.007."""
PERIODS_MAX = 4000
"""More are summed to so many: what takes the square of them, or a thousand times of them, is over in seconds."""
MEAN_BLOCK = 10.0
"""Periods that stay together in a resampled history: two weeks of session days."""


def deflated_sharpe(returns: Returns, trials: Trials) -> Finding:
    """Return the probability that the Sharpe ratio of one model is skill, given how many were tried.

    Of fewer than ``TRIALS_MIN`` trials it is that of one model by itself, the probabilistic Sharpe ratio, and says so:
    ``numbers["deflated"]`` is false.

    Parameters
    ----------
    returns
        Of the model that was chosen.
    trials
        All that were tried: their number and the variance of their Sharpe ratios are the benchmark.
    """
    n_trials = len(trials)
    few = too_few(returns)
    if few:
        return refused(few, n_trials=n_trials)
    if n_trials < 1:
        return refused(f"no trial of {trials.experiment} is in the registry: how many were tried is not known")
    why = unlike_periods(trials.experiment, (*trials.periods(), returns.period_ns))
    if why:
        return refused(why, n_trials=n_trials)
    sharpes = trials.sharpes()
    if not np.isfinite(sharpes).all():
        return refused("a trial has return without risk: its Sharpe ratio is infinite", n_trials=n_trials)
    told = {"n_trials": n_trials, "n_periods": len(returns.value), "deflated": n_trials >= TRIALS_MIN}
    if n_trials < TRIALS_MIN:
        of_how_many = f"{n_trials} trial{'' if n_trials == 1 else 's'}, fewer than {TRIALS_MIN}"
        says = f"probability that its Sharpe ratio is above 0; not deflated: {of_how_many}"
        return found(dependent_probabilistic_sharpe_ratio(returns.value), says, **told)
    variance = float(sharpes.var(ddof=1))
    annual = math.sqrt(returns.periods_a_year)
    benchmark = expected_maximum_sharpe(n_trials, variance)
    value = dependent_probabilistic_sharpe_ratio(returns.value, benchmark)
    best, deviation = benchmark * annual, math.sqrt(variance) * annual
    says = f"probability of skill, where the best of {n_trials} trials without any would show {best:.2f} a year"
    return found(value, says, deviation_of_trials=deviation, luck_sharpe=best, **told)


def overfitting(trials: Trials) -> Finding:
    """Return the probability that the trial that was best in one half of the time is below the median in the other."""
    trials, not_causal = trials.comparable(), len(trials) - len(trials.comparable())
    why = _cannot_compare(trials)
    if why:
        return refused(why, n_trials=len(trials))
    matrix = summed(trials.matrix(), PERIODS_MAX)
    fitting = [b for b in BLOCKS if len(matrix) // b >= BLOCK_ROWS_MIN]
    if not fitting:
        need = BLOCKS[-1] * BLOCK_ROWS_MIN
        return refused(f"{len(matrix)} common periods, at least {need} are needed", n_trials=len(trials))
    got = backtest_overfitting(matrix, fitting[0])
    says = f"share of splits in which the best of one half falls to the median or below in the other{_less(not_causal)}"
    return found(
        got.probability, says, n_trials=len(trials), n_blocks=fitting[0], n_splits=len(got.logits),
        loss_probability=got.loss_probability, n_periods=len(matrix), not_causal=not_causal,
    )  # fmt: skip


def superiority(trials: Trials, seed: int = 0) -> Finding:
    """Return Hansen's p-value that no trial earns more than holding nothing does."""
    trials, not_causal = trials.comparable(), len(trials) - len(trials.comparable())
    why = _cannot_compare(trials)
    if why:
        return refused(why, n_trials=len(trials))
    matrix = summed(trials.matrix(), PERIODS_MAX)
    if len(matrix) < PERIODS_MIN:
        return refused(f"{len(matrix)} common periods, at least {PERIODS_MIN} are needed", n_trials=len(trials))
    trading = np.flatnonzero(matrix.min(axis=0) < matrix.max(axis=0))
    if len(trading) == 0:
        return refused("no trial ever traded", n_trials=len(trials))
    try:
        got = superior_predictive_ability(matrix[:, trading], SAMPLES, min(MEAN_BLOCK, len(matrix) / 3), seed)
    except ConfigError as e:
        return refused(str(e), n_trials=len(trials))
    best = trials.finished[int(trading[got.best])].label
    says = f"p-value that none of {len(trials)} trials earns more than nothing; {best} stands out most"
    return found(
        got.consistent, says + _less(not_causal), n_trials=len(trials), never_traded=len(trials) - len(trading),
        best=best, lower=got.lower, upper=got.upper, n_periods=len(matrix), not_causal=not_causal,
    )  # fmt: skip


def _less(not_causal: int) -> str:
    return f"; {not_causal} left out that knew later rows" if not_causal else ""


def summed(matrix: F64, rows_max: int) -> F64:
    """Return sums of as many neighbouring rows as it takes; the first ones that fill no sum are left out."""
    size = -(-len(matrix) // rows_max)
    if size <= 1:
        return matrix
    kept = len(matrix) // size
    return np.asarray(matrix[len(matrix) - kept * size :].reshape(kept, size, -1).sum(axis=1))


def _cannot_compare(trials: Trials) -> str:
    """Return why the trials cannot be held against each other; empty where they can."""
    if len(trials) < TRIALS_MIN:
        return f"{len(trials)} trials of {trials.experiment}, at least {TRIALS_MIN} are needed"
    why = unlike_periods(trials.experiment, trials.periods())
    if why:
        return why
    if trials.overlap() < OVERLAP_MIN:
        shown = f"{trials.overlap():.0%}"
        return f"only {shown} of the periods are common to all trials of {trials.experiment}: they saw other histories"
    return ""
