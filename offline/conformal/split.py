"""Split conformal intervals: the errors on rows set aside bound those to come."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from offline.conformal.quantiles import F64, check_confidence, lower, narrowest, upper
from offline.conformal.scores import Absolute, Score
from processors.errors import ConfigError


class Interval(NamedTuple):
    """Bounds of each row, shape (n,), in units of y; infinite where there are too few scores for the confidence."""

    low: F64
    high: F64


class Reach(NamedTuple):
    """Scores that bound a new one, on both sides."""

    low: float
    high: float


def reach(scores: F64, confidence: float, *, symmetric: bool, narrow: bool = False) -> Reach:
    """Return between which scores a new one lies with the confidence.

    Parameters
    ----------
    scores
        Shape (n,), signed.
    confidence
        Between 0 and 1.
    symmetric
        Whether one bound holds for the sizes; else each side has half of what may lie outside.
    narrow
        Whether that is shared out anew for the narrowest interval; only where not symmetric.

    Raises
    ------
    ConfigError
        The confidence is out of range, or symmetric bounds are to be narrow.
    """
    alpha = 1.0 - check_confidence(confidence)
    if symmetric:
        if narrow:
            raise ConfigError("conformal", "narrow", narrow, "a score that is not symmetric")
        both = float(upper(np.abs(scores), confidence))
        return Reach(-both, both)
    below = narrowest(scores, alpha) if narrow else alpha / 2.0
    return Reach(float(lower(scores, below)), float(upper(scores, 1.0 - alpha + below)))


@dataclass(frozen=True, slots=True)
class SplitConformal:
    """Scores of calibration rows, and the intervals they give.

    Parameters
    ----------
    score
        The kind of score.
    scores
        Shape (n,), signed, of rows that the model was not fitted on.
    """

    score: Score
    scores: F64

    def interval(
        self, prediction: F64, confidence: float, scale: F64 | None = None, *, narrow: bool = False
    ) -> Interval:
        """Return the intervals of predictions.

        Parameters
        ----------
        prediction
            Shape (m,).
        confidence, narrow
            See ``reach``.
        scale
            Shape (m,), where the score takes one.
        """
        found = reach(self.scores, confidence, symmetric=self.score.symmetric, narrow=narrow)
        low, high = (self.score.at(prediction, np.asarray(bound), scale) for bound in found)
        return Interval(low, high)


def calibrate(y: F64, prediction: F64, score: Score | None = None, scale: F64 | None = None) -> SplitConformal:
    """Return split conformal intervals by rows that the model was not fitted on.

    Parameters
    ----------
    y, prediction
        Shape (n,): what came, and what was predicted.
    score
        ``Absolute()`` where None.
    scale
        Shape (n,), where the score takes one.

    Raises
    ------
    ConfigError
        There are no rows, or values that the score cannot take.

    References
    ----------
    Papadopoulos, Proedrou, Vovk and Gammerman (2002), "Inductive Confidence Machines for Regression".
    """
    if len(y) == 0 or len(y) != len(prediction):
        raise ConfigError(
            "conformal", "rows", (len(y), len(prediction)), "as many observations as predictions, at least 1"
        )
    kind = Absolute() if score is None else score
    return SplitConformal(kind, kind.signed(y, prediction, scale))
