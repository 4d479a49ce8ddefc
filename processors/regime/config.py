"""Knobs of the regime stage."""

import math
from dataclasses import dataclass, fields

import numpy as np

from processors.errors import ConfigError
from processors.regime import kernel as k


@dataclass(frozen=True, slots=True)
class RegimeConfig:
    """Change-point detection and the labels made from it.

    Parameters
    ----------
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
    """

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

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ConfigError
            A value is not positive, a share is not below 1, the bounds of the hazard cross, or a run is too short.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < math.inf:
                raise ConfigError("regime", field.name, value, "a positive number")
        for name in ("hazard_min", "hazard_max", "slow_decay", "fast_decay", "change_prob_stress"):
            if getattr(self, name) >= 1:
                raise ConfigError("regime", name, getattr(self, name), "below 1")
        if self.hazard_min > self.hazard_max:
            raise ConfigError("regime", "hazard_min", self.hazard_min, f"at most hazard_max, {self.hazard_max}")
        if self.recent_bars >= self.run_length_bars_max:
            raise ConfigError("regime", "recent_bars", self.recent_bars, "below run_length_bars_max")

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
