"""The rows of one cluster of instruments, and the way between its samples and those of all."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.datasets.training_set import TrainingSet
from offline.models.deep.fine_tuning import RATE_SHARE, SAMPLES_MIN
from offline.training.parts import ROWS_MIN, Parts

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusterRows:
    """Rows of one cluster.

    Parameters
    ----------
    data
        Its rows alone.
    origin
        Shape (n,): position of each of its samples among those of all.
    place
        Shape (n of all,): the way back, -1 for samples of others.
    folder
        Of what is done so far; of another choice of symbols it is another one.
    """

    name: str
    data: TrainingSet
    origin: I64
    place: I64
    folder: Path

    def of(self, positions: I64) -> I64:
        """Return which of some samples of all are its own, as positions in ``data``."""
        found = self.place[positions]
        return found[found >= 0]

    def parts(self, parts: Parts) -> Parts:
        """Return its own samples of each part."""
        return Parts(self.of(parts.fit), self.of(parts.stop), self.of(parts.calibrate))

    def done(self, number: int) -> Path:
        """Return where a fold's result is."""
        return self.folder / f"{stem_of(number)}.npz"

    def kept(self, stem: str) -> Path:
        """Return the checkpoint that ``fine_tune`` makes of the beginning of a name."""
        return self.folder / f"{stem}.{self.name}"


def cluster_rows(name: str, data: TrainingSet, symbols: I64, folder: Path) -> ClusterRows:
    """Return the rows of a cluster.

    Parameters
    ----------
    symbols
        Positions of its symbols in those of all.
    folder
        Of the base's work.
    """
    mine = data.of_symbols({data.symbols[i] for i in symbols})
    origin = np.flatnonzero(np.isin(data.symbol[data.at], symbols))
    place = np.full(len(data), -1, np.int64)
    place[origin] = np.arange(len(origin))
    of = hashlib.sha256(repr((mine.symbols, RATE_SHARE, SAMPLES_MIN, ROWS_MIN)).encode()).hexdigest()[:8]
    return ClusterRows(name, mine, origin, place, folder / f"{name}-{of}")


def sizes_of(parts: Parts) -> dict[str, int]:
    """Return the number of samples of each part."""
    return {"fit": len(parts.fit), "stop": len(parts.stop), "calibrate": len(parts.calibrate)}


def enough(sizes: dict[str, int]) -> bool:
    """Return whether a network can be refined, stopped and calibrated on so many samples."""
    return sizes["fit"] >= SAMPLES_MIN and min(sizes["stop"], sizes["calibrate"]) >= ROWS_MIN


def stem_of(number: int) -> str:
    """Return the beginning of the names of a fold's files."""
    return f"fold-{number:04d}"
