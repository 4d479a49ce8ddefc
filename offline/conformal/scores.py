"""Conformity scores: how far an observation is from its prediction, and where a given score would lie."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from offline.conformal.quantiles import F64
from processors.errors import ConfigError


class Score(Protocol):
    """Signed distance of observation and prediction, and its inverse.

    ``symmetric`` says whether both sides have one bound, of the sizes; else each side has its own.
    """

    @property
    def symmetric(self) -> bool:
        """Whether both sides have one bound."""
        ...

    def signed(self, y: F64, prediction: F64, scale: F64 | None = None) -> F64:
        """Return the score of each observation; negative below the prediction."""
        ...

    def at(self, prediction: F64, score: F64, scale: F64 | None = None) -> F64:
        """Return the observation that would have a score."""
        ...


@dataclass(frozen=True, slots=True)
class Absolute:
    """The residual, in units of y."""

    symmetric: bool = True

    def signed(self, y: F64, prediction: F64, scale: F64 | None = None) -> F64:  # noqa: ARG002 - has no scale
        """Return y - prediction."""
        return y - prediction

    def at(self, prediction: F64, score: F64, scale: F64 | None = None) -> F64:  # noqa: ARG002 - has no scale
        """Return prediction + score."""
        return prediction + score


@dataclass(frozen=True, slots=True)
class Gamma:
    """The residual as a share of the prediction, of positive values; each side has its own bound by default.

    References
    ----------
    Cordier et al. (2023), "Flexible and Systematic Uncertainty Estimation with Conformal Prediction via MAPIE".
    """

    symmetric: bool = False

    def signed(self, y: F64, prediction: F64, scale: F64 | None = None) -> F64:  # noqa: ARG002 - has no scale
        """Return (y - prediction) / prediction.

        Raises
        ------
        ConfigError
            A value is not positive.
        """
        _check_positive("observations", y)
        _check_positive("predictions", prediction)
        return (y - prediction) / prediction

    def at(self, prediction: F64, score: F64, scale: F64 | None = None) -> F64:  # noqa: ARG002 - has no scale
        """Return prediction * (1 + score)."""
        _check_positive("predictions", prediction)
        return prediction * (1.0 + score)


@dataclass(frozen=True, slots=True)
class Normalised:
    """The residual over the size that a second model expects of it, or over the spread that the model itself tells.

    Parameters
    ----------
    symmetric
        See ``Score``.
    power
        Of the scale.

    References
    ----------
    Papadopoulos, Gammerman and Vovk (2008), "Normalized nonconformity measures for regression conformal prediction".
    """

    symmetric: bool = True
    power: float = 1.0

    def signed(self, y: F64, prediction: F64, scale: F64 | None = None) -> F64:
        """Return (y - prediction) / scale^power.

        Raises
        ------
        ConfigError
            There is no scale, or one that is not positive.
        """
        return np.asarray((y - prediction) / self._spread(scale))

    def at(self, prediction: F64, score: F64, scale: F64 | None = None) -> F64:
        """Return prediction + score * scale^power."""
        return prediction + score * self._spread(scale)

    def _spread(self, scale: F64 | None) -> F64:
        if scale is None:
            raise ConfigError("conformal", "scale", None, "the expected size of each residual")
        _check_positive("scales", scale)
        return np.asarray(scale**self.power)


SCORES: dict[str, type[Absolute] | type[Gamma] | type[Normalised]] = {
    "absolute": Absolute, "gamma": Gamma, "residual_normalized": Normalised, "std_normalized": Normalised,
}  # fmt: skip


def score_named(name: str, *, symmetric: bool | None = None) -> Score:
    """Return the score of a name, with its own symmetry where none is asked for.

    Raises
    ------
    ConfigError
        There is no such score.
    """
    if name not in SCORES:
        raise ConfigError("conformal", "score", name, f"one of {', '.join(SCORES)}")
    return SCORES[name]() if symmetric is None else SCORES[name](symmetric=symmetric)


def _check_positive(what: str, values: F64) -> None:
    if not (values > 0.0).all():
        raise ConfigError("conformal", what, float(np.min(values)), "positive numbers")
