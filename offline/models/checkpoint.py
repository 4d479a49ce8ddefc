"""Whole parts of a fit on disk, so that a killed fit goes on and ends in the same bytes.

A part is what is trained in one go: a booster, or the weights of one loss. Trees that go on from half a booster are not
the trees of an undisturbed fit (the draws of rows and columns begin anew, and scores are summed in another order), so a
part that was cut is trained again from its beginning.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from offline.models.estimator import Samples
from processors.whole_file import write_whole


def fingerprint(kind: str, parameters: object, seed: int, versions: str, *samples: Samples) -> str:
    """Return the digest of all that a fit depends on."""
    digest = hashlib.sha256(repr((kind, parameters, seed, versions)).encode())
    for s in samples:
        for array in (s.x, s.move, s.up, s.weight, s.side_weight):
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class Checkpoint:
    """The parts of one fit.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    of
        Fingerprint of the fit: a file of another one is not used.
    """

    def __init__(self, path: Path | None, of: str) -> None:
        self._path, self._of = path, of
        self._parts: dict[str, str] = {}
        if path is not None and path.is_file():
            try:
                kept = json.loads(path.read_text())
                if kept["fit"] == of:
                    self._parts = dict(kept["parts"])
            except (ValueError, KeyError, TypeError):
                # Not ours, or cut by a full disk: the fit begins anew.
                self._parts = {}

    def part(self, name: str, train: Callable[[], str]) -> str:
        """Return a part as it was kept, or train it and keep it.

        Raises
        ------
        ConfigError
            The file cannot be written.
        """
        if name not in self._parts:
            self._parts[name] = train()
            if self._path is not None:
                self._write(self._path)
        return self._parts[name]

    def _write(self, path: Path) -> None:
        write_whole(path, json.dumps({"fit": self._of, "parts": self._parts}))
