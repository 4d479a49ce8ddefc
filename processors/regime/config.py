"""Knobs of the regime stage."""

import math
import os
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from processors.errors import ConfigError
from processors.regime import context, hmm
from processors.regime import kernel as k

MODELS = ("bocpd", "bocpd_features", "hmm")
"""Whose the label and its three probabilities are: change points of the return alone, of return, volatility and
correlation together, or the hidden Markov model."""

_OF_LABELS = frozenset(
    {"model", "vol_ratio_stress", "change_prob_stress", "t_trend", "vol_gain", "change_gain", "t_gain"}
)
"""Read when a row is written, and forgotten: they can be changed in a running group. (Under another ``model`` the state
has other columns where it differs, and is refused for that.)"""


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """What a bar tells; see ``context``. Decays and warm-up are those of ``RegimeConfig``.

    Parameters
    ----------
    return_max
        Largest return, in long-run deviations: a Gaussian would take what lies beyond for proof of anything.
    range_max
        Largest distance of the log range from its mean, in deviations, for the same reason.
    range_min
        Least range, in long-run deviations of the return: below it a bar is just flat, and its logarithm means nothing.
    """

    return_max: float = 8.0
    range_max: float = 4.0
    range_min: float = 0.05

    def __post_init__(self) -> None:
        """Check the values; raises ConfigError."""
        _positive("regime.context", self)


@dataclass(frozen=True, slots=True)
class JointConfig:
    """Change points of return, volatility and correlation together; see ``bocpd``.

    Parameters
    ----------
    runs_max
        Runs kept; more cost time and state, and hold less than ``mass_min`` each on recorded minutes.
    mass_min
        Runs with less are dropped.
    prior_kappa, prior_nu, prior_psi
        Normal-inverse-Wishart prior of a new run. For each of its numbers alone it is the prior of ``RegimeConfig``.
    """

    runs_max: int = 64
    mass_min: float = 1e-6
    prior_kappa: float = 1.0
    prior_nu: float = 4.0
    prior_psi: float = 2.0

    def __post_init__(self) -> None:
        """Check the values; raises ConfigError."""
        _positive("regime.joint", self)
        if self.runs_max < 2:
            raise ConfigError("regime.joint", "runs_max", self.runs_max, "2 or more")
        if self.mass_min >= 0.01:
            raise ConfigError("regime.joint", "mass_min", self.mass_min, "below 0.01")
        if self.prior_nu <= 2:
            raise ConfigError("regime.joint", "prior_nu", self.prior_nu, "above 2, the number of values less one")


@dataclass(frozen=True, slots=True)
class HmmConfig:
    """The hidden Markov model; see ``hmm``.

    Parameters
    ----------
    adapt
        Whether parameters learn from the series' past; else they stay as given here.
    prior_bars
        What the values given here are worth, in bars of each regime: a few hours of minutes outweigh them.
    stay
        Chance to stay in a regime for one more bar: regimes last about fifty bars.
    stress_ratio
        Least deviation of stress over that of the others.
    phi_min
        Least size of what a return owes to momentum, in trend and in meanrev.
    phi_trend, phi_meanrev, phi_stress
        Expected return, in deviations, for a momentum of one: minute returns repeat or revert by a tenth or so.
    sigma_trend, sigma_meanrev, sigma_stress
        Deviations of the return, in long-run ones.
    """

    adapt: bool = True
    prior_bars: float = 500.0
    stay: float = 0.98
    stress_ratio: float = 1.5
    phi_min: float = 0.02
    phi_trend: float = 0.2
    phi_meanrev: float = -0.15
    phi_stress: float = 0.0
    sigma_trend: float = 0.8
    sigma_meanrev: float = 0.7
    sigma_stress: float = 2.0

    def __post_init__(self) -> None:
        """Check the values; raises ConfigError."""
        _positive("regime.hmm", self, but=("adapt", "phi_meanrev", "phi_stress"))
        if self.stay >= 1:
            raise ConfigError("regime.hmm", "stay", self.stay, "below 1")
        if self.stress_ratio < 1:
            raise ConfigError("regime.hmm", "stress_ratio", self.stress_ratio, "1 or more")
        if not -math.inf < self.phi_meanrev < 0:
            raise ConfigError("regime.hmm", "phi_meanrev", self.phi_meanrev, "a negative number")
        if not math.isfinite(self.phi_stress):
            raise ConfigError("regime.hmm", "phi_stress", self.phi_stress, "a number")

    def parameters(self, decay: float) -> k.F64:
        """Return the array that the kernel reads, shape (hmm.N_PARAMETERS,); sums forget by ``decay`` a bar."""
        c = np.empty(hmm.N_PARAMETERS)
        c[hmm.ADAPT], c[hmm.DECAY], c[hmm.PRIOR_BARS] = float(self.adapt), decay, self.prior_bars
        c[hmm.STAY], c[hmm.STRESS_RATIO], c[hmm.PHI_MIN] = self.stay, self.stress_ratio, self.phi_min
        c[hmm.PHI_TREND], c[hmm.PHI_MEANREV], c[hmm.PHI_STRESS] = self.phi_trend, self.phi_meanrev, self.phi_stress
        c[hmm.SIGMA_TREND], c[hmm.SIGMA_MEANREV] = self.sigma_trend, self.sigma_meanrev
        c[hmm.SIGMA_STRESS] = self.sigma_stress
        return c


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Regime clusters; see ``cluster``.

    Parameters
    ----------
    prior_bars
        What a prototype's start is worth, in bars that it won: numbers keep their meaning for a week of minutes.
    rate_min
        Least share of the way to a bar that a prototype moves: it never stops to learn.
    """

    prior_bars: float = 1000.0
    rate_min: float = 1e-4

    def __post_init__(self) -> None:
        """Check the values; raises ConfigError."""
        _positive("regime.cluster", self)
        if self.rate_min >= 1:
            raise ConfigError("regime.cluster", "rate_min", self.rate_min, "below 1")


@dataclass(frozen=True, slots=True)
class RegimeConfig:
    """Change-point detection and the labels made from it, and the parts beside it.

    Parameters
    ----------
    model
        One of ``MODELS``; the environment names it as ``MPS_REGIME_MODEL``.
    run_length_bars_max
        Longest run told apart; two hours and a half of minutes. State and time grow with it.
    hazard_scale
        The c of the hazard: chance of a change at an ordinary bar. Runs of about 250 bars are expected.
    hazard_min, hazard_max
        Bounds of the hazard. The floor keeps a quiet market able to change; the cap keeps a run able to live.
    slow_decay
        Decay per bar of the long-run deviation: half of its weight lies in the last 700 bars.
    fast_decay
        Decay per bar of the deviation of return changes; RiskMetrics' value for a fast volatility.
    returns_min
        Returns before the long-run deviation is used: its error is then below a fifth.
    observations_min
        Standardised returns before the regime is warm. With ``returns_min`` it is warm before the pack of features is.
    standardised_max
        Largest standardised return, in deviations: what lies beyond is no further evidence.
    prior_kappa, prior_alpha, prior_beta
        Normal-Gamma prior of a new run: a mean worth one return and a variance worth two, the long-run one.
    recent_bars
        A change within so many bars counts into the change probability.
    vol_ratio_stress
        Deviation of the run over the long-run one at which stress and meanrev are as likely.
    change_prob_stress
        Change probability at which stress and meanrev are as likely.
    t_trend
        Size of the t-statistic of the run's mean at which trend and meanrev are as likely: the usual two deviations.
    vol_gain, change_gain, t_gain
        How fast the odds change beyond these points: per unit of log deviation, of probability, of t. At an ordinary
        bar stress then stays near a tenth, and twice the deviation gives stress four fifths.
    context, joint, hmm, cluster
        The parts; see there.
    """

    model: str = "bocpd"
    run_length_bars_max: int = 150
    hazard_scale: float = 1 / 250
    hazard_min: float = 1e-4
    hazard_max: float = 0.1
    slow_decay: float = 0.999
    fast_decay: float = 0.94
    returns_min: int = 20
    observations_min: int = 20
    standardised_max: float = 20.0
    prior_kappa: float = 1.0
    prior_alpha: float = 1.0
    prior_beta: float = 1.0
    recent_bars: int = 5
    vol_ratio_stress: float = 1.5
    change_prob_stress: float = 0.5
    t_trend: float = 2.0
    vol_gain: float = 6.0
    change_gain: float = 5.0
    t_gain: float = 2.0
    context: ContextConfig = field(default_factory=ContextConfig)
    joint: JointConfig = field(default_factory=JointConfig)
    hmm: HmmConfig = field(default_factory=HmmConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ConfigError
            The model is unknown, a value is not positive, a share is not below 1, the bounds of the hazard cross, or a
            run is too short.
        """
        if self.model not in MODELS:
            raise ConfigError("regime", "model (MPS_REGIME_MODEL)", self.model, f"one of {', '.join(MODELS)}")
        _positive("regime", self, but=("model",))
        for name in ("hazard_min", "hazard_max", "slow_decay", "fast_decay", "change_prob_stress"):
            if getattr(self, name) >= 1:
                raise ConfigError("regime", name, getattr(self, name), "below 1")
        if self.hazard_min > self.hazard_max:
            raise ConfigError("regime", "hazard_min", self.hazard_min, f"at most hazard_max, {self.hazard_max}")
        if self.recent_bars >= self.run_length_bars_max:
            raise ConfigError("regime", "recent_bars", self.recent_bars, "below run_length_bars_max")

    @classmethod
    def from_environment(cls) -> "RegimeConfig":
        """Return the configuration of the environment: ``MPS_REGIME_MODEL``, one of ``MODELS``."""
        named = os.environ.get("MPS_REGIME_MODEL")
        return cls() if named is None else cls(model=named.strip())

    def kept_settings(self) -> str:
        """Return the settings that the state of a series depends on: all but those of the labels made from it."""
        return " ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name not in _OF_LABELS)

    def parameters(self) -> k.F64:
        """Return the array that the kernel reads, shape (N_PARAMETERS,)."""
        c = np.empty(k.N_PARAMETERS)
        c[k.HAZARD_SCALE], c[k.HAZARD_MIN], c[k.HAZARD_MAX] = self.hazard_scale, self.hazard_min, self.hazard_max
        c[k.SLOW_DECAY], c[k.FAST_DECAY] = self.slow_decay, self.fast_decay
        c[k.RETURNS_MIN], c[k.OBSERVATIONS_MIN] = self.returns_min, self.observations_min
        c[k.X_MAX], c[k.RECENT] = self.standardised_max, self.recent_bars
        c[k.KAPPA], c[k.ALPHA], c[k.BETA] = self.prior_kappa, self.prior_alpha, self.prior_beta
        c[k.LOG_VOL_STRESS], c[k.VOL_GAIN] = math.log(self.vol_ratio_stress), self.vol_gain
        c[k.CHANGE_STRESS], c[k.CHANGE_GAIN] = self.change_prob_stress, self.change_gain
        c[k.T_TREND], c[k.T_GAIN] = self.t_trend, self.t_gain
        return c

    def context_parameters(self) -> k.F64:
        """Return the array that ``context`` reads, shape (context.N_PARAMETERS,)."""
        c = np.empty(context.N_PARAMETERS)
        c[context.SLOW_DECAY], c[context.FAST_DECAY] = self.slow_decay, self.fast_decay
        c[context.RETURNS_MIN], c[context.X_MAX] = self.returns_min, self.context.return_max
        c[context.V_MAX], c[context.RANGE_MIN] = self.context.range_max, self.context.range_min
        return c


def _positive(part: str, config: Any, but: tuple[str, ...] = ()) -> None:
    """Check that every number of a configuration is positive; raises ConfigError."""
    for one in fields(config):
        value = getattr(config, one.name)
        if one.name not in but and not is_dataclass(value) and not 0 < value < math.inf:
            raise ConfigError(part, one.name, value, "a positive number")
