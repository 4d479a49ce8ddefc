"""What the kernel says of each row: its fate, and the numbers that a published one carries.

Written by ``kernel`` and ``control``, read by ``publish`` and ``stage``.
"""

from processors.reconcile.shares import WORDS

CONSENSUS, CUT, LATE, CLOCK, STATUS, CORRECTION, DUPLICATE, DEAD, IGNORED, INDICATIVE = range(10)
"""Fates. The first six are published."""
FLOAT_ROWS = 7
PRICE, BID, ASK, SIGMA, WEIGHT, SIZE, DISPERSION = range(FLOAT_ROWS)
WATERMARK, MASK, STALE, OUTLIERS, CROSSED, PHASE, MISSING, MISSING_SINCE, SHARES = range(9)
INT_ROWS = SHARES + WORDS
"""What published rows carry; three of them are sets of sources, and from ``SHARES`` on ``WORDS`` rows are packed
shares, so a new name goes before it. A float is NaN until it is told, an integer 0."""
