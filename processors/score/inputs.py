"""The matrix a model reads, made from gold rows: the same function in training and in scoring."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.runtime.batch import Columns

SCALES = ("raw", "per_vol")


@dataclass(frozen=True, slots=True)
class Input:
    """One column of the matrix.

    Parameters
    ----------
    name
        Column of the gold row, for example ``features.rsi_14_value``.
    scale
        ``raw``: as it is. ``per_vol``: a return or a fraction of a price, in volatilities of a bar, so that a quiet
        pair and a wild coin share one model.
    """

    name: str
    scale: str

    def __post_init__(self) -> None:
        """Refuse an unknown scale."""
        if self.scale not in SCALES:
            raise ConfigError("model", f"scale of {self.name}", self.scale, f"one of {', '.join(SCALES)}")


def input_matrix(gold: Columns, inputs: tuple[Input, ...]) -> NDArray[np.float32]:
    """Return the inputs of every row.

    Parameters
    ----------
    gold
        n rows of ``gold.v1``.
    inputs
        In the model's order.

    Returns
    -------
    Shape (n, n_inputs), float32, NaN where the feature is null. Rounded to float32 here once: training and scoring
    compare the very same number with a threshold.
    """
    out = np.empty((len(gold), len(inputs)), np.float32)
    vol = np.asarray(gold["meta.realized_vol"], np.float64)
    # A flat market has no volatility, and a huge value no float32: infinities are ordered like numbers, and scored.
    with np.errstate(all="ignore"):
        for j, column in enumerate(inputs):
            value = np.asarray(gold[column.name], np.float64)
            out[:, j] = value / vol if column.scale == "per_vol" else value
    return out
