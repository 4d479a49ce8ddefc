"""Trading phases of a symbol, as status ticks tell them. Called by ``kernel`` and ``freshness``.

A phase lasts until another one is told, or to the end of its trading segment: a halt that nobody lifts does not outlive
the session. Outside of continuous trading quotes are indicative: they may cross, and nobody trades at them.
"""

import numpy as np
from numpy.typing import NDArray

from processors.kinds import CONTINUOUS
from processors.runtime.compiled import kernel

I64 = NDArray[np.int64]
Rows = NDArray[np.void]


@kernel
def phase_at(symbols: Rows, s: int, ts_ns: int) -> int:
    """Return the phase of a symbol at an instant."""
    row = symbols[s]
    return int(row.phase) if ts_ns < row.phase_end_ns else CONTINUOUS


@kernel
def set_phase(symbols: Rows, s: int, phase: int, ts_ns: int, open_ns: I64, close_ns: I64) -> None:
    """Take note of a phase until the end of the trading segment; outside of one, until the next one opens.

    Parameters
    ----------
    open_ns, close_ns
        Shape (n_segments,), trading segments of the symbol's market.
    """
    row = symbols[s]
    at = np.searchsorted(close_ns, ts_ns, side="right")
    row.phase, row.phase_end_ns = phase, ts_ns
    if at < len(close_ns):
        row.phase_end_ns = close_ns[at] if open_ns[at] <= ts_ns else open_ns[at]
