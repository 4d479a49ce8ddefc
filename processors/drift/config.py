"""Knobs of the watch over features."""

import math
import os
from dataclasses import dataclass

import numpy as np

from processors.drift import kernel as k
from processors.errors import ConfigError
from schemas.features import FOUNDING_PACK

WATCHED_MAX = 400
"""Features of one row that can be watched: the state of a series is 0.9 kB for each."""


@dataclass(frozen=True, slots=True)
class DriftConfig:
    """What is watched, and when it is said to drift.

    Parameters
    ----------
    pack_ids
        Packs whose features are watched, each if rows have it; none for no watch.
    reference_rows
        Observations of which the edges of the bins are learned, and as many again for their shares: an error of a
        fifth in a decile's share.
    stride_bars_max
        One row in so many is observed at least, however far a feature looks back.
    recent_rows
        Observations among which the recent shares are taken, with exponential weights.
    recent_days
        Time that these span at least: a watch over hours would take the time of day for a drift. The reference spans
        five times as long.
    false_alarm_rows
        Least mean number of observations to a false alarm of a feature.
    psi_recovered
        An alarm ends when PSI is below: 0.1 is where practice calls a population stable.
    report_bars
        Rows of a series between reports: four hours of minutes.
    """

    pack_ids: tuple[str, ...] = (FOUNDING_PACK,)
    reference_rows: int = 250
    stride_bars_max: int = 20
    recent_rows: int = 100
    recent_days: float = 1.0
    false_alarm_rows: float = 1e4
    psi_recovered: float = 0.1
    report_bars: int = 240

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ConfigError
            A value is out of its range.
        """
        for name, least in (
            ("reference_rows", k.N_MARKERS), ("stride_bars_max", 1), ("recent_rows", 2), ("recent_days", 0),
            ("false_alarm_rows", 2), ("psi_recovered", 1e-9), ("report_bars", 1),
        ):  # fmt: skip
            if not least <= getattr(self, name) < math.inf:
                raise ConfigError("drift", name, getattr(self, name), f"a number from {least}")

    @classmethod
    def from_environment(cls) -> "DriftConfig":
        """Return the configuration of the environment: ``MPS_DRIFT_PACKS``, names with commas between them."""
        named = os.environ.get("MPS_DRIFT_PACKS")
        if named is None:
            return cls()
        return cls(tuple(name.strip() for name in named.split(",") if name.strip()))

    def parameters(self) -> k.F64:
        """Return the array that the kernel reads, shape (N_PARAMETERS,)."""
        c = np.empty(k.N_PARAMETERS)
        c[k.REFERENCE_ROWS], c[k.RECENT_DECAY] = self.reference_rows, 1.0 - 1.0 / self.recent_rows
        c[k.LOG_ALARM], c[k.PSI_RECOVERED] = math.log(self.false_alarm_rows), self.psi_recovered
        return c
