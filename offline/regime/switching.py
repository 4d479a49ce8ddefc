"""Markov-switching regression and autoregression: which parameters a model has, and what they make of a series.

    y[t] = x[t] beta(s[t]) + sum over i of phi_i(s[t]) (y[t-i] - x[t-i] beta(s[t-i])) + sigma(s[t]) e[t]

with a transition matrix that is fixed or a logit of variables (Filardo, 1994). Parameters stand in one row: the
transitions (regime by regime into the first, then into the second, the last left out), the regressors (trend first),
the variances, the autoregression; each that switches has its value for every regime side by side.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from offline.regime import hindsight
from processors.errors import ConfigError
from processors.regime import markov
from processors.regime.markov import F64

TRENDS = {"n": (), "nc": (), "c": (0,), "t": (1,), "ct": (0, 1), "ctt": (0, 1, 2)}
"""Name of a trend -> powers of time in it; time is 1 at the first value."""
Flags = bool | list[bool]


@dataclass(frozen=True, slots=True)
class Filtered:
    """What the filter gives; regimes are joint: axis 0 is the regime now, axis 1 the one before, the last is time."""

    predicted: F64
    filtered: F64
    log_likelihood: F64
    """Of each value, shape (n,)."""
    transitions: F64
    """Shape (1 or n, k, k): into each step."""


@dataclass(frozen=True)
class MarkovSwitching:
    """One model of one series.

    Parameters
    ----------
    endog
        Shape (n,). The first ``order`` values are only looked back at.
    k_regimes
        2 or more.
    order
        Of the autoregression; 0 for a regression.
    trend
        See ``TRENDS``.
    exog, exog_tvtp
        Shape (n,) or (n, m): regressors; variables of the transitions (a constant is not added).
    switching_trend, switching_exog, switching_variance, switching_ar
        Whether a parameter has a value for each regime; one for all of its kind, or a list.
    """

    endog: F64
    k_regimes: int
    order: int = 0
    trend: str = "c"
    exog: F64 | None = None
    exog_tvtp: F64 | None = None
    switching_trend: Flags = True
    switching_exog: Flags = True
    switching_variance: bool = False
    switching_ar: Flags = True

    def __post_init__(self) -> None:
        """Check what would else give a wrong answer.

        Raises
        ------
        ConfigError
            Too few regimes, an unknown trend, a negative order, or variables of another length than the series.
        """
        if self.k_regimes < 2:
            raise ConfigError("markov switching", "k_regimes", self.k_regimes, "2 or more")
        if self.trend not in TRENDS:
            raise ConfigError("markov switching", "trend", self.trend, f"one of {', '.join(TRENDS)}")
        if not 0 <= self.order < len(self.endog):
            raise ConfigError("markov switching", "order", self.order, f"0 to {len(self.endog) - 1}")
        for name in ("exog", "exog_tvtp"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.endog):
                raise ConfigError("markov switching", name, len(given), f"{len(self.endog)} rows, as the series has")

    @cached_property
    def regressors(self) -> F64:
        """Trend and regressors, shape (n, m)."""
        time = np.arange(1.0, len(self.endog) + 1)
        columns = [time**power for power in TRENDS[self.trend]]
        return (
            np.column_stack([*columns, *_columns(self.exog)])
            if columns or self.exog is not None
            else np.empty((len(time), 0))
        )

    def unpack(self, params: F64) -> tuple[F64, F64, F64, F64]:
        """Return transition coefficients, shape (k, k - 1, n_tvtp), coefficients (k, m), variances (k,), phi (k, p).

        Raises
        ------
        ConfigError
            The row is of another length.
        """
        k = self.k_regimes
        n_tvtp = 1 if self.exog_tvtp is None else len(_columns(self.exog_tvtp))
        n_trend, n_exog = len(TRENDS[self.trend]), len(_columns(self.exog))
        mean = [*_flags(self.switching_trend, n_trend), *_flags(self.switching_exog, n_exog)]
        kinds = ([True] * (n_tvtp * (k - 1)), mean, [self.switching_variance], _flags(self.switching_ar, self.order))
        parts, at = [], 0
        for flags in kinds:
            values = np.empty((k, len(flags)))
            for i, switching in enumerate(flags):
                width = k if switching else 1
                values[:, i] = params[at : at + width]
                at += width
            parts.append(values)
        if at != len(params):
            raise ConfigError("markov switching", "number of parameters", len(params), str(at))
        return parts[0].reshape(k, k - 1, n_tvtp), parts[1], parts[2][:, 0], parts[3]

    def transitions(self, params: F64) -> F64:
        """Return the transition matrices, shape (1 or n, k, k): probability of the row's regime after the column's."""
        coefficients = self.unpack(params)[0]
        if self.exog_tvtp is None:
            part = coefficients[:, :, 0].T[None]
            return np.concatenate([part, 1 - part.sum(axis=1, keepdims=True)], axis=1)
        z = np.column_stack(_columns(self.exog_tvtp))
        odds = np.einsum("nz,fgz->ngf", z, coefficients)
        odds = np.concatenate([odds, np.zeros((len(z), 1, self.k_regimes))], axis=1)
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def conditional_means(self, params: F64, n_lags: int) -> F64:
        """Return the mean of each value under each joint state, shape (n - order, k**(n_lags + 1))."""
        _, beta, _, phi = self.unpack(params)
        k, p, n = self.k_regimes, self.order, len(self.endog)
        level = self.regressors @ beta.T
        out = np.empty((n - p, k ** (n_lags + 1)))
        for state in range(out.shape[1]):
            digits = [state // k ** (n_lags - lag) % k for lag in range(n_lags + 1)]
            out[:, state] = level[p:, digits[0]]
            for i in range(1, p + 1):
                out[:, state] += phi[digits[0], i - 1] * (self.endog[p - i : n - i] - level[p - i : n - i, digits[i]])
        return out

    def filter(self, params: F64, n_lags: int | None = None) -> Filtered:
        """Return the filtered regimes.

        Parameters
        ----------
        params
            Shape (number of parameters,); see the module's docstring.
        n_lags
            Lagged regimes to keep in the joint state: the order at least, and 1.
        """
        lags = max(self.order, 1, n_lags or 0)
        k, p = self.k_regimes, self.order
        variance = np.repeat(self.unpack(params)[2], k**lags)
        residual = self.endog[p:, None] - self.conditional_means(params, lags)
        log_density = -0.5 * (np.log(2 * np.pi * variance) + residual**2 / variance)
        matrices = self.transitions(params)
        joint = np.empty(k ** (lags + 1))
        markov.first_joint(matrices, stationary(matrices[0]), lags, joint)
        into = matrices if len(matrices) == 1 else np.ascontiguousarray(matrices[p:])
        predicted, filtered, log_likelihood = (np.empty_like(log_density), np.empty_like(log_density),
                                               np.empty(len(log_density)))  # fmt: skip
        markov.hamilton_filter(log_density, into, joint, predicted, filtered, log_likelihood)
        shape = (*[k] * (lags + 1), len(log_density))
        return Filtered(predicted.T.reshape(shape), filtered.T.reshape(shape), log_likelihood, into)

    def smooth(self, filtered: Filtered) -> F64:
        """Return the joint probabilities given the whole series, axes as in ``Filtered``."""
        n = filtered.filtered.shape[-1]
        flat = [np.ascontiguousarray(a.reshape(-1, n).T) for a in (filtered.predicted, filtered.filtered)]
        out = np.empty_like(flat[1])
        hindsight.kim_smoother(filtered.transitions, flat[0], flat[1], out)
        return out.T.reshape(filtered.filtered.shape)


def marginal(joint: F64) -> F64:
    """Return the probabilities of the regime now, shape (k, n), of joint ones."""
    return np.asarray(joint.sum(axis=tuple(range(1, joint.ndim - 1))))


def stationary(transition: F64) -> F64:
    """Return the probabilities that a transition matrix leaves as they are, shape (k,)."""
    k = len(transition)
    lines = np.vstack([np.eye(k) - transition, np.ones(k)])
    return np.asarray(np.linalg.lstsq(lines, np.r_[np.zeros(k), 1.0], rcond=None)[0])


def expected_durations(transitions: F64) -> F64:
    """Return how many steps each regime lasts from there on were its chance to stay fixed, shape (1 or n, k)."""
    stay = np.diagonal(transitions, axis1=1, axis2=2)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / (1 - stay))


def _columns(given: F64 | None) -> list[F64]:
    if given is None:
        return []
    return list(np.asarray(given, np.float64).reshape(len(given), -1).T)


def _flags(given: Flags, n: int) -> list[bool]:
    return [bool(given)] * n if isinstance(given, bool | np.bool_) else [bool(flag) for flag in given]
