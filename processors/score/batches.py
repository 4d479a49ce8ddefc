"""Runs a graph over rows such that a row's result never depends on the rows beside it.

onnxruntime multiplies one row by other code than several, and sums it in another order: the last bits of a network
differ between a row alone and the same row among others. So a card says ``batch_rows``, how many rows are run together:

=====  ==============================================================================================
0      all that are there: for graphs that give the same bits in any batch, such as trees
k      exactly k, the last batch filled up by repeating its last row
=====  ==============================================================================================

At one size all rows take one path, and where in the batch a row stands, and beside which others, changes no bit. This
was found by experiment, not promised by onnxruntime (1.31, x86-64, one thread): 512 windows of 32 rows and 40 inputs,
nulls and infinities among them, for TFT and N-BEATS and sizes of 1, 2, 4, 8, 16, 32 and 64, each in several orders,
gave the same bytes in every order. A size of 1 gave other bytes than a size of 4 in a quarter to half of the rows. The
gate of the export and the tests repeat it. Microseconds a row, and a call:

===========  ====  =======  =======  =======
batch_rows      1        4       16       32
===========  ====  =======  =======  =======
TFT            66   32/127   23/370   22/698
N-BEATS        64    20/78   10/164    9/286
===========  ====  =======  =======  =======
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE_ROWS = 1 << 16
"""Most rows of one run where any size will do."""


def run_rows(
    session: Any,
    names: Sequence[str] | None,
    n: int,
    rows: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    batch_rows: int,
) -> list[NDArray[np.float32]]:
    """Return outputs of a graph for n rows, one or more, each of shape (n, width).

    Parameters
    ----------
    session
        Of onnxruntime, with one input ``x``.
    names
        Of the outputs; None for all, in the graph's order.
    rows
        Returns the graph's input at these positions of the n: asked batch by batch, so that windows that overlap are
        never all in memory.
    batch_rows
        See the module.
    """
    size = batch_rows or WHOLE_ROWS
    parts: list[list[NDArray[np.float32]]] = []
    for begin in range(0, n, size):
        at = np.arange(begin, min(begin + size, n))
        k = len(at)
        if batch_rows:
            at = np.concatenate([at, np.repeat(at[-1:], batch_rows - k)])
        parts.append([out[:k] for out in session.run(names, {"x": rows(at)})])
    return [np.concatenate(outs) for outs in zip(*parts, strict=True)]
