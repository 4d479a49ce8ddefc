"""Splits of one symbol in a row of state: what prices of now are worth in shares of the row's first bar.

revisions of a symbol, ascending by ex-date and time of knowledge -> scale_of -> product of shares after for each before
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

ACTIONS_MAX = 32
"""Revisions kept a symbol, the newest ex-dates: a company that splits every year fills them in a generation."""


@njit(cache=True)
def scale_of(
    first_ns: int, end_ns: int, known_ns: int, n: int, identity: I64, ex_ns: I64, ts_known: I64, shares: F64
) -> float:
    """Return how many shares at ``end_ns`` one share at ``first_ns`` has become, as known at ``known_ns``.

    Parameters
    ----------
    first_ns, end_ns
        Actions with an ex-date in [first_ns, end_ns) count.
    n
        Revisions in use of the arrays, shape (ACTIONS_MAX,).
    identity, ex_ns, ts_known, shares
        Action that it is a revision of, first instant in new shares, time of knowledge, shares after for each before;
        NaN where the action was called off.
    """
    product = 1.0
    for j in range(n):
        if ts_known[j] > known_ns:
            continue
        newest = True
        for i in range(n):
            if identity[i] == identity[j] and ts_known[j] < ts_known[i] <= known_ns:
                newest = False
        if newest and first_ns <= ex_ns[j] < end_ns and not math.isnan(shares[j]):
            product *= shares[j]
    return product


@njit(cache=True)
def follow(
    slots: NDArray[np.int32], ts_ns: I64, first_time: NDArray[np.bool_],
    first_ns: I64, last_ns: I64, basis_ns: I64, applied: F64, n: I64, identity: I64, ex_ns: I64, ts_known: I64,
    shares: F64, dirty: NDArray[np.uint8], scale: F64, basis: I64, restart: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Write the scale of each bar, and whether its symbol starts anew before it.

    A symbol starts anew where what is known now of splits before its last bar is not what that bar was scaled by: a
    split announced late, moved or called off. Then nothing kept of it is of one kind.

    Parameters
    ----------
    slots, ts_ns, first_time
        Shape (n_bars,): row of the symbol, end of the bar, whether it is no revision.
    first_ns, last_ns, basis_ns, applied, n, identity, ex_ns, ts_known, shares, dirty
        By row of the symbols; first and last end of a bar, that at which it last started anew (0 if it never did), and
        the scale at the last.
    scale, basis, restart
        Shape (n_bars,), written; ``basis`` is ``basis_ns`` as of the bar.
    """
    for i in range(len(slots)):
        s = slots[i]
        now = max(last_ns[s], ts_ns[i])
        if first_ns[s] == 0:
            first_ns[s] = ts_ns[i]
        elif first_time[i]:
            was = scale_of(first_ns[s], last_ns[s], now, n[s], identity[s], ex_ns[s], ts_known[s], shares[s])
            if was != applied[s]:
                first_ns[s] = basis_ns[s] = ts_ns[i]
                restart[i] = True
        scale[i] = scale_of(first_ns[s], ts_ns[i], now, n[s], identity[s], ex_ns[s], ts_known[s], shares[s])
        if first_time[i] and (ts_ns[i] >= last_ns[s] or restart[i]):
            last_ns[s], applied[s] = now, scale[i]
        basis[i] = basis_ns[s]
        dirty[s] = 1
