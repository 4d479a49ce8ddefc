"""A map from whole numbers to whole numbers in two arrays that compiled code reads: open addressing, linear probing.

Keys are packed from several codes, each in its own bits, so every bit of a key must reach the bits that choose its
place: a hash that loses the upper ones puts all symbols of one vendor into one run, walked at every look-up.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.runtime.batch import I64
from processors.runtime.compiled import Int, kernel

MISSING = -1


@njit(inline="always")
def place_of(k: Int, keys: I64) -> Int:
    """Return where the key is, or the free place where it would be. Keys are >= 0, -1 is free."""
    mask = len(keys) - 1
    # Fibonacci hashing (Knuth 6.4) of the folded key.
    i = (((k ^ (k >> 32)) * np.int64(-7046029254386353131)) >> 32) & mask
    while keys[i] != -1 and keys[i] != k:
        i = (i + 1) & mask
    return i


@kernel
def _find(wanted: I64, keys: I64, values: I64, out: NDArray[np.signedinteger]) -> int:
    first = -1
    for n in range(len(wanted)):
        i = place_of(wanted[n], keys)
        if keys[i] == wanted[n]:
            out[n] = values[i]
        else:
            out[n] = MISSING
            if first < 0:
                first = n
    return first


@kernel
def _put(new: I64, new_values: I64, keys: I64, values: I64) -> None:
    for n in range(len(new)):
        i = place_of(new[n], keys)
        keys[i], values[i] = new[n], new_values[n]


class IntMap:
    """The map; see the module's docstring.

    Kernels read ``keys`` and ``values`` through ``place_of``. Both are replaced when the map grows.
    """

    def __init__(self) -> None:
        self._one, self._found = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.clear()

    def __len__(self) -> int:
        """Return the number of keys."""
        return self._n

    def clear(self) -> None:
        """Forget every key."""
        self._n = 0
        self.keys = np.full(64, -1, np.int64)
        self.values = np.zeros(64, np.int64)

    def find(self, wanted: I64, out: NDArray[np.signedinteger]) -> int:
        """Fill the value of each key, ``MISSING`` where it has none; return the position of the first such, or -1."""
        return int(_find(wanted, self.keys, self.values, out))

    def get(self, key: int) -> int:
        """Return the value of one key, ``MISSING`` where it has none."""
        self._one[0] = key
        _find(self._one, self.keys, self.values, self._found)
        return int(self._found[0])

    def put(self, new: I64, values: I64) -> None:
        """Add keys, shape (n,), each >= 0 and not in the map, with their values. At least half of it stays free."""
        self._n += len(new)
        if 2 * self._n > len(self.keys):
            used = self.keys >= 0
            old, old_values = self.keys[used], self.values[used]
            self.keys = np.full(1 << (4 * self._n - 1).bit_length(), -1, np.int64)
            self.values = np.zeros(len(self.keys), np.int64)
            _put(old, old_values, self.keys, self.values)
        _put(new, values, self.keys, self.values)
