"""Compiled search of as-of joins: for each row of the left side the row of the right side that it may see.

Both sides are sorted by time, over all groups together; a group is the code of the by keys. One pass over both sides,
one place a group: n + m steps whatever the number of groups. Called by ``asof.py``.
"""

import numpy as np
from numpy.typing import NDArray

from processors.runtime.compiled import Int, kernel

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Times = I64 | F64

NONE = -1
"""Position that says: no row."""


@kernel
def backward(
    left: Times, right: Times, left_group: I64, right_group: I64, exact: bool, last: I64, found: I64
) -> None:  # fmt: skip
    """Find the last row of the group at or before each time; strictly before it unless ``exact``.

    Parameters
    ----------
    left, right
        Shape (n,) and (m,), ascending.
    left_group, right_group
        Shape (n,) and (m,): 0 to n_groups - 1. A negative code is of no group.
    last
        Shape (n_groups,), scratch: all ``NONE``.
    found
        Shape (n,), written: position in right, or ``NONE``.
    """
    at = 0
    for i in range(len(left)):
        while at < len(right) and (right[at] < left[i] or (exact and right[at] == left[i])):
            if right_group[at] >= 0:
                last[right_group[at]] = at
            at += 1
        found[i] = last[left_group[i]] if left_group[i] >= 0 else NONE


@kernel
def forward(
    left: Times, right: Times, left_group: I64, right_group: I64, exact: bool, first: I64, found: I64
) -> None:  # fmt: skip
    """Find the first row of the group at or after each time; see ``backward``."""
    at = len(right) - 1
    for i in range(len(left) - 1, -1, -1):
        while at >= 0 and (right[at] > left[i] or (exact and right[at] == left[i])):
            if right_group[at] >= 0:
                first[right_group[at]] = at
            at -= 1
        found[i] = first[left_group[i]] if left_group[i] >= 0 else NONE


@kernel
def _apart(a: Int, b: Int) -> Int:
    """Return the distance of two whole times; it may be past the largest int64, never past the largest uint64."""
    return np.uint64(a) - np.uint64(b) if a >= b else np.uint64(b) - np.uint64(a)


@kernel
def within_integers(left: I64, right: I64, tolerance: Int, found: I64) -> None:
    """Take away the rows that are further off than ``tolerance``, an np.uint64; times are whole numbers."""
    for i in range(len(left)):
        if found[i] != NONE and _apart(left[i], right[found[i]]) > tolerance:
            found[i] = NONE


@kernel
def within_floats(left: F64, right: F64, tolerance: float, found: I64) -> None:
    """Take away the rows that are further off than ``tolerance``; times are floats."""
    for i in range(len(left)):
        if found[i] != NONE and abs(left[i] - right[found[i]]) > tolerance:
            found[i] = NONE


@kernel
def nearer_integers(left: I64, right: I64, before: I64, after: I64) -> None:
    """Put into ``before`` the nearer of two rows; the earlier one where both are as near."""
    for i in range(len(left)):
        if after[i] == NONE:
            continue
        if before[i] == NONE or _apart(left[i], right[after[i]]) < _apart(left[i], right[before[i]]):
            before[i] = after[i]


@kernel
def nearer_floats(left: F64, right: F64, before: I64, after: I64) -> None:
    """Do the same for times that are floats."""
    for i in range(len(left)):
        if after[i] == NONE:
            continue
        if before[i] == NONE or right[after[i]] - left[i] < left[i] - right[before[i]]:
            before[i] = after[i]
