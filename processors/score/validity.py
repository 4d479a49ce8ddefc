"""How like a row is to those that the model was trained on, by the numbers of its card.

A model predicts rows like those it has seen. How strange a row is, is known when it is scored: the mean square of its
inputs' distances from their medians, each in the distance that one row in a hundred of the training passes
(``offline/training/conformal.py`` takes both from the rows of the fit, the scores from those of the calibration). The
p-value of that strangeness is the row's validity; a signal of less than ``guards.validity_min`` has the gate
``low_validity``. Of a window the newest row alone is looked at: the others were, when they were newest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.runtime.batch import F64
from processors.score.validity_kernel import conformal_p, strangeness


def strangeness_of(x: NDArray[np.float32], centre: F64, scale: F64) -> F64:
    """Return how strange each row is, shape (n,), from 0; see ``validity_kernel.strangeness``."""
    out = np.empty(len(x))
    strangeness(np.ascontiguousarray(x), centre, scale, out)
    return out


def p_values_of(ascending: F64, new: F64) -> F64:
    """Return the conformal p-value of each new score, shape (m,); see ``validity_kernel.conformal_p``."""
    out = np.empty(len(new))
    conformal_p(ascending, np.asarray(new, np.float64), out)
    return out


@dataclass(frozen=True, slots=True)
class Validity:
    """What a card knows of ordinary rows.

    Parameters
    ----------
    centre, scale
        Shape (n_inputs,).
    scores
        Shape (n,), strangeness of calibration rows, ascending.
    """

    centre: F64
    scale: F64
    scores: F64

    def of(self, x: NDArray[np.float32]) -> F64:
        """Return the validity of rows, shape (n,), from 1 / (number of scores + 1) to 1.

        Parameters
        ----------
        x
            Shape (n, n_inputs), what the model reads of each row.
        """
        return p_values_of(self.scores, strangeness_of(x, self.centre, self.scale))
