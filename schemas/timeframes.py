"""The timeframes of bars and of all that is made of bars: declared here, and nowhere else.

A new one is a line here, a threshold in ``schemas/freshness.py`` and a horizon in ``offline/dataset.py``; kernels have
them as numbers from ``processors/times.py``.
"""

MINUTE_NS = 60_000_000_000

TIMEFRAME_NS = {
    "1m": MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "1h": 60 * MINUTE_NS,
    "1d": 1_440 * MINUTE_NS,
}
"""Name -> length in nanoseconds, ascending; each divides the next. That of ``SESSION`` is nominal."""
TIMEFRAMES = tuple(TIMEFRAME_NS)
SESSION = "1d"
"""The one whose interval is the exchange's session, whatever its length; the others are multiples of theirs in UTC."""
