"""State of the reconcile stage in one partition: its six tables and what a row of each holds."""

import numpy as np

from processors.reconcile.config import SOURCES_MAX
from processors.runtime.state import TableSpec
from processors.times import LONG_AGO

SEQ_WORDS = 16
"""Words of 64 bits in the window of sequence numbers: it reaches at least 961 numbers back."""

VOLUME_MINUTES = 6
"""Minutes whose volume is held: those that the bars stage has open, and those that a late trade can still revise."""

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
_LINE = np.dtype([("last_ns", "<i8"), ("ticks", "<i8")])  # of each twin line by its own name, repeats among them
_VENDOR = np.dtype([("beat_ns", "<i8"), ("alive_ns", "<i8")])
_STANDING = [
    ("price", "<f8", (2,)),  # 0 of trades, 1 of quotes
    ("sigma", "<f8", (2,)),
    ("mask", "<u4", (2,)),  # counted sources, bit i for the i-th source of the symbol
    ("bid", "<f8"),
    ("ask", "<f8"),
    ("newest_ns", "<i8"),  # newest tick that was not late: values age against it
    ("compared", "<i8", (2,)),  # ticks compared with the other sources
    ("moved", "<f8", (2,)),  # decayed sum of square moves of the price, square basis points
    ("moved_s", "<f8", (2,)),  # and the time they took
    ("moved_price", "<f8", (2,)),  # price and time of the last one noted
    ("moved_ns", "<i8", (2,)),
    ("agreed", "<f8", (2,)),  # last price that two sources or more agreed on, and its time
    ("agreed_ns", "<i8", (2,)),
    ("phase", "<i8"),  # 0 continuous, 1 auction, 2 halted: TradingPhase
    ("phase_end_ns", "<i8"),  # end of the segment it was told in: then it is continuous again
]
_VOLUME = [
    ("minute", "<i8", (VOLUME_MINUTES,)),  # minutes since 1970 whose trades are summed, the newest that had any
    (
        "volume",
        "<f8",
        (VOLUME_MINUTES,),
    ),  # of a source the sum of its sizes, of a symbol what was counted; consolidated only
]
_SYMBOL = np.dtype([("n_sources", "<i4"), ("source", "<i4", (SOURCES_MAX,)), *_STANDING, *_VOLUME])
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
        ("trade_seq", "<i8"),  # of the last trade
        ("trust", "<f8"),  # uptime * reliability; what a value counts falls with its error and age: see precision
        ("error", "<f8", (2,)),  # 0 of trades, 1 of quotes: decayed sum of square distances from the others,
        ("shift", "<f8", (2,)),  # of distances,
        ("compared", "<f8", (2,)),  # and of ticks compared; basis points
        ("variance", "<f8", (2,)),  # mean square distance as of the last one; 0 before the first
        ("offset", "<f8", (2,)),  # what is taken off its values, basis points
        ("last_ns", "<i8"),  # newest tick of any kind
        ("good", "<f8"),  # decayed number of ticks, not cut and all
        ("ticks", "<f8"),
        ("delay_ms", "<f8"),  # decayed sum of receive minus event time
        ("delay_ms_min", "<f8", (2,)),  # its least: 0 of the half-life that runs, 1 of the one before
        ("delay_s", "<f8"),  # trading time of the half-life that runs
        ("fresh_s", "<f8"),  # decayed time in which it was fresh, and in which its market was open
        ("open_s", "<f8"),
        ("alive_ns", "<i8"),  # of its feed and vendor, when it last ticked
        ("state", "<i8"),  # 0 none, 1 fresh, 2 delayed, 3 stale, 4 closed, 5 gap: PreviousFreshnessState
        ("since_ns", "<i8"),
        ("seq_top", "<i8", (2,)),  # 0 of trades, 1 of quotes: highest sequence number of the window,
        ("seq_ns", "<i8", (2,)),  # newest event time of a numbered tick,
        ("seq_old_ns", "<i8", (2,)),  # and of the numbering before,
        ("seq_seen", "<u8", (2, SEQ_WORDS)),  # and the numbers seen
        ("missing", "<i8"),  # numbers left out, by its numbers or by its feed's word
        ("reordered", "<i8"),  # numbers that came after a higher one
        ("hole_n", "<i8", (2, 2)),  # numbers not seen yet: those that wait for the watermark, and those found since
        ("hole_since_ns", "<i8", (2, 2)),  # newest event time before the first of them
        ("hole_seq", "<i8", (2,)),  # highest number of those that wait; none at or below settled_seq does
        ("settled_seq", "<i8", (2,)),
        ("hole_ns", "<i8", (2,)),  # time that the watermark has to pass
        ("gap_ns", "<i8"),  # until when its feed was whole, while it has not ticked since its feed told of a hole
        ("gap_until_ns", "<i8"),  # its state is gap before then
        *_VOLUME,
    ]
)


def _fresh(dtype: np.dtype[np.void], long_ago: tuple[str, ...], nan: tuple[str, ...] = ()) -> np.ndarray:
    row = np.zeros((), dtype)
    for name in long_ago:
        row[name] = LONG_AGO
    for name in nan:
        row[name] = np.nan
    return row


TABLES = (
    TableSpec("partition", _fresh(_PARTITION, ("watermark_ns", "newest_ns", "slowest_ns", "grid_ns")), 0),
    TableSpec("feeds", _fresh(_FEED, ("newest_ns", "beat_ns")), 2),
    TableSpec("vendors", _fresh(_VENDOR, ("beat_ns",)), 1),
    TableSpec(
        "symbols",
        _fresh(_SYMBOL, ("newest_ns", "moved_ns", "agreed_ns"), ("price", "sigma", "bid", "ask", "agreed")),
        1,
    ),
    TableSpec(
        "sources",
        _fresh(
            _SOURCE,
            (
                "trade_ns",
                "bid_ns",
                "ask_ns",
                "trade_seq",
                "last_ns",
                "since_ns",
                "seq_top",
                "seq_ns",
                "seq_old_ns",
                "gap_ns",
                "gap_until_ns",
            ),
            ("trade", "bid", "ask"),
        ),
        3,
    ),
)
"""By partition; (vendor, venue); vendor; symbol; (symbol, vendor, venue)."""
LINES = TableSpec("lines", _fresh(_LINE, ("last_ns",)), 1)
"""By vendor; kept by the stage, the kernel does not see it."""
