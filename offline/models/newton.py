"""The solver of the linear models: Newton's method with halved steps on smooth convex losses and a ridge."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from offline.calibration import sigmoid

F64 = NDArray[np.float64]

_STEPS_MAX = 200
_STEP_MIN = 1e-10
_PROMISE_MIN = 1e-13
"""Where a step promises less of the loss than this, it is there: less is the noise of its sums."""
_SMOOTHING = (1.0, 0.3, 0.1, 0.03)
"""Widths that the corner of the pinball is rounded with, one after another, in mean absolute deviations of the target:
Newton's method finds its way on the wide ones, and the last one is too narrow to see."""


class Loss(Protocol):
    """A convex loss of a line's value at each row."""

    def widths(self) -> tuple[float, ...]:
        """Return the widths of smoothing to go through, the last one to stop at."""
        ...

    def smooth(self, value: F64, width: float) -> tuple[F64, F64, F64]:
        """Return loss, slope and curvature at each row, shape (n,) each."""
        ...

    def exact(self, value: F64) -> F64:
        """Return the loss without smoothing, shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class LogisticLoss:
    """Negative log-likelihood of up, 0 or 1, at log-odds."""

    up: F64

    def widths(self) -> tuple[float, ...]:
        """Return one: it is smooth as it is."""
        return (1.0,)

    def smooth(self, value: F64, width: float) -> tuple[F64, F64, F64]:  # noqa: ARG002 (of the interface)
        """Return loss, slope and curvature."""
        p = sigmoid(value)
        return self.exact(value), p - self.up, p * (1.0 - p)

    def exact(self, value: F64) -> F64:
        """Return the loss."""
        return np.logaddexp(0.0, np.where(self.up > 0.5, -value, value))


@dataclass(frozen=True, slots=True)
class PinballLoss:
    """Loss of a quantile of y at a level, its corner rounded to a width.

    References
    ----------
    Koenker and Bassett (1978), "Regression Quantiles"; He, Pan, Tan and Zhou (2023), "Smoothed quantile regression with
    large-scale inference", for the rounding, here with a logistic kernel.
    """

    y: F64
    level: float

    def widths(self) -> tuple[float, ...]:
        """Return the widths in units of y."""
        unit = float(np.abs(self.y - np.median(self.y)).mean()) if len(self.y) else 0.0
        return tuple(w * (unit or 1.0) for w in _SMOOTHING)

    def smooth(self, value: F64, width: float) -> tuple[F64, F64, F64]:
        """Return loss, slope and curvature."""
        u = self.y - value
        below = sigmoid(-u / width)
        loss = self.level * u + width * np.logaddexp(0.0, -u / width)
        return loss, below - self.level, below * (1.0 - below) / width

    def exact(self, value: F64) -> F64:
        """Return the loss with its corner."""
        u = self.y - value
        return np.maximum(self.level * u, (self.level - 1.0) * u)


def minimise(loss: Loss, design: F64, weight: F64, penalty: float, start: F64) -> F64:
    """Return the weights with the least mean loss and ridge.

    Parameters
    ----------
    design
        Shape (n, k), its last column ones: the intercept carries no penalty.
    weight
        Shape (n,), of sum 1.
    penalty
        Of half the squared weights, above 0.
    start
        Shape (k,).
    """
    # The intercept is held so lightly that nothing is to be seen of it, and the system stays whole.
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 1e-9
    line = start
    for width in loss.widths():
        line = _descend(loss, width, design, weight, ridge, line)
    return line


def _descend(loss: Loss, width: float, design: F64, weight: F64, ridge: F64, line: F64) -> F64:
    """Return the minimum at one width."""

    def total(at: F64) -> float:
        return float(weight @ loss.smooth(design @ at, width)[0] + 0.5 * (ridge * at) @ at)

    now = total(line)
    for _ in range(_STEPS_MAX):
        _, slope, curvature = loss.smooth(design @ line, width)
        gradient = design.T @ (weight * slope) + ridge * line
        hessian = (design.T * (weight * curvature)) @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        promised = float(gradient @ step)
        if promised <= _PROMISE_MIN * (1.0 + abs(now)):
            break
        scale, moved = 1.0, total(line - step)
        # Armijo's rule: a step must keep a part of what its slope promises.
        while moved > now - 1e-4 * scale * promised and scale > _STEP_MIN:
            scale *= 0.5
            moved = total(line - scale * step)
        if moved >= now:
            break
        line, now = line - scale * step, moved
    return line
