"""How kernels are compiled: ``kernel`` is numba's ``njit`` without reference counts.

numba counts references to every array that a compiled function names, with atomic operations, inside loops too: a
look-up of 2 ns costs 58 ns that way. A kernel that only reads and writes the arrays it is given needs no counts, and
must not make arrays of its own: scratch space is passed in.
"""

from collections.abc import Callable
from typing import Any

from numba import njit

kernel: Callable[..., Any] = njit(cache=True, _nrt=False, error_model="numpy")
"""Decorator of a function that allocates nothing."""
