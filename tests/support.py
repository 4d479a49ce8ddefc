"""What tests of several folders need: where the shared data are, and batches joined and compared."""

import os
from pathlib import Path

import numpy as np

from processors.runtime.batch import Columns

SHARED = Path(os.environ.get("MPS_SHARED") or Path(__file__).parents[2] / "shared")
"""Folder of known answers and recordings, named by ``MPS_SHARED``; it may be missing, and tests then skip."""


def joined(parts: list[Columns]) -> Columns:
    """Return batches one after the other."""
    ints, floats = (np.concatenate([getattr(p, kind) for p in parts], axis=1) for kind in ("ints", "floats"))
    return Columns(parts[0].layout, ints, floats)


def assert_same(a: Columns, b: Columns) -> None:
    """Assert that two batches of rows are equal, bit for bit."""
    assert a.ints.tobytes() == b.ints.tobytes()
    assert a.floats.tobytes() == b.floats.tobytes()


def interleaved(parts: list[Columns], seed: int) -> Columns:
    """Return the rows of all parts shuffled into each other, those of each part in its own order."""
    sizes = [len(p) for p in parts]
    turn = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(parts)), sizes))
    place = np.empty(len(turn), np.int64)
    for i, begin in enumerate(np.cumsum([0, *sizes[:-1]])):
        place[turn == i] = begin + np.arange(sizes[i])
    return joined(parts).take(place)
