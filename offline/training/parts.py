"""A training window in three parts by time, so that nothing judges rows that it was made of.

time ->   fit                 | purge, embargo | stop            | purge, embargo | calibrate
what is learnt from                    when to stop                       probabilities and intervals
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError

I64 = NDArray[np.int64]

STOP_SHARE, CALIBRATION_SHARE = 0.15, 0.25
"""Of the rows of a window, by time."""
ROWS_MIN = 100
"""Fewest samples of a part."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Positions of samples, each ascending by time."""

    fit: I64
    stop: I64
    calibrate: I64

    @property
    def all(self) -> I64:
        """All three."""
        return np.concatenate([self.fit, self.stop, self.calibrate])


def parts_of(train: I64, ts_ns: I64, end_ns: I64, embargo_ns: int) -> Parts:
    """Return the parts of the samples of a training window.

    Parameters
    ----------
    train
        Positions of its samples.
    ts_ns, end_ns
        Shape (n,), of all samples: time, and when the label is known.
    embargo_ns
        Time between the last label of a part and the first row of the next.

    Raises
    ------
    ConfigError
        A part has fewer than ``ROWS_MIN`` samples.
    """
    ts, end = ts_ns[train], end_ns[train]
    if len(train):
        stop_from, calibrate_from = (
            int(np.quantile(ts, q, method="lower"))
            for q in (1.0 - STOP_SHARE - CALIBRATION_SHARE, 1.0 - CALIBRATION_SHARE)
        )
        fit = train[end <= stop_from - embargo_ns]
        stop = train[(ts > stop_from) & (end <= calibrate_from - embargo_ns)]
        calibrate = train[ts > calibrate_from]
    else:
        fit = stop = calibrate = train
    sizes = {"fit": len(fit), "stop": len(stop), "calibrate": len(calibrate)}
    if min(sizes.values()) < ROWS_MIN:
        raise ConfigError(
            "training window", "samples of its parts", sizes,
            f"at least {ROWS_MIN} each: name more recordings, fewer folds, or a shorter embargo",
        )  # fmt: skip
    return Parts(*(part[np.argsort(ts_ns[part], kind="stable")] for part in (fit, stop, calibrate)))
