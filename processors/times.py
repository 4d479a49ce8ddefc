"""Times as the kernels count them: nanoseconds since the epoch, UTC, with the two that stand for no time."""

import numpy as np

from schemas.timeframes import SESSION, TIMEFRAME_NS

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
LONG_AGO = np.iinfo(np.int64).min
"""Before every time: what has not come yet came then. Also how a missing long is held (``batch.NULL_LONG``)."""
NEVER = np.iinfo(np.int64).max
"""After every time: what is not due is due then."""
TF_NS = tuple(TIMEFRAME_NS.values())
"""Lengths of the timeframes, ascending."""
N_TF = len(TF_NS)
DAY = tuple(TIMEFRAME_NS).index(SESSION)
"""Place of 1d, whose interval is the session."""
