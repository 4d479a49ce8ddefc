"""Conformalised quantile regression: bounds that a model of quantiles tells, moved until they hold."""

from dataclasses import dataclass

import numpy as np

from offline.conformal.quantiles import F64, check_confidence, upper
from offline.conformal.split import Interval
from processors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class QuantileConformal:
    """By how much calibration rows lay outside of their predicted bounds, negative inside.

    Parameters
    ----------
    below, above
        Shape (n,): low - y and y - high.
    symmetric
        Whether both bounds move alike; else each by its own rows, with half of what may lie outside.
    """

    below: F64
    above: F64
    symmetric: bool = True

    def offsets(self, confidence: float) -> tuple[float, float]:
        """Return by how much the low bound moves down and the high one up; infinite of too few rows.

        Parameters
        ----------
        confidence
            Between 0 and 1.
        """
        check_confidence(confidence)
        if self.symmetric:
            both = float(upper(np.maximum(self.below, self.above), confidence))
            return both, both
        down, up = (float(upper(side, 0.5 + confidence / 2.0)) for side in (self.below, self.above))
        return down, up

    def interval(self, low: F64, high: F64, confidence: float) -> Interval:
        """Return the moved bounds.

        Parameters
        ----------
        low, high
            Shape (m,), predicted quantiles.
        confidence
            Between 0 and 1.

        Returns
        -------
        Bounds that cross, where the predicted ones are moved inwards past each other, become their mean, both.
        """
        down, up = self.offsets(confidence)
        moved_low, moved_high = low - down, high + up
        crossed = moved_low > moved_high
        middle = 0.5 * (np.where(crossed, moved_low, 0.0) + np.where(crossed, moved_high, 0.0))
        return Interval(np.where(crossed, middle, moved_low), np.where(crossed, middle, moved_high))


def calibrate_quantiles(y: F64, low: F64, high: F64, *, symmetric: bool = True) -> QuantileConformal:
    """Return conformalised bounds by rows that the model was not fitted on.

    Parameters
    ----------
    y, low, high
        Shape (n,): what came, and the quantiles that were predicted.
    symmetric
        See ``QuantileConformal``.

    Raises
    ------
    ConfigError
        There are no rows, or of different numbers.

    References
    ----------
    Romano, Patterson and Candes (2019), "Conformalized Quantile Regression", equations 6 to 9 and theorem 2.
    """
    if len(y) == 0 or not len(y) == len(low) == len(high):
        raise ConfigError("conformal", "rows", (len(y), len(low), len(high)), "the same number, at least 1")
    return QuantileConformal(low - y, y - high, symmetric)
