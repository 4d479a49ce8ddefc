"""The interface of all kinds of models, and the samples they learn from; ``kinds`` has the table of the kinds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import onnx
from numpy.typing import NDArray

from offline.models.kinds import kind_of, loaded, parameters_of
from processors.errors import ConfigError

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

Progress = Callable[[str, float], None]
"""Called with the name of the step and the share of the whole fit that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Samples:
    """n samples to learn from or to stop on.

    Parameters
    ----------
    x
        Shape (n, n_inputs), or (n, window_bars, n_inputs) with the oldest row first; NaN where null.
    move
        Shape (n,), the return that quantiles learn, in units of ``realized_vol * sqrt(horizon_bars)``.
    up
        Shape (n,), 1.0 where the move is up, else 0.0.
    weight
        Shape (n,), how much each sample counts, zero or more.
    regime, group
        Shape (n,), indices of regime and symbol.
    side
        Shape (n,), how much each counts for the probability, where that is not ``weight``.
    """

    x: F32
    move: F64
    up: F64
    weight: F64
    regime: I64
    group: I64
    side: F64 | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, and targets or weights that no loss can take."""
        n = len(self.x)
        weights = (self.weight, self.side_weight)
        lengths = {len(a) for a in (self.move, self.up, *weights, self.regime, self.group)}
        if lengths != {n}:
            raise ConfigError("samples", "lengths", sorted(lengths | {n}), "one length of all arrays")
        if not (np.isfinite(self.move).all() and all(np.isfinite(w).all() and (w >= 0).all() for w in weights)):
            raise ConfigError("samples", "move and weight", "some are not", "finite moves, and weights of zero or more")
        if not np.isin(self.up, (0.0, 1.0)).all():
            raise ConfigError("samples", "up", np.unique(self.up)[:5].tolist(), "0.0 or 1.0")

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    @property
    def side_weight(self) -> F64:
        """How much each sample counts for the probability."""
        return self.weight if self.side is None else self.side

    def take(self, rows: NDArray[np.generic]) -> "Samples":
        """Return the samples of a mask or of positions, in that order."""
        return Samples(
            self.x[rows], self.move[rows], self.up[rows], self.weight[rows], self.regime[rows], self.group[rows],
            None if self.side is None else self.side[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Raw:
    """What a fitted model says before calibration.

    Parameters
    ----------
    logit
        Shape (n,), log-odds of up.
    quantiles
        Shape (n, 3), low, middle and high quantile of the move. They may cross: the file sorts them.
    """

    logit: F64
    quantiles: F64


class Fitted(Protocol):
    """A fitted model."""

    def predict(self, x: F32) -> Raw:
        """Return the trainer's own prediction of rows as gold has them, nulls and infinities included."""
        ...

    def graph(self) -> onnx.ModelProto:
        """Return ``x`` -> ``logit`` (n, 1), ``quantiles`` (n, 3), all float32; the same bytes for the same fit."""
        ...

    def edge_rows(self, base: F32) -> F32:
        """Return rows that stand on every split, one float32 below and above it, and null there.

        Parameters
        ----------
        base
            Real rows to take the other inputs from, in turn; at least one.
        """
        ...

    def importance(self, x: F32) -> F64:
        """Return the weight of each input in the log-odds of these rows, shape (n_inputs,): mean |SHAP| or its like."""
        ...


@runtime_checkable
class Scaled(Protocol):
    """A fitted model that scales its inputs by what it has seen of them."""

    def statistics(self) -> F64:
        """Return the numbers of its scaling."""
        ...

    @staticmethod
    def learn_statistics(x: F32) -> F64:
        """Return the numbers that these rows alone give; shape (n, n_inputs)."""
        ...


class Estimator(Protocol):
    """What learns."""

    kind: ClassVar[str]
    window_bars: int
    """Rows that a prediction reads, 1 for a row of the table."""

    def fit(self, train: Samples, valid: Samples, *, seed: int, progress: Progress, checkpoint: Path | None) -> Fitted:
        """Return the fitted model; the same samples, parameters and seed give the same graph to the byte.

        Parameters
        ----------
        train
            To learn from.
        valid
            To stop on; where it is empty, all rounds are taken.
        checkpoint
            File of what is done so far: a killed fit that is called again with it ends as it would have undisturbed.
            A file of another fit is not used and is written over. The caller deletes it.
        """
        ...


def no_progress(_step: str, _share: float) -> None:
    """Take no note."""


def make_estimator(kind: str, parameters: Mapping[str, object] | None = None) -> Estimator:
    """Return the estimator of a kind.

    Parameters
    ----------
    parameters
        Name -> value, as a recipe has them; what is not named keeps its default.

    Raises
    ------
    ConfigError
        The kind or a parameter is unknown, or a value is impossible; says what is allowed.
    """
    estimator: Estimator = loaded(kind_of(kind).estimator)(parameters_of(kind, parameters or {}))
    return estimator
