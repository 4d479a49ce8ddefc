"""One number to choose by: return, less what makes it doubtful, dishonest or slow.

    score = Sharpe_OOS - l1 * sd(Sharpe over folds) - l2 * ECE - l3 * latency_ms

| term | taken from |
| --- | --- |
| Sharpe_OOS | all returns out of sample, net of costs, annual (``Returns.sharpe``); of several paths their mean |
| sd(Sharpe over folds) | annual Sharpe ratio of each fold, sample deviation (``Returns.sharpe_of_folds``); of several
paths that of theirs (``Returns.of_paths``) |
| ECE | calibrated probabilities of all rows out of sample, ten bins of equal count |
| latency_ms | median time of one row through the file as it is served, one thread (``offline.export.latency``) |
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from offline.selection.finding import Finding, found, refused
from offline.selection.trials import Returns, unlike_periods
from processors.errors import ConfigError

FOLDS_MIN = 3
"""A deviation of two values is one difference: it says nothing of a spread."""
PERIODS_MIN = 30
"""Fewer returns leave a Sharpe ratio a standard error of about 0.18 a period, 2.9 a year of days. Flat periods tell
nothing: of three trades in a year a ratio is no better known than of three days."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each doubt costs, in annual Sharpe ratio.

    Parameters
    ----------
    instability
        Of a deviation of 1 between folds. A half: folds are short, so that most of their spread is noise, which all
        candidates share.
    dishonesty
        Of an ECE of 1. Ten: at 0.03, where sizes by Kelly are off by about a tenth of an even bet, it costs 0.3.
    delay
        Of a millisecond. A hundredth: trees (0.02 ms) pay nothing, a deep model of 10 ms has to be better by 0.1.
    """

    instability: float = 0.5
    dishonesty: float = 10.0
    delay: float = 0.01

    def __post_init__(self) -> None:
        """Refuse a reward for a doubt.

        Raises
        ------
        ConfigError
            A weight is negative or no number.
        """
        for key, value in asdict(self).items():
            if not 0.0 <= value < np.inf:
                raise ConfigError("selection weights", key, value, "0 or more")


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is weighed.

    Parameters
    ----------
    label
        What people call it.
    returns
        Out of sample, net of costs.
    ece
        0 to 1; None where it was not measured.
    latency_ms
        None where it was not measured.
    machine
        What it was measured on.
    """

    label: str
    returns: Returns
    ece: float | None
    latency_ms: float | None
    machine: str = ""


def too_few(returns: Returns) -> str:
    """Return why returns are too few for a ratio of them to mean anything; empty where they are enough."""
    n, held = len(returns.value), returns.n_held()
    if n < PERIODS_MIN:
        return f"{n} periods out of sample, at least {PERIODS_MIN} are needed"
    if held < PERIODS_MIN:
        return f"a position in {held} of {n} periods out of sample, at least {PERIODS_MIN} are needed"
    return ""


def penalised_sharpe(returns: Returns, instability: float = WEIGHTS.instability) -> Finding:
    """Return the annual Sharpe ratio less its weighted deviation over folds; refuses too few folds or periods.

    Where there are several paths, it is their mean, less their weighted deviation.
    """
    over, each = ("paths", np.array(returns.of_paths)) if returns.of_paths else ("folds", returns.sharpe_of_folds())
    why = too_few(returns)
    if why:
        return refused(why)
    if len(each) < FOLDS_MIN:
        return refused(f"{len(each)} {over}, at least {FOLDS_MIN} are needed to see how a Sharpe ratio spreads")
    if not np.isfinite(each).all():
        return refused(f"a {over[:-1]} has return without risk: its Sharpe ratio is infinite")
    whole = float(each.mean()) if returns.of_paths else returns.sharpe()
    spread = float(each.std(ddof=1))
    value = whole - instability * spread
    says = f"Sharpe ratio less its spread over {over}"
    return found(value, says, sharpe=whole, spread=spread, over=over, **{over: each.tolist()})


def objective(candidate: Candidate, weights: Weights = WEIGHTS) -> Finding:
    """Return the score of the module's first line, with each term in ``numbers``; refuses where a term is missing.

    Refused too where an older version wrote the returns, which were booked whole: their risk is another one.
    """
    why = unlike_periods(candidate.label, [candidate.returns.period_ns])
    if why:
        return refused(why)
    steady = penalised_sharpe(candidate.returns, weights.instability)
    if steady.value is None:
        return steady
    missing = [name for name in ("ece", "latency_ms") if getattr(candidate, name) is None]
    if missing:
        return refused(f"{' and '.join(missing)} of {candidate.label} was not measured", **steady.numbers)
    ece, latency_ms = float(candidate.ece or 0.0), float(candidate.latency_ms or 0.0)
    costs: dict[str, Any] = {
        "cost_instability": weights.instability * steady.numbers["spread"],
        "cost_dishonesty": weights.dishonesty * ece,
        "cost_delay": weights.delay * latency_ms,
    }
    value = steady.value - costs["cost_dishonesty"] - costs["cost_delay"]
    says = "annual Sharpe ratio out of sample, less what its doubts cost"
    return found(value, says, ece=ece, latency_ms=latency_ms, **steady.numbers, **costs)
