"""How kernels are compiled: ``kernel`` is numba's ``njit`` without reference counts.

numba counts references to every array that a compiled function names, with atomic operations, inside loops too: a
look-up of 2 ns costs 58 ns that way. A kernel that only reads and writes the arrays it is given needs no counts, and
must not make arrays of its own: scratch space is passed in.
"""

from collections.abc import Callable
from typing import Any

from numba import njit

Int = Any
"""``int`` or ``np.int64``: compiled code does not tell them apart."""

kernel: Callable[..., Any] = njit(cache=True, _nrt=False, error_model="numpy")  # type: ignore[call-overload]
"""Decorator of a function that allocates nothing."""
