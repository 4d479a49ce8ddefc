"""State of the reconcile stage in one partition: its five tables and what a row of each holds."""

import numpy as np

from processors.reconcile.config import SOURCES_MAX
from processors.runtime.batch import NULL_LONG
from processors.runtime.state import TableSpec

NEVER = NULL_LONG
"""Stands for a time that has not come yet: below every real one."""
SEQ_WORDS = 16
"""Words of 64 bits in the window of sequence numbers: it reaches at least 961 numbers back."""

_PARTITION = np.dtype(
    [
        ("watermark_ns", "<i8"),
        ("newest_ns", "<i8"),  # newest time of any feed: of an event or its receipt, whichever was earlier
        ("slowest_ns", "<i8"),  # least of the newest times of the active feeds
        ("grid_ns", "<i8"),  # last second of the watermark's clock at which freshness was checked
    ]
)
_FEED = np.dtype(
    [
        ("newest_ns", "<i8"),
        ("ticks", "<i8"),  # 1 where it ever sent more than heartbeats
        ("beat_ns", "<i8"),  # last heartbeat
        ("alive_ns", "<i8"),  # time covered by heartbeats, cumulated
    ]
)
_VENDOR = np.dtype([("beat_ns", "<i8"), ("alive_ns", "<i8")])
_STANDING = [
    ("price", "<f8", (2,)),  # 0 of trades, 1 of quotes
    ("sigma", "<f8", (2,)),
    ("mask", "<u4", (2,)),  # counted sources, bit i for the i-th source of the symbol
    ("bid", "<f8"),
    ("ask", "<f8"),
]
_SYMBOL = np.dtype([("n_sources", "<i4"), ("source", "<i4", (SOURCES_MAX,)), *_STANDING])
_SOURCE = np.dtype(
    [
        ("symbol", "<i4"),  # slot of the symbol, and the source's bit there
        ("bit", "<i4"),
        ("feed", "<i4"),
        ("vendor", "<i4"),
        ("trade_ns", "<i8"),
        ("bid_ns", "<i8"),
        ("ask_ns", "<i8"),
        ("trade", "<f8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("weight", "<f8"),
        ("last_ns", "<i8"),  # newest tick of any kind
        ("good", "<f8"),  # decayed number of ticks, not cut and all
        ("ticks", "<f8"),
        ("delay_ms", "<f8"),  # decayed sum of receive minus event time
        ("delay_ms_min", "<f8", (2,)),  # its least: 0 of the half-life that runs, 1 of the one before
        ("delay_s", "<f8"),  # trading time of the half-life that runs
        ("fresh_s", "<f8"),  # decayed time in which it was fresh, and in which its market was open
        ("open_s", "<f8"),
        ("alive_ns", "<i8"),  # of its feed and vendor, when it last ticked
        ("state", "<i8"),  # 0 none, 1 fresh, 2 delayed, 3 stale, 4 closed: PreviousFreshnessState
        ("since_ns", "<i8"),
        ("seq_top", "<i8", (2,)),  # 0 of trades, 1 of quotes: highest sequence number of the window,
        ("seq_ns", "<i8", (2,)),  # newest event time of a numbered tick,
        ("seq_seen", "<u8", (2, SEQ_WORDS)),  # and the numbers seen
    ]
)


def _fresh(dtype: np.dtype[np.void], never: tuple[str, ...], nan: tuple[str, ...] = ()) -> np.ndarray:
    row = np.zeros((), dtype)
    for name in never:
        row[name] = NEVER
    for name in nan:
        row[name] = np.nan
    return row


TABLES = (
    TableSpec("partition", _fresh(_PARTITION, ("watermark_ns", "newest_ns", "slowest_ns", "grid_ns")), 0),
    TableSpec("feeds", _fresh(_FEED, ("newest_ns", "beat_ns")), 2),
    TableSpec("vendors", _fresh(_VENDOR, ("beat_ns",)), 1),
    TableSpec("symbols", _fresh(_SYMBOL, (), ("price", "sigma", "bid", "ask")), 1),
    TableSpec(
        "sources",
        _fresh(
            _SOURCE,
            ("trade_ns", "bid_ns", "ask_ns", "last_ns", "since_ns", "seq_top", "seq_ns"),
            ("trade", "bid", "ask"),
        ),
        3,
    ),
)
"""By partition; (vendor, venue); vendor; symbol; (symbol, vendor, venue)."""
